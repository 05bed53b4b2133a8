"""Erasure receipts: how far an erasure has come, signed, with the log's proof of each step.

The state is never written down by itself: it follows from the times, and each time that counts
stands in a log entry that the receipt carries with its ``.tlog-proof`` and the opening of its
commitment. So a receipt can't say more than the log does, and never says it early. Whoever holds
it checks it offline and after the home is gone (docs/formats/erasure-receipt.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from volens.core.canonical import canonical_json, read_canonical
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.holds.erasure import Erasure, ErasureState
from volens.holds.evidence import Evidence, verify_step
from volens.lifecycle.receipt_form import (
    VERSION,
    ErasureReceipt,
    Logged,
    Times,
    check_contact,
    decode_body,
    encode_body,
)
from volens.log.checkpoint import Checkpoint
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import EntryKind
from volens.log.note import Signer, Verifier, from_base64, to_base64
from volens.log.proof import parse_tlog_proof, verify_tlog_proof

_SIGNED_AS = b"volens-erasure-receipt/v1 "
_ORDER = (
    EntryKind.ERASURE_REQUESTED,
    EntryKind.ERASURE_CANCELLED,
    EntryKind.ERASURE_STARTED,
    EntryKind.ERASURE_KEYS_REMOVED,
    EntryKind.ERASURE_IRRECOVERABLE,
)
"""The entries about an erasure, in the order in which the log has them."""
_NEEDS = {
    EntryKind.ERASURE_REQUESTED: frozenset[EntryKind](),
    EntryKind.ERASURE_CANCELLED: frozenset({EntryKind.ERASURE_REQUESTED}),
    EntryKind.ERASURE_STARTED: frozenset({EntryKind.ERASURE_REQUESTED}),
    EntryKind.ERASURE_KEYS_REMOVED: frozenset({EntryKind.ERASURE_STARTED}),
    EntryKind.ERASURE_IRRECOVERABLE: frozenset({EntryKind.ERASURE_KEYS_REMOVED}),
}
"""Which entries a receipt must carry beside each."""


class ProvingLog(Protocol):
    """The log, as far as a receipt needs it."""

    def entry(self, index: int) -> bytes:
        """Return the bytes of one entry."""
        ...

    def prove(self, index: int) -> bytes:
        """Return the ``.tlog-proof`` of a published entry."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A receipt that holds, and what it was proven under."""

    receipt: ErasureReceipt
    checkpoint: Checkpoint = field(repr=False)
    """The last of its checkpoints."""
    note: str = field(repr=False)
    """That checkpoint as the log signed it."""


def prove_steps(evidence: Evidence, log: ProvingLog) -> list[Logged]:
    """Return what a log says about an erasure, proven under its latest checkpoint.

    Raises:
        InvalidInput: ``no_leaf`` if an entry is not published yet.
    """
    return [
        Logged(entry=log.entry(step.index), proof=log.prove(step.index), step=step)
        for step in evidence.steps
    ]


def issue_receipt(
    erasure: Erasure,
    logged: Sequence[Logged],
    *,
    contact: str,
    issued: datetime,
    signer: Signer,
) -> bytes:
    """Write where an erasure stands, as canonical JSON; what is not in `logged` is not claimed.

    Args:
        erasure: as the ledger has it.
        logged: the entries about it, proven and opened, in the order of the log.
        contact: how to reach the controller: one line of 1 to 300 characters.
        issued: now.
        signer: the key of the log; what it signs here begins with this format's name and a space,
            so it can be neither a checkpoint nor another receipt.

    Raises:
        InvalidInput: ``receipt_contact``.
        Unavailable: ``receipt_unlogged`` if not even the request is in the log yet.
        VerificationFailed: if ledger and log contradict each other; nothing is issued then.
    """
    check_contact(contact)
    claimed = _claimed(erasure, logged)
    if EntryKind.ERASURE_REQUESTED not in claimed:
        hint = "access has ended all the same; ask again when the log has taken it in"
        raise Unavailable("receipt_unlogged", f"{erasure.id} is not in the log yet", hint=hint)
    receipt = ErasureReceipt(
        reference=erasure.id,
        scope=erasure.scope,
        cause=erasure.cause,
        conversations=tuple(sorted(erasure.conversations)),
        controller=signer.name,
        contact=contact,
        issued=issued,
        promised_by=erasure.promised_by,
        times=_times(erasure, claimed, issued),
        steps=erasure.steps if EntryKind.ERASURE_KEYS_REMOVED in claimed else (),
        logged=tuple(claimed[kind] for kind in _ORDER if kind in claimed),
    )
    body = encode_body(receipt)
    signature = signer.sign_bytes(_SIGNED_AS + canonical_json(body))
    data = canonical_json({**body, "signature": to_base64(signature)})
    verify_receipt(data, signer.verifier)
    return data


