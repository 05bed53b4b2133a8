"""Making a home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Engine

from volens.access import exception_tables
from volens.access import tables as access_tables
from volens.app import policies, webhooks
from volens.app.identity import (
    IDENTITY,
    LOOKUP_FILE,
    REGISTER_KEY_FILE,
    SEED_FILE,
    Identity,
    custody_folder,
    load_signer,
    stamps_of,
)
from volens.app.policies import activate, find_pack
from volens.app.register import open_register
from volens.audit import register as audit_register
from volens.consent import store as consent_store
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, TenantId, format_id
from volens.core.ports import Clock, Entropy
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.core.time import format_moment
from volens.crypto import keystore
from volens.holds import erasure_tables
from volens.holds import reports as report_store
from volens.holds import tables as hold_tables
from volens.lifecycle import sent, trusted_time
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.log.store import TransparencyLog
from volens.rights import store as rights_store
from volens.safety import tables as safety_tables
from volens.storage import stamps
from volens.storage.engine import create_tables, open_database
from volens.storage.files import (
    make_folder,
    storage_errors,
    sync_folder,
    write_durable,
    write_private,
)
from volens.storage.journal import Journal
from volens.storage.stamps import Applied
from volens.storage.system import SystemClock, SystemEntropy
from volens.training import impact_store
from volens.vault import tables as vault_tables

UNFINISHED = f"{IDENTITY}.new"
"""What the identity file is called until everything else is there."""


ROOMS_WITH_TABLES = (
    vault_tables,
    consent_store,
    erasure_tables,
    hold_tables,
    policies,
    webhooks,
    rights_store,
    report_store,
    exception_tables,
    safety_tables,
    sent,
    trusted_time,
    audit_register,
    access_tables,
    impact_store,
)
"""What has tables in the main database."""


def create_home(
    folder: Path,
    *,
    pack: str = "consent-first",
    region: Region = Region.EU,
    realm: Realm = Realm.CIVILIAN,
    origin: str | None = None,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Identity:
    """Make a home: all or nothing, since the identity file gets its name last.

    Until then it is called `UNFINISHED`, which marks what a cut-off creation left, so that a home
    that has lost its identity file is never taken for one and cleared away.

    Args:
        folder: where; must not exist, or be empty, or be left from a creation that was cut off.
        pack: a shipped policy pack's name (``NAME`` or ``NAME@VERSION``), or a pack folder.
        region: the region whose people's data lives here.
        realm: civilian, or the separate government realm.
        origin: what the log calls itself in checkpoints.
        environment: where ``VOLENS_KEK_DIR`` is looked up.
        clock: the time; the system's by default.
        entropy: randomness; the system's by default.

    Raises:
        InvalidInput: ``home_exists``, or as `find_pack`.
        Unavailable: ``storage`` if the disk takes no more; a second try clears up first.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    check_empty(folder)
    find_pack(pack)
    tenant = TenantId(format_id(IdKind.TENANT, entropy.draw(16)))
    identity = Identity(
        tenant=tenant,
        origin=origin or f"volens/{tenant}",
        region=region,
        realm=realm,
        created=format_moment(clock.now()),
    )
    with storage_errors(folder):
        _make(folder, identity, pack, environment=environment, clock=clock, entropy=entropy)
    return identity


def _make(
    folder: Path,
    identity: Identity,
    pack: str,
    *,
    environment: Mapping[str, str],
    clock: Clock,
    entropy: Entropy,
) -> None:
    custody = custody_folder(identity.tenant, environment)
    clear_folder(folder)
    write_durable(folder / UNFINISHED, identity.encode())
    for name in ("keys", "journal", "log", "policy", "datasets", "audits", "runs"):
        (folder / name).mkdir(mode=0o700)
    write_private(custody / SEED_FILE, entropy.draw(32))
    write_private(custody / LOOKUP_FILE, entropy.draw(32))
    write_private(custody / REGISTER_KEY_FILE, entropy.draw(32))
    open_register(custody, clock=clock, entropy=entropy).create()
    with ExitStack() as opened:
        log = TransparencyLog.create(
            folder / "log", signer=load_signer(identity, custody), origin=identity.origin
        )
        opened.callback(log.close)
        recorder = Recorder(log, clock=clock, entropy=entropy)
        recorder.record(EntryKind.HOME_CREATED, {})
        main, keys = _create_databases(folder)
        opened.callback(main.dispose)
        opened.callback(keys.dispose)
        for name in ("choices", "erasures"):
            Journal(folder / "journal" / name).create()
        activate(folder, main, recorder, pack, at=clock.now())
        log.publish()
        for stamp in stamps_of(custody, main, keys):
            stamp.begin(Applied(number=1, log_size=log.size))
    (folder / UNFINISHED).replace(folder / IDENTITY)
    sync_folder(folder)


def _create_databases(folder: Path) -> tuple[Engine, Engine]:
    main = open_database(folder / "main.db")
    for room in ROOMS_WITH_TABLES:
        create_tables(main, room.METADATA)
    keys = open_database(folder / "keys" / "keys.db")
    create_tables(keys, keystore.METADATA)
    for engine in (main, keys):
        create_tables(engine, stamps.METADATA)
    return main, keys


def check_empty(folder: Path) -> None:
    """Pass if a home may be made in `folder`: it is absent, empty, or left from an unfinished one.

    Raises:
        InvalidInput: ``home_exists`` or ``home_not_empty``.
    """
    if (folder / IDENTITY).exists():
        raise InvalidInput(
            "home_exists", f"{folder} is a home already", hint="choose another --home"
        )
    if folder.exists() and not _left_over(folder):
        hint = "choose an empty folder"
        raise InvalidInput("home_not_empty", f"{folder} holds other files", hint=hint)


def clear_folder(folder: Path) -> None:
    """Make `folder` hold nothing but the mark of an unfinished home, if it was there."""
    make_folder(folder)
    for entry in folder.iterdir():
        if entry.name == UNFINISHED:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _left_over(folder: Path) -> bool:
    names = {entry.name for entry in folder.iterdir()}
    return UNFINISHED in names or not names - {f".{UNFINISHED}.new"}
