"""The gate: decide, write the log entry durably, and only then let keys be used.

Order of every access:

1. Choices and requests to erase that other processes journaled are taken in; the decision is made.
2. An ``access.intent`` entry is durable in the log: purpose, action, reason, policy, how many, and
   a commitment to exactly which. Where it is about one person, what opens the entry to them is
   kept in the database.
3. Keys are fetched and content is opened, batch by batch; before each batch the journal is looked
   at again, and who has withdrawn meanwhile is left out.
4. An ``access.done`` entry says how it ended and how long it took.

If it stops after 2, the intent stands in the log as the upper bound of what may have been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable, VolensError
from volens.core.ids import IdKind, SubjectId, parse_id
from volens.core.ports import Clock
from volens.core.purposes import Purpose, SubjectStatus
from volens.core.time import FAR_FUTURE
from volens.crypto.opening import Opener
from volens.gate.accesses import AccessLeaf, AccessLeaves
from volens.gate.blocks import Blocks
from volens.gate.census import Census, Int64s
from volens.gate.facts import FactSource, Use, known_purpose
from volens.gate.reading import OpenedBatch, SealedReader
from volens.gate.scopes import check_scope
from volens.log.fields import Value
from volens.log.kinds import AccessAction, AccessOutcome, AccessReason, Actor, EntryKind
from volens.log.recorder import Recorder
from volens.policy.classify import ConversationFacts
from volens.policy.decision import Policy
from volens.policy.model import Decision, ReasonCode
from volens.vault.model import Payload, unpack_payload
from volens.vault.store import Held
from volens.vault.subjects import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for an access, and why; both closed words."""

    actor: Actor
    action: AccessAction
    reason: AccessReason


