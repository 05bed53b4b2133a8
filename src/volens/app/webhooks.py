"""Where choices and erasures are told to, and how far each receiver has been told.

There is no queue of messages: the ledgers are the queue. Each endpoint has a mark, the place in the
log up to which it has taken everything, and what comes after the mark is read from the ledgers when
it is sent. So nothing is lost by a stop, and nothing about a person waits in a second place.

Signing keys are not kept either: each is derived from a key in custody, the endpoint's id and the
number of its generation. A stolen database signs nothing. There are two in each generation: a
secret that the receiver has too, and a private key of which it has the public half only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from volens.app.home import Home
from volens.app.identity import LOOKUP_FILE, load_secret
from volens.core.canonical import Json, canonical_json
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, WebhookId, format_id, parse_id
from volens.core.time import format_moment, from_millis, to_millis

METADATA = MetaData()
WEBHOOK = Table(
    "webhook",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("url", String, nullable=False),
    Column("types", String, nullable=False),  # space-separated; empty: all
    Column("named", Boolean, nullable=False),  # whether it is told the product's reference
    Column("generation", Integer, nullable=False),  # of the signing secret
    Column("former_until_ms", Integer),  # until when the one before signs too
    Column("created_ms", Integer, nullable=False),
    Column("mark_index", Integer, nullable=False),  # log index of the last thing it took
    Column("mark_no", Integer, nullable=False),  # which of several things at that index
    Column("delivered", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # in vain, of the first thing after the mark
    Column("next_ms", Integer, nullable=False),  # not before
    Column("failing_since_ms", Integer),
    Column("failure", String, nullable=False),  # a word for the latest one; empty: none
    Column("disabled", String, nullable=False),  # why; empty: it is not
)

OVERLAP: Final = timedelta(hours=24)
"""How long former keys sign beside the new ones."""
GIVING_UP: Final = timedelta(days=5)
"""An endpoint that took nothing for so long is told nothing any more until somebody enables it."""
BACKOFF: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
"""How long to wait after each attempt in vain; the last one for all that follow."""
TYPES: Final = (
    "choice.granted",
    "choice.withdrawn",
    "choice.objected",
    "choice.objection_lifted",
    "erasure.requested",
    "erasure.cancelled",
    "erasure.keys_removed",
    "erasure.irrecoverable",
)
"""What an endpoint can be told of."""
TEST_TYPE: Final = "webhook.test"
_ALL_AT = 2**62
Place = tuple[int, int]
"""Log index, and which of several things at it; rising."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One receiver."""

    number: int
    id: WebhookId
    url: str = field(repr=False)
    """May hold a secret of the receiver's in its path."""
    types: tuple[str, ...]
    named: bool
    generation: int
    former_until: datetime | None
    created: datetime
    mark: Place
    delivered: int
    attempts: int
    next: datetime
    failing_since: datetime | None
    failure: str
    disabled: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to tell one endpoint; the same bytes at each attempt."""

    id: str
    body: bytes = field(repr=False)
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """What one generation of an endpoint's keys signs with."""

    secret: bytes = field(repr=False)
    """Of HMAC, 32 bytes; the receiver has it, too."""
    seed: bytes = field(repr=False)
    """Of Ed25519, 32 bytes (RFC 8032, 5.1.5); nobody else has it."""

    @property
    def secret_text(self) -> str:
        """The secret as receivers take it (Standard Webhooks, "Signature scheme")."""
        return "whsec_" + base64.b64encode(self.secret).decode("ascii")

    @property
    def public_text(self) -> str:
        """The public key as receivers take it; whoever has only this can check and not sign."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return "whpk_" + base64.b64encode(public).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What one endpoint is to be told now, in order, and the keys that sign it."""

    endpoint: Endpoint
    messages: tuple[Message, ...]
    keys: tuple[SigningKeys, ...]


def add_webhook(
    home: Home, url: str, *, types: Sequence[str] = (), named: bool = False
) -> Endpoint:
    """Add an endpoint; it is told what happens from now on.

    Args:
        home: the home, opened for writing.
        url: checked by the caller, by the rules of the gateway's guard.
        types: of `TYPES`; none for all.
        named: tell it the product's reference of people instead of their ids here.

    Raises:
        InvalidInput: ``webhook_type`` on an unknown type.
    """
    unknown = sorted(set(types) - set(TYPES))
    if unknown:
        hint = f"one of {', '.join(TYPES)}"
        raise InvalidInput("webhook_type", f"no such type: {unknown[0][:40]!r}", hint=hint)
    raw, now = home.entropy.draw(16), to_millis(home.clock.now())
    row = {
        "id": raw,
        "url": url,
        "types": " ".join(sorted(set(types))),
        "named": named,
        "generation": 1,
        "created_ms": now,
        "mark_index": home.owned_log().size - 1,
        "mark_no": _ALL_AT,
        "delivered": 0,
        "attempts": 0,
        "next_ms": now,
        "failure": "",
        "disabled": "",
    }
    with home.main.begin() as db:
        db.execute(insert(WEBHOOK).values(row))
    return find_webhook(home, format_id(IdKind.WEBHOOK, raw))


