"""The ledger with many people in it: how fast choices come in, and what asking about all costs.

Choices recorded in groups through the ledger (log entry, database and state, durable for the
group); a withdrawal through the journal beside a bare write and fdatasync (wall time, since waiting
for the disk is the point); deciding for everybody at once (CPU time).
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.consent.model import Act, ConsentEvent, NoticeRef
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.core.regions import Region
from volens.gate.facts import Use
from volens.storage.journal import Journal
from volens.vault.subjects import NewSubject, Subject

GROUP = 1_000
WITHDRAWALS = 200
_PURPOSE = Purpose.BATCH_TRAINING


def run(
    print_line: Callable[[str], None], *, subjects: int = 50_000, rounds: int = 5
) -> dict[str, float]:
    """Measure with `subjects` people who each say yes once; return the figures by name."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "VOLENS_KEK_DIR": f"{folder}/keys"}
        create_home(Path(folder) / "home", environment=environment)
        with open_home(Path(folder) / "home", writing=True, environment=environment) as home:
            people = _people(home, subjects)
            figures = {"grants_per_cpu_s": _record(home, people)}
            figures |= _withdraw(home, people, Path(folder) / "bare")
            figures |= _ask(home, people, rounds)
    for name, value in figures.items():
        print_line(f"{name:<36}{value:>16,.2f}")
    return figures


def _people(home: Home, subjects: int) -> list[Subject]:
    people: list[Subject] = []
    for first in range(0, subjects, GROUP):
        some = range(first, min(first + GROUP, subjects))
        wanted = [NewSubject(reference=f"p{n}", plan="free", region=Region.EU) for n in some]
        people += home.subjects.add(wanted)
    return people


def _notice(home: Home) -> NoticeRef:
    shown = next(
        one for one in home.policy.pack.notices if _PURPOSE in one.purposes and one.language == "en"
    )
    return NoticeRef(id=shown.id, language=shown.language, sha256=shown.hash)


def _act(home: Home, subject: Subject, act: Act, notice: NoticeRef | None = None) -> ConsentEvent:
    return ConsentEvent(
        id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
        subject=subject.id,
        purpose=_PURPOSE,
        act=act,
        at=home.clock.now(),
        notice=notice,
        channel="bench",
    )


def _record(home: Home, people: Sequence[Subject]) -> float:
    notice = _notice(home)
    started = time.process_time()
    for first in range(0, len(people), GROUP):
        home.ledger.record(
            [_act(home, person, Act.GRANT, notice) for person in people[first : first + GROUP]]
        )
    return len(people) / (time.process_time() - started)


def _withdraw(home: Home, people: Sequence[Subject], bare: Path) -> dict[str, float]:
    journal = Journal(bare)
    journal.create()
    descriptor = os.open(bare, os.O_RDWR)
    ours, floor = [], []
    try:
        for number, person in enumerate(people[:WITHDRAWALS]):
            act = _act(home, person, Act.WITHDRAW)
            started = time.perf_counter()
            home.ledger.journal(act)
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            os.pwrite(descriptor, bytes(400), number * 400)
            os.fdatasync(descriptor)
            floor.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
    home.ledger.drain()
    return {
        "withdrawal_ms": median(ours) * 1e3,
        "withdrawal_beside_fdatasync_x": median(ours) / median(floor),
    }


def _ask(home: Home, people: Sequence[Subject], rounds: int) -> dict[str, float]:
    one, every = [], []
    for turn in range(rounds):
        started = time.process_time()
        for person in people[turn * 20 : turn * 20 + 20]:
            home.gate.decide(person, Use(purpose=_PURPOSE.value))
        one.append((time.process_time() - started) / 20)
        started = time.process_time()
        home.gate.preview(Use(purpose=_PURPOSE.value))
        every.append((time.process_time() - started) / len(people))
    return {
        "one_decision_us": median(one) * 1e6,
        "deciding_for_all_us_a_person": median(every) * 1e6,
    }
