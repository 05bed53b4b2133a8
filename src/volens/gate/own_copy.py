"""A person's own copy: everything they may have of their conversations, in one logged access.

The right of access (GDPR Art. 15, 20) is not a use of its own: it is decided as `provide_service`.
One thing differs. What keeps others out for the person's sake does not stand between them and their
copy: a restriction (Art. 18), an objection (Art. 21), a notice that nobody published. Everything
else does. A pending erasure, for one: access has ended for everybody, and the person can take the
erasure back first.

Order: decide every conversation; log one intent that commits to exactly which; keep what opens that
entry to the person; then open, one conversation at a time; log how it ended.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Self

from sqlalchemy import Engine

from volens.core.errors import Denied, Unavailable
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock
from volens.core.purposes import Purpose, Signal
from volens.crypto.opening import Opener
from volens.gate.accesses import AccessLeaf, AccessLeaves, opened_parts, own_copy_opening
from volens.gate.facts import Use
from volens.gate.gate import Gate
from volens.gate.reading import SealedReader
from volens.log.kinds import AccessAction, AccessOutcome, AccessReason, Actor, EntryKind
from volens.log.recorder import Recorder
from volens.policy.model import Decision, ReasonCode
from volens.vault.listing import next_of
from volens.vault.model import Payload, unpack_payload
from volens.vault.store import Held, Vault
from volens.vault.subjects import Subject, SubjectStore

USE = Use(purpose=Purpose.PROVIDE_SERVICE.value)
FOR_THEIR_SAKE = frozenset(
    {ReasonCode.BLOCKED_RESTRICTED, ReasonCode.OBJECTION_UPHELD, ReasonCode.NOTICE_MISSING}
)
"""Reasons that keep a use from happening to a person, not a person from their own data."""
_AT_ONCE = 200  # conversations for which one decision counts


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnConversation:
    """One conversation of the person's own copy. `repr` shows nothing that was said."""

    held: Held
    updated: datetime | None
    payload: Payload = field(repr=False)


class OwnCopy:
    """Opens one person's conversations for that person."""

    def __init__(
        self,
        gate: Gate,
        subjects: SubjectStore,
        vault: Vault,
        reader: SealedReader,
        opener: Opener,
        recorder: Recorder,
        engine: Engine,
        *,
        clock: Clock,
    ) -> None:
        """Decide by `gate`; what can't be recorded can't be opened."""
        self.gate = gate
        self._subjects = subjects
        self._vault = vault
        self._reader = reader
        self._opener = opener
        self._recorder = recorder
        self._engine = engine
        self.leaves = AccessLeaves(engine)
        self._clock = clock

    def preview(self, subject: Subject) -> tuple[int, Counter[str]]:
        """Return how many conversations the copy would hold, and why others not; opens nothing."""
        numbers, left_out, _ = self._decide_all(subject)
        return len(numbers), left_out

    def begin(
        self,
        subject: Subject,
        *,
        among: Sequence[Held] | None = None,
        action: AccessAction = AccessAction.EXPORT,
    ) -> OwnReading:
        """Decide and log; what comes back opens nothing until it is asked to.

        Args:
            subject: the person.
            among: only these conversations of theirs; None: all.
            action: what it is for, as an act.

        Raises:
            Unavailable: if the log or the database can't be written; nothing is opened then.
        """
        if among is not None:
            mine = (held for held in among if held.subject_no == subject.number)
            among = sorted(mine, key=lambda held: held.number)
        numbers, left_out, digest = self._decide_all(subject, among)
        opening = own_copy_opening(digest)
        holder = subject.holder
        salt, commitment = self._recorder.commit(*opened_parts(holder.raw, opening))
        intent = self._recorder.record(
            EntryKind.ACCESS_INTENT,
            {
                "purpose": Purpose.PROVIDE_SERVICE,
                "actor": Actor.SUBJECT,
                "action": action,
                "reason": AccessReason.SUBJECT_REQUEST,
                "policy_hash": bytes.fromhex(self.gate.policy.ref.hash),
                "count": len(numbers),
                "commitment": commitment,
            },
        )
        leaf = AccessLeaf(log_index=intent, salt=salt, opening=opening)
        self.leaves.keep(subject.number, leaf)
        at = self._clock.now()
        return OwnReading(self, subject, numbers, left_out, among, intent=intent, at=at)

    def open(
        self,
        subject: Subject,
        numbers: array[int],
        missing: Counter[str],
        among: Sequence[Held] | None = None,
    ) -> Iterator[OwnConversation]:
        """Yield the conversations among `numbers` that may still be opened; for `OwnReading`."""
        permitted = self._permitted(subject, numbers, missing, among)
        if among is None:
            for held in permitted:
                data = self._payload(held)
                if data is None:
                    missing["erased"] += 1
                else:
                    yield _own(held, data)
            return
        some = list(permitted)
        together = self._together(some)
        for held in some:
            data = together.get(held.number) or self._payload(held)
            if data is None:
                missing["erased"] += 1
            else:
                yield _own(held, data)

    def _permitted(
        self,
        subject: Subject,
        numbers: array[int],
        missing: Counter[str],
        among: Sequence[Held] | None,
    ) -> Iterator[Held]:
        """Yield those of `numbers`, which the intent committed to, that are permitted now."""
        for held, decision in self._decided(subject, among):
            place = bisect_left(numbers, held.number)
            if place == len(numbers) or numbers[place] != held.number:
                continue
            if _is_theirs(decision):
                yield held
            else:
                missing[_why_not(decision)] += 1

    def _together(self, some: Sequence[Held]) -> dict[int, bytes]:
        """Open a few at once; nothing if one of them went meanwhile: then each by itself."""
        if not some:
            return {}
        try:
            return self._reader.some(some).open_some(self._opener, some)
        except (Denied, Unavailable) as error:
            if error.code not in {"withdrawn_meanwhile", "key_missing"}:
                raise
            return {}

    def _payload(self, held: Held) -> bytes | None:
        try:
            return self._reader.one(held).open_one(self._opener, held)
        except Unavailable as error:
            if error.code != "key_missing":
                raise
            return None

    def _decide_all(
        self, subject: Subject, among: Sequence[Held] | None = None
    ) -> tuple[array[int], Counter[str], bytes]:
        """Return row numbers that may be opened, others by reason, and the digest of the former."""
        numbers = array("q")
        left_out: Counter[str] = Counter()
        digest = sha256()
        for held, decision in self._decided(subject, among):
            if _is_theirs(decision):
                numbers.append(held.number)
                digest.update(parse_id(IdKind.CONVERSATION, held.id))
            else:
                left_out[_why_not(decision)] += 1
        return numbers, left_out, digest.digest()

    def _decided(
        self, subject: Subject, among: Sequence[Held] | None
    ) -> Iterator[tuple[Held, Decision]]:
        """Yield each conversation with its decision; equal ones are decided some at a time."""
        last = at = 0
        while some := (self._page(subject, last) if among is None else among[at : at + _AT_ONCE]):
            at += _AT_ONCE
            person = self._subjects.by_number(subject.number)  # it may have changed meanwhile
            blocks = self.gate.blocks()
            decided: dict[tuple[Signal, bool], Decision] = {}
            for held in some:
                key = held.signal, blocks.stop(person, held)
                if key not in decided:
                    decided[key] = self.gate.decide(person, USE, held)
                yield held, decided[key]
            last = some[-1].number

    def _page(self, subject: Subject, after: int) -> list[Held]:
        """Return the next conversations, with no query left open while they are looked at."""
        return next_of(self._engine, subject, after, limit=_AT_ONCE)


