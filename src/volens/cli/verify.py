"""``volens verify``: check a dataset, proof, receipt, export or log by its bytes and a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.home import open_home
from volens.app.identity import IDENTITY
from volens.audit.report import PAYLOAD_TYPE as AUDIT_TYPE
from volens.audit.report import verify_report
from volens.cli.commands import Session, command, new_group
from volens.cli.failures import UNVERIFIED
from volens.cli.output import BAD, DIM, GOOD, WARN, Answer, fields, indented, line
from volens.cli.verify_models import forgotten, unlearning
from volens.consent.receipts import VERSION as RECEIPT_VERSION
from volens.consent.receipts import summary, verify_receipt
from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput, NotFound, VerificationFailed, VolensError
from volens.core.time import format_moment
from volens.datasets.manifest import MANIFEST_FILE
from volens.datasets.proofs import VERSION as PROOF_VERSION
from volens.datasets.proofs import ProofKind, verify_proof
from volens.datasets.verify import verify_dataset
from volens.lifecycle.receipt import verify_receipt as verify_erasure_receipt
from volens.lifecycle.receipt_form import VERSION as ERASURE_VERSION
from volens.lifecycle.receipt_form import DocumentKind
from volens.log.checkpoint import check_witnesses, open_checkpoint
from volens.log.note import KeyType, Verifier, parse_vkey
from volens.log.proof import verify_tlog_proof
from volens.log.publishing import CHECKPOINT, PENDING
from volens.log.verify import verify_directory
from volens.rights.export_check import verify_copy
from volens.training.bundle import VERSION as UNLEARNING_VERSION
from volens.training.certificate import VERSION as FORGOTTEN_VERSION

GROUP = new_group("Check a dataset, proof, receipt, export or log, offline.")
ENTRY_SUFFIX = ".entry"
_TLOG_PROOF = b"c2sp.org/tlog-proof@v1"
_ZIP = b"PK\x03\x04"
_MAX_FILE_BYTES = 64 * 1024 * 1024

Facts = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys the reader trusts, and how they came to."""

    verifiers: tuple[Verifier, ...]
    witnesses: int = 0
    expected_capture: bytes | None = None
    beside: tuple[Path, ...] = ()
    """All that is to be checked: one may say more with another beside it."""

    @property
    def log(self) -> Verifier:
        """The log's key: datasets, receipts and proofs are signed with it."""
        for one in self.verifiers:
            if one.key_type is KeyType.ED25519:
                return one
        raise InvalidInput("key_missing", "none of the keys given is a log's", hint="give --key")


@command(GROUP, "verify")
def verify(
    session: Session,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="A dataset or log folder, a proof, a receipt, an export, a checkpoint.",
        ),
    ],
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VKEY", help="Whose signatures count: a verifier key, or @FILE; repeatable."
        ),
    ] = None,
    witnesses: Annotated[
        int, typer.Option(min=0, help="How many of the given witness keys must have cosigned.")
    ] = 0,
    capture: Annotated[
        str | None, typer.Option(metavar="HEX", help="The capture a proof must be about.")
    ] = None,
) -> Answer:
    """Check what each PATH claims; what it is, is told by its shape. Exit code 4 means it fails.

    Give the key that its owner published. Without --key the home's own key is used, which shows
    nothing to a stranger.
    """
    given, own = _keys(session, key or [])
    keys = Keys(
        verifiers=given,
        witnesses=witnesses,
        expected_capture=_capture(capture),
        beside=tuple(paths),
    )
    shown: list[RenderableType] = []
    items: list[Json] = []
    failed = 0
    for path in paths:
        try:
            kind, facts = _check(path, keys)
        except VerificationFailed as error:
            failed += 1
            items.append(
                {"path": str(path), "verified": False, "code": error.code, "message": error.message}
            )
            shown += [
                line(f"FAILED {path}", BAD),
                indented(line(f"{error.message} ({error.code})")),
            ]
            if error.hint:
                shown.append(indented(line(f"hint: {error.hint}", DIM)))
            continue
        items.append({"path": str(path), "verified": True, "kind": kind, "facts": dict(facts)})
        shown += [line(f"OK {path}: {kind}", GOOD), indented(fields(facts))]
    if own:
        text = (
            "Checked with the home's own key: it shows that nothing was changed, and proves "
            "nothing to anybody who does not trust this home. Give --key."
        )
        shown.append(line(text, WARN))
    document: dict[str, Json] = {
        "verified": not failed,
        "key_from": "home" if own else "argument",
        "items": items,
    }
    return Answer(document=document, shown=tuple(shown), code=UNVERIFIED if failed else 0)


