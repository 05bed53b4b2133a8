"""What nobody may use at a moment, whatever the policy says: what has ended, or is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from volens.core.ids import IdKind, parse_id
from volens.gate.overdue import Cutoffs, is_overdue
from volens.holds.access import Ended
from volens.vault.store import Held
from volens.vault.subjects import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """What nobody may use at a moment: access to it has ended, or its time is over."""

    ended: Ended
    cutoffs: Cutoffs
    at: datetime

    def stop(self, subject: Subject, held: Held) -> bool:
        """Say whether one conversation is among it."""
        return _has_ended(subject, held, self.ended) or is_overdue(
            subject, held, self.cutoffs, self.at
        )


def _has_ended(subject: Subject, held: Held, ended: Ended) -> bool:
    conversation = parse_id(IdKind.CONVERSATION, held.id)
    history = ended.histories.get(subject.holder.raw)
    return (
        held.ended is not None
        or conversation in ended.conversations
        or (history is not None and held.captured <= history)
    )
