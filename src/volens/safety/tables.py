"""The tables of this room in the main database. No column holds content or a name."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

METADATA = MetaData()
FLAG = Table(
    "flag",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject_no", Integer, nullable=False, index=True),
    Column("conversation_no", Integer, nullable=False, index=True),
    Column("turns", String, nullable=False),  # indexes, space-separated, rising; never empty
    Column("category", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("classifier", String, nullable=False),
    Column("raised_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    UniqueConstraint("conversation_no", "turns", "category", "classifier"),
)
LEASE = Table(
    "lease",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("case_no", Integer, index=True),  # null: a rater's view
    Column("subject_no", Integer, nullable=False, index=True),
    Column("conversation", LargeBinary),  # raw id; null once it is erased
    Column("turns", String, nullable=False),
    Column("account", LargeBinary, nullable=False),
    Column("role", String, nullable=False),
    Column("began_ms", Integer, nullable=False),
    Column("ends_ms", Integer, nullable=False),
    Column("ended_ms", Integer),  # null while it runs
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary),  # null once what opens the entry is the person's
    Column("told", Boolean, nullable=False),
    Index("lease_running", "ends_ms", sqlite_where=text("ended_ms IS NULL")),
    Index("lease_of", "conversation"),
)
NOTICE = Table(
    "exception_notice",
    METADATA,
    Column("case_no", Integer, primary_key=True, autoincrement=False),
    Column("subject_no", Integer, nullable=False, index=True),
    Column("told_ms", Integer, nullable=False),
    Column("answer_by_ms", Integer, nullable=False),
    Column("answer", String),
    Column("answered_ms", Integer),
    Column("erased_ms", Integer),
    Column("log_index", Integer),  # of the answer; what was told stands among the acts of the case
    Column("salt", LargeBinary),
    Index("exception_notice_due", "answer_by_ms", sqlite_where=text("erased_ms IS NULL")),
)
