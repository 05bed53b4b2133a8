"""The manifest of a backup: which bytes belong to it, and up to where they reach; signed.

Canonical JSON in a DSSE envelope (`log.dsse`), under the log's own key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import IdKind, TenantId, parse_id
from volens.core.members import Members
from volens.core.time import format_moment, parse_moment
from volens.log.dsse import sign_envelope, verify_envelope
from volens.log.note import Signer, Verifier

PAYLOAD_TYPE = "application/vnd.volens.backup+json"
_CODE = "backup_form"
_MEMBERS = "v tenant origin made log_size log_root register files"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFile:
    """One file of a backup."""

    sha256: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """What a backup holds."""

    tenant: TenantId
    origin: str
    made: datetime
    log_size: int
    """How many entries the log had; `log_root` is their root."""
    log_root: bytes
    register: int
    """The place in the register from which on acts may be missing in the backup."""
    files: Mapping[str, BackupFile]
    """By relative path with slashes, such as ``main/main.db``."""


def sign_manifest(manifest: BackupManifest, signer: Signer) -> bytes:
    """Return the signed manifest, as canonical JSON."""
    files: dict[str, Json] = {
        path: {"sha256": one.sha256.hex(), "size": one.size_bytes}
        for path, one in sorted(manifest.files.items())
    }
    payload = canonical_json(
        {
            "v": 1,
            "tenant": manifest.tenant,
            "origin": manifest.origin,
            "made": format_moment(manifest.made),
            "log_size": manifest.log_size,
            "log_root": manifest.log_root.hex(),
            "register": manifest.register,
            "files": files,
        }
    )
    return sign_envelope(PAYLOAD_TYPE, payload, signer)


def verify_manifest(data: bytes, verifier: Verifier) -> BackupManifest:
    """Check a signed manifest and return what it says.

    Raises:
        VerificationFailed: ``backup_form`` or ``bad_signature``.
    """
    try:
        return _read(verify_envelope(data, PAYLOAD_TYPE, verifier, code=_CODE))
    except InvalidInput as error:
        raise VerificationFailed(_CODE, f"backup manifest: {error.message}") from error


def _read(payload: bytes) -> BackupManifest:
    body = Members(read_canonical(payload), "backup", _CODE)
    body.exactly(_MEMBERS)
    if body.number("v") != 1:
        raise body.wrong("v", "is not 1")
    files = body.member("files")
    if not isinstance(files, dict):
        raise body.wrong("files", "is not an object")
    parse_id(IdKind.TENANT, str(body.member("tenant")))
    return BackupManifest(
        tenant=TenantId(str(body.member("tenant"))),
        origin=str(body.member("origin")),
        made=parse_moment(str(body.member("made"))),
        log_size=body.number("log_size"),
        log_root=body.digest("log_root"),
        register=body.number("register"),
        files={_path(path): _file(path, value) for path, value in files.items()},
    )


def _path(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/") or "/".join(parts) != path:
        raise InvalidInput(_CODE, f"not a path inside a backup: {path[:80]!r}")
    return path


def _file(path: str, value: Json) -> BackupFile:
    one = Members(value, f"backup.files.{path}", _CODE)
    one.exactly("sha256 size")
    return BackupFile(sha256=one.digest("sha256"), size_bytes=one.number("size"))
