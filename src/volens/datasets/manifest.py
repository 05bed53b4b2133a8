"""The manifest: one canonical JSON document that binds every byte of a dataset.

`manifest.json` names the purpose, the policy and the counts, the Merkle root over the sorted
leaves, and the digest of every other file; the signed statement binds `manifest.json`. The format
is described in docs/formats/manifest.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import DatasetId
from volens.core.members import WORD, Members
from volens.core.purposes import Purpose
from volens.core.time import format_moment, parse_moment
from volens.datasets.model import Format

VERSION = "volens-manifest/v1"
MANIFEST_FILE = "manifest.json"
LEAVES_FILE = "manifest.leaves"
STATEMENT_FILE = "statement.dsse.json"
CHECKPOINT_FILE = "checkpoint"
DONE_ENTRY_FILE = "done.entry"
DONE_PROOF_FILE = "done.tlog-proof"
OWN_FILES = frozenset(
    {
        MANIFEST_FILE,
        LEAVES_FILE,
        STATEMENT_FILE,
        CHECKPOINT_FILE,
        DONE_ENTRY_FILE,
        DONE_PROOF_FILE,
    }
)
"""The files that `files` can't list: bound by the statement, by `leaves_sha256` or by the log."""
RECALL = (
    "This is a copy in the clear. Whoever holds it must delete a record when its removal is "
    "announced, and must not pass the copy on without this duty."
)
"""What a plain form says about itself unless the caller says it better."""

