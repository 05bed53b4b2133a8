"""A ledger of erasures small enough to read: a real log, a stepped clock, and no home."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.log.support import ORIGIN, SIGNER, MemoryFiles, entries
from tests.support.ports import SeededEntropy, SteppedClock
from volens.core.ids import ConversationId, ErasureId, IdKind, SubjectId, format_id
from volens.holds.erasure import COOL_OFF, PROMISE, Erasure, ErasureState, StoreStep
from volens.holds.evidence import Evidence, LoggedStep, log_each, log_group
from volens.lifecycle.receipt import issue_receipt, prove_steps
from volens.log.kinds import EntryKind, ErasureCause, ErasureScope
from volens.log.recorder import Recorder
from volens.log.store import TransparencyLog

CONTACT = "Privacy office, privacy@example.org"
CHAT = ConversationId(format_id(IdKind.CONVERSATION, b"c" * 16))
DAY = timedelta(days=1)


class Erasing:
    """Erasures that go their way step by step."""

    def __init__(self, log: TransparencyLog | None = None) -> None:
        self.clock = SteppedClock(datetime.fromisoformat("2026-01-31T09:30:00.000Z"))
        self.log = log or TransparencyLog.create(
            Path("x"), signer=SIGNER, origin=ORIGIN, files=MemoryFiles()
        )
        self.entropy = SeededEntropy(5)
        self.recorder = Recorder(self.log, clock=self.clock, entropy=self.entropy)
        self.erasures: dict[ErasureId, Erasure] = {}
        self.steps: dict[ErasureId, list[LoggedStep]] = {}
        self.log.append(entries(3))  # others use the log too

    def ask(
        self,
        scope: ErasureScope = ErasureScope.CONVERSATION,
        cause: ErasureCause = ErasureCause.REQUEST,
    ) -> ErasureId:
        """Ask for an erasure: access ends, and the log says so a moment later."""
        now = self.clock.now()
        name = ErasureId(format_id(IdKind.ERASURE, self.entropy.draw(16)))
        self.erasures[name] = Erasure(
            id=name,
            scope=scope,
            cause=cause,
            subject=SubjectId(format_id(IdKind.SUBJECT, b"s" * 16)),
            conversations=(CHAT,) if scope is ErasureScope.CONVERSATION else (),
            requested=now,
            cool_off_ends=now + COOL_OFF,
            promised_by=now + PROMISE,
            state=ErasureState.ACCESS_ENDED,
            access_ended=now,
        )
        self.clock.step(timedelta(milliseconds=20))
        fields = {"scope": scope, "cause": cause, "due": now + PROMISE}
        self.steps[name] = []
        self._keep(log_each(self.recorder, EntryKind.ERASURE_REQUESTED, {name: fields}))
        return name

    def cancel(self, name: ErasureId) -> None:
        self._keep(log_each(self.recorder, EntryKind.ERASURE_CANCELLED, {name: {}}))
        self._set(name, state=ErasureState.CANCELLED, cancelled=self.clock.now())

    def hold(self, name: ErasureId, until: datetime | None) -> None:
        self._set(name, state=ErasureState.HELD, held_until=until)

    def remove_keys(self, names: Sequence[ErasureId]) -> None:
        """Do what an executor does: say so, take the keys away, say so, take the rows away."""
        started = log_group(self.recorder, EntryKind.ERASURE_STARTED, names)
        self._keep(started)
        self.clock.step(timedelta(seconds=1))
        steps = (StoreStep(store="keys", method="key_removed", at=self.clock.now()),)
        self.clock.step(timedelta(seconds=1))
        steps += (StoreStep(store="content", method="resealed", at=self.clock.now()),)
        index = started[names[0]].index
        fields = {"started": index}
        self._keep(log_group(self.recorder, EntryKind.ERASURE_KEYS_REMOVED, names, fields))
        for name in names:
            self._set(
                name,
                state=ErasureState.KEYS_REMOVED,
                keys_removed=self.clock.now(),
                conversations=(),
                steps=steps,
            )

    def finish(self, names: Sequence[ErasureId]) -> None:
        """The epoch's key is destroyed."""
        self._keep(log_group(self.recorder, EntryKind.ERASURE_IRRECOVERABLE, names))
        for name in names:
            self._set(name, state=ErasureState.IRRECOVERABLE, irrecoverable=self.clock.now())

    def receipt(self, name: ErasureId, *, erasure: Erasure | None = None) -> bytes:
        """Issue what can be had now."""
        self.log.publish()
        evidence = Evidence(erasure=name, steps=tuple(self.steps[name]))
        return issue_receipt(
            erasure or self.erasures[name],
            prove_steps(evidence, self.log),
            contact=CONTACT,
            issued=self.clock.now(),
            signer=SIGNER,
        )

    def done(self) -> bytes:
        """Return the receipt of the second of three chats that went together."""
        names = [self.ask() for _ in range(3)]
        self.clock.step(7 * DAY)
        self.remove_keys(names)
        self.clock.step(14 * DAY)
        self.finish(names)
        self.clock.step(timedelta(minutes=1))
        return self.receipt(names[1])

    def _keep(self, made: dict[ErasureId, LoggedStep]) -> None:
        for name, step in made.items():
            self.steps[name].append(step)

    def _set(self, name: ErasureId, **changes: object) -> None:
        self.erasures[name] = replace(self.erasures[name], **changes)  # type: ignore[arg-type]  # named
