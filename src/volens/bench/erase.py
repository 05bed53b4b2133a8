"""How fast chats and accounts are erased, beside deleted rows and rewritten files.

Everybody holds the same chats. In each round each contender works on a fresh copy, in turn; what is
left is compared with what has to be left. All is wall time, since all is durable (but delta-rs,
which doesn't sync). `keys` is the moment from which nothing opens: cryptographic erasure alone.
`run` is the eraser with every target: log entries, keys, blocks, rows, choices, datasets, requests
and the look into every store afterwards; recording the requests is told apart.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median

from volens.app.creation import create_home
from volens.app.erasing import eraser_of
from volens.app.home import Home, open_home
from volens.bench.build_dialogues import dialogues
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
from volens.core.errors import VerificationFailed
from volens.core.ids import ConversationId, IdKind, SubjectId, format_id
from volens.core.regions import Region
from volens.holds.erasure import Erasure, new_erasure
from volens.log.kinds import CaptureSource, ErasureScope
from volens.storage.engine import driver_of
from volens.storage.journal import Journal
from volens.vault.model import ROOT, Conversation, Role, Turn, pack_payload
from volens.vault.subjects import NewSubject, Subject

Say = Callable[[str], None]
GROUPS = {1: 20, 100: 5, 10_000: 1}
"""Size -> how many groups a contender erases in a round."""
SINGLES = 200
BESIDE_ROWS, BESIDE_REWRITES, BESIDE_SYNC = 20.0, 1000.0, 5.0
"""The goals: accounts in the largest groups; one request until access has ended."""
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
    for fact, value in facts_of_machine("deltalake").items():
        print_line(f"{fact}: {value}")
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        names = _make(made, people, each, mean_bytes)
        for turn in range(rounds):
            for what in ("accounts", "chats"):
                for name in names if what == "accounts" else [one for one in names if one != "keys"]:
                    place = copy_of(made / _FOLDERS.get(name, name), Path(folder) / "round")
                    draw = random.Random(turn)  # noqa: S311 - who goes, no secret
                    chosen = _groups(draw, groups, people)
                    rates = _measure(name, place, what, chosen, (people, each))
                    for size, rate in rates.items():
                        figures.setdefault(f"{what}_{name}_{size}_per_s", []).append(rate)
                    shutil.rmtree(place)
            place = copy_of(made / "volens", Path(folder) / "round")
            for key, value in _single(place, min(SINGLES, people)).items():
                figures.setdefault(key, []).append(value)
            shutil.rmtree(place)
    found = {name: median(values) for name, values in figures.items()}
    found |= _ratios(found, groups)
    for name, value in found.items():
        print_line(f"{name:<46}{value:>16,.2f}")
    if "delta" not in names:
        print_line("deltalake is not installed: not compared with")
    return found


_FOLDERS = {"keys": "volens", "run": "volens"}
_KINDS: dict[str, Callable[[Path], Contender]] = {
    "keys": lambda folder: _Keys(folder),
    "run": lambda folder: _Run(folder),
    "rows": Rows,
    "parquet": ParquetFile,
    "delta": Delta,
}


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
            talks = [_conversation(first * each + n, turns) for n, turns in enumerate(said)]
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


def _conversation(number: int, turns: Sequence[str]) -> Conversation:
    return Conversation(
        source="bench",
        source_id=str(number),
        title=f"Chat {number}",
        language="en",
        turns=tuple(
            Turn(
                role=Role.USER if place % 2 == 0 else Role.ASSISTANT,
                text=text,
                parent=place - 1 if place else ROOT,
            )
            for place, text in enumerate(turns)
        ),
    )


def _groups(
    draw: random.Random, groups: Mapping[int, int], people: int
) -> dict[int, list[list[int]]]:
    """Choose who goes with whom: nobody twice, scattered over all."""
    order = draw.sample(range(1, people + 1), people)
    chosen: dict[int, list[list[int]]] = {}
    for size, count in groups.items():
        chosen[size] = [sorted(order[at * size : (at + 1) * size]) for at in range(count)]
        del order[: size * count]
    return chosen


def _measure(
    name: str, place: Path, what: str, chosen: dict[int, list[list[int]]], world: tuple[int, int]
) -> dict[int, float]:
    """Erase groups of people, or of one chat of each; return how many a second, by size."""
    people, each = world
    left = set(range(1, people * each + 1))
    rates: dict[int, float] = {}
    contender = _KINDS[name](place)
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
        raise VerificationFailed("bench_outputs", f"{name} kept or lost other {what}")
    return rates


def _time(act: Act) -> float:
    started = time.perf_counter()
    act()
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
        raise NotImplementedError

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
    ended, answered, floor = [], [], []
    with _open(folder) as home:
        subjects: list[Subject] = [home.subjects.by_number(n + 1) for n in range(count)]
        try:
            for number, subject in enumerate(subjects):
                asked = _request(home, subject.id)
                act = home.erasures.request if number % 2 else home.erasures.journal
                taken = _time(lambda act=act, asked=asked: act(asked))  # type: ignore[misc]
                (answered if number % 2 else ended).append(taken)
                floor.append(_time(lambda at=number * 400: _write(descriptor, at)))  # type: ignore[misc]
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


def _ratios(found: Mapping[str, float], groups: Mapping[int, int]) -> dict[str, float]:
    """Return how many times as fast as each peer, by what, who and size."""
    ratios: dict[str, float] = {}
    for what in ("accounts", "chats"):
        for ours in ("keys", "run"):
            for peer in ("rows", "parquet", "delta"):
                for size in groups:
                    mine = found.get(f"{what}_{ours}_{size}_per_s")
                    theirs = found.get(f"{what}_{peer}_{size}_per_s")
                    if mine is not None and theirs is not None:
                        ratios[f"{what}_{ours}_beside_{peer}_{size}_x"] = mine / theirs
    return ratios


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "VOLENS_KEK_DIR": str(folder / "custody")}


def _open(folder: Path) -> Home:
    return open_home(folder / "home", writing=True, environment=_environment(folder))