_ORIGIN = re.compile(r"[\x21-\x2a\x2c-\x7e]{1,200}")
_PATH = re.compile(r"(data/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{1,35}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRef:
    """The policy in force: its name, version and SHA-256 (32 bytes)."""

    name: str
    version: str
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much the dataset holds."""

    records: int
    turns: int
    payload_bytes: int
    """UTF-8 bytes of all turns in plain forms; bytes of all envelopes in the sealed form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """One file: the SHA-256 of its bytes (32 bytes) and their number."""

    sha256: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRef:
    """Where the log stood when the build began: its tree, and the entry of the intent."""

    origin: str
    size: int
    root: bytes
    intent: int
    """Index of the entry that announced this build; below `size`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the caller of a build knows and the writers don't."""

    dataset: DatasetId
    purpose: Purpose
    policy: PolicyRef
    log: LogRef
    created: datetime
    software: str
    redaction: str = "none"
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Reason code -> number of conversations left out for it."""
    recall: str = RECALL
    revises: DatasetId | None = None
    """The dataset that this one is a new version of."""
    recipient: str = ""
    """Who gets the copy, if its form is a plain one; every person in it is shown the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A dataset, described and bound."""

    dataset: DatasetId
    purpose: Purpose
    policy: PolicyRef
    format: Format
    redaction: str
    counts: Counts
    languages: Mapping[str, int]
    """Tag -> records, as the sources said; tags of few records are counted under ``other``."""
    excluded: Mapping[str, int]
    merkle_root: bytes
    leaves_sha256: bytes
    files: Mapping[str, FileRef]
    log: LogRef
    created: datetime
    software: str
    recall: str
    """The duty of whoever holds a plain form; empty for the sealed form."""
    revises: DatasetId | None = None
    """The dataset that this one is a new version of: it holds nothing that was not in that one."""
    recipient: str = ""
    """Who got the copy, of a plain form; empty for the sealed form, or if it was not said."""

    @property
    def discloses(self) -> bool:
        """Say whether the data files can be read without keys."""
        return self.format.discloses

    def to_bytes(self) -> bytes:
        """Write the manifest in its one form.

        Raises:
            InvalidInput: ``manifest_form`` if a value is out of its range.
        """
        data = canonical_json(self._document())
        parse_manifest(data)  # what the reader refuses is never written
        return data

    def _document(self) -> dict[str, Json]:
        return {
            "version": VERSION,
            "dataset": self.dataset,
            "purpose": self.purpose.value,
            "policy": {
                "name": self.policy.name,
                "version": self.policy.version,
                "sha256": self.policy.sha256.hex(),
            },
            "format": self.format.value,
            "redaction": self.redaction,
            "counts": {
                "records": self.counts.records,
                "turns": self.counts.turns,
                "payload_bytes": self.counts.payload_bytes,
            },
            "languages": dict(self.languages),
            "excluded": dict(self.excluded),
            "merkle_root": self.merkle_root.hex(),
            "leaves_sha256": self.leaves_sha256.hex(),
            "files": {
                path: {"sha256": ref.sha256.hex(), "size_bytes": ref.size_bytes}
                for path, ref in self.files.items()
            },
            "log": {
                "origin": self.log.origin,
                "size": self.log.size,
                "root": self.log.root.hex(),
                "intent": self.log.intent,
            },
            "created": format_moment(self.created),
            "software": self.software,
            "disclosure": self.discloses,
            "recall": self.recall,
            "revises": self.revises or "",
            "recipient": self.recipient,
        }


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest strictly: unknown, missing or misspelt members are refused.

    Raises:
        InvalidInput: ``manifest_form`` naming the member, or as `read_canonical`.
    """
    top = Members(read_canonical(data), "manifest", "manifest_form")
    top.exactly(
        "version dataset purpose policy format redaction counts languages excluded merkle_root "
        "leaves_sha256 files log created software disclosure recall revises recipient"
    )
    top.constant("version", VERSION)
    manifest = Manifest(
        dataset=top.dataset("dataset"),
        purpose=top.purpose("purpose"),
        policy=_policy(top.object("policy")),
        format=top.parsed("format", Format),
        redaction=top.word("redaction"),
        counts=_counts(top.object("counts")),
        languages=top.object("languages").numbers(_LANGUAGE),
        excluded=top.object("excluded").numbers(WORD),
        merkle_root=top.digest("merkle_root"),
        leaves_sha256=top.digest("leaves_sha256"),
        files=_files(top.object("files")),
        log=parse_log(top.object("log")),
        created=top.parsed("created", parse_moment),
        software=top.text("software"),
        recall=top.text("recall"),
        revises=None if top.member("revises") == "" else top.dataset("revises"),
        recipient=top.text("recipient"),
    )
    if top.member("disclosure") is not manifest.discloses:
        raise top.wrong("disclosure", f"does not fit the format {manifest.format.value}")
    if bool(manifest.recall) is not manifest.discloses:
        raise top.wrong("recall", f"does not fit the format {manifest.format.value}")
    if manifest.recipient and not manifest.discloses:
        raise top.wrong("recipient", f"does not fit the format {manifest.format.value}")
    return manifest


def verify_manifest_form(data: bytes) -> Manifest:
    """Read a manifest for a verifier.

    Raises:
        VerificationFailed: ``manifest_form`` if `data` is no manifest.
    """
    try:
        return parse_manifest(data)
    except InvalidInput as error:
        raise VerificationFailed(
            "manifest_form", f"{MANIFEST_FILE}: {error.message}", hint=error.hint
        ) from error


def parse_log(log: Members) -> LogRef:
    """Read the place of a build in the log (also used by the statement)."""
    log.exactly("origin size root intent")
    ref = LogRef(
        origin=log.matching("origin", _ORIGIN),
        size=log.number("size"),
        root=log.digest("root"),
        intent=log.number("intent"),
    )
    if ref.intent >= ref.size:
        raise log.wrong("intent", f"is not below the size {ref.size}")
    return ref


def _policy(policy: Members) -> PolicyRef:
    policy.exactly("name version sha256")
    return PolicyRef(
        name=policy.word("name"), version=policy.word("version"), sha256=policy.digest("sha256")
    )


def _counts(counts: Members) -> Counts:
    counts.exactly("records turns payload_bytes")
    return Counts(
        records=counts.number("records"),
        turns=counts.number("turns"),
        payload_bytes=counts.number("payload_bytes"),
    )


def _files(files: Members) -> dict[str, FileRef]:
    found = {}
    for path in files.raw:
        if not _PATH.fullmatch(path) or path in OWN_FILES:
            raise files.wrong(path, "is not a path that can stand here")
        ref = files.object(path)
        ref.exactly("sha256 size_bytes")
        found[path] = FileRef(sha256=ref.digest("sha256"), size_bytes=ref.number("size_bytes"))
    return found