def _keys(session: Session, given: Sequence[str]) -> tuple[tuple[Verifier, ...], bool]:
    if given:
        return tuple(parse_vkey(_text_of(one)) for one in given), False
    if not (session.folder / IDENTITY).exists():
        hint = "give the key that the log's owner published: --key VKEY"
        raise InvalidInput("key_missing", "there is no key to check with", hint=hint)
    with open_home(session.folder, writing=False, environment=session.environment) as home:
        return (home.signer.verifier,), True


def _text_of(word: str) -> str:
    if not word.startswith("@"):
        return word
    path = Path(word[1:])
    if not path.is_file():
        raise NotFound("path_missing", f"there is no {path}", hint="@FILE names a key's file")
    return path.read_text("utf-8").strip()


def _capture(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        hint = "64 hexadecimal digits, from the person's receipt"
        raise InvalidInput("capture_form", "not a capture commitment", hint=hint) from None


def _check(path: Path, keys: Keys) -> tuple[str, Facts]:
    """Check one path; return what it is and what holds."""
    if not path.exists():
        raise NotFound("path_missing", f"there is no {path}", hint="name a file or a folder")
    try:
        return _kind_of(path)(path, keys)
    except VolensError:
        raise
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:  # fail closed
        message = f"{path} can't be read as what it claims to be"
        raise VerificationFailed("unreadable", message) from error


def _kind_of(path: Path) -> Callable[[Path, Keys], tuple[str, Facts]]:
    if path.is_dir():
        if (path / MANIFEST_FILE).exists():
            return _dataset
        if (path / CHECKPOINT).exists() and (path / PENDING).exists():
            return _log
        if (path / IDENTITY).exists():
            return lambda home, keys: _log(home / "log", keys)
        hint = f"a dataset has {MANIFEST_FILE}, a log has {CHECKPOINT} and {PENDING}"
        raise VerificationFailed("unknown_shape", f"{path} is no dataset and no log", hint=hint)
    with path.open("rb") as file:
        if file.read(len(_ZIP)) == _ZIP:
            return _export
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise VerificationFailed("unknown_shape", f"{path} is too large for any of these")
    data = path.read_bytes()
    _check_not_paper(path, data)
    if data.startswith(_TLOG_PROOF):
        return _entry
    if data.startswith(b"{"):
        return _document_kind(path, data)
    if b"\n\n\xe2\x80\x94 " in data:
        return _checkpoint
    hint = "proofs and receipts are JSON, exports zips, checkpoints signed notes"
    raise VerificationFailed("unknown_shape", f"{path} is nothing that is known here", hint=hint)


def _check_not_paper(path: Path, data: bytes) -> None:
    if data.startswith(b"%PDF-") or data[:15].lower() == b"<!doctype html>":
        hint = "check the .json form; volens receipt show REFERENCE --out FILE.json writes one"
        raise VerificationFailed("for_reading", f"{path} is for reading only", hint=hint)


def _document_kind(path: Path, data: bytes) -> Callable[[Path, Keys], tuple[str, Facts]]:
    try:
        body = read_strict(data)
    except InvalidInput as error:
        raise VerificationFailed("unreadable", f"{path}: {error.message}") from error
    if isinstance(body, dict) and body.get("payloadType") == AUDIT_TYPE:
        return _audit
    version = body.get("version") if isinstance(body, dict) else None
    if version == PROOF_VERSION:
        return _proof
    if version == RECEIPT_VERSION:
        return _receipt
    if version == ERASURE_VERSION:
        return _erasure
    if version == UNLEARNING_VERSION:
        return lambda path, keys: unlearning(path, keys.log)
    if version == FORGOTTEN_VERSION:
        return lambda path, keys: forgotten(path, keys.log, keys.beside)
    known = (PROOF_VERSION, RECEIPT_VERSION, ERASURE_VERSION, UNLEARNING_VERSION, FORGOTTEN_VERSION)
    hint = f"known: {', '.join(known)}"
    raise VerificationFailed("unknown_shape", f"{path} has a version nobody knows", hint=hint)


def _dataset(path: Path, keys: Keys) -> tuple[str, Facts]:
    report = verify_dataset(path, keys.log)
    return "dataset", [
        ("dataset", report.dataset),
        ("purpose", report.purpose.value),
        ("form", report.format.value),
        ("records", f"{report.counts.records:,}"),
        ("root", report.merkle_root.hex()),
        ("done", f"{format_moment(report.done_at)}, log entry {report.done_index}"),
        ("signed by", report.signed_by),
        ("stated only", ", ".join(report.stated_only)),
    ]


def _proof(path: Path, keys: Keys) -> tuple[str, Facts]:
    verdict = verify_proof(path.read_bytes(), keys.log, expected_capture=keys.expected_capture)
    word = "is" if verdict.kind is ProofKind.MEMBER else "is NOT"
    compared = "the one given" if verdict.compared else "not compared: give --capture"
    return f"proof of {'membership' if verdict.kind is ProofKind.MEMBER else 'absence'}", [
        ("shows", f"{verdict.conversation} {word} in {verdict.dataset}"),
        ("captured", format_moment(verdict.captured_at)),
        ("capture", f"{verdict.commitment.hex()} ({compared})"),
    ]


def _receipt(path: Path, keys: Keys) -> tuple[str, Facts]:
    receipt = verify_receipt(path.read_bytes(), keys.log)
    return "consent receipt", [
        ("shows", summary(receipt)),
        ("kept by", receipt.controller),
        ("in the log", f"below entry {receipt.log_index_at_most}"),
    ]


def _export(path: Path, keys: Keys) -> tuple[str, Facts]:
    checked = verify_copy(path, keys.log)
    manifest, facts = checked.manifest, checked.manifest.facts
    left_out = ", ".join(f"{name} {count:,}" for name, count in sorted(facts.left_out.items()))
    return "export", [
        ("whose", facts.subject),
        ("made", format_moment(facts.created)),
        ("by", facts.controller),
        ("conversations", f"{facts.conversations:,}"),
        ("left out", left_out or "nothing"),
        ("parts", f"{len(manifest.parts):,}"),
        ("proofs", f"{checked.receipts:,} receipts, {checked.accesses:,} accesses"),
        ("in the log", f"access {facts.access}"),
    ]


def _erasure(path: Path, keys: Keys) -> tuple[str, Facts]:
    cosigners = [one for one in keys.verifiers if one.key_type is KeyType.COSIGNATURE]
    found = verify_erasure_receipt(
        path.read_bytes(), keys.log, cosigners=cosigners, witnesses=keys.witnesses
    )
    receipt = found.receipt
    times = (
        ("asked for", receipt.times.requested),
        ("access ended", receipt.times.access_ended),
        ("taken back", receipt.times.cancelled),
        ("held until", receipt.times.held_until),
        ("keys removed", receipt.times.keys_removed),
        ("gone for good", receipt.times.irrecoverable),
        ("promised by", receipt.promised_by),
        ("issued", receipt.issued),
    )
    kind = "erasure receipt" if receipt.kind is DocumentKind.RECEIPT else "erasure status, not done"
    return kind, [
        ("reference", receipt.reference),
        ("what", receipt.scope.value),
        ("state", receipt.state.value),
        *((name, format_moment(at)) for name, at in times if at is not None),
        ("contact", receipt.contact),
        ("kept by", receipt.controller),
        ("in the log", f"size {found.checkpoint.size:,}"),
    ]


def _audit(path: Path, keys: Keys) -> tuple[str, Facts]:
    report = verify_report(path.read_bytes(), keys.log)
    counts, log = report["counts"], report["log"]
    assert isinstance(counts, dict)
    assert isinstance(log, dict)
    return "audit report", [
        ("home", str(report["origin"])),
        ("when", str(report["at"])),
        (
            "checks",
            ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in counts.items()),
        ),
        ("log", f"{log['size']:,} entries, root {log['root'] or 'not known'}"),
        ("made by", str(report["software"])),
    ]


