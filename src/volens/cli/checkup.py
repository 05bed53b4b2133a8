"""The checks of ``volens doctor``, each a finding with a level, a text and what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from volens.app.home import Home
from volens.app.retention import clock_of, late_in
from volens.app.witnesses import WITNESSES, remembered
from volens.audit.register import overdue_since
from volens.audit.run import every_days
from volens.cli.output import Tell
from volens.core.errors import VolensError
from volens.core.purposes import Purpose
from volens.core.time import FAR_FUTURE, format_moment, parse_moment
from volens.crypto.epochs import EpochState
from volens.log.checkpoint import open_checkpoint
from volens.log.note import parse_vkey
from volens.log.verify import verify_directory
from volens.storage.journal import RESERVE_BYTES

_LOW_DISK_BYTES = 1024 * 1024 * 1024
_SAFE_WAL = (3, 51, 3)
_EXPECTED = frozenset(
    {
        "volens.json",
        "runs",
        "lock",
        "main.db",
        "keys",
        "journal",
        "log",
        "policy",
        "datasets",
        "audits",
        WITNESSES,
    }
)
_OTHERS = 0o077


class Level(StrEnum):
    """How bad a finding is."""

    FINE = "ok"
    WARN = "look"
    BAD = "BAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    level: Level
    text: str
    hint: str = ""


Check = Callable[[Home], Iterator[Finding]]


def examine(home: Home, tell: Tell) -> Iterator[Finding]:
    """Yield what every check finds; a check that can't be made is broken itself."""
    checks: tuple[Check, ...] = (
        _identity,
        _custody,
        _databases,
        _epochs,
        _register,
        _retention,
        _journal,
        _log,
        _witnesses,
        _audits,
        _policy,
        _leftovers,
        _disk,
    )
    for number, check in enumerate(checks, start=1):
        try:
            yield from check(home)
        except VolensError as error:
            yield _bad(check.__name__.strip("_"), error.message, error.hint)
        except (OSError, sqlite3.Error) as error:
            yield _bad(check.__name__.strip("_"), f"can't be looked at: {error}", "")
        tell(number, len(checks))


def _identity(home: Home) -> Iterator[Finding]:
    identity = home.identity
    people, chats = home.subjects.count(), home.vault.count()
    text = (
        f"{home.folder}, {identity.region} ({identity.realm}), {people:,} people, {chats:,} chats"
    )
    yield _fine("home", text)
    mode = home.folder.stat().st_mode
    if mode & _OTHERS:
        yield _warn("home access", "other users may look into it", f"chmod 700 {home.folder}")


def _custody(home: Home) -> Iterator[Finding]:
    custody, folder = home.custody.resolve(), home.folder.resolve()
    if custody.is_relative_to(folder):
        hint = "move the keys out and set VOLENS_KEK_DIR: whoever copies the home has them too"
        yield _bad("keys", f"the keys are inside the home: {custody}", hint)
    elif custody.is_relative_to(folder.parent):
        hint = "keep keys where a backup of the home does not reach; set VOLENS_KEK_DIR"
        yield _warn("keys", f"the keys are beside the home: {custody}", hint)
    elif custody.stat().st_dev == folder.stat().st_dev:
        hint = "a separate disk or a key service survives theft of this one"
        yield _warn("keys", f"{custody} is on the same disk as the home", hint)
    else:
        yield _fine("keys", str(custody))
    loose = [path.name for path in (custody, *custody.iterdir()) if path.stat().st_mode & _OTHERS]
    if loose:
        hint = f"chmod -R go= {custody}"
        yield _bad("key access", f"others may read: {', '.join(sorted(loose))}", hint)
    else:
        yield _fine("key access", "only you can read them")


def _databases(home: Home) -> Iterator[Finding]:
    for name, path in (
        ("main database", home.folder / "main.db"),
        ("key database", home.folder / "keys" / "keys.db"),
    ):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            (state,) = connection.execute("PRAGMA quick_check").fetchone()
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        finally:
            connection.close()
        if state != "ok":
            yield _bad(name, f"damaged: {state}", "restore it from a backup")
        elif mode == "wal" and sqlite3.sqlite_version_info < _SAFE_WAL:
            hint = "close the home and open it once with volens"
            yield _bad(name, f"is in WAL mode on SQLite {sqlite3.sqlite_version}", hint)
        else:
            text = f"sound; SQLite {sqlite3.sqlite_version}, {mode} journal, settings asserted"
            yield _fine(name, text)


def _epochs(home: Home) -> Iterator[Finding]:
    reports = home.rotation.status()
    states = Counter(one.epoch.state.value for one in reports)
    text = ", ".join(f"{count} {state}" for state, count in states.items()) or "none yet"
    if any(one.late for one in reports):
        hint = "volens keys destroy-expired --yes: until then old copies open what was erased"
        yield _bad("key epochs", f"{text}; one should be destroyed by now", hint)
    elif states[EpochState.ENDING]:
        yield _warn("key epochs", f"{text}; a rotation is not finished", "volens keys rotate")
    else:
        yield _fine("key epochs", text)


def _register(home: Home) -> Iterator[Finding]:
    count = len(home.register.read())
    yield _fine("register", f"{count:,} entries of what people took back, for restored backups")


def _retention(home: Home) -> Iterator[Finding]:
    now = home.clock.now()
    judged = clock_of(home).look(now)
    seen = judged.state.seen
    if late := late_in(home, judged):
        text = f"{len(late):,} erasures are late, the oldest since {_day(late[0].promised_by)}"
        yield _bad("retention", text, "volens retention run; volens retention preview lists them")
    if judged.paused:
        text = f"destruction is paused: the clock ({judged.paused.value}); last run {_day(seen)}"
        hint = "volens retention confirm-clock, or have a witness cosign; then run it every day"
        yield _warn("retention clock", text, hint)
    elif judged.witness_ahead:
        text = "a witness's clock is more than 36 hours ahead of this one"
        yield _warn("retention clock", text, "see which of the two is wrong")
    elif not late:
        yield _fine("retention", f"nothing is late; last run or start {_day(seen)}")


