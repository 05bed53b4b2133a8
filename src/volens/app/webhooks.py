"""Where choices and erasures are told to, and how far each receiver has been told.

There is no queue of messages: the ledgers are the queue. Each endpoint has a mark, the place in the
log up to which it has taken everything, and what comes after the mark is read from the ledgers when
it is sent. So nothing is lost by a stop, and nothing about a person waits in a second place.

Signing secrets are not kept either: each is derived from a key in custody, the endpoint's id and
the number of its generation. A stolen database signs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

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
    tuple_,
    update,
)

from volens.app.home import Home
from volens.app.identity import LOOKUP_FILE, load_secret
from volens.consent.model import Act, decode_event
from volens.consent.store import EVENT
from volens.core.canonical import Json, canonical_json
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, SubjectId, WebhookId, format_id, parse_id
from volens.core.time import format_moment, from_millis, to_millis
from volens.holds.erasure_tables import ERASURE, EVIDENCE
from volens.log.kinds import EntryKind
from volens.vault.subjects import Subject

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
"""How long a former secret signs beside the new one."""
GIVING_UP: Final = timedelta(days=5)
"""An endpoint that took nothing for so long is told nothing any more until somebody enables it."""
BACKOFF: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
"""How long to wait after each attempt in vain; the last one for all that follow."""
_ACT_TYPE: Final[Mapping[Act, str]] = {
    Act.GRANT: "choice.granted",
    Act.WITHDRAW: "choice.withdrawn",
    Act.REVOKE: "choice.withdrawn",
    Act.OBJECT: "choice.objected",
    Act.LIFT_OBJECTION: "choice.objection_lifted",
}
_ERASURE_KINDS: Final = (
    EntryKind.ERASURE_REQUESTED,
    EntryKind.ERASURE_CANCELLED,
    EntryKind.ERASURE_KEYS_REMOVED,
    EntryKind.ERASURE_IRRECOVERABLE,
)
TYPES: Final = (*dict.fromkeys(_ACT_TYPE.values()), *(kind.value for kind in _ERASURE_KINDS))
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
class Due:
    """What one endpoint is to be told now, in order, and the secrets that sign it."""

    endpoint: Endpoint
    messages: tuple[Message, ...]
    secrets: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happening:
    id: str
    type: str
    at: str
    subject: bytes | None
    data: Mapping[str, Json]
    place: Place


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


def rotate_secret(home: Home, endpoint: Endpoint) -> Endpoint:
    """Give an endpoint a new secret; for `OVERLAP` the former one signs beside it."""
    until = to_millis(home.clock.now() + OVERLAP)
    _change(home, endpoint, generation=endpoint.generation + 1, former_until_ms=until)
    return find_webhook(home, endpoint.id)


def enable_webhook(home: Home, endpoint: Endpoint) -> Endpoint:
    """Tell an endpoint again, from where it stopped."""
    now = to_millis(home.clock.now())
    _change(home, endpoint, disabled="", attempts=0, next_ms=now, failing_since_ms=None)
    return find_webhook(home, endpoint.id)


def secrets_of(home: Home, endpoint: Endpoint) -> tuple[bytes, ...]:
    """Return the secrets that sign now, the newest first; 32 bytes each."""
    generations = [endpoint.generation]
    if endpoint.former_until is not None and home.clock.now() < endpoint.former_until:
        generations.append(endpoint.generation - 1)
    key = load_secret(home.custody, LOOKUP_FILE)
    raw = parse_id(IdKind.WEBHOOK, endpoint.id)
    return tuple(
        hmac.digest(key, b"volens/webhook/v1\x00" + raw + one.to_bytes(4, "big"), hashlib.sha256)
        for one in generations
    )


def secret_text(secret: bytes) -> str:
    """Write a secret as receivers take it (Standard Webhooks)."""
    return "whsec_" + base64.b64encode(secret).decode("ascii")


def due_webhooks(home: Home, *, most: int = 100) -> list[Due]:
    """Return what is to be told now: at most so many messages for each endpoint, in order.

    What other processes journaled is taken in first.
    """
    now = home.clock.now()
    open_ones = [one for one in webhooks(home) if not one.disabled and one.next <= now]
    if not open_ones:
        return []
    home.ledger.drain()
    home.erasures.drain()
    found = []
    for endpoint in open_ones:
        wanted = endpoint.types or TYPES
        happened = _after(home, endpoint.mark, most)
        told = [one for one in happened if one.type in wanted]
        if happened and not told:
            index, number = happened[-1].place
            _change(home, endpoint, mark_index=index, mark_no=number)
        if told:
            messages = tuple(_messages(home, endpoint, told))
            secrets = secrets_of(home, endpoint)
            found.append(Due(endpoint=endpoint, messages=messages, secrets=secrets))
    return found


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


def _after(home: Home, mark: Place, most: int) -> list[_Happening]:
    """Return what happened next after a place in the log, in the log's order: not all of it."""
    parts = [list(_choices_after(home, mark, most)), list(_erasures_after(home, mark, most))]
    # what comes after the last one of a part that goes on may not be the next
    ends = [part[-1].place for part in parts if len(part) == most]
    found = sorted((one for part in parts for one in part), key=lambda one: one.place)
    return [one for one in found if not ends or one.place <= min(ends)]


