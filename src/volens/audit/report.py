"""The signed audit report: canonical JSON in a DSSE envelope, under the log's own key.

DSSE 1.0 (https://github.com/secure-systems-lab/dsse), as the statements of datasets: what is signed
begins with ``DSSEv1`` and can be mistaken for no checkpoint and, by its payload type, for no
statement.
"""

from __future__ import annotations

import base64

from volens.audit.model import VERSION, Report
from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.datasets.members import Members
from volens.datasets.statement import key_hint, pae
from volens.log.note import Signer, Verifier

PAYLOAD_TYPE = "application/vnd.volens.audit+json"
_CODE = "audit_form"
_MEMBERS = "version origin region realm software policy log at every_days counts checks"


def sign_report(report: Report, signer: Signer) -> bytes:
    """Return the signed report, as canonical JSON."""
    payload = canonical_json(report.document())
    signature = signer.sign_bytes(pae(PAYLOAD_TYPE, payload))
    one: dict[str, Json] = {
        "keyid": key_hint(signer.verifier),
        "sig": base64.b64encode(signature).decode("ascii"),
    }
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [one],
        }
    )


def verify_report(envelope: bytes, verifier: Verifier) -> dict[str, Json]:
    """Check a signed report and return its document.

    Raises:
        VerificationFailed: ``audit_form``, or if the signature does not hold.
    """
    try:
        payload, signature = _open(envelope, key_hint(verifier))
        verifier.verify_bytes(pae(PAYLOAD_TYPE, payload), signature)
        return _document(payload, verifier)
    except InvalidInput as error:
        raise VerificationFailed(_CODE, f"audit report: {error.message}") from error


def _open(envelope: bytes, hint: str) -> tuple[bytes, bytes]:
    """Return payload and signature of an envelope with one signature by the hinted key."""
    top = Members(read_canonical(envelope), "envelope", _CODE)
    top.exactly("payload payloadType signatures")
    top.constant("payloadType", PAYLOAD_TYPE)
    signatures = top.member("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise top.wrong("signatures", "is not one signature")
    one = Members(signatures[0], "envelope.signatures", _CODE)
    one.exactly("keyid sig")
    one.constant("keyid", hint)
    return top.base64("payload"), one.base64("sig")


def _document(payload: bytes, verifier: Verifier) -> dict[str, Json]:
    top = Members(read_canonical(payload), "report", _CODE)
    top.exactly(_MEMBERS)
    top.constant("version", VERSION)
    top.constant("origin", verifier.name)
    return dict(top.raw)
