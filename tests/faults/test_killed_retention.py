"""Killed at a call to the system while data goes: a retention run, an erasure, a receipt, an audit.

Whatever is said afterwards has happened; whatever was begun is finished by the next run.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.driving import HELLO, KEY, Shell
from tests.cli.test_receipt import set_mail
from tests.faults.looking import look
from tests.faults.stories import sound, texts
from tests.faults.test_killed_homes import Trial, try_points
from tests.support.homes import Place, add, place
from tests.support.stores import START, act, talk
from tests.support.tracing import Operation, Run, run_traced
from volens.app.auditing import evidence_of
from volens.app.creation import create_home
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.retention import retention_of
from volens.audit.model import Outcome
from volens.audit.run import run_audit
from volens.consent.model import Act
from volens.core.ids import ErasureId, IdKind, format_id, parse_id
from volens.holds.erasure import Erasure, ErasureState, new_erasure
from volens.lifecycle.retention import RetentionRun
from volens.log.entries import parse_entry
from volens.log.kinds import CaptureSource, EntryKind, ErasureScope

if TYPE_CHECKING:
    from tests.lifecycle.mail import Box

DAY = timedelta(days=1)
Say = Callable[[str], None]
SAID = {name: f"said by {name}" for name in ("ada", "bo", "cy")}
FIRST, SECOND = (ErasureId(format_id(IdKind.ERASURE, raw * 16)) for raw in (b"a", b"b"))


# --- a run that erases one, destroys an epoch, and lets another be irrecoverable ----------------


@dataclass(frozen=True)
class Lived:
    """Ada's keys went three weeks ago, Bo's are due now, Cy stays."""

    where: Place
    traces: dict[str, dict[str, bytes]]
    """By name, what stands for the person in files."""

    def copy(self, to: Path) -> "Lived":
        made = self.where.copy(to)
        made.clock.moment = self.where.clock.moment
        return Lived(made, self.traces)


def run(home: Home) -> RetentionRun:
    return retention_of(home, eraser_of(home)).run(home.clock.now())


def ask(home: Home, raw: bytes, name: str) -> Erasure:
    person = home.subjects.find(name)
    asked = new_erasure(raw * 16, ErasureScope.ACCOUNT, person.id, home.clock.now())
    return home.erasures.request(asked)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    where = place(tmp_path_factory.mktemp("lived"))
    where.create()
    with where.open() as home:
        people = add(home, *SAID)
        for one, name in zip(people, SAID, strict=True):
            chats = [talk(f"{name} {at}", f"{SAID[name]} {at}" * 9) for at in range(2)]
            home.vault.capture({one: chats}, source=CaptureSource.IMPORT)
            home.ledger.record([act(one.number, one, Act.GRANT)])
        traces = {one: {} for one in SAID}
        for one, name in zip(people, SAID, strict=True):
            chats = [held.id for held in home.vault.of_subject(one)]
            traces[name] = {"person": one.holder.raw, "name": one.id.encode()}
            traces[name] |= {chat: parse_id(IdKind.CONVERSATION, chat) for chat in chats}
    for day in range(28):
        where.clock.moment = START + day * DAY
        with where.open() as home:
            if day == 0:
                ask(home, b"a", "ada")
            if day == 21:
                ask(home, b"b", "bo")
            run(home)
    with where.open() as home:
        home.datasets()  # what it imports is there before any fork
        held(home)
    where.clock.moment = START + 28 * DAY
    return Lived(where, traces)


def kinds_of(home: Home) -> list[EntryKind]:
    log = home.owned_log()
    return [parse_entry(entry).kind for entry in log.entries(0, log.size)]


def true(lived: Lived, home: Home) -> tuple[ErasureState, ErasureState]:
    """Nothing is said that has not happened; return what is said of Ada's and Bo's erasure."""
    where = lived.where
    first, second = (home.erasures.find(name).state for name in (FIRST, SECOND))
    assert first in {ErasureState.KEYS_REMOVED, ErasureState.IRRECOVERABLE}
    assert second in {ErasureState.ACCESS_ENDED, ErasureState.KEYS_REMOVED}
    folders = [where.folder, where.kek]
    assert look(folders, lived.traces["ada"]) == {}
    if second is ErasureState.KEYS_REMOVED:
        assert look(folders, lived.traces["bo"]) == {}
    elif home.erasures.ended().accounts:
        assert home.erasures.ended().accounts == {lived.traces["bo"]["person"]}
    border = home.rotation.irrecoverable_before()
    removed = home.erasures.find(FIRST).keys_removed
    assert removed is not None
    if first is ErasureState.IRRECOVERABLE:
        assert border is not None
        assert removed < border
    keks = {path.name.split(".")[1] for path in where.kek.rglob("*.kek")}
    for one in home.rotation.status():
        if one.epoch.destroyed is not None:
            assert f"{one.epoch.number:06}" not in keks
    return first, second


def run_trial(lived: Lived, under: Path) -> Trial:
    count = iter(range(1_000_000))

    def trial(at: int | None, after: bool) -> Run:
        made = lived.copy(under / str(next(count)))

        def in_child() -> Operation:
            home = made.where.open()

            def traced(say: Say) -> None:
                with home:
                    done = run(home)
                    say(f"{done.erased} {done.destroyed} {done.irrecoverable}")

            return traced

        stopped = run_traced(in_child, stop_at=at, after=after)
        if at is None:
            assert stopped.said == ("1 1 1",)
        with made.where.open(writing=False) as home:
            states = true(made, home)
            assert states == (ErasureState.IRRECOVERABLE, ErasureState.KEYS_REMOVED) or not (
                stopped.said
            )
        with made.where.open() as home:
            true(made, home)
            run(home)
            done = (ErasureState.IRRECOVERABLE, ErasureState.KEYS_REMOVED)
            assert true(made, home) == done
            assert kinds_of(home)[-1] is EntryKind.RETENTION_RUN
            cy = home.subjects.find("cy")
            assert len(list(home.vault.of_subject(cy))) == 2
            assert texts(home) == [f"{SAID['cy']} {at}" * 9 for at in range(2)]  # type: ignore[arg-type]  # a whole home has the same gate
            assert run(home).erased == 0
            held(home)
            assert home.owned_log().check(deep=True)
        sound(made.where)
        shutil.rmtree(made.where.folder.parent)
        return stopped

    return trial


def held(home: Home) -> None:
    """The audit finds nothing broken."""
    report = run_audit(evidence_of(home), clock=home.clock)
    assert not [one for one in report.results if one.outcome is not Outcome.HELD]


def test_a_killed_run_says_only_what_was_done_and_the_next_does_the_rest(
    lived: Lived, tmp_path: Path
) -> None:
    try_points(run_trial(lived, tmp_path), every=120, both=False)


@pytest.mark.slow
def test_a_run_killed_at_many_calls_says_only_what_was_done(lived: Lived, tmp_path: Path) -> None:
    try_points(run_trial(lived, tmp_path), every=11, both=False)


# --- commands, as a shell runs them ---------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A home for commands, on the system's clock: Ann's erasure is done, Bob is there."""

    shell: Shell
    reference: str
    chat: str

    def copy(self, to: Path) -> "Stage":
        shutil.copytree(self.shell.folder, to / "home")
        shutil.copytree(self.shell.keys, to / "kek")
        os.environ[KEY] = str(to / "kek")  # the fixture puts it back
        return replace(self, shell=Shell(to / "home", to / "kek"))

    def references(self) -> dict[str, str]:
        listed = self.shell.json("receipt", "list")["erasures"]
        return {one["reference"]: one["state"] for one in listed}

    def kinds(self) -> list[str]:
        words = ("log", "show", "--last", "200")
        return [entry["kind"] for entry in self.shell.json(*words)["entries"]]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    keys = tmp_path / "stage" / "kek"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(keys))
        patch.setenv("VOLENS_CONTACT", "Privacy office, privacy@example.org")
        patch.chdir(tmp_path)
        create_home(tmp_path / "stage" / "home", environment={KEY: str(keys)})
        shell = Shell(tmp_path / "stage" / "home", keys)
        _, (chat,) = shell.chats("ann", 1), shell.chats("bob", 1)
        asked = shell.json("erase", "subject", "ann", "--yes", "--no-cool-off")
        assert shell.json("retention", "run")["erased"] == 1
        shell.ok("audit")  # what it imports is there before any fork
        yield Stage(shell, asked["reference"], chat)


