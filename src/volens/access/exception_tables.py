"""The tables of exceptions in the main database. No column holds content or a name."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, text

METADATA = MetaData()
CASE = Table(
    "exception_case",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject", LargeBinary, nullable=False, index=True),
    Column("exception", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("record", String),  # canonical JSON; null once it is erased
    Column("legal_basis", String, nullable=False),
    Column("two_persons", Boolean, nullable=False),
    Column("policy", String, nullable=False),
    Column("opener", LargeBinary, nullable=False),
    Column("approver", LargeBinary),
    Column("ended_by", LargeBinary),
    Column("asked_ms", Integer, nullable=False),
    Column("closes_ms", Integer, nullable=False),
    Column("most_ms", Integer, nullable=False),
    Column("gag_until_ms", Integer),
    Column("gag_authority", String),
    Column("opened_ms", Integer),
    Column("ended_ms", Integer),
    Column("ended", String),  # how; null until that is in the log
    Column("told_ms", Integer),
    Index("exception_open", "closes_ms", sqlite_where=text("ended IS NULL")),
    Index("exception_untold", "no", sqlite_where=text("told_ms IS NULL")),
)
CASE_TURNS = Table(
    "exception_turns",
    METADATA,
    Column("conversation", LargeBinary, primary_key=True),
    Column("case_no", Integer, primary_key=True, autoincrement=False),
    Column("turns", String, nullable=False),  # indexes, space-separated, rising; never empty
    Index("exception_turns_of", "case_no"),
    sqlite_with_rowid=False,
)
CASE_ACT = Table(  # what the log says about which case; erasable, unlike the entries
    "exception_act",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("case_no", Integer, nullable=False, index=True),
    Column("act", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the case after the act: what is committed to
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
)