def find_webhook(home: Home, name: str) -> Endpoint:
    """Return one endpoint.

    Raises:
        InvalidInput: ``id_form``.
        NotFound: ``webhook_unknown``.
    """
    raw = parse_id(IdKind.WEBHOOK, name)
    with home.main.connect() as db:
        row = db.execute(select(WEBHOOK).where(WEBHOOK.c.id == raw)).first()
    if row is None:
        hint = "volens webhook list shows them"
        raise NotFound("webhook_unknown", f"no webhook {name} here", hint=hint)
    return _endpoint(row)


def webhooks(home: Home) -> list[Endpoint]:
    """Return all endpoints, oldest first."""
    with home.main.connect() as db:
        return [_endpoint(row) for row in db.execute(select(WEBHOOK).order_by(WEBHOOK.c.no))]


def remove_webhook(home: Home, endpoint: Endpoint) -> None:
    """Forget an endpoint; what it was not told yet, it is not told."""
    with home.main.begin() as db:
        db.execute(delete(WEBHOOK).where(WEBHOOK.c.no == endpoint.number))


def rotate_keys(home: Home, endpoint: Endpoint) -> Endpoint:
    """Give an endpoint new keys; for `OVERLAP` the former ones sign beside them."""
    until = to_millis(home.clock.now() + OVERLAP)
    _change(home, endpoint, generation=endpoint.generation + 1, former_until_ms=until)
    return find_webhook(home, endpoint.id)


def enable_webhook(home: Home, endpoint: Endpoint) -> Endpoint:
    """Tell an endpoint again, from where it stopped."""
    now = to_millis(home.clock.now())
    _change(home, endpoint, disabled="", attempts=0, next_ms=now, failing_since_ms=None)
    return find_webhook(home, endpoint.id)


def keys_of(home: Home, endpoint: Endpoint) -> tuple[SigningKeys, ...]:
    """Return the keys that sign now, the newest first."""
    generations = [endpoint.generation]
    if endpoint.former_until is not None and home.clock.now() < endpoint.former_until:
        generations.append(endpoint.generation - 1)
    key = load_secret(home.custody, LOOKUP_FILE)
    raw = parse_id(IdKind.WEBHOOK, endpoint.id)

    def derive(label: bytes, generation: int) -> bytes:
        named = label + b"\x00" + raw + generation.to_bytes(4, "big")
        return hmac.digest(key, named, hashlib.sha256)

    return tuple(
        SigningKeys(
            secret=derive(b"volens/webhook/v1", one), seed=derive(b"volens/webhook/v1a", one)
        )
        for one in generations
    )


def trial_message(home: Home, endpoint: Endpoint) -> Message:
    """Return a message that tells nothing, to try an endpoint with."""
    now = home.clock.now()
    body: dict[str, Json] = {"type": TEST_TYPE, "timestamp": format_moment(now), "data": {}}
    name = format_id(IdKind.EVENT, home.entropy.draw(16))
    return Message(id=name, body=canonical_json(body), place=endpoint.mark)


def took(home: Home, endpoint: Endpoint, message: Message) -> None:
    """Record that an endpoint took a message: it is not told this, or anything before, again."""
    index, number = message.place
    _change(
        home,
        endpoint,
        mark_index=index,
        mark_no=number,
        delivered=WEBHOOK.c.delivered + 1,
        attempts=0,
        next_ms=to_millis(home.clock.now()),
        failing_since_ms=None,
        failure="",
    )


def passed_over(home: Home, endpoint: Endpoint, place: Place) -> None:
    """Move an endpoint's mark over what it does not want to be told."""
    _change(home, endpoint, mark_index=place[0], mark_no=place[1])


def failed(home: Home, endpoint: Endpoint, why: str, *, gone: bool = False) -> Endpoint:
    """Record an attempt in vain; after `GIVING_UP`, or if the receiver is gone, the endpoint ends.

    Args:
        home: the home, opened for writing.
        endpoint: which.
        why: a short word, such as ``http_500``.
        gone: the receiver asked not to be told any more.
    """
    endpoint, now = find_webhook(home, endpoint.id), home.clock.now()
    since = endpoint.failing_since or now
    wait = BACKOFF[min(endpoint.attempts, len(BACKOFF) - 1)]
    disabled = "gone" if gone else "failing" if now - since >= GIVING_UP else ""
    _change(
        home,
        endpoint,
        attempts=endpoint.attempts + 1,
        next_ms=to_millis(now + wait),
        failing_since_ms=to_millis(since),
        failure=why,
        disabled=disabled,
    )
    return find_webhook(home, endpoint.id)


def _change(home: Home, endpoint: Endpoint, **values: Any) -> None:  # noqa: ANN401 - columns' values
    with home.main.begin() as db:
        db.execute(update(WEBHOOK).where(WEBHOOK.c.no == endpoint.number).values(values))


def _endpoint(row: Row[*tuple[Any, ...]]) -> Endpoint:
    return Endpoint(
        number=row.no,
        id=WebhookId(format_id(IdKind.WEBHOOK, row.id)),
        url=row.url,
        types=tuple(row.types.split()),
        named=bool(row.named),
        generation=row.generation,
        former_until=None if row.former_until_ms is None else from_millis(row.former_until_ms),
        created=from_millis(row.created_ms),
        mark=(row.mark_index, row.mark_no),
        delivered=row.delivered,
        attempts=row.attempts,
        next=from_millis(row.next_ms),
        failing_since=None if row.failing_since_ms is None else from_millis(row.failing_since_ms),
        failure=row.failure,
        disabled=row.disabled,
    )
