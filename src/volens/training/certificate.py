"""What a person gets when a model was made to forget them: a certificate, to be checked offline.

It shows, by entries of the log and their proofs, that the case was theirs, that it ended in
``retrained``, and which proof of the repair that rests on. With that proof (the unlearning bundle)
beside it, it shows too that none of their records is in what the model is trained from now.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import IdKind, ImpactId, RunId, SubjectId, parse_id
from volens.core.members import Members
from volens.datasets.logged import Logged, verify_logged
from volens.log.entries import commit
from volens.log.kinds import EntryKind, ImpactState
from volens.log.note import Verifier
from volens.log.store import TransparencyLog
from volens.training.bundle import LIMITS, verify_bundle
from volens.training.impact import Case, Touch, case_parts

VERSION: Final = "volens-forgotten/v1"
_CODE: Final = "certificate_form"
_ENTRIES: Final = ("opened", "moved", "unlearning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """What a certificate shows."""

    subject: SubjectId
    case: ImpactId
    family: RunId
    records: int
    opened_at: datetime
    """When it was found that the records may not be used any more."""
    done_at: datetime
    """When the log got the proof of the repair."""
    bundle: bytes
    """SHA-256 of that proof."""
    checked: bool
    """Whether the proof itself was there and checked too."""


def make_certificate(case: Case, touch: Touch, subject: SubjectId, log: TransparencyLog) -> bytes:
    """Return the certificate about one model of a case, as canonical JSON.

    Every entry named must be published.

    Raises:
        InvalidInput: ``not_forgotten_yet`` unless the model was trained again and that is proven.
    """
    if touch.stands.state is not ImpactState.RETRAINED or touch.stands.proven is None:
        message = f"in {touch.family} it is {touch.stands.state}, not retrained"
        raise InvalidInput("not_forgotten_yet", message, hint="volens unlearn repairs it")
    touched: list[Json] = [
        {
            "family": one.family,
            "copy": one.copy.hex(),
            "leaves": [leaf.hex() for leaf in one.leaves],
        }
        for one in case.touches
    ]
    indexes = (case.log_index, touch.log_index, touch.stands.proven)
    document: dict[str, Json] = {
        "version": VERSION,
        "subject": subject,
        "case": case.id,
        "family": touch.family,
        "salt": case.salt.hex(),
        "touched": touched,
        "limits": list(LIMITS),
        **{
            name: {
                "entry": base64.b64encode(log.entry(index)).decode("ascii"),
                "proof": base64.b64encode(log.prove(index)).decode("ascii"),
            }
            for name, index in zip(_ENTRIES, indexes, strict=True)
        },
    }
    return canonical_json(document)


def verify_certificate(
    data: bytes, verifier: Verifier, *, bundle: bytes | None = None
) -> Forgetting:
    """Check a certificate by its bytes and the log's key, and by the proof of the repair if given.

    1. All three entries are in the log that `verifier` signed.
    2. The case's entry opens to this person, this case and these records.
    3. The case moved to ``retrained``, by the proof that the third entry names.
    4. With `bundle`: it is that proof and holds, and no record is in the plan after.

    Raises:
        VerificationFailed: ``certificate_form``; ``other_case`` if the entries are about something
            else; ``not_forgotten`` if a record is still in the repaired run; ``other_bundle``; as
            `verify_logged` and `verify_bundle`.
    """
    try:
        return _verify(data, verifier, bundle)
    except InvalidInput as error:
        raise VerificationFailed(error.code, f"certificate: {error.message}") from error


def _verify(data: bytes, verifier: Verifier, bundle: bytes | None) -> Forgetting:
    top = Members(read_canonical(data), "certificate", _CODE)
    top.exactly("version subject case family salt touched limits opened moved unlearning")
    top.constant("version", VERSION)
    if top.member("limits") != list(LIMITS):
        raise top.wrong("limits", "are not those of this version")
    subject, case = SubjectId(top.string("subject")), ImpactId(top.string("case"))
    opened = _entry(top, "opened", EntryKind.IMPACT_OPENED, verifier)
    moved = _entry(top, "moved", EntryKind.IMPACT_MOVED, verifier)
    done = _entry(top, "unlearning", EntryKind.UNLEARNING_DONE, verifier)
    family, leaves = _opens(top, subject, case, opened)
    wanted = {"opened": opened.index, "state": ImpactState.RETRAINED, "proven": done.index}
    if any(moved.entry.fields.get(name) != value for name, value in wanted.items()):
        raise VerificationFailed("other_case", "certificate: the case did not end in retrained")
    digest = done.entry.fields["bundle"]
    assert isinstance(digest, bytes)
    if bundle is not None:
        _forgotten(bundle, digest, leaves, verifier)
    return Forgetting(
        subject=subject,
        case=case,
        family=family,
        records=len(leaves),
        opened_at=opened.entry.at,
        done_at=done.entry.at,
        bundle=digest,
        checked=bundle is not None,
    )


def _opens(
    top: Members, subject: SubjectId, case: ImpactId, opened: Logged
) -> tuple[RunId, frozenset[bytes]]:
    """Return the family and its records, if the case's entry commits to all that is told."""
    touched = top.member("touched")
    if not isinstance(touched, list):
        raise top.wrong("touched", "is not a list")
    told = [_Told.read(Members(one, "touched", _CODE)) for one in touched]
    parts = case_parts(parse_id(IdKind.SUBJECT, subject), case, told)
    logged = opened.entry.fields["commitment"]
    if not isinstance(logged, bytes) or not hmac.compare_digest(
        logged, commit(top.digest("salt"), *parts)
    ):
        raise VerificationFailed("other_case", "certificate: the entry is about something else")
    family = RunId(top.string("family"))
    for one in told:
        if (one.family, one.copy) == (family, b""):
            return family, frozenset(one.leaves)
    raise VerificationFailed("other_case", "certificate: the case does not name that model")


def _forgotten(bundle: bytes, digest: bytes, leaves: frozenset[bytes], verifier: Verifier) -> None:
    if not hmac.compare_digest(sha256(bundle).digest(), digest):
        raise VerificationFailed("other_bundle", "this is not the proof that the log names")
    checked = verify_bundle(bundle, verifier)
    left = leaves.intersection(checked.after.leaves)
    if left:
        raise VerificationFailed("not_forgotten", f"{len(left)} records are still in the model")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a certificate tells of one model or copy (`case_parts` takes it)."""

    family: RunId
    copy: bytes
    leaves: Sequence[bytes]

    @classmethod
    def read(cls, found: Members) -> _Told:
        found.exactly("family copy leaves")
        leaves = found.member("leaves")
        if not isinstance(leaves, list) or not all(isinstance(one, str) for one in leaves):
            raise found.wrong("leaves", "are not a list of texts")
        try:
            copy = bytes.fromhex(found.string("copy"))
            raw = [bytes.fromhex(str(one)) for one in leaves]
        except ValueError:
            raise found.wrong("leaves", "are not hexadecimal") from None
        return cls(family=RunId(found.string("family")), copy=copy, leaves=raw)


def _entry(top: Members, name: str, kind: EntryKind, verifier: Verifier) -> Logged:
    told = top.object(name)
    told.exactly("entry proof")
    return verify_logged(told.base64("entry"), told.base64("proof"), kind=kind, verifier=verifier)
