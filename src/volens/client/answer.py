"""Answers to "may I?" as bytes: written and signed by the server, verified by whoever asks.

An answer is JSON: what was decided about whom, under which policy, when, and until when it can
hold. Its signature is a DSSE envelope of the log's key whose payload is the canonical JSON of the
answer without its member ``signature``. docs/formats/check.md has every member, and vectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from volens.core.canonical import Json, canonical_json, read_strict
from volens.core.errors import InvalidInput, VerificationFailed, VolensError
from volens.core.members import Members
from volens.core.time import format_moment, parse_moment
from volens.log.dsse import sign_envelope, verify_envelope
from volens.log.note import Signer, Verifier

PAYLOAD_TYPE: Final = "application/vnd.volens.check+json"
MOST_SUBJECTS: Final = 1000
MOST_PURPOSES: Final = 16
MAX_BYTES: Final = 2 * 1024 * 1024
_CODE: Final = "answer_invalid"
_MARK: Final = re.compile(r"[0-9A-Za-z._:-]{1,64}")
_DEPTH: Final = 8
_SIGNATURE: Final = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided about one person; for one purpose, at one moment."""

    subject: str
    """As it was asked: an id, or the program's own name for somebody."""
    permit: bool
    reasons: tuple[str, ...]
    """Reason codes, the first one decides; never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyNamed:
    """The policy that decided."""

    name: str
    version: str
    hash: str
    """SHA-256 of the pack, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One whole answer."""

    purpose: str
    decisions: tuple[Decided, ...]
    """In the order asked."""
    policy: PolicyNamed
    at: datetime
    valid_until: datetime
    """The next moment anything in it can change by itself; refused from then on."""
    mark: str
    """Names the state of the choices that it was made from; says nothing else."""

    def document(self) -> dict[str, Json]:
        """Return it as JSON, without a signature."""
        return {
            "purpose": self.purpose,
            "decisions": [
                {"subject": one.subject, "permit": one.permit, "reasons": [*one.reasons]}
                for one in self.decisions
            ],
            "policy": {
                "name": self.policy.name,
                "version": self.policy.version,
                "hash": self.policy.hash,
            },
            "at": format_moment(self.at),
            "valid_until": format_moment(self.valid_until),
            "mark": self.mark,
        }


def signature_of(document: Mapping[str, Json], signer: Signer) -> Json:
    """Return the signature of an answer, to stand in it as the member ``signature``.

    Args:
        document: the answer without a signature, with exactly the members of `Answer.document`.
        signer: the log's key.
    """
    return read_strict(sign_envelope(PAYLOAD_TYPE, canonical_json(document), signer))


def write_answer(answer: Answer, signer: Signer | None = None) -> bytes:
    """Write an answer as canonical JSON, signed if there is a signer."""
    document = answer.document()
    if signer is not None:
        document[_SIGNATURE] = signature_of(document, signer)
    return canonical_json(document)


def verify_answer(data: bytes, verifier: Verifier) -> Answer:
    """Read an answer that `verifier` signed.

    Whether it is about what was asked, and fresh enough, is `client.judging`'s to say.

    Raises:
        VerificationFailed: ``answer_invalid`` if it is malformed or not what was signed,
            ``answer_unsigned`` if nobody signed it, ``signature_invalid`` if the signature is not
            the verifier's or does not hold.
    """
    return _verified(_parsed(data, MAX_BYTES), verifier)


def verify_answers(data: bytes, verifier: Verifier) -> tuple[Answer, ...]:
    """Read the answers to a question about several purposes; each must be signed by `verifier`.

    Raises:
        VerificationFailed: as `verify_answer`.
    """
    raw = _parsed(data, MOST_PURPOSES * MAX_BYTES)
    found = raw.get("answers") if isinstance(raw, dict) and len(raw) == 1 else None
    if not isinstance(found, list) or not 0 < len(found) <= MOST_PURPOSES:
        raise VerificationFailed(_CODE, f"not a list of 1 to {MOST_PURPOSES} answers")
    return tuple(_verified(one, verifier) for one in found)


def _parsed(data: bytes, most_bytes: int) -> Json:
    try:
        return read_strict(data, max_bytes=most_bytes, max_depth=_DEPTH)
    except InvalidInput as error:
        raise VerificationFailed(_CODE, f"not an answer: {error.message}") from error


def _verified(raw: Json, verifier: Verifier) -> Answer:
    try:
        members = dict(Members(raw, "answer", _CODE).raw)
        signature = members.pop(_SIGNATURE, None)
        answer = _read(members)
    except InvalidInput as error:
        raise VerificationFailed(_CODE, f"not an answer: {error.message}") from error
    if signature is None:
        hint = "ask with sign, and of a server that knows it"
        raise VerificationFailed("answer_unsigned", "the answer has no signature", hint=hint)
    try:
        payload = verify_envelope(canonical_json(signature), PAYLOAD_TYPE, verifier, code=_CODE)
    except VolensError as error:
        hint = "compare the verifier key with the one that the home's owner gave"
        raise VerificationFailed("signature_invalid", error.message, hint=hint) from error
    if payload != canonical_json(members):
        raise VerificationFailed(_CODE, "the answer is not the one that was signed")
    return answer


def _read(raw: Mapping[str, Json]) -> Answer:
    top = Members(raw, "answer", _CODE)
    top.exactly("purpose decisions policy at valid_until mark")
    decisions = top.member("decisions")
    if not isinstance(decisions, list) or not 0 < len(decisions) <= MOST_SUBJECTS:
        raise top.wrong("decisions", f"is not a list of 1 to {MOST_SUBJECTS}")
    policy = top.object("policy")
    policy.exactly("name version hash")
    return Answer(
        purpose=top.word("purpose"),
        decisions=tuple(_decided(one) for one in decisions),
        policy=PolicyNamed(
            name=policy.word("name"),
            version=policy.word("version"),
            hash=policy.digest("hash").hex(),
        ),
        at=top.parsed("at", parse_moment),
        valid_until=top.parsed("valid_until", parse_moment),
        mark=top.matching("mark", _MARK),
    )


def _decided(raw: Json) -> Decided:
    one = Members(raw, "answer.decisions", _CODE)
    one.exactly("subject permit reasons")
    permit, reasons = one.member("permit"), one.member("reasons")
    if not isinstance(permit, bool):
        raise one.wrong("permit", "is not true or false")
    return Decided(subject=one.string("subject"), permit=permit, reasons=_words(one, reasons))


def _words(one: Members, reasons: Sequence[object]) -> tuple[str, ...]:
    if not isinstance(reasons, list) or not reasons:
        raise one.wrong("reasons", "is not a list with a reason in it")
    if not all(isinstance(word, str) and _MARK.fullmatch(word) for word in reasons):
        raise one.wrong("reasons", "has something that is no reason code")
    return tuple(reasons)