def _own(held: Held, data: bytes) -> OwnConversation:
    return OwnConversation(held=held, updated=held.updated, payload=unpack_payload(data))


def _is_theirs(decision: Decision) -> bool:
    """Say whether the person may have it: it is permitted, or denied to others for their sake."""
    reasons = decision.reasons or (ReasonCode.POLICY_ERROR,)
    return decision.permit or FOR_THEIR_SAKE.issuperset(reasons)


def _why_not(decision: Decision) -> str:
    others = (one for one in decision.reasons if one not in FOR_THEIR_SAKE)
    return next(others, ReasonCode.POLICY_ERROR).value


class OwnReading:
    """One logged access of a person to their own conversations. Use it as a context manager."""

    def __init__(
        self,
        copy: OwnCopy,
        subject: Subject,
        numbers: array[int],
        left_out: Counter[str],
        among: Sequence[Held] | None,
        *,
        intent: int,
        at: datetime,
    ) -> None:
        """Take what `OwnCopy.begin` decided and logged."""
        self._copy = copy
        self._subject = subject
        self._numbers = numbers
        self._among = among
        self._opened = 0
        self.left_out = left_out
        """Conversations that were not permitted, by reason."""
        self.intent = intent
        """Log index of the access."""
        self.at = at

    @property
    def permitted(self) -> int:
        """Return how many conversations the intent committed to."""
        return len(self._numbers)

    def conversations(self, missing: Counter[str] | None = None) -> Iterator[OwnConversation]:
        """Yield the conversations, oldest capture first, one at a time; may be asked again.

        Args:
            missing: counts, by reason, what was decided on but can't be opened any more.
        """
        gone = Counter[str]() if missing is None else missing
        found = self._copy.open(self._subject, self._numbers, gone, self._among)
        for count, one in enumerate(found, start=1):
            self._opened = max(self._opened, count)
            yield one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        outcome = AccessOutcome.COMPLETED if kind is None else AccessOutcome.FAILED
        with suppress(Unavailable):  # the intent stands as the upper bound
            self._copy.gate.end_access(self.intent, self._opened, self.at, outcome)
