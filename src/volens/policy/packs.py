"""Policy packs on disk: find, read strictly, hash, and admit only what the base rules allow.

A pack is a folder: ``pack.toml``, ``policy.cedar`` and ``notices/*.txt``. The base pack's rules are
put before its own, always. docs/formats/policy-pack.md has every key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput, NotFound
from volens.policy.admission import admit
from volens.policy.cedar import read_rules
from volens.policy.manifest import open_manifest
from volens.policy.model import PolicyRef
from volens.policy.pack import Pack, PackKind, Rule
from volens.policy.sections import (
    read_changes,
    read_head,
    read_matrix,
    read_notices,
    read_plans,
    read_purposes,
    read_regions,
    read_tables,
    read_tiers,
)

SHIPPED = Path(__file__).parent / "packs"
MANIFEST = "pack.toml"
POLICY = "policy.cedar"
MAX_FILE_BYTES = 1024 * 1024

_ADMITTED: set[str] = set()
"""Hashes admitted by this process: the same bytes need not be asked some thousand times again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackListing:
    """A shipped pack version, as its manifest describes itself."""

    name: str
    version: str
    kind: PackKind
    effective_from: datetime
    folder: Path


def list_packs(root: Path = SHIPPED) -> tuple[PackListing, ...]:
    """Return the shipped pack versions, by name and then by effective date."""
    found = []
    for path in sorted(root.glob(f"*/*/{MANIFEST}")):
        manifest = open_manifest(path.read_bytes(), file=MANIFEST)
        name, version, kind, _, effective_from = read_head(manifest)
        found.append(
            PackListing(
                name=name,
                version=version,
                kind=kind,
                effective_from=effective_from,
                folder=path.parent,
            )
        )
    return tuple(sorted(found, key=lambda item: (item.name, item.effective_from)))


def load_pack(path_or_name: str | Path, version: str | None = None) -> Pack:
    """Load and admit a pack: a folder, or a shipped pack by name.

    Args:
        path_or_name: a folder that holds a ``pack.toml``, or the name of a shipped pack.
        version: a version of a shipped pack; the one with the latest effective date by default.

    Raises:
        NotFound: ``pack_unknown`` if there is no such pack or version.
        InvalidInput: if a file is malformed (``pack_form``, ``policy_invalid``) or the pack would
            permit what the base rules forbid (``pack_refused``); the message names the rule.
    """
    if isinstance(path_or_name, Path) or (Path(path_or_name) / MANIFEST).is_file():
        folder = Path(path_or_name)
        pack = read_pack(_read_folder(folder))
        if version is not None and pack.version != version:
            raise NotFound("pack_unknown", f"{folder} holds version {pack.version}, not {version}")
        return pack
    versions = [item for item in list_packs() if item.name == path_or_name]
    chosen = [item for item in versions if version is None or version == item.version]
    if not chosen:
        known = ", ".join(item.version for item in versions) or ", ".join(
            sorted({item.name for item in list_packs()})
        )
        wanted = path_or_name if version is None else f"{path_or_name} {version}"
        raise NotFound("pack_unknown", f"no policy pack {wanted!r}", hint=f"known: {known}")
    return read_pack(_read_folder(chosen[-1].folder))


def version_in_force(name: str, at: datetime) -> str:
    """Return the version of the shipped pack `name` that is in force at `at`.

    Raises:
        NotFound: ``pack_unknown`` if there is no such pack, or none of its versions has begun.
    """
    begun = [item for item in list_packs() if item.name == name and item.effective_from <= at]
    if not begun:
        raise NotFound("pack_unknown", f"no version of {name!r} is in force at {at.isoformat()}")
    return begun[-1].version


def next_version_from(pack: Pack) -> datetime | None:
    """Return when the next shipped version of the same pack takes effect; None if there is none."""
    later = [
        item.effective_from
        for item in list_packs()
        if item.name == pack.name and item.effective_from > pack.effective_from
    ]
    return min(later, default=None)


