"""One look: the gate opens, the lease is kept first, and only plain turns come back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from volens.core.ids import AccountId, CaseId
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.gate.viewing import Begun, Viewer
from volens.safety.leases import LeaseStore
from volens.safety.model import Look, SeenTurn
from volens.vault.model import Turn, TurnFlag
from volens.vault.store import Held
from volens.vault.subjects import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """Who looks, what for, until when."""

    use: Use
    asker: Asker
    account: AccountId
    ends: datetime
    case_no: int | None = None
    case: CaseId | None = None


def look_at(
    viewer: Viewer, leases: LeaseStore, held: Held, subject: Subject, viewing: Viewing
) -> Look:
    """Open what `viewing` asks for, under a lease.

    Raises:
        Denied, Unavailable: as `Viewer.look`; the lease is forgotten then.
    """
    numbers: list[int] = []
    begun: list[Begun] = []

    def note(one: Begun) -> None:
        begun.append(one)
        numbers.append(
            leases.begin(
                one,
                held,
                account=viewing.account,
                actor=viewing.asker.actor,
                turns=viewing.use.turns,
                case_no=viewing.case_no,
                ends=viewing.ends,
            )
        )

    try:
        viewed = viewer.look(held, subject, viewing.use, viewing.asker, note=note)
    except BaseException:
        for one in begun:
            leases.drop(one.log_index)
        raise
    return Look(
        lease=numbers[0],
        conversation=held.id,
        case=viewing.case,
        turns=tuple(_seen(index, turn) for index, turn in viewed.turns),
        began=viewed.begun.at,
        ends=viewing.ends,
        log_index=viewed.begun.log_index,
    )


def _seen(index: int, turn: Turn) -> SeenTurn:
    return SeenTurn(
        index=index,
        role=turn.role.name.lower(),
        text=turn.text,
        at=turn.at,
        flags=tuple(flag.name.lower() for flag in TurnFlag if flag in turn.flags and flag.name),
    )
