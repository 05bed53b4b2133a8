"""A made-up world for the decision benchmark, and its facts as class codes, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from volens.core.purposes import AgeBand, ConsentStatus, Purpose, Realm, Signal, SubjectStatus, Tier
from volens.core.regions import Region
from volens.core.time import from_millis, to_millis
from volens.policy.bitmap import NO_TIER, Overrides
from volens.policy.boundaries import NEVER
from volens.policy.classify import (
    ConversationFacts,
    GrantFacts,
    OrganisationFacts,
    SubjectFacts,
    UseFacts,
)
from volens.policy.model import (
    STRIDE,
    AgeState,
    GrantState,
    Locality,
    digit,
)
from volens.policy.pack import Pack

PURPOSE = Purpose.BATCH_TRAINING
REGION = Region.EU
START = datetime(2025, 7, 1, tzinfo=UTC)
STEP = timedelta(days=1)
CHANGED_SHARE = 0.01
RUN = "run-1"

Column = npt.NDArray[Any]
Indexes = npt.NDArray[np.int64]
_SIGNAL_SHARE = 0.01
_ENDING_SHARE = 0.2
_STATUSES = (ConsentStatus.NOT_GRANTED, ConsentStatus.GRANTED, ConsentStatus.WITHDRAWN)
_GRANTED = _STATUSES.index(ConsentStatus.GRANTED)
_SCOPES = (GrantState.ACTIVE, GrantState.ACTIVE_NAMED_MATCH, GrantState.SCOPE_MISMATCH)


@dataclass(slots=True)
class World:
    """Subjects by column, and their conversations, those of one subject together."""

    columns: dict[str, Column]
    offsets: Indexes
    signals: npt.NDArray[np.uint8]
    overrides: Overrides
    granted_share: float

    @property
    def owners(self) -> npt.NDArray[np.int32]:
        """The subject of each conversation."""
        count = len(self.offsets) - 1
        return np.repeat(np.arange(count, dtype=np.int32), np.diff(self.offsets))


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """New choices: which subjects, ascending, and their grant's new columns."""

    subjects: Indexes
    choices: dict[str, Column]


def make_world(
    rng: np.random.Generator, subjects: int, conversations: int, *, granted_share: float = 0.6
) -> World:
    """Draw a world in which `granted_share` of the people have granted, validly or not."""
    cuts = np.sort(rng.integers(0, conversations + 1, subjects - 1))
    offsets = np.concatenate([[0], cuts, [conversations]]).astype(np.int64)
    signals = np.zeros(conversations, dtype=np.uint8)
    marked = np.flatnonzero(rng.random(conversations) < _SIGNAL_SHARE)
    signals[marked] = rng.integers(1, len(Signal), len(marked))
    columns: dict[str, Column] = {
        "tier": _pick(rng, subjects, [0.5, 0.1, 0.3, 0.1]),
        "region": _pick(rng, subjects, [0.9, 0.04, 0.02, 0.02, 0.02]),
        "realm": _pick(rng, subjects, [0.98, 0.02]),
        "age": _pick(rng, subjects, [0.9, 0.05, 0.05]),
        "status": _pick(rng, subjects, [0.95, 0.01, 0.02, 0.02]),
        "organisation": _pick(rng, subjects, [0.7, 0.2, 0.1]),
        **_choices(rng, subjects, granted_share),
    }
    overrides = Overrides(
        conversations=marked,
        signals=signals[marked],
        tiers=np.full(len(marked), NO_TIER, dtype=np.uint8),
    )
    return World(
        columns=columns,
        offsets=offsets,
        signals=signals,
        overrides=overrides,
        granted_share=granted_share,
    )


def choose_anew(rng: np.random.Generator, world: World) -> Events:
    """Give one subject in a hundred a new choice; return what the ledger would report."""
    count = len(world.offsets) - 1
    changed = np.sort(rng.choice(count, size=max(1, int(count * CHANGED_SHARE)), replace=False))
    choices = _choices(rng, len(changed), world.granted_share)
    for name, values in choices.items():
        column = world.columns[name].copy()
        column[changed] = values
        world.columns[name] = column
    return Events(subjects=changed, choices=choices)


