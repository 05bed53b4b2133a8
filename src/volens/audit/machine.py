"""Checks: databases, files, custody and witnesses are as the promises need them."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from volens.audit.inventory import file_class_of
from volens.audit.model import Finding, Look, found
from volens.audit.survey import Survey, rows
from volens.audit.trail import Trail
from volens.core.errors import VerificationFailed, VolensError
from volens.core.time import EPOCH
from volens.log.checkpoint import open_checkpoint
from volens.log.note import KeyType, parse_vkey

_PRAGMAS = {"secure_delete": 1, "synchronous": 3, "trusted_schema": 0, "cell_size_check": 1}
_OTHERS = 0o077
_WRITTEN_BY_OTHERS = 0o022
_ROLLBACK_JOURNAL = 1
_FREE_TRUNK_AT = 32  # https://www.sqlite.org/fileformat2.html#the_database_header
_PAGE = struct.Struct(">I")


def databases_are_set(survey: Survey) -> Look:
    """Ask each database for its settings and its own check, and read its free pages.

    With ``secure_delete`` a freed page is zeros; bytes on one are rows that somebody deleted
    without it.
    """
    evidence = survey.evidence
    looked = 0
    violations: list[Finding] = []
    for name, engine, path in (
        ("main.db", evidence.main, evidence.folder / "main.db"),
        ("keys.db", evidence.keys, evidence.folder / "keys" / "keys.db"),
    ):
        for pragma, wanted in _PRAGMAS.items():
            looked += 1
            ((set_to,),) = rows(engine, f"PRAGMA {pragma}")
            if set_to != wanted:
                violations.append(Finding(text=f"{name}: {pragma} is {set_to}, not {wanted}"))
        looked += 1
        violations += _sound(name, engine)
        violations += _file(name, path)
    return Look(looked_at=looked, violations=violations)


def _sound(name: str, engine: Engine) -> list[Finding]:
    ((told,), *_) = rows(engine, "PRAGMA quick_check(1)")
    return [] if told == "ok" else [Finding(text=f"{name}: SQLite finds it damaged")]


def _file(name: str, path: Path) -> list[Finding]:
    data = memoryview(path.read_bytes())
    ways = {data[18], data[19]}
    used = [page for page in _free_leaves(data) if any(_page(data, page))]
    return [
        *([] if ways == {_ROLLBACK_JOURNAL} else [Finding(text=f"{name}: not a rollback journal")]),
        *found(f"{name}: freed pages that still hold bytes", used),
    ]


def _free_leaves(data: memoryview) -> Iterator[int]:
    """Yield the numbers of the leaf pages of the freelist (SQLite file format, 1.5)."""
    (trunk,) = _PAGE.unpack_from(data, _FREE_TRUNK_AT)
    seen = set()
    while trunk and trunk not in seen:
        seen.add(trunk)
        page = _page(data, trunk)
        following, count = struct.unpack_from(">II", page)
        for place in range(min(count, len(page) // 4 - 2)):
            yield struct.unpack_from(">I", page, 8 + 4 * place)[0]
        trunk = following


def _page(data: memoryview, number: int) -> memoryview:
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size
    return data[(number - 1) * size : number * size]


def files_are_private(survey: Survey) -> Look:
    """Look at the modes of the home, its folders and databases, and of all that lies in custody."""
    evidence = survey.evidence
    inside = [
        evidence.folder,
        *(path for path in sorted(evidence.folder.iterdir()) if path.is_dir()),
    ]
    custody = [evidence.custody, *sorted(evidence.custody.iterdir())]
    files = [path for path in sorted(evidence.folder.rglob("*")) if path.is_file()]
    loose = [place for place, path in enumerate(inside, 1) if _mode(path) & _OTHERS]
    shown = [place for place, path in enumerate(custody, 1) if _mode(path) & _OTHERS]
    writable = [place for place, path in enumerate(files, 1) if _mode(path) & _WRITTEN_BY_OTHERS]
    # The log is public by design, and the home's own folder is closed: its mode is what counts.
    own = [one for one in loose if inside[one - 1].name != "log"]
    return Look(
        looked_at=len(inside) + len(custody) + len(files),
        violations=[
            *found("folders of the home that others may look into", own),
            *found("files in custody that others may read", shown),
            *found("files of the home that others may write", writable),
        ],
    )


def _mode(path: Path) -> int:
    return path.stat(follow_symlinks=False).st_mode


def custody_is_outside(survey: Survey) -> Look:
    """Compare the two places, and look for every secret of custody in every file of the home."""
    evidence = survey.evidence
    custody, home = evidence.custody.resolve(), evidence.folder.resolve()
    inside = [Finding(text="custody lies inside the home")] if custody.is_relative_to(home) else []
    files = [path for path in sorted(home.rglob("*")) if path.is_file() and not path.is_symlink()]
    holding = [
        place
        for place, path in enumerate(files, 1)
        if path.stat().st_size and _holds_any(path, list(evidence.secrets.values()))
    ]
    beside = custody.is_relative_to(home.parent) and not inside
    text = "custody lies beside the home: a copy of the folder above has both"
    return Look(
        looked_at=len(files) * len(evidence.secrets),
        violations=[*inside, *found("files of the home that hold a secret of custody", holding)],
        remarks=[Finding(text=text)] if beside else [],
    )


def _holds_any(path: Path, secrets: list[bytes]) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(secret) >= 0 for secret in secrets)


def files_are_known(survey: Survey) -> Look:
    """Compare every path in the home with the file classes of the inventory."""
    home = survey.evidence.folder
    periods = survey.evidence.policies
    packs = {f"policy/{one.name}@{one.version}" for one in periods}
    unknown, links, looked = [], [], 0
    for path in sorted(home.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        looked += 1
        name = path.relative_to(home).as_posix()
        pack = "/".join(name.split("/")[:2])
        if path.is_symlink():
            links.append(looked)
        elif file_class_of(name) is None or (name.startswith("policy/") and pack not in packs):
            unknown.append(looked)
    return Look(
        looked_at=looked,
        violations=[
            *found("files that belong to nothing in the inventory", unknown),
            *found("links: what they lead to is not in the home", links),
        ],
    )


def witnesses_are_fresh(survey: Survey) -> Look:
    """Check each witness's last cosignature: it holds, its tree starts this log, it is not old."""
    evidence = survey.evidence
    trail = evidence.log()
    forked, stale, fresh = [], [], 0
    for place, one in enumerate(evidence.cosigned, 1):
        try:
            signed_at = _cosigned_at(trail, one.note.encode(), one.vkey, survey)
        except VolensError:
            forked.append(place)
            continue
        if evidence.at - signed_at > timedelta(days=evidence.fresh_days):
            stale.append(place)
        else:
            fresh += 1
    few = evidence.witnesses_wanted - fresh
    text = f"fewer fresh cosignatures than the {evidence.witnesses_wanted} wanted"
    alone = Finding(text="no witness: nobody but this home vouches that the log only grew")
    return Look(
        looked_at=len(evidence.cosigned),
        violations=[
            *found("witnesses that signed another log than this one", forked),
            *found(f"witnesses that last signed more than {evidence.fresh_days} days ago", stale),
            *([Finding(text=text, count=few)] if few > 0 else []),
        ],
        remarks=[] if evidence.cosigned else [alone],
    )


def _cosigned_at(trail: Trail, note: bytes, vkey: str, survey: Survey) -> datetime:
    witness = parse_vkey(vkey)
    signed = open_checkpoint(note, [survey.evidence.verifier, witness])
    moments = [
        one.timestamp
        for one in signed.note.verified
        if one.verifier.key_type is KeyType.COSIGNATURE and one.timestamp is not None
    ]
    if not moments:
        raise VerificationFailed("no_cosignature", "the witness did not sign")
    size = signed.checkpoint.size
    if size > len(trail.entries) or trail.root(size) != signed.checkpoint.root:
        raise VerificationFailed("log_root", f"the log is not the one that was signed at {size}")
    return EPOCH + timedelta(seconds=max(moments))
