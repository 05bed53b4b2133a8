"""Bulk decisions: the consent bitmap beside the same rule written as a join.

One question: which of N conversations may `batch_training` use now? Every contender answers it with
the full rule (tier and scope, region, realm, age, account status, organisation, grant, notice,
expiry, signal of the chat) and returns a count; before any timing the conversations themselves are
compared, bit by bit.

What each starts from. Joins: a subjects table with one column for each fact, and a conversations
table sorted by subject, both in the engine's own memory, one thread. Volens: the same columns of
subjects, the offsets of each subject's conversations, and the few conversations with a signal; this
is how its store keeps them. Four tasks:

* standing: the bitmap is there; read it (freshness check and count).
* changed: since the last answer 1 % of the subjects chose anew and one time boundary was crossed;
  take that in, then read. The new choices come as the ledger reports them, a batch of events; the
  joins read a changed table, and loading it is not counted.
* rebuild: from the columns to a bitmap of everything, and read it.
* row by row: Cedar asked for single conversations, on a sample.

The decision table is filled for the purpose first, as at the start of a policy version; its cost is
reported. CPU time of this process, medians, all contenders in turn in each round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from volens.bench.decision_joins import Join, available_joins
from volens.bench.decision_world import (
    PURPOSE,
    START,
    STEP,
    Events,
    World,
    choose_anew,
    classes,
    facts_of,
    make_world,
    regranted,
    use_at,
)
from volens.core.errors import VerificationFailed
from volens.policy.bitmap import ConsentBitmap
from volens.policy.classify import classify
from volens.policy.decision import Policy
from volens.policy.packs import load_pack

SAMPLE = 1_000
GOALS = {"standing": 100.0, "changed": 20.0, "rebuild": 1.0, "row by row": 1e5}
"""How many times faster than the faster join (the last: than Cedar asked row by row)."""


def run(
    print_line: Callable[[str], None],
    *,
    subjects: int = 1_000_000,
    conversations: int = 10_000_000,
    rounds: int = 5,
    seed: int = 1,
    granted_share: float = 0.6,
    fill: bool = True,
) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        print_line: receives each line of the report.
        subjects: number of people.
        conversations: number of their conversations.
        rounds: how often each contender runs; medians are reported.
        seed: of the made-up world.
        granted_share: share of people with a grant, valid or not.
        fill: whether the decision table is filled first (seconds); else classes are asked as met.

    Returns:
        ``nanoseconds`` of CPU for each conversation, by contender and task; ``ratios`` by goal
        (empty for joins if neither library is installed); and the sizes.

    Raises:
        VerificationFailed: ``bench_results_differ`` if two contenders disagree.
    """
    rng = np.random.default_rng(seed)
    world = make_world(rng, subjects, conversations, granted_share=granted_share)
    policy = Policy(load_pack("consent-first", "tiers-2025-05"))
    joins = available_joins(world)
    begin = time.process_time_ns()
    if fill:
        policy.table().fill(PURPOSE, START)
    fill_seconds = (time.process_time_ns() - begin) / 1e9
    bitmap = _build(policy, world, START)
    _check_equal(bitmap, joins, START)
    cedar_ns = _row_by_row(policy, bitmap, world, rng)
    timings = _Timings()
    now = START
    for _ in range(rounds):
        changed = choose_anew(rng, world)
        now += STEP
        for join in joins:
            join.load_subjects(world.columns)
        _round(timings, policy, bitmap, world, joins, changed, now)
    _check_equal(bitmap, joins, now)
    each = {name: value / conversations for name, value in timings.medians().items()}
    each["cedar row by row"] = cedar_ns
    ratios = _ratios(each, [join.name for join in joins])
    _report(print_line, each, ratios, subjects, conversations)
    print_line(f"permitted: {bitmap.permitted(now) / conversations:.1%} of the conversations")
    print_line(f"filling the decision table for the purpose, once a version: {fill_seconds:.1f} s")
    return {
        "subjects": subjects,
        "conversations": conversations,
        "rounds": rounds,
        "fill_seconds": fill_seconds,
        "permitted_share": bitmap.permitted(now) / conversations,
        "nanoseconds": each,
        "ratios": ratios,
    }


