"""Making a home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from volens.app import policies
from volens.app.identity import (
    IDENTITY,
    LOOKUP_FILE,
    SEED_FILE,
    Identity,
    custody_folder,
    load_signer,
)
from volens.app.policies import activate, find_pack
from volens.consent import store as consent_store
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, TenantId, format_id
from volens.core.ports import Clock, Entropy
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.core.time import format_moment
from volens.crypto import keystore
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.log.store import TransparencyLog
from volens.storage.engine import create_tables, open_database
from volens.storage.files import write_durable, write_private
from volens.storage.journal import Journal
from volens.storage.system import SystemClock, SystemEntropy
from volens.vault import tables as vault_tables


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
    """Make a home: all or nothing, since the identity file comes last.

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
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    if (folder / IDENTITY).exists():
        raise InvalidInput(
            "home_exists", f"{folder} is a home already", hint="choose another --home"
        )
    if folder.exists() and not _left_over(folder):
        hint = "choose an empty folder"
        raise InvalidInput("home_not_empty", f"{folder} holds other files", hint=hint)
    find_pack(pack)
    tenant = TenantId(format_id(IdKind.TENANT, entropy.draw(16)))
    identity = Identity(
        tenant=tenant,
        origin=origin or f"volens/{tenant}",
        region=region,
        realm=realm,
        created=format_moment(clock.now()),
    )
    custody = custody_folder(identity.tenant, environment)
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("", "keys", "journal", "log", "policy", "datasets"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(custody / SEED_FILE, entropy.draw(32))
    write_private(custody / LOOKUP_FILE, entropy.draw(32))
    log = TransparencyLog.create(
        folder / "log", signer=load_signer(identity, custody), origin=identity.origin
    )
    recorder = Recorder(log, clock=clock, entropy=entropy)
    recorder.record(EntryKind.HOME_CREATED, {})
    main = _create_databases(folder)
    Journal(folder / "journal" / "choices").create()
    activate(folder, main, recorder, pack, at=clock.now())
    log.publish()
    log.close()
    main.dispose()
    write_durable(folder / IDENTITY, identity.encode())
    return identity


def _create_databases(folder: Path) -> Engine:
    main = open_database(folder / "main.db")
    for metadata in (vault_tables.METADATA, consent_store.METADATA, policies.METADATA):
        create_tables(main, metadata)
    keys = open_database(folder / "keys" / "keys.db")
    create_tables(keys, keystore.METADATA)
    keys.dispose()
    return main


def _left_over(folder: Path) -> bool:
    known = {"datasets", "keys", "journal", "log", "policy", "lock", "main.db", "main.db-journal"}
    return all(entry.name in known for entry in folder.iterdir())