def command_trial(
    stage: Stage, under: Path, words: tuple[str, ...], look_at: Callable[[Stage, bool], None]
) -> Trial:
    count = iter(range(1_000_000))

    def trial(at: int | None, after: bool) -> Run:
        made = stage.copy(under / "tries" / str(next(count)))

        def in_child() -> Operation:
            def traced(say: Say) -> None:
                assert made.shell.ok(*words)
                say("done")

            return traced

        stopped = run_traced(in_child, stop_at=at, after=after)
        look_at(made, bool(stopped.said))
        made.shell.ok("subject", "add", "dee")  # any owner finishes what was begun
        made.shell.ok("verify", made.shell.folder / "log")
        made.shell.ok("audit")
        assert HELLO in made.shell.ok("conversation", "show", made.chat, "--show-content").out
        sound(Place(made.shell.folder, made.shell.keys, None))  # type: ignore[arg-type]  # no clock is asked
        shutil.rmtree(made.shell.folder.parent)
        return stopped

    return trial


def erased(made: Stage, said: bool) -> None:
    """Access has ended if it was said, and a second request is the same one."""
    before = made.references()
    shown = made.shell.run("conversation", "show", made.chat, "--show-content")
    ended = shown.code != 0
    assert (HELLO in shown.out) == (not ended)
    assert ended or not said
    assert ended == (len(before) == 2)
    again = made.shell.json("erase", "history", "bob", "--yes")
    assert again["new"] == (not ended)
    assert made.kinds().count("erasure.requested") in {2, 3}  # one may have found no row
    assert len(made.references()) == 2
    assert set(made.references().values()) == {"keys_removed", "access_ended"}
    made.shell.ok("erase", "history", "bob", "--cancel")


