"""The signed statement: on what basis a dataset was made (DSSE over an in-toto Statement v1).

The payload of the envelope (`log.dsse`) is an in-toto Statement v1
(https://github.com/in-toto/attestation) whose one subject is `manifest.json` and whose predicate is
Volens' own consent basis.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import DatasetId
from volens.core.members import Members
from volens.core.purposes import Purpose
from volens.datasets.manifest import MANIFEST_FILE, LogRef, Manifest, parse_log
from volens.log.dsse import sign_envelope, verify_envelope
from volens.log.note import Signer, Verifier

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "tag:volens.example,2026:consent-basis/v1"
"""A tag URI (RFC 4151) on a name that is reserved for examples (RFC 2606): it names, and leads
nowhere."""
_CODE = "statement_form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What the signer says of one manifest."""

    manifest_sha256: bytes
    dataset: DatasetId
    purpose: Purpose
    policy_sha256: bytes
    merkle_root: bytes
    records: int
    log: LogRef


def statement_of(manifest: Manifest) -> Statement:
    """Return the statement that fits a manifest."""
    return Statement(
        manifest_sha256=sha256(manifest.to_bytes()).digest(),
        dataset=manifest.dataset,
        purpose=manifest.purpose,
        policy_sha256=manifest.policy.sha256,
        merkle_root=manifest.merkle_root,
        records=manifest.counts.records,
        log=manifest.log,
    )


def sign_statement(manifest: Manifest, signer: Signer) -> bytes:
    """Return the signed statement of a manifest, as canonical JSON."""
    payload = canonical_json(_document(statement_of(manifest)))
    return sign_envelope(PAYLOAD_TYPE, payload, signer)


def verify_statement(envelope: bytes, verifier: Verifier) -> Statement:
    """Check a signed statement and return what it says.

    Raises:
        VerificationFailed: ``statement_form`` or ``bad_signature``.
    """
    try:
        return _read(verify_envelope(envelope, PAYLOAD_TYPE, verifier, code=_CODE))
    except InvalidInput as error:
        raise VerificationFailed(_CODE, f"signed statement: {error.message}") from error


def _document(statement: Statement) -> Json:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": MANIFEST_FILE, "digest": {"sha256": statement.manifest_sha256.hex()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "dataset": statement.dataset,
            "purpose": statement.purpose.value,
            "policy_sha256": statement.policy_sha256.hex(),
            "merkle_root": statement.merkle_root.hex(),
            "records": statement.records,
            "log": {
                "origin": statement.log.origin,
                "size": statement.log.size,
                "root": statement.log.root.hex(),
                "intent": statement.log.intent,
            },
        },
    }


def _read(payload: bytes) -> Statement:
    top = Members(read_canonical(payload), "statement", _CODE)
    top.exactly("_type subject predicateType predicate")
    top.constant("_type", STATEMENT_TYPE)
    top.constant("predicateType", PREDICATE_TYPE)
    subjects = top.member("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise top.wrong("subject", "is not one file")
    subject = Members(subjects[0], "statement.subject", _CODE)
    subject.exactly("name digest")
    subject.constant("name", MANIFEST_FILE)
    digest = subject.object("digest")
    digest.exactly("sha256")
    basis = top.object("predicate")
    basis.exactly("dataset purpose policy_sha256 merkle_root records log")
    return Statement(
        manifest_sha256=digest.digest("sha256"),
        dataset=basis.dataset("dataset"),
        purpose=basis.purpose("purpose"),
        policy_sha256=basis.digest("policy_sha256"),
        merkle_root=basis.digest("merkle_root"),
        records=basis.number("records"),
        log=parse_log(basis.object("log")),
    )
