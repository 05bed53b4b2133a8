"""Which of some records may be used now, told by the row and not by the place among all.

For whoever holds keys already and has to hear of what is taken back. Several queries answer, and
the home's owner may write between them; each is read after the moment that is asked about, so what
was taken back by then is seen by at least one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from volens.core.purposes import Purpose, Signal
from volens.core.time import to_millis
from volens.gate.census import Int64s
from volens.gate.facts import FactSource, Use
from volens.gate.overdue import overdue_numbers
from volens.holds.access import Ended
from volens.policy.bitmap import NO_TIER, OVERDUE, ConsentBitmap, Overrides
from volens.policy.decision import Policy
from volens.storage.engine import driver_of, in_runs
from volens.vault.tables import SIGNALLED

Bools = npt.NDArray[np.bool_]
_LIVE = """
SELECT c.no, c.subject_no, c.id, s.id, c.captured_ms FROM conversation AS c
JOIN subject AS s ON s.no = c.subject_no
WHERE c.ended_ms IS NULL AND c.no IN ({marks})
"""
_SIGNALS = f"SELECT no, signal FROM conversation WHERE {SIGNALLED} AND +ended_ms IS NULL"  # noqa: S608 - a constant
_WORDS = [signal.value for signal in Signal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Whose a record is, as the vault has it."""

    subject_no: int
    subject: bytes
    """16 bytes."""
    conversation: bytes
    """16 bytes."""
    captured_ms: int


def live_records(engine: Engine, numbers: Int64s) -> dict[int, Record]:
    """Return the records in these rows of the vault to which access has not ended, by row."""
    found: dict[int, Record] = {}
    with engine.connect() as db:
        driver = driver_of(db)
        for some in in_runs(numbers.tolist()):
            marks = ",".join("?" * len(some))
            for number, subject_no, raw, subject, captured in driver.execute(
                _LIVE.format(marks=marks), some
            ):
                found[number] = Record(
                    subject_no=subject_no, subject=subject, conversation=raw, captured_ms=captured
                )
    return found


def ended_among(records: dict[int, Record], ended: Ended) -> list[int]:
    """Return the rows to which access has ended."""
    histories = {raw: to_millis(moment) for raw, moment in ended.histories.items()}
    return [
        number
        for number, one in records.items()
        if one.subject in ended.accounts
        or one.conversation in ended.conversations
        or one.captured_ms <= histories.get(one.subject, -1)
    ]


def permitted_among(
    facts: FactSource,
    policy: Policy,
    use: Use,
    records: dict[int, Record],
    engine: Engine,
    at: datetime,
) -> tuple[frozenset[int], datetime]:
    """Return the rows of `records` that `use` may open at `at`, and until when that holds.

    Raises:
        Denied: ``table_expired``, ``purpose_unknown``.
        Unavailable: if it can't be known.
    """
    people = facts.everybody(policy, use, at)
    rows = np.fromiter(records, dtype=np.int64, count=len(records))
    owners = np.fromiter((one.subject_no for one in records.values()), dtype=np.int64)
    order = np.lexsort((rows, owners))
    rows, owners = rows[order], owners[order]
    known = np.isin(owners, people.numbers)
    rows, owners = rows[known], owners[known]
    theirs, each = np.unique(owners, return_counts=True)
    places = np.searchsorted(people.numbers, theirs)
    bitmap = ConsentBitmap(
        policy,
        Purpose(use.purpose),
        codes=people.codes[places],
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(each)]),
        ends=people.ends[places],
        at=at,
        overrides=_overrides(facts, rows, engine, at),
    )
    bits = np.unpackbits(bitmap.bits, count=len(rows), bitorder="little").astype(np.bool_)
    return frozenset(rows[bits].tolist()), bitmap.valid_until


def _overrides(facts: FactSource, rows: Int64s, engine: Engine, at: datetime) -> Overrides:
    """Return what single conversations say, by their places in `rows`."""
    said: dict[int, int] = {}
    with engine.connect() as db:
        for number, signal in driver_of(db).execute(_SIGNALS):
            said[number] = _WORDS.index(signal)
    for number in overdue_numbers(engine, facts.cutoffs(at), at):
        said[number] = OVERDUE
    numbers = np.array(sorted(said), dtype=np.int64)
    places = np.flatnonzero(np.isin(rows, numbers))
    return Overrides(
        conversations=places,
        signals=np.array([said[number] for number in rows[places].tolist()], dtype=np.uint8),
        tiers=np.full(len(places), NO_TIER, dtype=np.uint8),
    )