class _Timings:
    """CPU nanoseconds of each contender, and the one answer they must agree on."""

    def __init__(self) -> None:
        self._taken: dict[str, list[int]] = {}

    def take(self, name: str, work: Callable[[], int]) -> int:
        """Run `work` once, note its CPU time, return its answer."""
        begin = time.process_time_ns()
        answer = work()
        self._taken.setdefault(name, []).append(time.process_time_ns() - begin)
        return answer

    def medians(self) -> dict[str, float]:
        """Return the median nanoseconds by name."""
        return {name: float(statistics.median(taken)) for name, taken in self._taken.items()}


def _round(
    timings: _Timings,
    policy: Policy,
    bitmap: ConsentBitmap,
    world: World,
    joins: list[Join],
    changed: Events,
    now: datetime,
) -> None:
    answers = {timings.take("changed", lambda: _take_in(bitmap, world, changed, now))}
    for join in joins:
        answers.add(timings.take(join.name, partial(join.count, now)))
    answers.add(timings.take("standing", lambda: bitmap.permitted(now)))
    answers.add(timings.take("rebuild", lambda: _build(policy, world, now).permitted(now)))
    if len(answers) != 1:
        raise VerificationFailed("bench_results_differ", f"counts differ: {sorted(answers)}")


def _build(policy: Policy, world: World, now: datetime) -> ConsentBitmap:
    codes, ends = classes(world.columns, now, slice(None))
    return ConsentBitmap(
        policy,
        PURPOSE,
        codes=codes,
        offsets=world.offsets,
        ends=ends,
        at=now,
        overrides=world.overrides,
    )


def _take_in(bitmap: ConsentBitmap, world: World, changed: Events, now: datetime) -> int:
    codes, ends = regranted(changed.choices, bitmap.codes(changed.subjects), now)
    bitmap.update(changed.subjects, codes, ends, now)
    bitmap.advance(now, lambda due, at: regranted(world.columns, bitmap.codes(due), at, due))
    return bitmap.permitted(now)


def _check_equal(bitmap: ConsentBitmap, joins: list[Join], now: datetime) -> None:
    bitmap.require_fresh(now)
    ours = np.flatnonzero(np.unpackbits(bitmap.bits, count=bitmap.size, bitorder="little"))
    for join in joins:
        if not np.array_equal(ours, join.permitted(now)):
            raise VerificationFailed(
                "bench_results_differ", f"the {join.name} permits other conversations"
            )


def _row_by_row(
    policy: Policy, bitmap: ConsentBitmap, world: World, rng: np.random.Generator
) -> float:
    """Return CPU nanoseconds for asking Cedar about one conversation; compare each answer."""
    sample = rng.choice(bitmap.size, size=min(SAMPLE, bitmap.size), replace=False)
    facts = [facts_of(world, policy.pack, int(number)) for number in sample]
    use = use_at(START)
    begin = time.process_time_ns()
    said = [
        policy.decide_class(classify(policy.pack, subject, chat, use).attributes).permit
        for subject, chat in facts
    ]
    taken = time.process_time_ns() - begin
    bits = np.unpackbits(bitmap.bits, bitorder="little")[sample]
    if bits.tolist() != said:
        raise VerificationFailed("bench_results_differ", "cedar, row by row, says otherwise")
    return taken / len(sample)


def _ratios(each: dict[str, float], joins: list[str]) -> dict[str, float]:
    ratios = {"row by row": each["cedar row by row"] / each["standing"]}
    ratios["row by row, rebuild"] = each["cedar row by row"] / each["rebuild"]
    if joins:
        fastest = min(each[name] for name in joins)
        for task in ("standing", "changed", "rebuild"):
            ratios[task] = fastest / each[task]
    return ratios


def _report(
    print_line: Callable[[str], None],
    each: dict[str, float],
    ratios: dict[str, float],
    subjects: int,
    conversations: int,
) -> None:
    print_line(
        f"{conversations:,} conversations of {subjects:,} subjects, full rule for {PURPOSE}; "
        "CPU nanoseconds a conversation, medians"
    )
    for name, value in sorted(each.items(), key=lambda item: item[1]):
        print_line(f"  {name:<18} {value:>14.4f}")
    print_line("times faster than the faster join (row by row: than Cedar asked each time)")
    for name, value in ratios.items():
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"  goal {goal:g}: {'met' if value >= goal else 'MISSED'}"
        print_line(f"  {name:<20} {value:>14,.1f}{verdict}")
    if not ratios.keys() & {"standing"}:
        print_line("  no join measured: install polars or duckdb")