def _choices(rng: np.random.Generator, count: int, granted_share: float) -> dict[str, Column]:
    expires = np.full(count, NEVER, dtype=np.int64)
    ending = np.flatnonzero(rng.random(count) < _ENDING_SHARE)
    days = rng.integers(-30, 365, len(ending))
    expires[ending] = to_millis(START) + days * (STEP // timedelta(milliseconds=1))
    return {
        "grant": _pick(
            rng, count, [0.75 * (1 - granted_share), granted_share, 0.25 * (1 - granted_share)]
        ),
        "notice": _pick(rng, count, [0.1, 0.9]),
        "scope": _pick(rng, count, [0.7, 0.2, 0.1]),
        "expires": expires,
    }


def _pick(rng: np.random.Generator, count: int, shares: list[float]) -> Column:
    return rng.choice(len(shares), size=count, p=shares).astype(np.int8)


def _adds(attribute: str, values: list[Any]) -> npt.NDArray[np.int32]:
    """Return what each value of a column adds to the class code."""
    steps = [digit(attribute, value) * STRIDE[attribute] for value in values]
    return np.array(steps, dtype=np.int32)


def _grant_state(status: ConsentStatus, *, fresh: bool, scope: GrantState) -> GrantState:
    if status is ConsentStatus.NOT_GRANTED:
        return GrantState.NONE
    if status is ConsentStatus.WITHDRAWN:
        return GrantState.WITHDRAWN
    return scope if fresh else GrantState.STALE_NOTICE


_LINEAR = {
    "tier": STRIDE["tier"],
    "realm": STRIDE["realm"],
    "status": STRIDE["block"],
    "organisation": STRIDE["organisation"],
}
"""Columns whose values stand in the order of the attribute's digits, with the stride."""
_FIRST_ONLY = {
    "region": digit("locality", Locality.ELSEWHERE) * STRIDE["locality"],
    "age": digit("age", AgeState.NOT_CLEARED) * STRIDE["age"],
}
"""Columns of which only the first value (the EU, an adult) is as the rule wants it."""
_GRANT_ADDS = _adds(
    "grant",
    [
        _grant_state(status, fresh=fresh, scope=scope)
        for status in _STATUSES
        for fresh in (False, True)
        for scope in _SCOPES
    ],
)
_EXPIRED_ADD = np.int32(digit("grant", GrantState.EXPIRED) * STRIDE["grant"])


def classes(
    columns: dict[str, Column], at: datetime, which: Indexes | slice
) -> tuple[npt.NDArray[np.int32], Indexes]:
    """Return class codes and ends of the subjects `which`: `classify`, column by column."""
    codes, ends = _grants(columns, at, which)
    codes += np.int32(digit("purpose", PURPOSE) * STRIDE["purpose"])
    for name, stride in _LINEAR.items():
        codes += columns[name][which] * np.int32(stride)
    for name, step in _FIRST_ONLY.items():
        codes += (columns[name][which] != 0) * np.int32(step)
    return codes, ends


def regranted(
    columns: dict[str, Column],
    codes: npt.NDArray[np.int32],
    at: datetime,
    which: Indexes | slice = slice(None),
) -> tuple[npt.NDArray[np.int32], Indexes]:
    """Return `codes` with the grant's digit taken anew from the rows `which` of the columns."""
    grants, ends = _grants(columns, at, which)
    stride = STRIDE["grant"]
    return codes - codes // stride % len(GrantState) * np.int32(stride) + grants, ends


def _grants(
    columns: dict[str, Column], at: datetime, which: Indexes | slice
) -> tuple[npt.NDArray[np.int32], Indexes]:
    """Return what the grants add to the class codes, and when that ends by itself."""
    millis = to_millis(at)
    grant, expires = columns["grant"][which], columns["expires"][which]
    notice, scope = columns["notice"][which], columns["scope"][which]
    granted = grant == _GRANTED
    over = expires <= millis
    state = _GRANT_ADDS[(grant * np.int8(2) + notice) * np.int8(len(_SCOPES)) + scope]
    state[granted & over] = _EXPIRED_ADD
    ends = np.where(granted & ~over, expires, NEVER)
    return state, ends


def facts_of(world: World, pack: Pack, conversation: int) -> tuple[SubjectFacts, ConversationFacts]:
    """Return one conversation's facts in words, as a store would give them to `classify`."""
    owner = int(np.searchsorted(world.offsets, conversation, side="right")) - 1
    at = {name: int(column[owner]) for name, column in world.columns.items()}
    notice = next(n.hash for n in pack.notices if PURPOSE in n.purposes)
    grant = GrantFacts(
        status=_STATUSES[at["grant"]],
        notice=notice if at["notice"] else "of another text",
        run=("", RUN, "another run")[at["scope"]],
        expires_at=None if at["expires"] == NEVER else from_millis(at["expires"]),
    )
    instructed = frozenset({PURPOSE.value})
    organisations = (None, OrganisationFacts(instructed=instructed), OrganisationFacts())
    subject = SubjectFacts(
        plan="api",  # the plan on which every tier may be chosen
        tier=list(Tier)[at["tier"]],
        region=list(Region)[at["region"]],
        realm=list(Realm)[at["realm"]],
        age_band=list(AgeBand)[at["age"]],
        status=list(SubjectStatus)[at["status"]],
        organisation=organisations[at["organisation"]],
        grants={PURPOSE: (grant,)},
        notices_shown=frozenset({notice}),
    )
    return subject, ConversationFacts(signal=list(Signal)[int(world.signals[conversation])])


def use_at(at: datetime) -> UseFacts:
    """Return the use that the benchmark asks about."""
    return UseFacts(purpose=PURPOSE, region=REGION, at=at, run=RUN)
