"""From the ledgers to the facts that policy decides on, one person or all of them at once."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from volens.consent.model import ScopeKind
from volens.consent.store import ConsentLedger, grants_text
from volens.core.canonical import read_strict
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import IdKind, parse_id
from volens.core.purposes import Purpose, Realm, Signal, SubjectStatus
from volens.core.regions import Region
from volens.core.time import FAR_FUTURE, from_millis, to_millis
from volens.gate.census import Census, Int64s
from volens.gate.overdue import CutoffsAt, never, overdue_places
from volens.holds.erasures import ErasureLedger
from volens.holds.precedence import decide_held
from volens.holds.register import HoldRegister
from volens.log.kinds import ErasureScope
from volens.policy.bitmap import NO_OVERRIDES, NO_TIER, OVERDUE, ConsentBitmap, Overrides
from volens.policy.boundaries import NEVER
from volens.policy.classify import (
    ConversationFacts,
    GrantFacts,
    OrganisationFacts,
    SubjectFacts,
    UseFacts,
    classify,
)
from volens.policy.decision import Policy
from volens.policy.model import encode
from volens.policy.reference import EXCEPTIONAL
from volens.storage.engine import driver_of
from volens.vault.store import Held
from volens.vault.subjects import Subject, SubjectStore
from volens.vault.tables import ENDED, SIGNALLED

if TYPE_CHECKING:
    from volens.access.exceptions import Case

_SUBJECTS = """
SELECT s.no, s.id, s.plan, s.region, s.tier, s.realm, s.age_band, s.status, s.organisation,
       c.grants, c.objected