def _choices_after(home: Home, mark: Place, most: int) -> Iterator[_Happening]:
    # Numbers may be used again once a person is erased, but later rows always have higher ones.
    backwards = select(EVENT.c.seq, EVENT.c.log_index).order_by(EVENT.c.seq.desc())
    first = None
    with home.main.connect() as db:
        rows = db.execute(backwards).yield_per(200)
        for number, index in rows:
            if (index, 0) <= mark:
                break
            first = number
        rows.close()
        if first is None:
            return
        query = select(EVENT.c.body, EVENT.c.log_index).where(EVENT.c.seq >= first)
        new = db.execute(query.order_by(EVENT.c.seq).limit(most)).all()
    for body, index in new:
        event = decode_event(body)
        scope: Json = {"kind": event.scope.kind.value, "target": event.scope.target}
        yield _Happening(
            id=event.id,
            type=_ACT_TYPE[event.act],
            at=format_moment(event.at),
            subject=parse_id(IdKind.SUBJECT, event.subject),
            data={
                "act": event.act.value,
                "event": event.id,
                "purpose": event.purpose.value,
                "scope": scope,
            },
            place=(index, 0),
        )


def _erasures_after(home: Home, mark: Place, most: int) -> Iterator[_Happening]:
    columns = (
        EVIDENCE.c.log_index,
        EVIDENCE.c.erasure_no,
        EVIDENCE.c.kind,
        *(ERASURE.c[name] for name in ("id", "subject", "scope", "cause")),
        *(ERASURE.c[f"{name}_ms"] for name in _MOMENT_OF.values()),
    )
    query = (
        select(*columns)
        .join(ERASURE, EVIDENCE.c.erasure_no == ERASURE.c.no)
        .where(
            tuple_(EVIDENCE.c.log_index, EVIDENCE.c.erasure_no) > mark,
            EVIDENCE.c.kind.in_([kind.value for kind in _ERASURE_KINDS]),
        )
        .order_by(EVIDENCE.c.log_index, EVIDENCE.c.erasure_no)
        .limit(most)
    )
    with home.main.connect() as db:
        rows = db.execute(query).all()
    for row in rows:
        name = format_id(IdKind.ERASURE, row.id)
        at = getattr(row, f"{_MOMENT_OF[EntryKind(row.kind)]}_ms")
        yield _Happening(
            id=f"{name}.{row.kind}",
            type=row.kind,
            at=format_moment(from_millis(row.requested_ms if at is None else at)),
            subject=row.subject,
            data={"cause": row.cause, "erasure": name, "scope": row.scope},
            place=(row.log_index, row.erasure_no),
        )


_MOMENT_OF: Final[Mapping[EntryKind, str]] = {
    EntryKind.ERASURE_REQUESTED: "requested",
    EntryKind.ERASURE_CANCELLED: "cancelled",
    EntryKind.ERASURE_KEYS_REMOVED: "keys_removed",
    EntryKind.ERASURE_IRRECOVERABLE: "irrecoverable",
}


def _messages(home: Home, endpoint: Endpoint, happened: Iterable[_Happening]) -> Iterator[Message]:
    told = list(happened)
    references = _references(home, told) if endpoint.named else {}
    for one in told:
        who: dict[str, Json] = {}
        if endpoint.named:
            who["reference"] = references.get(one.subject)
        else:
            known = one.subject is not None
            who["subject"] = format_id(IdKind.SUBJECT, one.subject or b"") if known else None
        body: dict[str, Json] = {
            "type": one.type,
            "timestamp": one.at,
            "data": {**one.data, **who},
        }
        yield Message(id=one.id, body=canonical_json(body), place=one.place)


def _references(home: Home, told: Iterable[_Happening]) -> dict[bytes | None, Json]:
    """Return the product's names of the people; None for who is not here any more."""
    raws = sorted({one.subject for one in told if one.subject is not None})
    ids = [SubjectId(format_id(IdKind.SUBJECT, raw)) for raw in raws]
    people: list[Subject] = sorted(home.subjects.several(ids), key=lambda one: one.number)
    names = home.gate.references(people)
    return {one.holder.raw: name for one, name in zip(people, names, strict=True)}


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
