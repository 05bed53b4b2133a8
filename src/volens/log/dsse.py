"""DSSE envelopes under the log's key: statements of datasets, audit reports, manifests of backups.

DSSE 1.0 (https://github.com/secure-systems-lab/dsse). One Ed25519 key signs these and the
checkpoints of the log. That is sound because no byte string is both: what is signed here begins
with ``DSSEv1`` and a space (the pre-authentication encoding), while the text of a checkpoint begins
with a line that is the name of the key, and a key name has no space (C2SP signed-note). The payload
type tells the kinds of documents apart.
"""

from __future__ import annotations

import base64

from volens.core.canonical import canonical_json, read_canonical
from volens.core.members import Members
from volens.log.note import Signer, Verifier


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding (DSSE protocol, "Signature Definition")."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_hint(verifier: Verifier) -> str:
    """Return the name and key id of a key; a hint that proves nothing (DSSE, KEYID)."""
    return f"{verifier.name}+{verifier.key_id.hex()}"


def sign_envelope(payload_type: str, payload: bytes, signer: Signer) -> bytes:
    """Return an envelope with one signature, as canonical JSON."""
    signature = signer.sign_bytes(pae(payload_type, payload))
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": payload_type,
            "signatures": [
                {
                    "keyid": key_hint(signer.verifier),
                    "sig": base64.b64encode(signature).decode("ascii"),
                }
            ],
        }
    )


def verify_envelope(envelope: bytes, payload_type: str, verifier: Verifier, *, code: str) -> bytes:
    """Return the payload of an envelope that `verifier` signed.

    Other writers may use the URL-safe alphabet or more signatures; Volens writes one spelling and
    takes only that, so that a changed byte is always found.

    Args:
        envelope: canonical JSON.
        payload_type: what it must be about.
        verifier: whose one signature it must carry.
        code: the code of the error about a malformed envelope.

    Raises:
        InvalidInput: with `code`, or ``not_canonical`` and other codes of `core.canonical`.
        VerificationFailed: ``bad_signature``.
    """
    top = Members(read_canonical(envelope), "envelope", code)
    top.exactly("payload payloadType signatures")
    top.constant("payloadType", payload_type)
    signatures = top.member("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise top.wrong("signatures", "is not one signature")
    one = Members(signatures[0], "envelope.signatures", code)
    one.exactly("keyid sig")
    one.constant("keyid", key_hint(verifier))
    payload = top.base64("payload")
    verifier.verify_bytes(pae(payload_type, payload), one.base64("sig"))
    return payload
