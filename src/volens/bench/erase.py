"""How fast chats and accounts are erased, beside deleted rows and rewritten files.

Everybody holds the same chats. In each round each contender works on a fresh copy, in turn; what is
left is compared with what has to be left. All is wall time, since all is durable (but delta-rs,
which doesn't sync). `keys` is the moment from which nothing opens: cryptographic erasure alone.
`run` is the eraser with every target: log entries, keys, blocks, rows, choices, datasets, requests
and the look into every store afterwards; recording the requests is told apart.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median

from volens.app.creation import create_home
from volens.app.erasing import eraser_of
from volens.app.home import Home, open_home
from volens.bench.build_dialogues import dialogues
from volens.bench.build_world import conversation_of
from volens.bench.erase_peers import (
    Act,
    Chat,
    Contender,
    Delta,
    ParquetFile,
    Rows,
    copy_of,
    fill_delta,
    fill_parquet,
    fill_rows,
)
from volens.bench.facts_of_machine import facts_of_machine
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import ConversationId, IdKind, SubjectId, format_id
from volens.core.regions import Region
from volens.holds.erasure import Erasure, new_erasure
from volens.log.kinds import CaptureSource, ErasureScope
from volens.storage.engine import driver_of
from volens.storage.journal import Journal
from volens.vault.model import pack_payload
from volens.vault.subjects import NewSubject, Subject

Say = Callable[[str], None]
_Chosen = dict[int, list[list[int]]]
GROUPS = {1: 20, 100: 5, 10_000: 1}
"""Size -> how many groups a contender erases in a round."""
SINGLES = 200
BESIDE_ROWS, BESIDE_REWRITES, BESIDE_SYNC = 20.0, 1000.0, 5.0
"""The goals: accounts in the largest groups; one request until access has ended."""
PEERS = ("rows", "parquet", "delta")
_STEP = 5_000  # chats made at once


def run(
    print_line: Say,
    *,
    rounds: int = 3,
    people: int = 20_000,
    each: int = 10,
    mean_bytes: int = 2048,
    groups: Mapping[int, int] = GROUPS,
) -> dict[str, float]:
    """Measure with `people` who have `each` chats of about `mean_bytes`; return the figures.

    Raises:
        VerificationFailed: ``bench_outputs`` if anything else is left than has to be.
    """
    for fact, known in facts_of_machine("deltalake").items():
        print_line(f"{fact}: {known}")
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        names = _make(made, people, each, mean_bytes)
        for turn in range(rounds):
            draw = random.Random(turn)  # noqa: S311 - who goes, no secret
            chosen = _groups(draw, groups, people)
            for key, figure in _round(made, names, chosen, (people, each)):
                figures.setdefault(key, []).append(figure)
    found = {name: median(values) for name, values in figures.items()}
    found |= _ratios(found, groups)
    for name, value in found.items():
        print_line(f"{name:<46}{value:>16,.2f}")
    for what, value, goal in _goals(found, max(groups)):
        print_line(f"{what}: {value:,.1f}, goal {goal:,.0f}")
    if "delta" not in names:
        print_line("deltalake is not installed: not compared with")
    return found


def _round(
    made: Path, names: Sequence[str], chosen: _Chosen, world: tuple[int, int]
) -> Iterator[tuple[str, float]]:
    """Measure everybody once, each on a fresh copy; yield figures by name."""
    for what, name in itertools.product(("accounts", "chats"), names):
        if (what, name) == ("chats", "keys"):
            continue  # keys of single chats go with the blocks that are sealed anew
        with _copied(made / _FOLDERS.get(name, name)) as place:
            rates = measure(_KINDS[name](place), what, chosen, world)
        for size, rate in rates.items():
            yield f"{what}_{name}_{size}_per_s", rate
    with _copied(made / "volens") as place:
        yield from _single(place, min(SINGLES, world[0])).items()


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    place = copy_of(folder, folder.parent / "round")
    yield place
    shutil.rmtree(place)


def _make(made: Path, people: int, each: int, mean_bytes: int) -> list[str]:
    """Fill everybody's store with the same chats; return who takes part."""
    made.mkdir()
    fillings = {"rows": fill_rows, "parquet": fill_parquet}
    if importlib.util.find_spec("deltalake") is not None:
        fillings["delta"] = fill_delta
    model = dialogues(seed=1, mean_bytes=mean_bytes)
    step = max(1, _STEP // each)
    (made / "volens").mkdir()
    create_home(made / "volens" / "home", environment=_environment(made / "volens"))
    with ExitStack() as stack:
        home = stack.enter_context(_open(made / "volens"))
        adding = [stack.enter_context(fill(made / name)) for name, fill in fillings.items()]
        for first in range(0, people, step):
            some = range(first, min(first + step, people))
            said = model.write(first * each, len(some) * each)
            talks = [conversation_of(first * each + n, turns) for n, turns in enumerate(said)]
            subjects = home.subjects.add(
                [NewSubject(reference=f"p{n}", plan="free", region=Region.EU) for n in some]
            )
            theirs = {
                subject: talks[place * each : (place + 1) * each]
                for place, subject in enumerate(subjects)
            }
            home.vault.capture(theirs, source=CaptureSource.IMPORT)
            chats: list[Chat] = [
                (first * each + n + 1, first + n // each + 1, pack_payload(talk))
                for n, talk in enumerate(talks)
            ]
            for add in adding:
                add(chats)
    return ["keys", "run", *fillings]


def _groups(draw: random.Random, groups: Mapping[int, int], people: int) -> _Chosen:
    """Choose who goes with whom: nobody twice, scattered over all."""
    order = draw.sample(range(1, people + 1), people)
    chosen: _Chosen = {}
    for size, count in groups.items():
        chosen[size] = [sorted(order[at * size : (at + 1) * size]) for at in range(count)]
        del order[: size * count]
    return chosen


def measure(
    contender: Contender, what: str, chosen: _Chosen, world: tuple[int, int]
) -> dict[int, float]:
    """Erase groups of people, or of one chat of each; return how many a second, by size.

    Args:
        contender: who does it.
        what: ``accounts`` or ``chats``.
        chosen: numbers of people, by size of the group; nobody twice.
        world: how many people there are, and chats of each.

    Raises:
        VerificationFailed: ``bench_outputs`` if anything else is left than has to be.
    """
    people, each = world
    left = set(range(1, people * each + 1))
    rates: dict[int, float] = {}
    for size, groups in chosen.items():
        taken = []
        for group in groups[: contender.times.get(size, len(groups))]:
            firsts = [(person - 1) * each + 1 for person in group]
            act = contender.accounts(group) if what == "accounts" else contender.chats(firsts)
            taken.append(_time(act))
            many = each if what == "accounts" else 1
            left.difference_update(first + more for first in firsts for more in range(many))
        rates[size] = size / median(taken)
    if contender.left() != left:
        raise VerificationFailed(
            "bench_outputs", f"{type(contender).__name__}: other chats are left"
        )
    return rates


def _time(act: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - started


class _Volens:
    times: dict[int, int] = {}  # noqa: RUF012 - read only

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.home = self._stack.enter_context(_open(folder))
        self.people = {one.number: one for one in self.home.subjects.all()}
        with self.home.main.connect() as db:
            rows = driver_of(db).execute("SELECT no, id, subject_no FROM conversation")
            self.stored = {number: (raw, person) for number, raw, person in rows}

    def close(self) -> None:
        self._stack.close()


class _Keys(_Volens):
    """All keys of accounts removed: nothing opens any more."""

    def accounts(self, numbers: Sequence[int]) -> Act:
        subjects = [self.people[number] for number in numbers]
        return lambda: self.home.removal.drop_account_keys(subjects)

    def chats(self, numbers: Sequence[int]) -> Act:
        raise InvalidInput(
            "bench_contender", f"keys of {len(numbers)} single chats go with the blocks they are in"
        )

    def left(self) -> set[int]:
        with self.home.keys_database.connect() as db:
            rows = driver_of(db).execute("SELECT DISTINCT subject_no FROM key_page")
            there = {person for (person,) in rows}
        self.close()
        return {number for number, (_, person) in self.stored.items() if person in there}


class _Run(_Volens):
    """What was asked for, done by the eraser in every store."""

    def accounts(self, numbers: Sequence[int]) -> Act:
        return self._ask([_request(self.home, self.people[number].id) for number in numbers])

    def chats(self, numbers: Sequence[int]) -> Act:
        return self._ask(
            [
                _request(
                    self.home,
                    self.people[self.stored[number][1]].id,
                    ConversationId(format_id(IdKind.CONVERSATION, self.stored[number][0])),
                )
                for number in numbers
            ]
        )

    def left(self) -> set[int]:
        with self.home.main.connect() as db:
            rows = driver_of(db).execute("SELECT no FROM conversation")
            found = {number for (number,) in rows}
        self.close()
        return found

    def _ask(self, erasures: Sequence[Erasure]) -> Act:
        self.home.erasures.record(erasures)
        eraser = eraser_of(self.home)
        return lambda: eraser.run(self.home.clock.now())


_FOLDERS = {"keys": "volens", "run": "volens"}
_KINDS: dict[str, Callable[[Path], Contender]] = {
    "keys": _Keys,
    "run": _Run,
    "rows": Rows,
    "parquet": ParquetFile,
    "delta": Delta,
}


def _request(home: Home, subject: SubjectId, *chats: ConversationId) -> Erasure:
    return new_erasure(
        home.entropy.draw(16),
        ErasureScope.CONVERSATION if chats else ErasureScope.ACCOUNT,
        subject,
        home.clock.now(),
        conversations=chats,
        cool_off=timedelta(0),
    )


def _single(folder: Path, count: int) -> dict[str, float]:
    """Return what one request takes until access has ended, beside a bare write and fdatasync."""
    bare = Journal(folder / "bare")
    bare.create()
    descriptor = os.open(folder / "bare", os.O_RDWR)
    ended: list[float] = []
    answered: list[float] = []
    floor: list[float] = []
    with _open(folder) as home:
        subjects: list[Subject] = [home.subjects.by_number(n + 1) for n in range(count)]
        try:
            for number, subject in enumerate(subjects):
                asked = _request(home, subject.id)
                act = home.erasures.request if number % 2 else home.erasures.journal
                taken = _time(act, asked)
                (answered if number % 2 else ended).append(taken)
                floor.append(_time(_write, descriptor, number * 400))
        finally:
            os.close(descriptor)
    return {
        "fdatasync_ms": median(floor) * 1e3,
        "access_ended_ms": median(ended) * 1e3,
        "access_ended_beside_fdatasync_x": median(ended) / median(floor),
        "request_answered_ms": median(answered) * 1e3,
        "request_answered_beside_fdatasync_x": median(answered) / median(floor),
    }


def _write(descriptor: int, at: int) -> None:
    os.pwrite(descriptor, bytes(400), at)
    os.fdatasync(descriptor)


def _goals(found: Mapping[str, float], most: int) -> Iterator[tuple[str, float, float]]:
    """Yield what is promised: what, what was measured, what is wanted."""
    for peer, wanted in (
        ("rows", BESIDE_ROWS),
        ("parquet", BESIDE_REWRITES),
        ("delta", BESIDE_REWRITES),
    ):
        name = f"accounts_keys_beside_{peer}_{most}_x"
        if name in found:
            yield f"{name} (at least)", found[name], wanted
    name = "access_ended_beside_fdatasync_x"
    yield f"{name} (at most)", found[name], BESIDE_SYNC


def _ratios(found: Mapping[str, float], groups: Mapping[int, int]) -> dict[str, float]:
    """Return how many times as fast as each peer, by what, who and size."""
    ratios: dict[str, float] = {}
    every = itertools.product(("accounts", "chats"), ("keys", "run"), PEERS, groups)
    for what, ours, peer, size in every:
        mine = found.get(f"{what}_{ours}_{size}_per_s")
        theirs = found.get(f"{what}_{peer}_{size}_per_s")
        if mine is not None and theirs is not None:
            ratios[f"{what}_{ours}_beside_{peer}_{size}_x"] = mine / theirs
    return ratios


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "VOLENS_KEK_DIR": str(folder / "custody")}


def _open(folder: Path) -> Home:
    return open_home(folder / "home", writing=True, environment=_environment(folder))