_PROVER = Asker(actor=Actor.SUBJECT, action=AccessAction.PROVE, reason=AccessReason.SUBJECT_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What one use may open: decided, logged, not opened yet."""

    use: Use
    census: Census
    at: datetime
    permitted: int
    excluded: dict[ReasonCode, int]
    """Conversations left out, each counted once, by its first reason."""
    intent: int
    """Log index of the access intent."""
    mark: int
    """The latest act in the ledger before the decision; later ones may have taken back."""
    narrowings: int
    """What the recorder had counted before the decision."""


class Gate:
    """Decides uses and opens content for them."""

    def __init__(
        self,
        facts: FactSource,
        reader: SealedReader,
        opener: Opener,
        recorder: Recorder,
        *,
        leaves: AccessLeaves,
        policy: Policy,
        clock: Clock,
    ) -> None:
        """Decide by `policy`; what can't be recorded can't be opened.

        What opens an access entry to the person it is about goes into `leaves`.
        """
        self._leaves = leaves
        self.facts = facts
        """What decisions rest on."""
        self._subjects = facts.subjects
        self._ledger = facts.ledger
        self._erasures = facts.erasures
        self._checked: tuple[int, ...] | None = None
        self._reader = reader
        self._opener = opener
        self._recorder = recorder
        self._clock = clock
        self.policy = policy

    def decide(
        self, subject: Subject, use: Use, held: Held | None = None, policy: Policy | None = None
    ) -> Decision:
        """Decide one use of one person's conversations, or of one of them.

        Any error while deciding is a deny with the reason ``policy_error``.
        """
        policy = policy or self.policy
        signal = "none" if held is None else held.signal.value
        try:
            _check_owner(subject, held)
            blocks = self.blocks()
            case = None if held is None else self.facts.exception(subject, held, use, blocks.at)
            if (
                held is not None
                and blocks.stop(subject, held)
                and not (case and self.facts.held_for(subject, held, use, blocks.at))
            ):
                return _denied(policy, ReasonCode.BLOCKED_ERASING)
            facts = self.facts.subject_facts(subject, policy)
            if subject.holder.raw in blocks.ended.accounts:
                facts = replace(facts, status=SubjectStatus.CLOSED.value)
            asked = self.facts.use_facts(use, blocks.at, case)
            decision = policy.decide(facts, ConversationFacts(signal=signal), asked)
            ends = FAR_FUTURE if case is None else case.closes
            return replace(decision, valid_until=min(decision.valid_until, ends))
        except Unavailable:
            raise
        except (VolensError, ValueError, ArithmeticError, LookupError, TypeError):
            return _denied(policy, ReasonCode.POLICY_ERROR)

    def blocks(self) -> Blocks:
        """Return what nobody may use now, because it has ended or its time is over."""
        at = self._clock.now()
        return Blocks(ended=self._erasures.ended(), cutoffs=self.facts.cutoffs(at), at=at)

    def preview(
        self, use: Use, *, among: Int64s | None = None
    ) -> tuple[int, dict[ReasonCode, int]]:
        """Return how many conversations `use` could open now and why others not; opens nothing.

        With `among`, only conversations in these rows count as what could be opened.
        """
        at = self._clock.now()
        census = self.facts.census(self.policy, use, at, among=among)
        return census.bitmap.permitted(at), census.bitmap.left_out(at)

    def select(
        self, use: Use, asker: Asker, *, dataset: bytes = b"", among: Int64s | None = None
    ) -> Selection:
        """Decide every conversation for `use` and log the intent to open what is permitted.

        Args:
            use: what for.
            asker: who and why.
            dataset: the raw id of the dataset to be built, if any; the entry commits to it.
            among: row numbers of conversations; no other one is opened, or committed to.

        Raises:
            Denied: ``purpose_unknown``, or ``table_expired`` if the policy version has ended.
        """
        self.take_in()
        mark, narrowings = self._ledger.mark(), self._recorder.narrowings
        at = self._clock.now()
        census = self.facts.census(self.policy, use, at, among=among)
        permitted = census.bitmap.permitted(at)
        _, chosen = self._recorder.commit(census.bitmap.bits.tobytes())
        fields = self.intent_fields(known_purpose(use.purpose), asker, permitted, chosen)
        if dataset:
            fields["dataset"] = self._recorder.commit(dataset)[1]
        intent = self._recorder.record(EntryKind.ACCESS_INTENT, fields)
        self._leaves.keep_bulk(intent, census.people())
        return Selection(
            use=use,
            census=census,
            at=at,
            permitted=permitted,
            excluded=census.bitmap.left_out(at),
            intent=intent,
            mark=mark,
            narrowings=narrowings,
        )

    def open(
        self,
        selection: Selection,
        *,
        on_batch: Callable[[int], None] | None = None,
    ) -> Iterator[OpenedBatch]:
        """Open what was selected, batch by batch, in the vault's order.

        The intent must be in the log already (`select` put it there). When the iterator ends, or is
        closed, an ``access.done`` entry says how.

        Raises:
            Denied: ``table_expired`` if time has run past the selection's `valid_until`, or
                ``withdrawn_meanwhile`` if somebody whose records were yielded already has
                withdrawn: the caller starts again without them.
        """
        started = self._clock.now()
        opened = 0
        outcome = AccessOutcome.ABANDONED
        try:
            for batch in self._reader.batches(selection.census.permitted()):
                self.require_current(selection)
                content = batch.open(self._opener)
                opened += content.size
                yield content
                if on_batch is not None:
                    on_batch(content.size)
            self.require_current(selection)
            outcome = AccessOutcome.COMPLETED
        except GeneratorExit:
            raise
        except BaseException:
            outcome = AccessOutcome.FAILED
            raise
        finally:
            with suppress(Unavailable):
                self.end_access(selection.intent, opened, started, outcome)

    def require_current(self, selection: Selection) -> None:
        """Pass if nothing in the selection was taken back since it was made.

        Taken back: by its person, by a change of the account or its organisation, by a signal.

        Raises:
            Denied: ``withdrawn_meanwhile``, or ``table_expired``.
        """
        at = self._clock.now()
        selection.census.bitmap.require_fresh(at)
        narrowings = self._recorder.narrowings
        stamps = (*self._ledger.stamp(), *self._erasures.stamp())
        checked = (selection.intent, narrowings, *stamps)
        if checked == self._checked:
            return
        taken = any(
            event.purpose == selection.use.purpose and self._holds(selection, event.subject)
            for event in self._ledger.taken_back(selection.mark)
        )
        taken = taken or any(
            self._holds(selection, erasure.subject)
            for erasure in self._erasures.pending()
            if erasure.subject is not None
        )
        taken = taken or (narrowings != selection.narrowings and self._narrowed(selection, at))
        if taken:
            raise Denied(
                "withdrawn_meanwhile",
                "somebody withdrew while their records were being opened",
                hint="start again: they will be left out",
            )
        self._checked = checked

    def _narrowed(self, selection: Selection, at: datetime) -> bool:
        """Say whether somebody's conversations moved, or any is not permitted any more."""
        moved = self._erasures.moved_since(selection.intent)
        if any(one is None or self._holds(selection, one) for one in moved):
            return True
        return selection.census.lost_in(self.facts.census(self.policy, selection.use, at))

    def _holds(self, selection: Selection, subject: SubjectId) -> bool:
        try:
            number = self._subjects.find(subject).number
        except NotFound:
            return False  # an act of somebody who has no account here
        return selection.census.permits_any(number)

    def take_in(self) -> None:
        """Take in what other processes journaled: choices, and requests to erase."""
        self._ledger.drain()
        self._erasures.drain()

    def require_permit(self, held: Held, subject: Subject, use: Use) -> None:
        """Pass if one conversation may be opened for `use` now, with all that was journaled.

        Raises:
            Denied: with the decision's first reason.
        """
        self.take_in()
        decision = self.decide(subject, use, held)
        if not decision.permit:
            raise Denied(
                decision.reasons[0].value,
                f"opening {held.id} for {use.purpose} is not permitted",
                hint=f"volens ask {held.id} {use.purpose} tells why",
            )

    def show(self, held: Held, subject: Subject, use: Use, asker: Asker) -> Payload:
        """Open one conversation for somebody to look at; logged before and after.

        What needs an exception is not shown whole: `volens.gate.viewing` gives out named turns.

        Raises:
            Denied: with the decision's first reason; ``role_scope`` if the asker's role never may.
            Unavailable: ``key_missing`` if it was erased.
        """
        self.require_permit(held, subject, replace(use, case="", turns=()))
        check_scope(asker.actor, known_purpose(use.purpose))
        recorder = self._recorder
        started = self._clock.now()
        salt, commitment = recorder.commit(parse_id(IdKind.CONVERSATION, held.id))
        fields = self.intent_fields(known_purpose(use.purpose), asker, 1, commitment)
        intent = recorder.record(EntryKind.ACCESS_INTENT, fields)
        outcome = AccessOutcome.FAILED
        try:
            self.keep_leaf(subject, held, intent, salt)
            payload = unpack_payload(self._reader.one(held).open_one(self._opener, held))
            outcome = AccessOutcome.COMPLETED
        finally:
            self.end_access(intent, int(outcome is AccessOutcome.COMPLETED), started, outcome)
        return payload

    def capture_secret(self, held: Held, subject: Subject) -> bytes:
        """Return the capture secret of one conversation: the person's own, to prove with.

        No content is opened; that the secret was given out is logged all the same, first.

        Raises:
            InvalidInput: ``not_theirs``.
            Unavailable: ``key_missing`` if the conversation was erased.
        """
        _check_owner(subject, held)
        raw = parse_id(IdKind.CONVERSATION, held.id)
        salt, commitment = self._recorder.commit(raw)
        fields = self.intent_fields(Purpose.PROVIDE_SERVICE, _PROVER, 1, commitment)
        intent = self._recorder.record(EntryKind.ACCESS_INTENT, fields)
        self.keep_leaf(subject, held, intent, salt)
        return self._opener.capture_secret(subject.holder, raw)

    def references(self, subjects: Sequence[Subject]) -> list[str]:
        """Return the names by which the product knows `subjects`; ``(erased)`` where keys are gone.

        `subjects` are sorted by number.
        """
        items = [(subject.holder, subject.reference_sealed) for subject in subjects]
        return [name or "(erased)" for name in self._opener.open_references(items)]

    def keep_leaf(self, subject: Subject, held: Held, intent: int, salt: bytes) -> None:
        """Keep what opens the entry to its person, before anything is opened to anybody."""
        leaf = AccessLeaf(log_index=intent, salt=salt, opening=held.id)
        self._leaves.keep(subject.number, leaf)

    def intent_fields(
        self, purpose: Purpose, asker: Asker, count: int, commitment: bytes
    ) -> dict[str, Value]:
        """Return what an ``access.intent`` entry says of an access."""
        fields: dict[str, Value] = {
            "purpose": purpose,
            "actor": asker.actor,
            "action": asker.action,
            "reason": asker.reason,
            "policy_hash": bytes.fromhex(self.policy.ref.hash),
            "count": count,
            "commitment": commitment,
        }
        if (instructions := self.facts.subjects.instructions_root()) is not None:
            fields["instructions"] = instructions
        return fields

    def end_access(
        self,
        intent: int,
        count: int,
        started: datetime,
        outcome: AccessOutcome,
        ended: datetime | None = None,
    ) -> None:
        """Log how an access ended and how long it took, until `ended` or now."""
        lasted = ((ended or self._clock.now()) - started) // timedelta(milliseconds=1)
        self._recorder.record(
            EntryKind.ACCESS_DONE,
            {
                "intent": intent,
                "count": count,
                "duration_ms": max(0, lasted),
                "outcome": outcome,
            },
        )


def _denied(policy: Policy, reason: ReasonCode) -> Decision:
    return Decision(
        permit=False,
        reasons=(reason,),
        policy=policy.ref,
        rules=(),
        valid_until=policy.valid_until,
    )


def _check_owner(subject: Subject, held: Held | None) -> None:
    if held is not None and held.subject_no != subject.number:
        raise InvalidInput("not_theirs", f"{held.id} does not belong to {subject.id}")
