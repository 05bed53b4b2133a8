"""Erasures as values: what was asked, what is promised, how far it has come."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput
from volens.core.ids import (
    ID_BYTES,
    ConversationId,
    ErasureId,
    IdKind,
    SubjectId,
    format_id,
    parse_id,
)
from volens.core.time import format_moment, parse_moment
from volens.log.kinds import ErasureCause, ErasureScope

COOL_OFF = timedelta(days=7)
"""How long an erasure can be taken back; access has ended all the same."""
ROTATION = timedelta(days=7)
"""The longest time between the removal of keys and the end of the epoch that wrapped them."""
DESTRUCTION = timedelta(days=14)
"""The longest time between the end of an epoch and the destruction of its key, the key service's
own delay included."""
PROMISE = timedelta(days=30)
"""When an erasure is irrecoverable at the latest, counted from the request (R33)."""
AFTER_HOLD = ROTATION + DESTRUCTION + timedelta(days=1)
"""So long erasing takes, with a run each day: what was held is owed this long after its hold."""


class ErasureState(StrEnum):
    """How far an erasure has come; each state includes the ones before it."""

    ACCESS_ENDED = "access_ended"
    """Nobody can use it any more; it can still be taken back."""
    HELD = "held"
    """A hold keeps it from going on; still nobody but the hold's authority can use it."""
    KEYS_REMOVED = "keys_removed"
    """Nothing in the home opens it; an old copy of the home could, until the epoch's end."""
    IRRECOVERABLE = "irrecoverable"
    """The epoch that wrapped its keys is destroyed: no copy of the home opens it."""
    CANCELLED = "cancelled"
    """The person took it back within the cool-off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStep:
    """What was done in one store, how, and when."""

    store: str
    """A class of the erasure map: `keys`, `content`, `rows`, `choices`, `datasets`, ..."""
    method: str
    """A closed word of the map: `key_removed`, `row_deleted`, `resealed`, ..."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure. Its id is the reference number that the person is given."""

    id: ErasureId
    scope: ErasureScope
    cause: ErasureCause
    subject: SubjectId | None
    """None once an account is gone."""
    conversations: tuple[ConversationId, ...]
    """For the scope `conversation`; empty for the others, and once they are gone."""
    requested: datetime
    cool_off_ends: datetime
    promised_by: datetime
    state: ErasureState
    access_ended: datetime | None = None
    keys_removed: datetime | None = None
    irrecoverable: datetime | None = None
    cancelled: datetime | None = None
    held_until: datetime | None = None
    """The end of the longest hold on it, unless that hold is under a gag."""
    freed: datetime | None = None
    """When the last hold on it ended."""
    steps: tuple[StoreStep, ...] = field(default=())

    @property
    def owed_by(self) -> datetime:
        """Return from when it is late: as promised, or `AFTER_HOLD` after its hold."""
        if self.freed is None:
            return self.promised_by
        return max(self.promised_by, self.freed + AFTER_HOLD)

    @property
    def is_open(self) -> bool:
        """Say whether it is still to be done: asked for, not taken back, keys not removed."""
        return self.state in OPEN


OPEN = frozenset({ErasureState.ACCESS_ENDED, ErasureState.HELD})
"""The states in which what is to go is still there, and nobody may use it."""
MAX_CONVERSATIONS = 100
"""How many conversations one request may name, so that it fits into a journal frame."""


def new_erasure(
    raw: bytes,
    scope: ErasureScope,
    subject: SubjectId,
    at: datetime,
    *,
    cause: ErasureCause = ErasureCause.REQUEST,
    conversations: Sequence[ConversationId] = (),
    cool_off: timedelta = COOL_OFF,
    promise: timedelta = PROMISE,
) -> Erasure:
    """Return an erasure that is asked for at `at`.

    Args:
        raw: 16 random bytes for the reference number.
        scope: how much goes.
        subject: whose it is.
        at: the moment of the request, from which every clock counts.
        cause: what made it due.
        conversations: which ones, for the scope ``conversation`` only.
        cool_off: how long it can be taken back.
        promise: within which time it is irrecoverable.

    Raises:
        InvalidInput: ``erasure_form``.
    """
    at = parse_moment(format_moment(at))
    erasure = Erasure(
        id=ErasureId(format_id(IdKind.ERASURE, raw)),
        scope=scope,
        cause=cause,
        subject=subject,
        conversations=tuple(sorted(set(conversations))),
        requested=at,
        cool_off_ends=at + cool_off,
        promised_by=at + promise,
        state=ErasureState.ACCESS_ENDED,
        access_ended=at,
    )
    _check_request(erasure)
    return erasure


