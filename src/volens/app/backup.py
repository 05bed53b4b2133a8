"""Backups: three parts that can be kept apart, and a signed list of what belongs to them.

    OUT/backup.json    the signed manifest (`app.manifest`)
    OUT/main/          main.db, journals, identity, policies, witnesses, proofs of datasets
    OUT/keys/          keys.db: wrapped roots and sealed pages
    OUT/log/           the transparency log

No key-encryption key, seed or other secret of the custody folder is ever in it: what is copied is
an allow-list of places inside the home.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from volens.app.home import Home
from volens.app.identity import IDENTITY
from volens.app.manifest import BackupFile, BackupManifest, sign_manifest
from volens.app.witnesses import WITNESSES
from volens.core.errors import InvalidInput
from volens.datasets.durable import claim_staging, digest_file, discard, publish
from volens.holds.erasure import PROMISE
from volens.log.kinds import EntryKind
from volens.storage.files import storage_errors

LIFETIME: timedelta = PROMISE
"""How long a backup may be restored: as long as an erasure may take to be irrecoverable."""
MANIFEST = "backup.json"
MAIN, KEYS, LOG = "main", "keys", "log"
DATABASES = {f"{MAIN}/main.db": "main.db", f"{KEYS}/keys.db": "keys/keys.db"}
"""Place in the backup -> place in the home."""
FOLDERS = {
    f"{MAIN}/policy": "policy",
    f"{MAIN}/datasets": "datasets",
    f"{MAIN}/audits": "audits",
    f"{MAIN}/runs": "runs",
    LOG: "log",
}
FILES = {f"{MAIN}/{IDENTITY}": IDENTITY, f"{MAIN}/{WITNESSES}": WITNESSES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was made."""

    folder: Path
    manifest: BackupManifest

    @property
    def size_bytes(self) -> int:
        """How much it takes."""
        return sum(one.size_bytes for one in self.manifest.files.values())


def make_backup(home: Home, out: Path) -> Backup:
    """Write a backup of an owned home to the new folder `out`; it appears whole or not at all.

    1. Note the place in the register: what is taken back from here on will be re-applied.
    2. The log says that a backup of its present state is made.
    3. Copy journals, databases (each as of one moment, content before keys), log and the rest.
    4. Sign the list of all files; sync; give the folder its name.

    After a stop there is an entry about a backup that does not exist, and nothing else.

    Raises:
        InvalidInput: ``out_exists`` or ``out_parent``; ``backup_inside`` if `out` would lie in the
            home or with its keys.
        Unavailable: ``read_only``, ``storage``, ``register``, or as the log.
    """
    log = home.owned_log()
    _check_out(home, out)
    with storage_errors(out):
        staged, lock = claim_staging(out)
        try:
            place = home.register.place()
            checkpoint = log.publish()
            home.recorder.record(
                EntryKind.BACKUP_MADE, {"size": checkpoint.size, "root": checkpoint.root}
            )
            checkpoint = log.publish()
            _copy(home.folder, staged)
            manifest = BackupManifest(
                tenant=home.identity.tenant,
                origin=home.identity.origin,
                made=home.clock.now(),
                log_size=checkpoint.size,
                log_root=checkpoint.root,
                register=place,
                files=dict(list_files(staged)),
            )
            (staged / MANIFEST).write_bytes(sign_manifest(manifest, home.signer))
            publish(staged, out)
            os.close(lock)
        except BaseException:
            discard(staged, lock)
            raise
    return Backup(folder=out, manifest=manifest)


def list_files(folder: Path) -> Iterator[tuple[str, BackupFile]]:
    """Yield path and digest of every file of a backup but its manifest.

    Raises:
        InvalidInput: ``backup_link`` at anything that is neither a file nor a folder.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InvalidInput("backup_link", f"{name} is neither a file nor a folder")
        if path.is_file() and name != MANIFEST:
            size = path.stat().st_size
            yield name, BackupFile(sha256=digest_file(path), size_bytes=size)


def _copy(home: Path, staged: Path) -> None:
    # Journals before databases, and these before the log: what comes in between is then in the
    # register, or in the log without having been acted on, as after any stop.
    (staged / MAIN).mkdir()
    shutil.copytree(home / "journal", staged / MAIN / "journal", symlinks=True)
    for to, source in DATABASES.items():
        (staged / to).parent.mkdir(exist_ok=True)
        copy_database(home / source, staged / to)
    for to, source in FILES.items():
        if (home / source).exists():
            shutil.copyfile(home / source, staged / to)
    for to, source in FOLDERS.items():
        shutil.copytree(home / source, staged / to, symlinks=True)


def copy_database(source: Path, to: Path) -> None:
    """Copy a database as of one moment, without the free pages of the original.

    https://sqlite.org/lang_vacuum.html, "VACUUM with an INTO clause".
    """
    address = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
        database.execute("VACUUM INTO ?", (str(to),))
    to.chmod(0o600)


def _check_out(home: Home, out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise InvalidInput("out_exists", f"{out} exists already", hint="name a new folder")
    if not out.parent.is_dir():
        raise InvalidInput("out_parent", f"there is no folder {out.parent}")
    for taken in (home.folder, home.custody):
        if out.resolve().is_relative_to(taken.resolve()):
            hint = "put it on another disk"
            raise InvalidInput("backup_inside", f"{out} lies inside {taken}", hint=hint)
