"""Taking up requests, killed at the system calls that change files: no record without its deed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rights.world import asking, wish
from tests.support.homes import Parts, Place, add, place
from tests.support.stores import policy
from tests.support.tracing import Operation, can_trace, run_traced
from volens.core.purposes import SubjectStatus
from volens.core.regions import Region
from volens.holds.erasures import ErasureLedger
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind, RequestKind
from volens.rights.desk import AT_ONCE, RightsDesk
from volens.rights.effects import Effects
from volens.rights.requests import Channel, VerifiedBy
from volens.rights.store import RequestStore
from volens.storage.journal import Journal
from volens.storage.system import SystemEntropy
from volens.vault.tables import LEAF

Say = Callable[[str], None]
EVERY = 19
"""The default suite tries every so many calls; the slow one tries all, before and after."""
KINDS = (
    RequestKind.OBJECTION,
    RequestKind.ERASURE,
    RequestKind.RESTRICTION,
    RequestKind.ACCESS,
)


@pytest.fixture(scope="session", autouse=True)
def _tracing() -> None:
    if not can_trace():
        pytest.skip("this system does not let a process trace its child (ptrace)")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = place(tmp_path_factory.mktemp("lived"))
    found.create()
    with Parts(found) as home:
        add(home, *(kind.value for kind in KINDS))
    assert policy()  # loaded before any fork
    return found


class Desk:
    """A desk over an owned home."""

    def __init__(self, where: Place, home: Parts) -> None:
        journal = Journal(where.folder / "journal" / "erasures")
        self.home = home
        self.erasures = ErasureLedger(home.main, journal, home.recorder)
        self.store = RequestStore(home.main, home.recorder)
        pack = policy().pack
        self.desk = RightsDesk(
            self.store,
            home.subjects,
            Effects(
                home.subjects,
                home.ledger,
                home.vault,
                self.erasures,
                pack,
                asked=asking(),
            ),
            profiles=pack.regions,
            priority=frozenset({"pro"}),
            home=Region.EU,
            clock=where.clock,
            entropy=SystemEntropy(),
        )

    def ask(self, kind: RequestKind) -> None:
        subject = self.home.subjects.find(kind.value)
        self.desk.open(subject, wish(kind), channel=Channel.WEB, verified_by=VerifiedBy.SIGNED_IN)

    def deed_done(self, kind: RequestKind) -> bool:
        subject = self.home.subjects.find(kind.value)
        if kind is RequestKind.OBJECTION:
            return any(one.objected for one in self.home.ledger.states(subject.id).values())
        if kind is RequestKind.ERASURE:
            return bool(self.erasures.of_subject(subject.id))
        if kind is RequestKind.RESTRICTION:
            return subject.status is SubjectStatus.RESTRICTED
        return True

    def look(self, said: tuple[str, ...]) -> None:
        """No record is without its deed; what was acknowledged is recorded, and in the log."""
        with self.home.main.connect() as db:
            leaves = [(row.opening, row.log_index) for row in db.execute(LEAF.select())]
        for kind in KINDS:
            found = self.store.of_subject(self.home.subjects.find(kind.value))
            assert found or kind.value not in said
            assert self.deed_done(kind) or not found
            for request in found:
                own = [index for opening, index in leaves if opening == request.id]
                kinds = [parse_entry(self.home.log.entry(index)).kind for index in sorted(own)]
                closed = [EntryKind.REQUEST_CLOSED] * (request.closing is not None)
                assert kinds == [EntryKind.REQUEST_OPENED, *closed]
        assert self.home.log.check(deep=True)


def prepare(where: Place) -> Callable[[], Operation]:
    def in_child() -> Operation:
        home = Parts(where)
        desk = Desk(where, home)

        def traced(say: Say) -> None:
            with home:
                for kind in KINDS:
                    desk.ask(kind)
                    say(kind.value)

        return traced

    return in_child


def look_again(where: Place, said: tuple[str, ...]) -> None:
    """Open, look, settle, ask for what is missing, and look again."""
    with Parts(where) as home:
        desk = Desk(where, home)
        desk.look(said)
        desk.desk.settle()
        for kind in KINDS:
            if not desk.store.of_subject(home.subjects.find(kind.value)):
                desk.ask(kind)
        desk.look(tuple(KINDS))
        assert [one.kind for one in desk.store.unanswered() if one.kind in AT_ONCE] == []
        assert len(desk.erasures.all()) == 1
        assert desk.erasures.pending() == []
        assert len(desk.store.all()) == len(KINDS)


@pytest.mark.parametrize(
    "every", [EVERY, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_a_kill_leaves_no_request_without_its_deed(
    lived: Place, tmp_path: Path, every: int
) -> None:
    whole = lived.copy(tmp_path / "whole")
    run = run_traced(prepare(whole))
    assert run.said == tuple(KINDS)
    look_again(whole, run.said)
    tried = 0
    for at in range(every // 2, len(run.calls), every):
        for after in (False, True) if every == 1 else (False,):
            where = lived.copy(tmp_path / f"{at}-{after}")
            stopped = run_traced(prepare(where), stop_at=at, after=after)
            assert stopped.killed
            try:
                look_again(where, stopped.said)
            except BaseException as error:
                error.add_note(f"killed at call {at}, {run.calls[at]}, after it: {after}")
                raise
            tried += 1
    assert tried > 6
