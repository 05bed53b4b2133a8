"""Consent receipts: a choice in the terms of ISO/IEC TS 27560 and DPV, signed and in the log.

A receipt holds the event itself, the salt that opens the log entry's commitment, the entry, and its
``.tlog-proof`` with a signed checkpoint: whoever holds it can show, offline and after the home is
gone, what was chosen and when it was logged (docs/formats/consent.md).
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field

from volens.consent.model import Act, ConsentEvent, decode_event, encode_event
from volens.consent.store import ENTRY_KIND, Recorded
from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.time import format_moment
from volens.log.checkpoint import Checkpoint
from volens.log.entries import commit, parse_entry
from volens.log.note import Signer, Verifier
from volens.log.proof import verify_tlog_proof

VERSION = "volens-consent-receipt/v1"
SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#receipt"
_DPV = "https://w3id.org/dpv#"
_STATUS = {
    Act.GRANT: "ConsentGiven",
    Act.WITHDRAW: "ConsentWithdrawn",
    Act.REVOKE: "ConsentRevoked",
    Act.OBJECT: "ConsentRefused",
    Act.LIFT_OBJECTION: "ConsentUnknown",
}
_SIGNED_AS = b"volens-consent-receipt/v1 "
_MEMBERS = {
    "version",
    "schema",
    "controller",
    "status",
    "event",
    "salt",
    "entry",
    "proof",
    "signature",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A verified receipt."""

    event: ConsentEvent
    controller: str
    """The log's origin: who keeps the record."""
    log_index_at_most: int
    """The size of the log that the receipt was proven under; the entry lies below it."""
    checkpoint: Checkpoint = field(repr=False)


def issue_receipt(recorded: Recorded, *, entry: bytes, proof: bytes, signer: Signer) -> bytes:
    """Write the receipt of one recorded choice, as canonical JSON.

    Args:
        recorded: the event with its salt.
        entry: its entry as logged.
        proof: the entry's ``.tlog-proof``.
        signer: the key of the log; what it signs here begins with this format's name and a space,
            so it can be neither a checkpoint nor a dataset statement.
    """
    body: dict[str, Json] = {
        "version": VERSION,
        "schema": SCHEMA,
        "controller": signer.name,
        "status": _DPV + _STATUS[recorded.event.act],
        "event": read_canonical(encode_event(recorded.event)),
        "salt": recorded.salt.hex(),
        "entry": entry.decode("utf-8"),
        "proof": proof.decode("utf-8"),
    }
    signature = signer.sign_bytes(_SIGNED_AS + canonical_json(body))
    return canonical_json({**body, "signature": base64.b64encode(signature).decode("ascii")})


def verify_receipt(data: bytes, verifier: Verifier) -> Receipt:
    """Check a receipt and return what it shows.

    1. It is in canonical form with the members of its version and signed by `verifier`.
    2. Its log entry is in a log that `verifier` signed.
    3. The entry is of the event's kind, purpose, scope and notice, and commits to this very event.

    Raises:
        VerificationFailed: ``receipt`` or a code of `volens.log`.
    """
    try:
        return _verify(data, verifier)
    except (InvalidInput, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refused(f"is malformed ({type(error).__name__})") from error


def _verify(data: bytes, verifier: Verifier) -> Receipt:
    body = read_canonical(data)
    if not isinstance(body, dict) or set(body) != _MEMBERS:
        raise _refused("has other members than its version")
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    signature = base64.b64decode(body["signature"], validate=True)
    verifier.verify_bytes(_SIGNED_AS + canonical_json(unsigned), signature)
    event = decode_event(canonical_json(body["event"]))
    wanted = (VERSION, SCHEMA, verifier.name, _DPV + _STATUS[event.act])
    if (body["version"], body["schema"], body["controller"], body["status"]) != wanted:
        raise _refused("says another version, controller or status than its event")
    entry_data = body["entry"].encode("utf-8")
    checkpoint = verify_tlog_proof(entry_data, body["proof"].encode("utf-8"), [verifier])
    entry = parse_entry(entry_data)
    commitment = commit(bytes.fromhex(body["salt"]), encode_event(event))
    logged = entry.fields.get("commitment")
    notice = entry.fields.get("notice_hash")
    shown = None if event.notice is None else bytes.fromhex(event.notice.sha256)
    if not (
        entry.kind is ENTRY_KIND[event.act]
        and entry.fields.get("purpose") == event.purpose
        and entry.fields.get("scope") == event.scope.kind.value
        and notice == shown
        and isinstance(logged, bytes)
        and hmac.compare_digest(logged, commitment)
    ):
        raise _refused("speaks of another event than its log entry")
    return Receipt(
        event=event,
        controller=verifier.name,
        log_index_at_most=checkpoint.size,
        checkpoint=checkpoint,
    )


def summary(receipt: Receipt) -> str:
    """Say in one sentence what a receipt shows."""
    event = receipt.event
    return (
        f"{event.subject}: {event.act.value} {event.purpose.value} ({event.scope.kind.value}"
        f"{' ' + event.scope.target if event.scope.target else ''}) at {format_moment(event.at)}"
    )


def _refused(what: str) -> VerificationFailed:
    return VerificationFailed("receipt", f"the consent receipt {what}")