def encode_request(erasure: Erasure) -> bytes:
    """Write the request of an erasure as canonical JSON (docs/formats/erasure.md).

    How far it has come is not part of a request.

    Raises:
        InvalidInput: ``erasure_form`` if nobody could have asked for this.
    """
    _check_request(erasure)
    body: dict[str, Json] = {
        "v": 1,
        "id": erasure.id,
        "scope": erasure.scope.value,
        "cause": erasure.cause.value,
        "subject": erasure.subject,
        "conversations": list(erasure.conversations),
        "requested": format_moment(erasure.requested),
        "cool_off_ends": format_moment(erasure.cool_off_ends),
        "promised_by": format_moment(erasure.promised_by),
    }
    return canonical_json(body)


def decode_request(data: bytes) -> Erasure:
    """Read a request strictly.

    Raises:
        InvalidInput: ``erasure_form`` if `data` is not what `encode_request` writes.
    """
    body = read_canonical(data)
    try:
        erasure = _request(body)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("erasure_form", f"not an erasure request: {error!r}") from error
    if encode_request(erasure) != data:
        raise InvalidInput("erasure_form", "an erasure request has other or unknown members")
    return erasure


def _request(body: Json) -> Erasure:
    if not isinstance(body, dict):
        raise TypeError("not an object")
    named = body["conversations"]
    if not isinstance(named, list):
        raise TypeError("conversations is not a list")
    requested = parse_moment(body["requested"])
    return Erasure(
        id=ErasureId(body["id"]),
        scope=ErasureScope(body["scope"]),
        cause=ErasureCause(body["cause"]),
        subject=SubjectId(body["subject"]),
        conversations=tuple(ConversationId(one) for one in named),
        requested=requested,
        cool_off_ends=parse_moment(body["cool_off_ends"]),
        promised_by=parse_moment(body["promised_by"]),
        state=ErasureState.ACCESS_ENDED,
        access_ended=requested,
    )


def _check_request(erasure: Erasure) -> None:
    parse_id(IdKind.ERASURE, str(erasure.id))
    parse_id(IdKind.SUBJECT, str(erasure.subject))
    named = erasure.conversations
    for name in named:
        parse_id(IdKind.CONVERSATION, str(name))
    if len(named) > MAX_CONVERSATIONS:
        raise InvalidInput(
            "erasure_form",
            f"{len(named)} conversations in one erasure",
            hint=f"name at most {MAX_CONVERSATIONS}, or erase the history",
        )
    if bool(named) != (erasure.scope is ErasureScope.CONVERSATION):
        raise InvalidInput(
            "erasure_form", f"{len(named)} conversations named in scope {erasure.scope.value}"
        )
    if list(named) != sorted(set(named)):
        raise InvalidInput("erasure_form", "conversations are named twice or out of order")
    if not erasure.requested <= erasure.cool_off_ends <= erasure.promised_by:
        raise InvalidInput("erasure_form", "the moments of an erasure are out of order")


def is_another(one: Erasure, two: Erasure) -> bool:
    """Say whether two of the same id are different requests."""
    same = (one.scope, one.cause, one.requested, one.cool_off_ends, one.promised_by)
    return same != (two.scope, two.cause, two.requested, two.cool_off_ends, two.promised_by)


def renamed(erasure: Erasure) -> Erasure:
    """Return a request under an id made from its bytes, for one whose id was taken."""
    digest = hashlib.sha256(b"volens/erasure/v1\x00" + encode_request(erasure)).digest()
    return replace(erasure, id=ErasureId(format_id(IdKind.ERASURE, digest[:ID_BYTES])))
