"""What an erasure receipt says, as a value and as members of a JSON document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from volens.core.canonical import Json, canonical_json
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import ConversationId, ErasureId, IdKind, parse_id
from volens.core.time import format_moment, parse_moment
from volens.holds.erasure import ErasureState, StoreStep
from volens.holds.evidence import LoggedStep
from volens.log.entries import parse_entry
from volens.log.kinds import ErasureCause, ErasureScope
from volens.log.proof import parse_tlog_proof

VERSION = "volens-erasure-receipt/v1"
MAX_CONTACT = 300
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")


class DocumentKind(StrEnum):
    """What the document may be called."""

    STATUS = "status"
    """On the way: it can be had at any time."""
    RECEIPT = "receipt"
    """Done: nothing opens what was erased any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One entry about an erasure, with its proof and what opens it."""

    entry: bytes
    proof: bytes
    step: LoggedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When what happened; None: it has not."""

    requested: datetime
    cool_off_ends: datetime
    access_ended: datetime
    keys_removed: datetime | None = None
    irrecoverable: datetime | None = None
    cancelled: datetime | None = None
    held_until: datetime | None = None
    """Only while a hold keeps it, and never under a gag."""

    @property
    def state(self) -> ErasureState:
        """The state that these times amount to."""
        if self.cancelled is not None:
            return ErasureState.CANCELLED
        if self.irrecoverable is not None:
            return ErasureState.IRRECOVERABLE
        if self.keys_removed is not None:
            return ErasureState.KEYS_REMOVED
        return ErasureState.HELD if self.held_until is not None else ErasureState.ACCESS_ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What a receipt says. One that `verify_receipt` returned holds."""

    reference: ErasureId
    """The erasure's id: what the person quotes."""
    scope: ErasureScope
    cause: ErasureCause
    conversations: tuple[ConversationId, ...]
    controller: str
    """The log's origin: who keeps the record."""
    contact: str
    """Whom to ask: one line."""
    issued: datetime
    promised_by: datetime
    times: Times
    steps: tuple[StoreStep, ...]
    """What was done store by store, as the controller states it; the log proves the times above."""
    logged: tuple[Logged, ...] = field(repr=False)

    @property
    def state(self) -> ErasureState:
        """How far it had come when this was issued."""
        return self.times.state

    @property
    def done(self) -> bool:
        """Whether nothing opens it any more."""
        return self.state is ErasureState.IRRECOVERABLE

    @property
    def kind(self) -> DocumentKind:
        """What the document may be called."""
        return DocumentKind.RECEIPT if self.done else DocumentKind.STATUS


def check_contact(contact: str) -> None:
    """Pass if `contact` is one plain line of at most 300 characters.

    Raises:
        InvalidInput: ``receipt_contact``.
    """
    if not 0 < len(contact) <= MAX_CONTACT or not contact.isprintable():
        hint = "say whom to write to, for example: Privacy office, privacy@example.org"
        raise InvalidInput("receipt_contact", "the contact is not one line of text", hint=hint)


def encode_body(receipt: ErasureReceipt) -> dict[str, Json]:
    """Return the members of a receipt, all but its signature."""
    times = receipt.times
    return {
        "version": VERSION,
        "document": receipt.kind.value,
        "done": receipt.done,
        "state": receipt.state.value,
        "reference": receipt.reference,
        "scope": receipt.scope.value,
        "cause": receipt.cause.value,
        "conversations": list(receipt.conversations),
        "controller": receipt.controller,
        "contact": receipt.contact,
        "issued": format_moment(receipt.issued),
        "promised_by": format_moment(receipt.promised_by),
        "times": {
            "requested": format_moment(times.requested),
            "cool_off_ends": format_moment(times.cool_off_ends),
            "access_ended": format_moment(times.access_ended),
            "keys_removed": _maybe(times.keys_removed),
            "irrecoverable": _maybe(times.irrecoverable),
            "cancelled": _maybe(times.cancelled),
            "held_until": _maybe(times.held_until),
        },
        "steps": [
            {"store": step.store, "method": step.method, "at": format_moment(step.at)}
            for step in receipt.steps
        ],
        "log": [
            {
                "entry": one.entry.decode("utf-8"),
                "proof": one.proof.decode("utf-8"),
                "opening": {
                    "salt": one.step.salt.hex(),
                    "count": one.step.count,
                    "place": one.step.place,
                    "path": [part.hex() for part in one.step.path],
                },
            }
            for one in receipt.logged
        ],
    }