FROM subject AS s
LEFT JOIN consent_state AS c ON c.purpose = ? AND c.subject = s.id
ORDER BY s.no
"""  # consent_state has one row for each subject and purpose at most: its primary key
_SIGNALLED = f"""
SELECT subject_no, no, signal FROM conversation
WHERE {SIGNALLED} AND +ended_ms IS NULL ORDER BY subject_no, no
"""  # noqa: S608 - a constant; written out, because only so does SQLite use the index over it, and
# with the plus, because it would go by that of all which are live, for their order
_BEFORE = "SELECT count(*) FROM conversation WHERE subject_no = ? AND no < ? AND ended_ms IS NULL"
_COUNTS = "SELECT subject_no, count(*) FROM conversation GROUP BY subject_no"
_ENDED_COUNTS = f"""
SELECT subject_no, count(*) FROM conversation WHERE {ENDED} GROUP BY subject_no
"""  # noqa: S608 - as above; counted apart, so that the count of all needs no row but an index
_IN_ORDER = "SELECT no FROM conversation WHERE ended_ms IS NULL ORDER BY subject_no, no"
_STATUS_AT = 5  # among the columns of _SUBJECTS after number and id
_ROWS_AT_ONCE = 10_000
_SCOPE_FIELD = {
    ScopeKind.DATASET.value: "dataset",
    ScopeKind.RUN.value: "run",
    ScopeKind.PARTNER.value: "partner",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What somebody wants to do, before the gate adds where and when."""

    purpose: str
    dataset: str = ""
    """The name of the dataset to be built, matched against grants that name one."""
    run: str = ""
    partner: str = ""
    case: str = ""
    """The exception under which staff ask; for the purposes that need one."""
    turns: tuple[int, ...] = ()
    """The turns that they ask for; no others leave the gate then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """The class of each person for one use; three arrays of one length."""

    numbers: Int64s
    """Subject numbers, ascending."""
    codes: npt.NDArray[np.int32]
    """Class codes, without what single conversations say."""
    ends: Int64s
    """When each class ends by itself: milliseconds, or `NEVER`."""


class FactSource:
    """Reads facts for one home: its region, its realm, its notices."""

    def __init__(
        self,
        engine: Engine,
        subjects: SubjectStore,
        ledger: ConsentLedger,
        erasures: ErasureLedger,
        *,
        region: Region,
        realm: Realm,
        cutoffs: CutoffsAt = never,
    ) -> None:
        """Read from `engine` and the ledgers over it.

        From a moment, `cutoffs` tells which chats are past their time then.
        """
        self._holds = HoldRegister(engine)
        self._engine = engine
        self.subjects = subjects
        self.ledger = ledger
        self.erasures = erasures
        self._region = region
        self._realm = realm
        self.cutoffs = cutoffs

    def exception(self, subject: Subject, held: Held, use: Use, at: datetime) -> Case | None:
        """Return the open exception that covers exactly the turns asked for, if there is one."""
        if use.purpose not in EXCEPTIONAL or not use.case:
            return None
        from volens.access.exception_store import CaseRegister  # noqa: PLC0415 - few uses need it

        cases, purpose = CaseRegister(self._engine), Purpose(use.purpose)
        return cases.covering(use.case, subject.id, held.id, use.turns, purpose, at)

    def held_for(self, subject: Subject, held: Held, use: Use, at: datetime) -> bool:
        """Say whether a hold keeps all turns asked for, for this very purpose, past their end."""
        holds = self._holds.of_subject(subject.id)
        verdict = decide_held(holds, held.id, Purpose(use.purpose), at, held.turns)
        return verdict.permit and set(use.turns) <= set(verdict.turns)

    def use_facts(self, use: Use, at: datetime, exception: Case | None = None) -> UseFacts:
        """Place a use in this home, now."""
        return UseFacts(
            purpose=use.purpose,
            region=self._region.value,
            realm=self._realm.value,
            at=at,
            dataset=use.dataset,
            run=use.run,
            partner=use.partner,
            exception_open=exception is not None,
        )

    def subject_facts(self, subject: Subject, policy: Policy) -> SubjectFacts:
        """Return one person's facts, journal included."""
        states = self.ledger.states(subject.id)
        instructions = self.subjects.instructions()
        return SubjectFacts(
            plan=subject.plan,
            region=subject.region.value,
            tier=None if subject.tier is None else subject.tier.value,
            realm=subject.realm.value,
            age_band=subject.age_band.value,
            status=subject.status.value,
            organisation=_organisation(subject.organisation, instructions),
            grants={
                purpose.value: _grants(grants_text(state)) for purpose, state in states.items()
            },
            notices_shown=published_notices(policy),
            objections=frozenset(p.value for p, state in states.items() if state.objected),
        )

    def census(
        self, policy: Policy, use: Use, at: datetime, *, among: Int64s | None = None
    ) -> Census:
        """Decide every conversation for `use`: once for each distinct set of facts.

        With `among`, conversations in other rows than these are not permitted.

        Raises:
            Denied: ``purpose_unknown``, or ``table_expired`` if the policy version has ended.
        """
        purpose = known_purpose(use.purpose)
        upto = self._last_number()
        numbers, codes, ends = self._classes(policy, self.use_facts(use, at))
        each = self._conversation_counts(numbers)
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(each)])
        bitmap = ConsentBitmap(
            policy,
            purpose,
            codes=codes,
            offsets=offsets,
            ends=ends,
            at=at,
            overrides=self._overrides(numbers, offsets, at),
        )
        census = Census(bitmap=bitmap, numbers=numbers, offsets=offsets, upto=upto)
        if among is not None:
            self._keep_only(census, among)
        return census

    def everybody(self, policy: Policy, use: Use, at: datetime) -> Everybody:
        """Classify everybody for `use`, apart from what single conversations say.

        Raises:
            Denied: ``purpose_unknown``.
        """
        known_purpose(use.purpose)
        numbers, codes, ends = self._classes(policy, self.use_facts(use, at))
        return Everybody(numbers=numbers, codes=codes, ends=ends)

    def _conversation_counts(self, numbers: Int64s) -> Int64s:
        """Return how many conversations each of the subjects `numbers` (rising) has."""
        return self._counts(_COUNTS, numbers) - self._counts(_ENDED_COUNTS, numbers)

    def _counts(self, query: str, numbers: Int64s) -> Int64s:
        pairs = array("q")
        with self._engine.connect() as db:
            for row in driver_of(db).execute(query):
                pairs.extend(row)
        counted = np.frombuffer(pairs, dtype=np.int64).reshape(-1, 2)
        places = np.searchsorted(numbers, counted[:, 0])
        known = places < len(numbers)
        known[known] = numbers[places[known]] == counted[known, 0]
        counts = np.zeros(len(numbers), dtype=np.int64)
        counts[places[known]] = counted[known, 1]
        return counts

    def _keep_only(self, census: Census, numbers: Int64s) -> None:
        """Leave permitted, in a census just taken, only conversations in the rows `numbers`."""
        wanted = np.zeros(int(census.offsets[-1]), dtype=np.bool_)
        rank = 0
        with self._engine.connect() as db:
            found = driver_of(db).execute(_IN_ORDER)
            while some := found.fetchmany(_ROWS_AT_ONCE):
                rows = np.fromiter((row[0] for row in some), dtype=np.int64, count=len(some))
                wanted[rank : rank + len(rows)] = np.isin(rows, numbers)
                rank += len(rows)
        census.bitmap.keep_only(np.packbits(wanted, bitorder="little"))

    def _last_number(self) -> int:
        with self._engine.connect() as db:
            (found,) = driver_of(db).execute("SELECT max(no) FROM conversation").fetchone()
        return int(found or 0)

    def _classes(
        self, policy: Policy, use: UseFacts
    ) -> tuple[Int64s, npt.NDArray[np.int32], Int64s]:
        """Return number, class code and end of each subject; equal facts are classified once."""
        instructions = self.subjects.instructions()
        notices = published_notices(policy)
        journaled = self._journaled(use.purpose)
        leaving = self._leaving()
        seen: dict[tuple[object, ...], tuple[int, int]] = {}
        numbers, codes, ends = array("q"), array("i"), array("q")
        with self._engine.connect() as db:
            for number, raw, *key in driver_of(db).execute(_SUBJECTS, (use.purpose,)):
                if raw in journaled:
                    key[-2:] = journaled[raw]
                if raw in leaving:
                    key[_STATUS_AT] = leaving[raw]
                known = seen.get(tuple(key))
                if known is None:
                    *attributes, grants, objected = key
                    state = ("[]" if grants is None else grants, bool(objected))
                    facts = _facts(attributes, state, use.purpose, instructions, notices)
                    known = seen[tuple(key)] = _classified(policy, facts, use)
                numbers.append(number)
                codes.append(known[0])
                ends.append(known[1])
        return (
            np.array(numbers, dtype=np.int64),
            np.array(codes, dtype=np.int32),
            np.array(ends, dtype=np.int64),
        )

    def _journaled(self, purpose: str) -> dict[bytes, tuple[str, bool]]:
        """Return the states of those whose negative acts the journal still holds."""
        return {
            parse_id(IdKind.SUBJECT, event.subject): (grants_text(state), state.objected)
            for event in self.ledger.pending()
            if event.purpose == purpose
            for state in (self.ledger.states(event.subject)[event.purpose],)
        }

    def _leaving(self) -> dict[bytes, str]:
        """Return the status of those about whom the journal still holds a request to erase.

        Whoever asked for some chats only is left out altogether until the request is taken in: by
        the next process that owns the home, before it decides anything.
        """
        found: dict[bytes, str] = {}
        for erasure in self.erasures.pending():
            raw = parse_id(IdKind.SUBJECT, str(erasure.subject))
            if erasure.scope is ErasureScope.ACCOUNT:
                found[raw] = SubjectStatus.CLOSED.value
            found.setdefault(raw, SubjectStatus.ERASING.value)
        return found

    def _overrides(
        self, numbers: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], at: datetime
    ) -> Overrides:
        found: dict[int, int] = {}
        words = [signal.value for signal in Signal]
        with self._engine.connect() as db:
            driver = driver_of(db)
            for subject_no, number, signal in driver.execute(_SIGNALLED).fetchall():
                place = int(np.searchsorted(numbers, subject_no))
                (before,) = driver.execute(_BEFORE, (subject_no, number)).fetchone()
                found[int(offsets[place]) + before] = words.index(signal)
        for subject_no, before in overdue_places(self._engine, self.cutoffs(at), at):
            place = int(np.searchsorted(numbers, subject_no))
            found[int(offsets[place]) + before] = OVERDUE
        if not found:
            return NO_OVERRIDES
        ranks = sorted(found)
        return Overrides(
            conversations=np.array(ranks, dtype=np.int64),
            signals=np.array([found[rank] for rank in ranks], dtype=np.uint8),
            tiers=np.full(len(ranks), NO_TIER, dtype=np.uint8),
        )


