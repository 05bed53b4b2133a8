"""Restoring a home: nobody who took something back since the backup is brought back.

What came after the backup is looked for in three places: the register, which lies with the keys and
outlives the home; the journals of the old home, if they are left; and the old home's log, if it is
left. The log names nobody, so nothing is re-applied from it, but it counts: if it has more acts of
taking back than the other two can name, the home is not restored.

The identity file gets its name last, so no door opens the home before all is re-applied.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from volens.access.exception_store import CaseStore
from volens.access.restored import end_again
from volens.app.backup import (
    DATABASES,
    FILES,
    FOLDERS,
    LIFETIME,
    LOG,
    MAIN,
    MANIFEST,
    list_files,
)
from volens.app.creation import UNFINISHED, check_empty, clear_folder
from volens.app.home import Home
from volens.app.identity import IDENTITY, Identity, custody_folder, load_signer
from volens.app.manifest import BackupManifest, verify_manifest
from volens.app.register import TakenBack, open_register
from volens.core.canonical import read_canonical
from volens.core.errors import InvalidInput, NotFound, Unavailable, VerificationFailed
from volens.core.ports import Clock, Entropy
from volens.core.time import format_moment
from volens.crypto.epochs import KeyEpochs
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import KeyStore
from volens.log.entries import parse_entry
from volens.log.files import DirectoryReader
from volens.log.kinds import EntryKind, ErasureCause
from volens.log.merkle import tree_root
from volens.log.note import Signer
from volens.log.pending import parse_pending
from volens.log.publishing import PENDING
from volens.log.tiles import TILE_WIDTH
from volens.log.tree import load_tree
from volens.log.verify import verify_directory
from volens.storage.engine import open_database
from volens.storage.files import read_private, storage_errors, sync_file, sync_folder, write_durable
from volens.storage.journal import Journal
from volens.storage.stamps import Applied
from volens.storage.system import SystemClock, SystemEntropy

CHOICES, ERASURES = "choices", "erasures"
_TAKING_BACK = {
    EntryKind.CONSENT_WITHDRAWN: CHOICES,
    EntryKind.CONSENT_REVOKED: CHOICES,
    EntryKind.CONSENT_OBJECTED: CHOICES,
    EntryKind.ERASURE_REQUESTED: ERASURES,
}
_NARROWING = frozenset(
    {
        EntryKind.SUBJECT_CHANGED,
        EntryKind.CONVERSATION_SIGNALLED,
        EntryKind.ORGANISATION_INSTRUCTED,
        EntryKind.POLICY_ACTIVATED,
    }
)
_GROUP = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What restoring a backup would do; everything in it is verified."""

    backup: Path
    manifest: BackupManifest
    identity: Identity
    again: Mapping[str, Sequence[bytes]]
    """Journal -> what it is given again: acts that may be missing in the backup."""
    log: Path
    """The log that goes on: the newer one, else the backup's."""
    unnamed: int
    """Changes of accounts, conversations, instructions and policies since the backup, of which the
    newer log says that they were and nothing says which. They are lost."""

    @property
    def withdrawn(self) -> int:
        """How many withdrawals, revocations and objections are re-applied."""
        return len(self.again.get(CHOICES, ()))

    @property
    def erased(self) -> int:
        """How many requests to erase are re-applied."""
        return len(self.again.get(ERASURES, ()))