def decode_body(given: Mapping[str, Json]) -> ErasureReceipt:
    """Read the members of a receipt; nothing that they say is checked.

    Raises:
        VerificationFailed: ``receipt`` unless `encode_body` writes the same members again.
        InvalidInput, KeyError, ValueError: for what has another shape.
    """
    receipt = _decoded(given)
    if canonical_json(encode_body(receipt)) != canonical_json(given):
        raise _refused("has other members than its version, or another state than its times")
    return receipt


def _decoded(given: Mapping[str, Json]) -> ErasureReceipt:
    reference = _text(given["reference"])
    parse_id(IdKind.ERASURE, reference)
    contact = _text(given["contact"])
    check_contact(contact)
    conversations = tuple(_text(one) for one in _list(given["conversations"]))
    for one in conversations:
        parse_id(IdKind.CONVERSATION, one)
    if list(conversations) != sorted(set(conversations)):
        raise _refused("names its conversations twice or out of order")
    times = _members(given["times"])
    return ErasureReceipt(
        reference=ErasureId(reference),
        scope=ErasureScope(_text(given["scope"])),
        cause=ErasureCause(_text(given["cause"])),
        conversations=tuple(ConversationId(one) for one in conversations),
        controller=_text(given["controller"]),
        contact=contact,
        issued=parse_moment(_text(given["issued"])),
        promised_by=parse_moment(_text(given["promised_by"])),
        times=Times(
            requested=parse_moment(_text(times["requested"])),
            cool_off_ends=parse_moment(_text(times["cool_off_ends"])),
            access_ended=parse_moment(_text(times["access_ended"])),
            keys_removed=_moment(times["keys_removed"]),
            irrecoverable=_moment(times["irrecoverable"]),
            cancelled=_moment(times["cancelled"]),
            held_until=_moment(times["held_until"]),
        ),
        steps=tuple(_step(_members(one)) for one in _list(given["steps"])),
        logged=tuple(_logged(_members(one)) for one in _list(given["log"])),
    )


def _logged(given: Mapping[str, Json]) -> Logged:
    entry = _text(given["entry"]).encode("utf-8")
    proof = _text(given["proof"]).encode("utf-8")
    opening = _members(given["opening"])
    count, place = opening["count"], opening["place"]
    path = tuple(bytes.fromhex(_text(part)) for part in _list(opening["path"]))
    if type(count) is not int or type(place) is not int or count < 0:
        raise _refused("has an opening without numbers")
    if count == 0 and (place or path):
        raise _refused("opens an entry about one as if it were about many")
    step = LoggedStep(
        kind=parse_entry(entry).kind,
        index=parse_tlog_proof(proof).index,
        salt=bytes.fromhex(_text(opening["salt"])),
        count=count,
        place=place,
        path=path,
    )
    return Logged(entry=entry, proof=proof, step=step)


def _step(given: Mapping[str, Json]) -> StoreStep:
    store, method = _text(given["store"]), _text(given["method"])
    if not _WORD.fullmatch(store) or not _WORD.fullmatch(method):
        raise _refused("names a store or a method that is no word")
    return StoreStep(store=store, method=method, at=parse_moment(_text(given["at"])))


def _maybe(moment: datetime | None) -> str | None:
    return None if moment is None else format_moment(moment)


def _moment(value: Json) -> datetime | None:
    return None if value is None else parse_moment(_text(value))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _refused("has a member of another type")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise _refused("has a member of another type")
    return value


def _members(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _refused("has a member of another type")
    return value


def _refused(what: str) -> VerificationFailed:
    return VerificationFailed("receipt", f"the erasure receipt {what}")
