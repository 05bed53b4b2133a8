"""The signed audit report: canonical JSON in a DSSE envelope, under the log's own key."""

from __future__ import annotations

from volens.audit.model import VERSION, Report
from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.members import Members
from volens.log.dsse import sign_envelope, verify_envelope
from volens.log.note import Signer, Verifier

PAYLOAD_TYPE = "application/vnd.volens.audit+json"
_CODE = "audit_form"
_MEMBERS = "version origin region realm software policy log at every_days counts checks"


def sign_report(report: Report, signer: Signer) -> bytes:
    """Return the signed report, as canonical JSON."""
    return sign_envelope(PAYLOAD_TYPE, canonical_json(report.document()), signer)


def verify_report(envelope: bytes, verifier: Verifier) -> dict[str, Json]:
    """Check a signed report and return its document.

    Raises:
        VerificationFailed: ``audit_form``, or if the signature does not hold.
    """
    try:
        payload = verify_envelope(envelope, PAYLOAD_TYPE, verifier, code=_CODE)
        return _document(payload, verifier)
    except InvalidInput as error:
        raise VerificationFailed(_CODE, f"audit report: {error.message}") from error


def _document(payload: bytes, verifier: Verifier) -> dict[str, Json]:
    top = Members(read_canonical(payload), "report", _CODE)
    top.exactly(_MEMBERS)
    top.constant("version", VERSION)
    top.constant("origin", verifier.name)
    return dict(top.raw)