def load_admitted(folder: Path, sha256: str) -> Pack | None:
    """Load a pack that was admitted before under this very hash; None if its files changed.

    The hash covers every file of the pack and of the base pack, so what was found then holds.

    Raises:
        NotFound: ``pack_unknown``.
        InvalidInput: as `load_pack`, if a file is malformed.
    """
    files = _read_folder(folder)
    pack = read_pack(files, admitted=True)
    return pack if pack.hash == sha256 else None


def read_pack(files: Mapping[str, bytes], *, admitted: bool = False) -> Pack:
    """Build a pack from its files (relative name -> bytes) and admit it.

    Args:
        files: what the pack's folder holds.
        admitted: the caller compares the hash with one that was admitted; else it is done here.

    Raises:
        InvalidInput: as `load_pack`.
    """
    for name in (MANIFEST, POLICY):
        if name not in files:
            raise InvalidInput("pack_form", f"{name} is missing", hint="a pack needs both files")
    manifest = open_manifest(files[MANIFEST], file=MANIFEST)
    name, version, kind, label, effective_from = read_head(manifest)
    base = _base_files(kind)
    ref = PolicyRef(name=name, version=version, hash=_hash(files, base))
    purposes = read_purposes(manifest)
    matrix = read_matrix(manifest, purposes, kind)
    notices = read_notices(manifest, files, matrix)
    plans = read_plans(manifest)
    own = _text(files[POLICY], POLICY)
    pack = Pack(
        ref=ref,
        kind=kind,
        label=label,
        effective_from=effective_from,
        plans=plans,
        tiers=read_tiers(manifest),
        purposes=purposes,
        matrix=matrix,
        regions=read_regions(manifest),
        notices=notices,
        tables=read_tables(manifest, kind, plans),
        changes=read_changes(manifest),
        rules=_rules(base, own),
        cedar="\n".join([*(_text(data, file) for file, data in _cedar(base).items()), own]),
        schema=_text(base["base/schema.cedarschema"], "base/schema.cedarschema"),
    )
    manifest.close()
    _check_files(files, {notice.file for notice in notices})
    if not admitted and pack.hash not in _ADMITTED:
        admit(pack, own, file=POLICY)
        _ADMITTED.add(pack.hash)
    return pack


def _read_folder(folder: Path) -> dict[str, bytes]:
    if not (folder / MANIFEST).is_file():
        raise NotFound("pack_unknown", f"{folder} holds no {MANIFEST}", hint="name a pack folder")
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(
                "pack_form",
                f"{name} is no plain file of at most {MAX_FILE_BYTES} bytes",
                hint="a pack holds pack.toml, policy.cedar and notices/*.txt",
            )
        files[name] = path.read_bytes()
    return files


def _base_files(kind: PackKind) -> dict[str, bytes]:
    """Return the base pack; a comparison pack goes without the consent requirement only."""
    left_out = {"consent.cedar"} if kind is PackKind.COMPARISON else set()
    return {
        f"base/{path.name}": path.read_bytes()
        for path in sorted((SHIPPED / "base").iterdir())
        if path.name not in left_out and path.suffix in {".cedar", ".cedarschema"}
    }


def _cedar(base: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in base.items() if name.endswith(".cedar")}


def _rules(base: Mapping[str, bytes], own: str) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    sources = [(file, _text(data, file), True) for file, data in _cedar(base).items()]
    for file, text, is_base in [*sources, (POLICY, own, False)]:
        for rule in read_rules(text, base=is_base, file=file):
            if rule.id in rules:
                raise InvalidInput("policy_invalid", f"{file}: the rule {rule.id!r} stands twice")
            rules[rule.id] = rule
    return rules


def _hash(files: Mapping[str, bytes], base: Mapping[str, bytes]) -> str:
    """Return SHA-256 over the canonical listing of every file name and its own SHA-256."""
    listing = [
        {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted({**base, **files}.items())
    ]
    return hashlib.sha256(canonical_json(listing)).hexdigest()


def _check_files(files: Mapping[str, bytes], notices: set[str]) -> None:
    for name in sorted(set(files) - {MANIFEST, POLICY} - notices):
        hint = "remove it, or list it under [[notices]]"
        raise InvalidInput("pack_form", f"the file {name!r} belongs to nothing", hint=hint)


def _text(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("pack_form", f"{file}: not UTF-8 at byte {error.start}") from error
