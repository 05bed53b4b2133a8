"""The holds' tables in the main database. No column holds content or a name."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, text

METADATA = MetaData()
HOLD = Table(
    "hold",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject", LargeBinary, nullable=False, index=True),
    Column("hold_class", String, nullable=False),
    Column("authority", String, nullable=False),
    Column("reviewer", String, nullable=False),
    Column("placed_ms", Integer, nullable=False),
    Column("until_ms", Integer, nullable=False),
    Column("gag_until_ms", Integer),
    Column("counted_from_ms", Integer),
    Column("reviewed_ms", Integer),
    Column("released_ms", Integer),
    Column("ended", String),  # how; null until that is in the log
    Column("settled_ms", Integer),  # when what had waited for its end was seen to
    Index("hold_open", "until_ms", sqlite_where=text("ended IS NULL")),
    Index("hold_unsettled", "no", sqlite_where=text("settled_ms IS NULL")),
)
HOLD_SCOPE = Table(
    "hold_scope",
    METADATA,
    Column("conversation", LargeBinary, primary_key=True),
    Column("hold_no", Integer, primary_key=True, autoincrement=False),
    Column("turns", String, nullable=False),  # indexes, space-separated, rising; empty: all
    Index("hold_scope_of", "hold_no"),
    sqlite_with_rowid=False,
)
HOLD_ACT = Table(  # what the log says about which hold; erasable, unlike the entries
    "hold_act",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("hold_no", Integer, nullable=False, index=True),
    Column("act", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the hold after the act: what is committed to
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
)
