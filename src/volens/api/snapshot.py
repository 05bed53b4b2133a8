"""What may be used, for everybody at once, in memory: as the gate decides it, and no longer.

A snapshot belongs to one purpose and to one mark of the home (`volens.app.changes`): with another
mark it is never asked. It ends by itself at the first moment at which any class in it does. Its
verdicts come from the policy's decision table, by the classes that the gate's own census uses.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

import numpy as np

from volens.app.changes import Mark
from volens.app.home import Home
from volens.core.canonical import Json, canonical_json
from volens.core.errors import InvalidInput, NotFound, Unavailable
from volens.core.ids import IdKind, SubjectId, parse_id
from volens.core.time import FAR_FUTURE, format_moment, from_millis
from volens.gate.facts import Use
from volens.policy.boundaries import NEVER
from volens.policy.model import PolicyRef

UNKNOWN: Final = 0
"""The class of whoever is not here."""
UNKNOWN_REASON: Final = "subject_unknown"
_UNKNOWN_PERSON: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one class of people gets for one purpose."""

    permit: bool
    reasons: tuple[str, ...]
    ends: datetime
    """From then on it says nothing."""

    @property
    def head(self) -> str:
        """The beginning of a decision in JSON, up to the name of whom it is about."""
        told = canonical_json({"permit": self.permit, "reasons": [*self.reasons]}).decode("ascii")
        return f'{told[:-1]},"subject":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everybody's verdict for one purpose, at one mark."""

    mark: Mark
    purpose: str
    ends: datetime
    """The first moment at which any class ends by itself."""
    verdicts: tuple[Verdict, ...]
    """The first one is for whoever is not here."""
    heads: tuple[str, ...]
    """Of each verdict, `Verdict.head`."""
    untils: tuple[str, ...]
    """Of each verdict, when it ends, as it is written; in the order of time."""
    rest: str
    """What every answer says of mark, policy and purpose, as JSON."""
    classes: array[int]
    """Subject number -> place in `verdicts`; `UNKNOWN` beyond."""


def take(home: Home, purpose: str, mark: Mark, at: datetime) -> Snapshot:
    """Decide one purpose for everybody, in the home's thread.

    `mark` must have been taken before. What the journals hold is taken in first by the owner of the
    home, as the gate does; in a home opened for reading it is laid over.

    Raises:
        Denied: ``purpose_unknown``, or ``table_expired`` if the policy version has ended.
    """
    if home.log is not None:
        home.ledger.drain()
        home.erasures.drain()
    policy = home.policy
    found = home.facts.everybody(policy, Use(purpose=purpose), at)
    pairs = np.stack([found.codes.astype(np.int64), found.ends])
    kinds, places = np.unique(pairs, axis=1, return_inverse=True)
    table = policy.table()
    table.require_fresh(at)
    verdicts = [Verdict(permit=False, reasons=(UNKNOWN_REASON,), ends=policy.valid_until)]
    for code, end in zip(kinds[0].tolist(), kinds[1].tolist(), strict=True):
        decision = table.decision(code, at)
        own = FAR_FUTURE if end == NEVER else from_millis(end)
        verdicts.append(
            Verdict(
                permit=decision.permit,
                reasons=tuple(reason.value for reason in decision.reasons),
                ends=min(decision.valid_until, own),
            )
        )
    last = int(found.numbers[-1]) if len(found.numbers) else -1
    classes = np.zeros(last + 1, dtype=np.int32)
    classes[found.numbers] = places.reshape(-1) + 1
    return Snapshot(
        mark=mark,
        purpose=purpose,
        ends=min(one.ends for one in verdicts),
        verdicts=tuple(verdicts),
        heads=tuple(one.head for one in verdicts),
        untils=tuple(format_moment(one.ends) for one in verdicts),
        rest=_rest(mark, policy.ref, purpose),
        classes=array("i", classes.tobytes()),
    )


def _rest(mark: Mark, policy: PolicyRef, purpose: str) -> str:
    """Write the members that an answer has after its decisions, up to a signature."""
    told: dict[str, Json] = {
        "mark": sha256(repr(mark).encode()).hexdigest()[:32],  # nothing can be read from it
        "policy": {"hash": policy.hash, "name": policy.name, "version": policy.version},
        "purpose": purpose,
    }
    return canonical_json(told).decode("utf-8")[1:-1]


class Names:
    """Which person a name in a question means: ids for good, references for one mark only.

    An id means one person for ever. A reference may mean somebody else once its person is erased,
    so references are forgotten with every change.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        """Remember at most `most` names of each sort."""
        self._most = most
        self._ids: dict[str, int] = {}
        self._references: dict[str, int] = {}
        self._mark: Mark | None = None

    def known(self, mark: Mark) -> Mapping[str, int]:
        """Return the numbers by id; references are apart."""
        if mark != self._mark:
            self._references = {}
            self._mark = mark
        return self._ids

    def refers(self, name: str) -> bool:
        """Say whether a reference was looked up."""
        return name in self._references

    def reference(self, name: str) -> int:
        """Return the number of a reference that was looked up, -1 for nobody."""
        return self._references.get(name, _UNKNOWN_PERSON)

    def learn(self, home: Home, names: Iterable[str]) -> None:
        """Look names up, in the home's thread."""
        for kept in (self._ids, self._references):
            if len(kept) >= self._most:
                kept.clear()
        ids = []
        for name in names:
            if name.startswith(f"{IdKind.SUBJECT.value}_"):
                with suppress(InvalidInput):
                    parse_id(IdKind.SUBJECT, name)
                    ids.append(SubjectId(name))
                    continue
            try:
                self._references[name] = home.subjects.find(name).number
            except NotFound:
                self._references[name] = _UNKNOWN_PERSON
        self._references.update(dict.fromkeys(ids, _UNKNOWN_PERSON))
        for person in home.subjects.several(ids):
            self._ids[person.id] = person.number


def require_policy(home: Home, latest: str) -> None:
    """Pass if the policy that this process decides by is the one in force.

    Raises:
        Unavailable: ``policy_changed``.
    """
    if latest != home.policy.ref.hash:
        hint = "the process has to be started again"
        raise Unavailable("policy_changed", "another policy is in force by now", hint=hint)