def _journal(home: Home) -> Iterator[Finding]:
    path = home.folder / "journal" / "choices"
    if not path.exists():
        hint = "open the home once for writing, or restore it: without it nobody can withdraw"
        yield _bad("journal", f"{path} is missing", hint)
        return
    status = path.stat()
    stored = status.st_blocks * 512
    waiting = len(home.ledger.pending())
    if status.st_size < RESERVE_BYTES or stored < RESERVE_BYTES // 2:
        hint = "make room; the next choice that is applied renews the reserve"
        yield _warn("journal", "its reserved space is not there: a full disk stops it", hint)
    else:
        yield _fine("journal", f"{status.st_size // 1024} KiB reserved for a full disk")
    if waiting:
        hint = "any command that writes applies them"
        yield _warn("waiting choices", f"{waiting:,}: they hold, and are not in the log yet", hint)


def _log(home: Home) -> Iterator[Finding]:
    report = verify_directory(
        home.folder / "log", [home.signer.verifier], allow_unknown_signatures=True
    )
    size = report.checkpoint.size
    yield _fine("log", f"{size:,} entries, every one recomputed; {report.pending:,} unpublished")


def _witnesses(home: Home) -> Iterator[Finding]:
    hint = "have somebody else run one: volens log witness --run DIR; then volens log witness URL"
    known = remembered(home.folder)
    for one in known:
        if one.here:
            text = f"{one.url} runs on this machine: whoever takes it has both"
            yield _warn("witness", text, hint)
        else:
            signed = open_checkpoint(
                one.note.encode(), [home.signer.verifier, parse_vkey(one.vkey)]
            )
            name = ", ".join(signed.cosigned)
            yield _fine("witness", f"{name} cosigned {signed.checkpoint.size:,} entries")
    if not known:
        yield _warn("witness", "none has cosigned this log", hint)


def _audits(home: Home) -> Iterator[Finding]:
    last, now = home.audits.last(), home.clock.now()
    days = every_days(home.policy, home.identity.region)
    created = parse_moment(home.identity.created)
    since = overdue_since(None if last is None else last.at, created, days, now)
    told = "none yet" if last is None else f"the last was {format_moment(last.at)[:10]}"
    if since is not None:
        text = f"overdue since {format_moment(since)[:10]}: {told}"
        yield _bad("audit", text, f"volens audit; one is due every {days} days")
    else:
        yield _fine("audit", f"{told}; one is due every {days} days")
    if last is not None and last.failed:
        text = f"{last.failed} of {last.checks} checks of the last one did not hold"
        yield _bad("last audit", text, "volens audit --last shows which")


def _policy(home: Home) -> Iterator[Finding]:
    ref = home.policy.ref
    yield _fine("policy", f"{ref.name} {ref.version}, sha256 {ref.hash[:16]}")
    if home.policy.valid_until < FAR_FUTURE:
        yield _warn(
            "policy end", f"ends {format_moment(home.policy.valid_until)}", "activate the next"
        )
    unsigned = [r.key.value for r in home.policy.pack.regions.values() if not r.reviewed_on]
    if home.identity.region.value in unsigned:
        text = f"nobody has signed off the rules for {home.identity.region}"
        yield _warn("region profile", text, "have a local reviewer look at the pack and sign it")
    unknown = {s.plan for s in home.subjects.all()} - set(home.policy.pack.plans)
    if unknown:
        text = f"accounts on plans the policy does not know: {', '.join(sorted(unknown))}"
        yield _warn("plans", text, "volens subject set SUBJECT --plan PLAN")
    can_ask = {p for notice in home.policy.pack.notices for p in notice.purposes}
    if Purpose.BATCH_TRAINING not in can_ask:
        yield _warn("notices", "no notice asks for training", "nobody can say yes to it")


def _leftovers(home: Home) -> Iterator[Finding]:
    odd = sorted(path.name for path in home.folder.iterdir() if path.name not in _EXPECTED)
    staged = sorted(path.name for path in home.folder.parent.glob(".*.staging"))
    torn = sorted(str(path.name) for path in home.folder.rglob("*.tmp"))
    if odd or staged or torn:
        text = f"not from a finished act: {', '.join([*odd, *staged, *torn][:5])}"
        yield _warn("leftovers", text, "look at them; a main.db-journal is settled on opening")
    else:
        yield _fine("leftovers", "none")


def _disk(home: Home) -> Iterator[Finding]:
    free = shutil.disk_usage(home.folder).free
    text = f"{free / 2**30:,.1f} GiB free"
    if free < _LOW_DISK_BYTES:
        yield _warn("disk", text, "withdrawing works on a full disk; importing does not")
    else:
        yield _fine("disk", text)
    if not os.access(home.folder, os.W_OK):
        yield _bad("home access", "it can't be written", "check who owns it")


def _day(moment: datetime) -> str:
    return format_moment(moment)[: len("2026-01-31")]


def _fine(name: str, text: str) -> Finding:
    return Finding(name=name, level=Level.FINE, text=text)


def _warn(name: str, text: str, hint: str) -> Finding:
    return Finding(name=name, level=Level.WARN, text=text, hint=hint)


def _bad(name: str, text: str, hint: str) -> Finding:
    return Finding(name=name, level=Level.BAD, text=text, hint=hint)