def verify_receipt(
    data: bytes,
    verifier: Verifier,
    *,
    cosigners: Sequence[Verifier] = (),
    witnesses: int = 0,
) -> Shown:
    """Check a receipt and return what it shows.

    1. It is in the one form of its version and signed by `verifier`.
    2. Its state is what its times amount to.
    3. Each of its log entries is in a log that `verifier` signed, and at least `witnesses` of
       `cosigners` cosigned.
    4. Each entry is about this erasure: its commitment opens to it.
    5. Each time that a state rests on is that of its entry, all times are in order, and none is
       later than the receipt.

    Raises:
        VerificationFailed: ``receipt`` or a code of `volens.log`.
    """
    try:
        receipt = _read(data, verifier)
        checkpoints = [
            verify_tlog_proof(
                one.entry,
                one.proof,
                [verifier, *cosigners],
                witnesses=witnesses,
                origin=verifier.name,
            )
            for one in receipt.logged
        ]
        _check(receipt)
    except (InvalidInput, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refused(f"is malformed ({type(error).__name__})") from error
    last = max(range(len(checkpoints)), key=lambda place: checkpoints[place].size)
    note = parse_tlog_proof(receipt.logged[last].proof).checkpoint.decode("utf-8")
    return Shown(receipt=receipt, checkpoint=checkpoints[last], note=note)


def _claimed(erasure: Erasure, logged: Sequence[Logged]) -> dict[EntryKind, Logged]:
    """Return the entries of what both the ledger and the log say has happened."""
    proven = {one.step.kind: one for one in logged}  # the latest of each kind
    removed = proven.get(EntryKind.ERASURE_KEYS_REMOVED)
    begun = parse_entry(removed.entry).fields.get("started") if removed else None
    starts = {one.step.index: one for one in logged if one.step.kind is EntryKind.ERASURE_STARTED}
    proven.pop(EntryKind.ERASURE_STARTED, None)  # to have started is nothing to show by itself
    if erasure.keys_removed is not None and isinstance(begun, int) and begun in starts:
        proven[EntryKind.ERASURE_STARTED] = starts[begun]
    said = {
        EntryKind.ERASURE_REQUESTED: True,
        EntryKind.ERASURE_CANCELLED: erasure.cancelled is not None,
        EntryKind.ERASURE_STARTED: True,
        EntryKind.ERASURE_KEYS_REMOVED: erasure.keys_removed is not None,
        EntryKind.ERASURE_IRRECOVERABLE: erasure.irrecoverable is not None,
    }
    claimed: dict[EntryKind, Logged] = {}
    for kind in _ORDER:
        if said[kind] and kind in proven and _NEEDS[kind] <= claimed.keys():
            claimed[kind] = proven[kind]
    return claimed


def _times(erasure: Erasure, claimed: Mapping[EntryKind, Logged], issued: datetime) -> Times:
    """Return the times as logged; what is only stated is the ledger's."""
    at = {kind: parse_entry(one.entry).at for kind, one in claimed.items()}
    held = erasure.held_until
    if erasure.state is not ErasureState.HELD or (held is not None and held <= issued):
        held = None
    return Times(
        requested=erasure.requested,
        cool_off_ends=erasure.cool_off_ends,
        access_ended=erasure.access_ended or at[EntryKind.ERASURE_REQUESTED],
        keys_removed=at.get(EntryKind.ERASURE_KEYS_REMOVED),
        irrecoverable=at.get(EntryKind.ERASURE_IRRECOVERABLE),
        cancelled=at.get(EntryKind.ERASURE_CANCELLED),
        held_until=held,
    )


def _read(data: bytes, verifier: Verifier) -> ErasureReceipt:
    """Read a receipt in its one form and check its signature (steps 1 and 2)."""
    body = read_canonical(data)
    if not isinstance(body, dict) or body.get("version") != VERSION:
        raise _refused("is of another version")
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    signature = from_base64(body["signature"])
    verifier.verify_bytes(_SIGNED_AS + canonical_json(unsigned), signature)
    receipt = decode_body(unsigned)
    if receipt.controller != verifier.name:
        raise _refused("is of another controller than the key")
    return receipt


def _check(receipt: ErasureReceipt) -> None:
    """Check what the entries say against the receipt (steps 4 and 5)."""
    entries: dict[EntryKind, Entry] = {}
    places: dict[EntryKind, int] = {}
    for one in receipt.logged:
        entry = parse_entry(one.entry)
        if entry.kind in entries or entry.kind not in _NEEDS:
            raise _refused(f"carries an entry {entry.kind} that has no place in it")
        if one.step.kind is not entry.kind:
            raise _refused("opens an entry of another kind")
        verify_step(one.step, receipt.reference, entry.fields)
        entries[entry.kind] = entry
        places[entry.kind] = parse_tlog_proof(one.proof).index
    indexes = list(places.values())
    if list(entries) != [kind for kind in _ORDER if kind in entries] or indexes != sorted(indexes):
        raise _refused("has its entries in another order than the log")
    _check_entries(receipt, entries, places)
    _check_order(receipt, entries)


def _check_entries(
    receipt: ErasureReceipt, entries: Mapping[EntryKind, Entry], places: Mapping[EntryKind, int]
) -> None:
    """Check that each claim has its entry, and each entry its claim: never early."""
    times = receipt.times
    asked = entries.get(EntryKind.ERASURE_REQUESTED)
    wanted = {"scope": receipt.scope, "cause": receipt.cause, "due": receipt.promised_by}
    if asked is None or any(asked.fields.get(name) != value for name, value in wanted.items()):
        raise _refused("speaks of another erasure than its request in the log")
    claims = {
        EntryKind.ERASURE_CANCELLED: times.cancelled,
        EntryKind.ERASURE_KEYS_REMOVED: times.keys_removed,
        EntryKind.ERASURE_IRRECOVERABLE: times.irrecoverable,
    }
    for kind, moment in claims.items():
        found = entries.get(kind)
        if (found.at if found else None) != moment:
            raise _refused(f"gives another time than the log entry {kind}, or has none")
    if any(not _NEEDS[kind] <= entries.keys() for kind in entries):
        raise _refused("lacks an entry that another one rests on")
    removed = entries.get(EntryKind.ERASURE_KEYS_REMOVED)
    begun = places.get(EntryKind.ERASURE_STARTED)
    if (removed.fields.get("started") if removed else None) != begun:
        raise _refused("has keys removed by another act than the one it carries")
    late = times.keys_removed or times.irrecoverable
    if times.cancelled is not None and late is not None:
        raise _refused("says that it was cancelled and done")
    if receipt.steps and times.keys_removed is None:
        raise _refused("tells steps before any key was removed")
    if times.held_until is not None and times.state is not ErasureState.HELD:
        raise _refused("is held and went on all the same")


def _check_order(receipt: ErasureReceipt, entries: Mapping[EntryKind, Entry]) -> None:
    times = receipt.times
    asked = entries[EntryKind.ERASURE_REQUESTED]
    started = entries.get(EntryKind.ERASURE_STARTED)
    chain = [
        times.requested,
        times.access_ended,
        started.at if started else None,
        times.keys_removed,
        times.irrecoverable,
        times.cancelled,
        receipt.issued,
    ]
    happened = [moment for moment in chain if moment is not None]
    steps_end = max((step.at for step in receipt.steps), default=times.requested)
    steps_start = min((step.at for step in receipt.steps), default=times.requested)
    held = times.held_until
    if (
        happened != sorted(happened)
        or not times.requested <= asked.at <= receipt.issued
        or not times.requested <= times.cool_off_ends
        or not times.requested <= receipt.promised_by
        or not times.requested <= steps_start <= steps_end <= receipt.issued
        or (held is not None and held <= receipt.issued)
    ):
        raise _refused("has times out of order")


def _refused(what: str) -> VerificationFailed:
    return VerificationFailed("receipt", f"the erasure receipt {what}")
