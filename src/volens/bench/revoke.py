"""How soon a withdrawal counts for a run that trains already, in another process.

One process holds a lease and hands out without a pause; another withdraws, one person after the
other. Wall time, from the call of the withdrawal until it is acknowledged and the last batch that
holds the person was handed out, beside a bare write and fdatasync in the same run. Then the cost of
the check that each batch makes when nothing has changed.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.app.leases import open_lease
from volens.consent.model import Act, ConsentEvent, NoticeRef
from volens.core.errors import InvalidInput
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.core.regions import Region
from volens.gate.facts import Use
from volens.gate.leases import Lease
from volens.log.kinds import CaptureSource
from volens.vault.model import Conversation, Role, Turn
from volens.vault.subjects import NewSubject, Subject

_PURPOSE = Purpose.BATCH_TRAINING
_CHECKS = 2_000


def run(print_line: Callable[[str], None], *, people: int = 500) -> dict[str, float]:
    """Let `people` withdraw while a run hands out their records; return the figures by name."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "VOLENS_KEK_DIR": f"{folder}/keys"}
        where = Path(folder) / "home"
        create_home(where, environment=environment)
        with open_home(where, writing=True, environment=environment) as home:
            subjects = willing(home, people)
            home.datasets().build(Use(purpose=_PURPOSE.value), Path(folder) / "set")
            leased = open_lease(home, Path(folder) / "set", environment=environment)
        figures = _check(leased.lease)
        with open_home(where, writing=False, environment=environment) as home:
            figures |= _race(home, leased.lease, subjects, Path(folder) / "bare")
    for name, value in figures.items():
        print_line(f"{name:<36}{value:>16,.2f}")
    return figures


def willing(home: Home, people: int, *, chats: int = 1, size: int = 40) -> list[Subject]:
    """Add people who say yes, each with some chats of about `size` characters."""
    wanted = [NewSubject(reference=f"p{n}", plan="free", region=Region.EU) for n in range(people)]
    subjects = home.subjects.add(wanted)
    for first in range(0, people, 1_000):
        said = {
            one: [_talk(number * chats + chat, size) for chat in range(chats)]
            for number, one in enumerate(subjects[first : first + 1_000], first)
        }
        home.vault.capture(said, source=CaptureSource.IMPORT)
    shown = next(
        one for one in home.policy.pack.notices if _PURPOSE in one.purposes and one.language == "en"
    )
    notice = NoticeRef(id=shown.id, language=shown.language, sha256=shown.hash)
    home.ledger.record([_act(home, one, Act.GRANT, notice) for one in subjects])
    return subjects


def _talk(number: int, size: int) -> Conversation:
    words = hashlib.shake_128(number.to_bytes(8, "big")).hexdigest(size // 4)
    turns = (
        Turn(role=Role.USER, text=f"question {number} {words}", parent=-1),
        Turn(role=Role.ASSISTANT, text=f"answer {number} {words[::-1]}", parent=0),
    )
    return Conversation(source="bench", source_id=str(number), turns=turns)


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


def _check(lease: Lease) -> dict[str, float]:
    lease.usable()
    rows = np.arange(min(64, len(lease)), dtype=np.int64)
    started = time.perf_counter()
    for _ in range(_CHECKS):
        lease.hand_out(rows)
    return {"check_of_a_batch_us": (time.perf_counter() - started) / _CHECKS * 1e6}


def _race(home: Home, lease: Lease, people: Sequence[Subject], bare: Path) -> dict[str, float]:
    fork = multiprocessing.get_context("fork")
    place = {one.holder.raw: number for number, one in enumerate(people)}
    owners = np.array([place[lease.owner(row)] for row in range(len(lease))])
    last = fork.Array("d", len(people), lock=False)
    begun = fork.Event()
    reader = fork.Process(target=_hand_out, args=(lease, owners, last, begun), daemon=True)
    reader.start()
    bare.write_bytes(bytes(len(people) * 400))
    descriptor = os.open(bare, os.O_RDWR)
    called, told, floor = [], [], []
    try:
        if not begun.wait(60):
            raise InvalidInput("bench_reader", "the process that hands out did not start")
        for number, person in enumerate(people):
            act = _act(home, person, Act.WITHDRAW)
            called.append(time.perf_counter())
            home.ledger.journal(act)
            told.append(time.perf_counter())
            started = time.perf_counter()
            os.pwrite(descriptor, bytes(400), number * 400)
            os.fdatasync(descriptor)
            floor.append(time.perf_counter() - started)
        reader.join(60)
    finally:
        os.close(descriptor)
        if reader.is_alive():
            reader.kill()
    handed = np.frombuffer(last, dtype=np.float64)
    gone = np.maximum(np.array(told), handed) - np.array(called)
    p99, bare99 = float(np.percentile(gone, 99)), float(np.percentile(floor, 99))
    return {
        "withdrawals": float(len(people)),
        "gone_median_ms": float(np.median(gone)) * 1e3,
        "gone_p99_ms": p99 * 1e3,
        "fdatasync_p99_ms": bare99 * 1e3,
        "gone_p99_beside_fdatasync_p99_x": p99 / bare99,
        "handed_out_after_acknowledged_ms": max(0.0, float((handed - np.array(told)).max()) * 1e3),
    }


def _hand_out(lease: Lease, owners: np.ndarray[Any, Any], last: Any, begun: Any) -> None:  # noqa: ANN401 - shared memory has no type
    """Hand everything out without a pause; note when each check that let a person pass began."""
    times = np.frombuffer(last, dtype=np.float64)
    while True:
        started = time.perf_counter()
        usable = lease.usable()
        if not usable.any():
            return
        times[owners[usable]] = started
        begun.set()