def plan_restore(
    backup: Path,
    *,
    newer_log: Path | None = None,
    journals: Path | None = None,
    incomplete: bool = False,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Plan:
    """Verify a backup and find what was taken back since; change nothing.

    Args:
        backup: the folder that `make_backup` wrote.
        newer_log: the log folder of the old home, or a copy of it, newer than the backup.
        journals: the journal folder of the old home.
        incomplete: go on although the newer log has more acts than register and journals name.
        environment: where ``VOLENS_KEK_DIR`` is looked up.
        clock: the time; the system's by default.
        entropy: randomness; the system's by default.

    Raises:
        NotFound: ``no_backup``.
        VerificationFailed: ``backup_form``, ``bad_signature``, ``backup_changed``; ``log_fork`` if
            the newer log does not go on from the backup's; ``acts_missing``; or as
            `Register.read`.
        Unavailable: ``backup_too_old``, ``backup_keys_gone``, ``custody_missing``, ``register``.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    with storage_errors(backup):
        identity = _identity(backup)
        custody = custody_folder(identity.tenant, environment)
        signer = load_signer(identity, custody)
        manifest = _verified(backup, identity, signer)
        if manifest.made + LIFETIME < clock.now():
            hint = "what was erased since could come back; make backups more often"
            made = format_moment(manifest.made)
            message = f"the backup was made on {made}, more than {LIFETIME.days} days ago"
            raise Unavailable("backup_too_old", message, hint=hint)
        _check_keys(backup, custody, entropy)
        register = open_register(custody, clock=clock, entropy=entropy)
        known = register.read(manifest.register)
        found = _found(backup, known, journals)
        since = _counted(newer_log, manifest, signer) if newer_log is not None else Counter()
    for journal, bodies in found.items():
        missing = since[journal] - len(bodies)
        if missing > 0 and not incomplete:
            message = f"the log has {missing:,} more {journal} than are known: they would be lost"
            hint = "name the old home's journal folder, or accept it with --incomplete"
            raise VerificationFailed("acts_missing", message, hint=hint)
    return Plan(
        backup=backup,
        manifest=manifest,
        identity=identity,
        again=_without_cancelled(found, known),
        log=newer_log or backup / LOG,
        unnamed=since["unnamed"],
    )


def restore(
    plan: Plan,
    folder: Path,
    *,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> None:
    """Make the home `folder` from a backup, and re-apply what was taken back since.

    1. Copy everything; the identity file is not called so yet. 2. The log says that a backup was
    restored and how much is re-applied. 3. The journals get it: from here on it holds. 4. What has
    an owner is taken in, all sessions end, as does what the log says has ended, cases that were
    open are closed (some may have been since), and every key epoch is ended, those of the lost home
    included. 5. Custody is told how far these databases are: the old ones are refused from now on.
    6. The identity file gets its name. After a stop before that there is no home, and the next call
    starts over.

    Raises:
        InvalidInput: ``home_exists`` or ``home_not_empty``.
        Unavailable: ``storage``, or if log, keys or databases can't be written.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    check_empty(folder)
    with storage_errors(folder), ExitStack() as opened:
        _lay_out(plan, folder)
        home = Home(
            folder,
            plan.identity,
            custody=custody_folder(plan.identity.tenant, environment),
            writing=True,
            clock=clock,
            entropy=entropy,
            opened=opened,
        )
        log = home.owned_log()
        home.recorder.record(
            EntryKind.BACKUP_RESTORED,
            {
                "size": plan.manifest.log_size,
                "erased": plan.erased,
                "withdrawn": plan.withdrawn,
            },
        )
        for journal, bodies in plan.again.items():
            _give_again(folder / "journal" / journal, bodies, home.drains().get(journal))
        end_again(home.main, map(parse_entry, log.entries(plan.manifest.log_size, log.size)))
        CaseStore(home.main, home.recorder).close_all(clock.now())
        home.rotation.begin_anew(plan.manifest.made)
        log.publish()
        for stamp in home.stamps():
            number = max(stamp.applied().number, stamp.remembered().number) + 1
            stamp.begin(Applied(number=number, log_size=log.size))
    (folder / UNFINISHED).replace(folder / IDENTITY)
    sync_folder(folder)


def _identity(backup: Path) -> Identity:
    data = read_private(backup / MAIN / IDENTITY)
    if data is None or not (backup / MANIFEST).exists():
        hint = "name the folder that volens backup --out wrote"
        raise NotFound("no_backup", f"there is no backup at {backup}", hint=hint)
    return Identity.decode(data, backup / MAIN / IDENTITY)


def _verified(backup: Path, identity: Identity, signer: Signer) -> BackupManifest:
    manifest = verify_manifest((backup / MANIFEST).read_bytes(), signer.verifier)
    if (manifest.tenant, manifest.origin) != (identity.tenant, identity.origin):
        raise VerificationFailed("backup_changed", "the backup's parts are of different homes")
    try:
        found = dict(list_files(backup))
    except InvalidInput as error:
        raise VerificationFailed("backup_changed", error.message) from error
    wrong = sorted(
        path
        for path in found.keys() | manifest.files.keys()
        if found.get(path) != manifest.files.get(path)
    )
    if wrong:
        hint = "use another copy of the backup"
        message = f"changed, missing or added in the backup: {', '.join(wrong[:3])}"
        raise VerificationFailed("backup_changed", message, hint=hint)
    return manifest


def _check_keys(backup: Path, custody: Path, entropy: Entropy) -> None:
    engine = open_database(backup / "keys" / "keys.db", read_only=True)
    service = FileKeyService(custody, entropy=entropy)
    keys = KeyStore(engine, service, entropy=entropy)
    try:
        KeyEpochs(engine, service, keys, entropy=entropy).check_usable()
    except Unavailable as error:
        hint = "a newer backup has newer keys"
        message = f"the keys of this backup are destroyed: {error.message}"
        raise Unavailable("backup_keys_gone", message, hint=hint) from error
    finally:
        engine.dispose()


def _found(
    backup: Path, known: Iterable[TakenBack], journals: Path | None
) -> dict[str, list[bytes]]:
    """Return what each journal may be given, each act once, in order."""
    found: dict[str, dict[bytes, None]] = {CHOICES: {}, ERASURES: {}}
    for folder in (backup / MAIN / "journal", journals):
        for name, bodies in found.items():
            if folder is not None:
                bodies.update(dict.fromkeys(Journal(folder / name).read()))
    for act in known:
        if act.journal:
            found.setdefault(act.journal, {})[act.body] = None
    return {name: list(bodies) for name, bodies in found.items()}


def _without_cancelled(
    found: Mapping[str, Sequence[bytes]], known: Iterable[TakenBack]
) -> dict[str, Sequence[bytes]]:
    cancelled = {act.cancelled for act in known if act.cancelled}
    kept = dict(found)
    kept[ERASURES] = [body for body in found[ERASURES] if _id_of(body) not in cancelled]
    return kept


def _id_of(body: bytes) -> str:
    document = read_canonical(body)
    return str(document.get("id", "")) if isinstance(document, dict) else ""


def _counted(folder: Path, manifest: BackupManifest, signer: Signer) -> Counter[str]:
    """Verify a newer log; return how many acts of each journal it has since the backup."""
    report = verify_directory(folder, [signer.verifier], allow_unknown_signatures=True)
    size = report.checkpoint.size
    read = DirectoryReader(folder).read
    tree = load_tree(read, size=size, root=report.checkpoint.root)
    start = manifest.log_size
    if start > size or tree_root(start, tree.subtree) != manifest.log_root:
        message = f"the log at {folder} does not go on from the backup's {start:,} entries"
        raise VerificationFailed("log_fork", message, hint="name the newest log of this home")
    pending = parse_pending(read(PENDING))
    fresh = [entry for at, entry in enumerate(pending.entries, pending.base) if at >= size]
    published = (
        tree.bundle(index // TILE_WIDTH)[index % TILE_WIDTH] for index in range(start, size)
    )
    counts: Counter[str] = Counter()
    for entry in (*published, *fresh):
        found = parse_entry(entry)
        what = _TAKING_BACK.get(found.kind, "unnamed" if found.kind in _NARROWING else "")
        # What a schedule asks for it asks for again by itself, and no journal has it.
        if found.fields.get("cause", ErasureCause.REQUEST) is ErasureCause.REQUEST:
            counts[what] += 1
    return counts


def _lay_out(plan: Plan, folder: Path) -> None:
    clear_folder(folder)
    write_durable(folder / UNFINISHED, plan.identity.encode())
    for to in ("keys", "journal"):
        (folder / to).mkdir(mode=0o700)
    for source, to in {**DATABASES, **FILES}.items():
        if to != IDENTITY and (plan.backup / source).exists():
            shutil.copyfile(plan.backup / source, folder / to)
    for source, to in FOLDERS.items():
        shutil.copytree(plan.log if source == LOG else plan.backup / source, folder / to)
    for name in (CHOICES, *plan.again):
        Journal(folder / "journal" / name).create()
    for inside, _, names in os.walk(folder):
        for name in names:
            sync_file(Path(inside) / name)
        sync_folder(Path(inside))


def _give_again(path: Path, bodies: Sequence[bytes], drain: Callable[[], int] | None) -> None:
    """Put acts into a journal; take them in where the home knows how.

    An act that is in the backup already counts once: acts carry ids.
    """
    for start in range(0, len(bodies), _GROUP):
        for body in bodies[start : start + _GROUP]:
            Journal(path).append(body)
        if drain is not None:
            drain()
