"""Which receipts went out by e-mail, and when; never to whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, insert, select

from volens.core.ids import ErasureId, IdKind, format_id, parse_id
from volens.core.time import from_millis, to_millis
from volens.holds.erasure import ErasureState
from volens.log.fields import Value
from volens.log.kinds import EntryKind, ReceiptKind
from volens.log.recorder import Recorder

METADATA = MetaData()
RECEIPT_SENT = Table(
    "receipt_sent",
    METADATA,
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("erasure", LargeBinary, nullable=False, index=True),
    Column("state", String, nullable=False),  # how far it had come
    Column("sent_ms", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
)


class SentReceipts:
    """Keeps when the receipt of an erasure was last taken over by the mail server."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        """Use a table in `engine`."""
        self._engine = engine
        self._recorder = recorder

    def record(self, erasure: ErasureId, state: ErasureState, at: datetime) -> None:
        """Say, after the deed, that a receipt went out; logged first.

        If it stops before the row, the receipt counts as not sent.
        """
        raw = parse_id(IdKind.ERASURE, erasure)
        salt, commitment = self._recorder.commit(raw)
        fields: dict[str, Value] = {"commitment": commitment, "receipt": ReceiptKind.ERASURE}
        index = self._recorder.record(EntryKind.RECEIPT_ISSUED, fields)
        row = {
            "log_index": index,
            "erasure": raw,
            "state": state.value,
            "sent_ms": to_millis(at),
            "salt": salt,
        }
        with self._engine.begin() as db:
            db.execute(insert(RECEIPT_SENT), row)

    def latest(
        self, erasures: Sequence[ErasureId]
    ) -> dict[ErasureId, tuple[ErasureState, datetime]]:
        """Return for each erasure of which anything was sent: (state then, when), the latest."""
        wanted = [parse_id(IdKind.ERASURE, name) for name in erasures]
        found: dict[ErasureId, tuple[ErasureState, datetime]] = {}
        table = RECEIPT_SENT.c
        with self._engine.connect() as db:
            for start in range(0, len(wanted), 900):  # SQLite's least limit is 999 variables
                some = wanted[start : start + 900]
                query = select(table.erasure, table.state, table.sent_ms)
                rows = db.execute(query.where(table.erasure.in_(some)).order_by(table.log_index))
                for raw, state, millis in rows:
                    name = ErasureId(format_id(IdKind.ERASURE, raw))
                    found[name] = (ErasureState(state), from_millis(millis))
        return found
