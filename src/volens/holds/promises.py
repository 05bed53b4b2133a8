"""What is still owed: of each erasure that is not done, the moments that were promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from volens.core.ids import ErasureId, IdKind, format_id
from volens.core.time import from_millis
from volens.holds.erasure import AFTER_HOLD, ErasureState
from volens.holds.erasure_tables import ERASURE

OWED = (ErasureState.ACCESS_ENDED, ErasureState.KEYS_REMOVED)
"""The states in which something has to happen by itself; a hold owes nothing until its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is owed of one erasure, without whose it is."""

    id: ErasureId
    state: ErasureState
    promised_by: datetime
    """Of what was held: `AFTER_HOLD` after the hold's end, if that is later."""
    keys_removed: datetime | None


class Promises:
    """Reads the tables of `ErasureLedger`, a few columns of each row: there may be very many."""

    def __init__(self, engine: Engine) -> None:
        """Use tables in `engine`."""
        self._engine = engine

    def owed(self) -> list[Promise]:
        """Return what is taken in, not done, not taken back and not held; oldest first."""
        columns = (
            ERASURE.c.id,
            ERASURE.c.state,
            ERASURE.c.promised_by_ms,
            ERASURE.c.keys_removed_ms,
            ERASURE.c.freed_ms,
        )
        query = select(*columns).where(ERASURE.c.state.in_([one.value for one in OWED]))
        with self._engine.connect() as db:
            rows = db.execute(query.order_by(ERASURE.c.no)).all()
        return [
            Promise(
                id=ErasureId(format_id(IdKind.ERASURE, raw)),
                state=ErasureState(state),
                promised_by=_owed_by(from_millis(promised), freed),
                keys_removed=None if removed is None else from_millis(removed),
            )
            for raw, state, promised, removed, freed in rows
        ]


def _owed_by(promised: datetime, freed: int | None) -> datetime:
    return promised if freed is None else max(promised, from_millis(freed) + AFTER_HOLD)