def _entry(path: Path, keys: Keys) -> tuple[str, Facts]:
    entry = path.with_suffix(ENTRY_SUFFIX)
    if not entry.exists():
        hint = "volens log prove writes both"
        raise NotFound("path_missing", f"the entry {entry} is not beside its proof", hint=hint)
    checkpoint = verify_tlog_proof(
        entry.read_bytes(), path.read_bytes(), keys.verifiers, witnesses=keys.witnesses
    )
    return "log entry", [("in the log", f"{checkpoint.origin}, size {checkpoint.size:,}")]


def _checkpoint(path: Path, keys: Keys) -> tuple[str, Facts]:
    signed = open_checkpoint(path.read_bytes(), keys.verifiers)
    check_witnesses(signed, keys.witnesses)
    return "checkpoint", [
        ("log", signed.checkpoint.origin),
        ("size", f"{signed.checkpoint.size:,}"),
        ("root", signed.checkpoint.root.hex()),
        ("witnesses", ", ".join(signed.cosigned) or "none"),
    ]


def _log(path: Path, keys: Keys) -> tuple[str, Facts]:
    report = verify_directory(
        path, keys.verifiers, witnesses=keys.witnesses, allow_unknown_signatures=True
    )
    return "log", [
        ("log", report.checkpoint.origin),
        ("size", f"{report.checkpoint.size:,}"),
        ("root", report.checkpoint.root.hex()),
        ("witnesses", ", ".join(report.cosigned) or "none"),
        ("unknown", ", ".join(report.unknown) or "none"),
        ("not yet published", f"{report.pending:,}"),
    ]
