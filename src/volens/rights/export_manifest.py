"""The zip of an export: parts in fixed order under a signed manifest (docs/formats/export.md).

The manifest lists every part with its SHA-256 and is signed with the log's key over this format's
name and a space, so that what is signed here can be neither a checkpoint nor a receipt. Whoever has
the file and the key can check it offline.
"""

from __future__ import annotations

import base64
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Self

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import IdKind, SubjectId, parse_id
from volens.core.members import WORD, Members
from volens.core.time import format_moment, parse_moment
from volens.log.note import Signer, Verifier

VERSION = "volens-export/1"
MANIFEST = "manifest.json"
_SIGNED_AS = VERSION.encode("ascii") + b" "
_CODE = "export_form"
_NAME = re.compile(r"([a-z0-9][a-z0-9_-]{0,39}/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: no part carries a time of its own
_REGULAR_PRIVATE = 0o100600 << 16
_LEVEL = 6
_CHUNK = 1 << 20
_MOST_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of an export."""

    name: str
    sha256: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """What the manifest says besides the parts."""

    subject: SubjectId
    created: datetime
    controller: str
    """The log's origin: who answers for the copy."""
    software: str
    access: int
    """Log index of the access that the copy was made by."""
    checkpoint: str = field(repr=False)
    """The log's signed checkpoint under which that access stands."""
    conversations: int
    turns: int
    left_out: Mapping[str, int]
    """What is not in the copy: reason -> number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportManifest:
    """A signed manifest, read and checked."""

    facts: ExportFacts
    parts: tuple[Part, ...]


class ExportWriter:
    """Writes the parts of an export into a zip, one after the other. Use it as a context manager.

    Without `finish` what is left is no export: it has no manifest.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Write into `file`, which must be able to seek."""
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._parts: list[Part] = []
        self._names: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError, ValueError):  # broken off: the file is thrown away
            self._zip.close()

    def add(self, name: str, data: bytes) -> None:
        """Write one small part."""
        with self.part(name) as part:
            part.write(data)

    @contextmanager
    def part(self, name: str) -> Iterator[PartWriter]:
        """Give a writer for one part, which takes its bytes as they come.

        Raises:
            InvalidInput: ``part_name`` on a name that can't stand in an export, or a second time.
        """
        if not _NAME.fullmatch(name) or name in self._names:
            raise InvalidInput("part_name", f"not a name for a part of an export: {name[:80]!r}")
        self._names.add(name)
        info = zipfile.ZipInfo(name, _TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = _REGULAR_PRIVATE
        with self._zip.open(info, "w", force_zip64=True) as stream:
            writer = PartWriter(stream)
            yield writer
        self._parts.append(
            Part(name=name, sha256=writer.digest.digest(), size_bytes=writer.size_bytes)
        )

    def finish(self, facts: ExportFacts, signer: Signer) -> ExportManifest:
        """Sign what was written, write the manifest as the last part, and close the zip.

        Raises:
            OSError: if the disk takes no more.
        """
        manifest = ExportManifest(facts=facts, parts=tuple(self._parts))
        body = _document(manifest)
        signature = signer.sign_bytes(_SIGNED_AS + canonical_json(body))
        data = canonical_json({**body, "signature": base64.b64encode(signature).decode("ascii")})
        self.add(MANIFEST, data)
        self._zip.close()
        return manifest


class PartWriter:
    """Takes the bytes of one part."""

    def __init__(self, stream: object) -> None:
        """Write into a zip's member."""
        self._stream = stream
        self.digest = sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Write some more."""
        self.digest.update(data)
        self.size_bytes += len(data)
        self._stream.write(data)  # type: ignore[attr-defined]  # zipfile has no public type for it


def verify_export(path: Path, verifier: Verifier) -> ExportManifest:
    """Check an export and return its manifest.

    1. The zip holds exactly the parts that the manifest lists, in its order, and the manifest.
    2. The manifest is in its one form and signed by `verifier`.
    3. Each part has the size and SHA-256 that the manifest says.

    It does not check the proofs in the parts: `verify_receipt` and `verify_access` do.

    Raises:
        VerificationFailed: ``export_form``, ``export_part`` or ``bad_signature``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _verify(archive, verifier)
    except (InvalidInput, zipfile.BadZipFile, zlib.error, OSError) as error:
        raise VerificationFailed(_CODE, f"export: {error}") from error
    except (KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        what = type(error).__name__
        raise VerificationFailed(_CODE, f"export: the zip can't be read ({what})") from error


def _verify(archive: zipfile.ZipFile, verifier: Verifier) -> ExportManifest:
    infos = archive.infolist()
    last = infos[-1] if infos else None
    if last is None or last.filename != MANIFEST or last.file_size > _MOST_MANIFEST_BYTES:
        raise InvalidInput(_CODE, f"the last file is not {MANIFEST}")
    manifest = _read(archive.read(last), verifier)
    names = [part.name for part in manifest.parts]
    if [info.filename for info in infos[:-1]] != names or infos[0].header_offset or archive.comment:
        raise InvalidInput(_CODE, "the zip holds other files than its manifest lists")
    for part, info in zip(manifest.parts, infos, strict=False):
        digest, size = sha256(), 0
        with archive.open(info) as stream:
            while size <= part.size_bytes and (data := stream.read(_CHUNK)):
                digest.update(data)
                size += len(data)
        if (size, digest.digest()) != (part.size_bytes, part.sha256):
            raise VerificationFailed("export_part", f"export: {part.name} was changed")
    return manifest


def _read(data: bytes, verifier: Verifier) -> ExportManifest:
    top = Members(read_canonical(data), "manifest", _CODE)
    top.exactly(
        "version subject created controller software access checkpoint conversations turns "
        "left_out parts signature"
    )
    top.constant("version", VERSION)
    top.constant("controller", verifier.name)
    unsigned = {name: value for name, value in top.raw.items() if name != "signature"}
    verifier.verify_bytes(_SIGNED_AS + canonical_json(unsigned), top.base64("signature"))
    top.parsed("subject", lambda text: parse_id(IdKind.SUBJECT, text))
    listed = top.member("parts")
    if not isinstance(listed, list):
        raise top.wrong("parts", "is not a list")
    return ExportManifest(
        facts=ExportFacts(
            subject=SubjectId(top.string("subject")),
            created=top.parsed("created", parse_moment),
            controller=verifier.name,
            software=top.text("software"),
            access=top.number("access"),
            checkpoint=top.string("checkpoint"),
            conversations=top.number("conversations"),
            turns=top.number("turns"),
            left_out=top.object("left_out").numbers(WORD),
        ),
        parts=tuple(_part(Members(one, "manifest.parts", _CODE)) for one in listed),
    )


def _part(one: Members) -> Part:
    one.exactly("name sha256 size_bytes")
    return Part(
        name=one.matching("name", _NAME),
        sha256=one.digest("sha256"),
        size_bytes=one.number("size_bytes"),
    )


def _document(manifest: ExportManifest) -> dict[str, Json]:
    facts = manifest.facts
    return {
        "version": VERSION,
        "subject": facts.subject,
        "created": format_moment(facts.created),
        "controller": facts.controller,
        "software": facts.software,
        "access": facts.access,
        "checkpoint": facts.checkpoint,
        "conversations": facts.conversations,
        "turns": facts.turns,
        "left_out": dict(facts.left_out),
        "parts": [
            {"name": part.name, "sha256": part.sha256.hex(), "size_bytes": part.size_bytes}
            for part in manifest.parts
        ],
    }