def known_purpose(word: str) -> Purpose:
    """Return the purpose that `word` names.

    Raises:
        Denied: ``purpose_unknown``.
    """
    try:
        return Purpose(word)
    except ValueError:
        hint = f"one of {', '.join(purpose.value for purpose in Purpose)}"
        raise Denied("purpose_unknown", f"no purpose {word[:40]!r}", hint=hint) from None


def published_notices(policy: Policy) -> frozenset[str]:
    """Return the notices that stand published with this policy version.

    Purposes that rest on a basis other than consent need a current published notice; a grant is
    bound to the very notice its person saw, which is on the grant.
    """
    return frozenset(notice.hash for notice in policy.pack.notices)


def _classified(policy: Policy, facts: SubjectFacts, use: UseFacts) -> tuple[int, int]:
    found = classify(policy.pack, facts, ConversationFacts(), use)
    end = NEVER if found.valid_until >= FAR_FUTURE else to_millis(found.valid_until)
    return encode(found.attributes), end


def _facts(
    attributes: list[str | None],
    state: tuple[str, bool],
    purpose: str,
    instructions: Mapping[str, frozenset[str]],
    notices: frozenset[str],
) -> SubjectFacts:
    plan, region, tier, realm, age_band, status, organisation = attributes
    grants, objected = state
    return SubjectFacts(
        plan=str(plan),
        region=str(region),
        tier=tier,
        realm=str(realm),
        age_band=str(age_band),
        status=str(status),
        organisation=_organisation(organisation, instructions),
        grants={purpose: _grants(grants)},
        notices_shown=notices,
        objections=frozenset({purpose} if objected else ()),
    )


def _organisation(
    name: str | None, instructions: Mapping[str, frozenset[str]]
) -> OrganisationFacts | None:
    if name is None:
        return None
    return OrganisationFacts(instructed=instructions.get(name, frozenset()))


def _grants(text: str) -> tuple[GrantFacts, ...]:
    rows = read_strict(text.encode("utf-8"))
    if not isinstance(rows, list):
        raise InvalidInput("grants_form", "a stored consent state can't be read")
    facts = []
    for row in rows:
        kind, target, status, notice, expires_ms = row
        names = {_SCOPE_FIELD[kind]: target} if kind in _SCOPE_FIELD else {}
        expires = None if expires_ms is None else from_millis(expires_ms)
        facts.append(GrantFacts(status=status, notice=notice, expires_at=expires, **names))
    return tuple(facts)
