"""What another policy would do to everybody here, counted from one census each: nothing is opened.

People without conversations are in no count: nothing of theirs becomes usable or stops being so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from volens.core.purposes import PROHIBITED, Purpose
from volens.gate.census import Census
from volens.gate.facts import FactSource, Use
from volens.policy.decision import Policy

USABLE = tuple(purpose for purpose in Purpose if purpose not in PROHIBITED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change of policy does to one purpose."""

    purpose: Purpose
    people_gained: int
    """People of whom something becomes usable."""
    people_lost: int
    conversations_gained: int
    conversations_lost: int


def effects(
    facts: FactSource,
    before: Policy,
    after: Policy,
    at: datetime,
    *,
    purposes: Iterable[Purpose] = USABLE,
) -> tuple[Effect, ...]:
    """Return what changes for each purpose for which anything does.

    Args:
        facts: who is here and what they said.
        before: the policy now.
        after: the other one.
        at: the moment asked about; both must cover it.
        purposes: which ones.

    Raises:
        Denied: ``table_expired`` if one of the policies has ended by `at`.
    """
    found = (_effect(facts, before, after, at, purpose) for purpose in purposes)
    return tuple(one for one in found if one.people_gained or one.people_lost)


def _effect(
    facts: FactSource, before: Policy, after: Policy, at: datetime, purpose: Purpose
) -> Effect:
    use = Use(purpose=purpose.value)
    was, will = facts.census(before, use, at), facts.census(after, use, at)
    one, two = _bits(was), _bits(will)
    size = min(len(one), len(two))  # whoever writes meanwhile only adds at the end
    gained, lost = two[:size] & ~one[:size], one[:size] & ~two[:size]
    return Effect(
        purpose=purpose,
        people_gained=_people(gained, was),
        people_lost=_people(lost, was),
        conversations_gained=int(gained.sum()),
        conversations_lost=int(lost.sum()),
    )


def _bits(census: Census) -> npt.NDArray[np.bool_]:
    count = int(census.offsets[-1])
    return np.unpackbits(census.bitmap.bits, count=count, bitorder="little").astype(np.bool_)


def _people(chosen: npt.NDArray[np.bool_], census: Census) -> int:
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(chosen, dtype=np.int64)])
    offsets = np.minimum(census.offsets, len(chosen))
    return int(np.count_nonzero(before[offsets[1:]] > before[offsets[:-1]]))
