"""The loader: one order, every record once, and never one that was taken back before."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import Place, place
from tests.support.leased import LeasedHome, leased_home
from tests.support.stores import act
from volens.consent.model import Act
from volens.core.errors import InvalidInput, Unavailable
from volens.gate.leases import Lease
from volens.training.loader import Batch, LeaseSource, Loader, order_rows

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="training is not installed: pip install 'volens[training]'"
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> LeasedHome:
    where = place(tmp_path_factory.mktemp("loaded"))
    where.create()
    return leased_home(where, people=12, chats=3)


@pytest.fixture(scope="module")
def lease(there: LeasedHome) -> Lease:
    return there.lease()


def rows(loader: Loader) -> list[int]:
    return [row for batch in loader for row in batch.rows.tolist()]


class TestOrder:
    def test_every_record_is_handed_out_once_with_its_text(self, lease: Lease) -> None:
        found = [record for batch in Loader(lease, batch=5) for record in batch.records]
        said = {json.loads(record)["messages"][0]["content"] for record in found}
        assert len(found) == len(said) == 36

    def test_it_follows_from_leaves_and_seed(self, lease: Lease) -> None:
        one, two = Loader(lease, seed=b"one", batch=5), Loader(lease, seed=b"two", batch=7)
        assert rows(one) == rows(one) == order_rows(lease, b"one").tolist()
        assert rows(two) != rows(one)
        assert sorted(rows(two)) == sorted(rows(one)) == list(range(36))

    def test_it_goes_on_where_it_was(self, lease: Lease) -> None:
        whole = list(Loader(lease, batch=5))
        rest = list(Loader(lease, batch=5, start=3))
        assert [batch.number for batch in rest] == [3, 4, 5, 6, 7]
        assert [b.records for b in rest] == [b.records for b in whole[3:]]

    @pytest.mark.parametrize("start", [0, 2, 5])
    def test_ranks_share_the_batches(self, lease: Lease, start: int) -> None:
        shared = [
            [batch.number for batch in Loader(lease, batch=5, start=start, rank=rank, world=3)]
            for rank in range(3)
        ]
        assert sorted(number for one in shared for number in one) == list(range(start, 8))
        assert all(number % 3 == rank for rank, one in enumerate(shared) for number in one)

    @pytest.mark.parametrize(
        "wrong",
        [{"batch": 0}, {"start": -1}, {"rank": 2, "world": 2}, {"workers": 65}, {"prefetch": 0}],
    )
    def test_a_loader_that_can_not_be_is_refused(self, lease: Lease, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput, match="no loader"):
            Loader(lease, **wrong)

    @needs_torch
    def test_workers_give_the_same_batches(self, lease: Lease) -> None:
        alone = [(b.number, b.rows.tolist(), b.records) for b in Loader(lease, batch=5)]
        shared = [(b.number, b.rows.tolist(), b.records) for b in Loader(lease, batch=5, workers=2)]
        assert shared == alone


class TestTakingBack:
    def test_what_is_taken_back_moves_no_other_batch(
        self, there: LeasedHome, tmp_path: Path
    ) -> None:
        mine = copy_of(there, tmp_path)
        lease = mine.lease()
        before = {batch.number: batch.rows.tolist() for batch in Loader(lease, batch=5)}
        mine.withdraw(100, mine.people[2])
        after = list(Loader(lease, batch=5))
        assert sum(len(batch.rows) for batch in after) == 33
        assert all(len(b.rows) + b.withdrawn == len(before[b.number]) for b in after)
        for batch in after:
            assert set(batch.rows.tolist()) <= set(before[batch.number])

    @needs_torch
    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_withdrawal_reaches_what_was_opened_ahead(
        self, there: LeasedHome, tmp_path: Path, workers: int
    ) -> None:
        mine = copy_of(there, tmp_path)
        batches = iter(Loader(mine.lease(), batch=4, workers=workers, prefetch=8))
        first = next(batches)
        mine.withdraw(100, *mine.people)
        assert first.records
        assert list(batches) == []

    @needs_torch
    @pytest.mark.parametrize("workers", [0, 2])
    def test_it_stops_when_it_can_not_know(
        self, there: LeasedHome, tmp_path: Path, workers: int
    ) -> None:
        mine = copy_of(there, tmp_path)
        batches = iter(Loader(mine.lease(), batch=4, workers=workers, prefetch=1))
        next(batches)
        (mine.where.folder / "journal" / "epoch").unlink()
        with pytest.raises(Unavailable):
            next(batches)

    def test_a_source_refuses_and_names_what_was_taken_back(
        self, there: LeasedHome, tmp_path: Path
    ) -> None:
        mine = copy_of(there, tmp_path)
        lease = mine.lease()
        source = LeaseSource(lease)
        leaves = source.usable()
        assert len(source.open(leaves)) == 36
        assert source.open(leaves[:1])[0].messages[0][0] == "user"
        mine.withdraw(100, mine.people[2])
        assert len(source.taken_back()) == 3
        with pytest.raises(Exception, match="may not be used"):
            source.open(leaves)
        left = [leaf for leaf in leaves if leaf not in source.taken_back()]
        assert [one.leaf for one in source.open(left)] == left


def race(mine: LeasedHome, *, workers: int, first: int) -> int:
    """Let another process withdraw everybody, one by one, while batches are handed out.

    A batch may not hold anybody whose withdrawal was acknowledged before the batch was asked for.
    Returns how many races there were: people who were handed out before they withdrew.
    """
    fork = multiprocessing.get_context("fork")
    lease = mine.lease()
    texts = {}
    for batch in Loader(lease, batch=8):
        for row, record in zip(batch.rows.tolist(), batch.records, strict=True):
            texts[row] = int(json.loads(record)["messages"][0]["content"].split()[3].rstrip(","))
    assert set(texts.values()) == set(range(len(mine.people)))
    acknowledged, begun = fork.Value("i", 0), fork.Event()
    process = fork.Process(target=_withdraw_all, args=(mine, first, acknowledged, begun))
    process.start()
    try:
        handed = 0
        while acknowledged.value < len(mine.people):
            loader = Loader(lease, seed=b"%d" % handed, batch=8, workers=workers, prefetch=4)
            for known, batch in _asked_for(loader, acknowledged):
                owners = {texts[row] for row in batch.rows.tolist()}
                assert not owners & set(range(known)), "somebody who had withdrawn was handed out"
                handed += len(owners)
                begun.set()
        process.join(60)
        assert process.exitcode == 0
    finally:
        if process.is_alive():
            process.kill()
    assert not lease.usable().any()
    return handed


def _asked_for(loader: Loader, acknowledged: Synchronized[int]) -> Iterator[tuple[int, Batch]]:
    """Yield each batch with the number of withdrawals acknowledged before it was asked for."""
    batches = iter(loader)
    while True:
        known = acknowledged.value
        batch = next(batches, None)
        if batch is None:
            return
        yield known, batch


def _withdraw_all(
    mine: LeasedHome, first: int, acknowledged: Synchronized[int], begun: Event
) -> None:
    with mine.where.open(writing=False) as home:
        assert begun.wait(60)  # until the first batch is out
        for place, one in enumerate(mine.people):
            home.ledger.journal(act(first + place, one, Act.WITHDRAW))
            acknowledged.value = place + 1


def renewed(mine: LeasedHome, first: int) -> None:
    """Let everybody say yes again."""
    with mine.where.open() as home:
        home.ledger.record([act(first + n, one, Act.GRANT) for n, one in enumerate(mine.people)])


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> LeasedHome:
    where = place(tmp_path_factory.mktemp("crowd"))
    where.create()
    return leased_home(where, people=200, chats=1)


@needs_torch
@pytest.mark.parametrize("workers", [0, 2])
def test_races_of_withdrawals_with_batches_never_leak(
    crowd: LeasedHome, tmp_path: Path, workers: int
) -> None:
    mine = copy_of(crowd, tmp_path)
    assert race(mine, workers=workers, first=1000) > 0


@needs_torch
@pytest.mark.slow
def test_ten_thousand_races_never_leak(crowd: LeasedHome, tmp_path: Path) -> None:
    mine = copy_of(crowd, tmp_path)
    handed = 0
    for number in range(50):  # 50 rounds, 200 withdrawals each
        handed += race(mine, workers=2 if number % 5 == 0 else 0, first=10_000 + number * 1000)
        renewed(mine, 10_500 + number * 1000)
    assert handed > 10_000


def copy_of(there: LeasedHome, to: Path) -> LeasedHome:
    found = there.where.copy(to)
    return replace(there, where=Place(folder=found.folder, kek=found.kek, clock=there.where.clock))


@needs_torch
class TestWorkers:
    def test_what_waits_for_a_slot_is_not_overtaken(self, lease: Lease) -> None:
        """Each worker has few slots, and many groups go through them."""
        for prefetch in (1, 2):
            loader = Loader(lease, batch=1, workers=2, prefetch=prefetch)
            alone = Loader(lease, batch=1)
            shared = [(one.number, one.records) for one in loader]
            assert shared == [(one.number, one.records) for one in alone]

    def test_a_slot_that_was_written_again_is_refused(self) -> None:
        from volens.training.workers import Ring  # noqa: PLC0415 - takes torch

        ring = Ring(100, workers=1, slots=2)
        first = ring.write(0, range(3, 4), [[b"one", None, b"three"]])
        assert first is not None
        assert ring.read(first) == [(3, [b"one", None, b"three"])]
        assert ring.write(1, range(1), [[bytes(101)]]) is None
        second = ring.write(1, range(4, 6), [[b"four"], [b"five", b""]])
        assert second is not None
        assert ring.write(1, range(6, 7), [[b"six"]]) is not None
        with pytest.raises(Unavailable) as refusal:
            ring.read(second)
        assert refusal.value.code == "ring_overrun"
        ring.close()

    def test_what_does_not_fit_goes_through_the_pipe(self, lease: Lease) -> None:
        class Mistaken(Loader):
            def largest(self) -> int:
                return 1

        found = [one.records for one in Mistaken(lease, batch=4, workers=2)]
        assert found == [one.records for one in Loader(lease, batch=4)]
