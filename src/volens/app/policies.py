"""Which policy is in force in a home, and which ones were."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, insert, select

from volens.core.errors import InvalidInput
from volens.core.time import format_moment, from_millis, to_millis
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.policy.decision import Policy
from volens.policy.pack import Pack
from volens.policy.packs import list_packs, load_admitted, load_pack
from volens.storage.files import sync_file, sync_folder

METADATA = MetaData()
_POLICY = Table(
    "policy_in_force",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("version", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("since_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """One policy version that is or was in force."""

    name: str
    version: str
    sha256: str
    since: datetime
    log_index: int


def find_pack(name: str) -> tuple[Pack, Path]:
    """Return a pack and its folder, named as a folder, ``NAME`` or ``NAME@VERSION``.

    Raises:
        NotFound: ``pack_unknown``.
        InvalidInput: if the pack does not load, or is for comparison only.
    """
    if Path(name).is_dir():
        folder = Path(name)
        pack = load_pack(folder)
    else:
        base, _, version = name.partition("@")
        pack = load_pack(base, version or None)
        folder = next(
            item.folder
            for item in list_packs()
            if (item.name, item.version) == (pack.name, pack.version)
        )
    pack.require_enforceable()
    return pack, folder


def activate(home: Path, main: Engine, recorder: Recorder, name: str, *, at: datetime) -> Pack:
    """Put a pack in force: its files are kept in the home, its hash and notices are logged.

    Raises:
        NotFound: ``pack_unknown``.
        InvalidInput: ``version_taken`` if the home keeps other files under this name and version,
            ``not_yet_effective`` before the moment the pack names, or if the pack does not load,
            or is for comparison only.
    """
    pack, folder = find_pack(name)
    if pack.effective_from > at:
        day = format_moment(pack.effective_from)
        hint = "tell people about it; put it in force from that moment on"
        message = f"{pack.name} {pack.version} takes effect at {day}, not before"
        raise InvalidInput("not_yet_effective", message, hint=hint)
    _keep(home / "policy" / f"{pack.name}@{pack.version}", pack, folder)
    for notice in pack.notices:
        recorder.record(
            EntryKind.NOTICE_PUBLISHED,
            {
                "notice_hash": bytes.fromhex(notice.hash),
                "purposes": tuple(sorted(notice.purposes)),
                "language": notice.language,
            },
        )
    index = recorder.record(
        EntryKind.POLICY_ACTIVATED,
        {
            "pack": pack.name,
            "version": pack.version,
            "pack_hash": bytes.fromhex(pack.hash),
            "effective": pack.effective_from,
        },
    )
    row = {
        "name": pack.name,
        "version": pack.version,
        "sha256": pack.hash,
        "since_ms": to_millis(at),
        "log_index": index,
    }
    with main.begin() as db:
        db.execute(insert(_POLICY).values(row))
    return pack


def history(main: Engine) -> list[InForce]:
    """Return every policy version that was in force, oldest first; the last one is."""
    with main.connect() as db:
        return [
            InForce(
                name=row.name,
                version=row.version,
                sha256=row.sha256,
                since=from_millis(row.since_ms),
                log_index=row.log_index,
            )
            for row in db.execute(select(_POLICY).order_by(_POLICY.c.no))
        ]


def load_in_force(home: Path, main: Engine) -> Policy:
    """Return the policy in force, from the home's own copy.

    Raises:
        InvalidInput: ``policy_changed`` if its files are not the ones that were activated.
    """
    found = history(main)
    if not found:
        raise InvalidInput("home_form", f"{home} has no policy in force")
    last = found[-1]
    pack = load_admitted(home / "policy" / f"{last.name}@{last.version}", last.sha256)
    if pack is None:
        raise InvalidInput(
            "policy_changed",
            f"the files of policy {last.name} {last.version} are not the ones that were activated",
            hint="restore HOME/policy from a backup; to change rules, activate a new version",
        )
    return Policy(pack)


def _keep(target: Path, pack: Pack, folder: Path) -> None:
    """Copy the pack's files to `target`, durably and all at once, unless they are there."""
    if not target.exists():
        fresh = target.with_name(f".{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(folder, fresh)
        for path in fresh.rglob("*"):
            if path.is_file():
                sync_file(path)
            else:
                sync_folder(path)
        sync_folder(fresh)
        fresh.rename(target)
        sync_folder(target.parent)
    if load_pack(target).hash != pack.hash:
        raise InvalidInput(
            "version_taken",
            f"the home keeps other files as {pack.name} {pack.version}",
            hint="give the changed pack a version of its own",
        )