def audited(made: Stage, said: bool) -> None:
    """An audit is in the log, the table and the folder, or it was not made."""
    shown = made.shell.run("audit", "--last", "--json")
    assert shown.code == 0
    assert (shown.document["number"] == 2) or not said
    assert made.shell.json("audit")["number"] in {2, 3}


def sent(box: "Box") -> Callable[[Stage, bool], None]:
    """It is said to be sent only if it went out; sending again is no error."""

    def look_at(made: Stage, said: bool) -> None:
        (one,) = made.shell.json("receipt", "list")["erasures"]
        assert one["sent"] is not None or not said
        assert box.taken or one["sent"] is None
        box.taken.clear()
        made.shell.ok("receipt", "send", made.reference, "--to", "a@example.org", "--no-pdf")
        (one,) = made.shell.json("receipt", "list")["erasures"]
        assert one["sent_state"] == "keys_removed"
        box.taken.clear()

    return look_at


SOME_OR_MORE = pytest.mark.parametrize("every", [40, pytest.param(6, marks=pytest.mark.slow)])


@SOME_OR_MORE
def test_a_killed_erase_has_ended_access_or_was_not_asked(
    stage: Stage, tmp_path: Path, every: int
) -> None:
    words = ("erase", "history", "bob", "--yes")
    try_points(command_trial(stage, tmp_path, words, erased), every=every, both=False)


@SOME_OR_MORE
def test_a_killed_audit_was_made_or_was_not(stage: Stage, tmp_path: Path, every: int) -> None:
    try_points(command_trial(stage, tmp_path, ("audit",), audited), every=every, both=False)


@pytest.mark.enable_socket
@SOME_OR_MORE
def test_a_receipt_is_said_to_be_sent_only_if_it_went_out(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")
    from tests.lifecycle.mail import Box, serving  # noqa: PLC0415 - only if it is installed

    box = Box()
    with serving(box):
        set_mail(monkeypatch, box.port)
        words = ("receipt", "send", stage.reference, "--to", "a@example.org", "--no-pdf")
        stage.shell.ok(*words, "--dry-run")
        trial = command_trial(stage, tmp_path, words, sent(box))
        try_points(trial, every=every, both=False)
