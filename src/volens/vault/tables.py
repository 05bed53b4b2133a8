"""The vault's tables in the main database. No column holds content or a readable name."""

from __future__ import annotations

from sqlalchemy import (
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
SIGNALLED = "signal <> 'none'"
"""The few conversations with a signal; in these very words, so that the index over them is used."""
LIVE = "ended_ms IS NULL"
"""All others: a person's, in order, without looking at any that is not returned."""
ENDED = "ended_ms IS NOT NULL"
"""The few conversations that wait for their erasure; in these words, for the same reason."""

SUBJECT = Table(
    "subject",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("reference_digest", LargeBinary, nullable=False, unique=True),
    Column("reference_sealed", LargeBinary, nullable=False),
    Column("plan", String, nullable=False),
    Column("tier", String),  # null: the plan's default
    Column("region", String, nullable=False),
    Column("realm", String, nullable=False),
    Column("age_band", String, nullable=False),
    Column("organisation", String),
    Column("status", String, nullable=False),
    Column("created_ms", Integer, nullable=False),
    sqlite_autoincrement=True,
)
ORGANISATION = Table(
    "organisation",
    METADATA,
    Column("name", String, primary_key=True),
    Column("instructions", String, nullable=False),  # purposes, space-separated, sorted
    Column("keeping", String, nullable=False),  # class=days, space-separated, sorted
    Column("changed_ms", Integer, nullable=False),
)
INSTRUCTION = Table(  # each version of what an organisation instructs; none is ever changed
    "instruction",
    METADATA,
    Column("organisation", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", String, nullable=False),  # canonical JSON
    Column("at_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
)
LEAF = Table(  # which log entries are about whom; erasable, unlike the entries
    "leaf",
    METADATA,
    Column("subject_no", Integer, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("opening", String, nullable=False),  # what the entry's commitment commits to
    sqlite_with_rowid=False,
)
BULK_ACCESS = Table(  # whose conversations a logged access to many may have opened; erasable
    "bulk_access",
    METADATA,
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("people", LargeBinary, nullable=False),  # one bit for each row of `subject`
)
CAPTURE_BATCH = Table(
    "capture_batch",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("log_index", Integer, nullable=False),
    Column("commitments", LargeBinary, nullable=False),  # 32 bytes each, in order
    sqlite_autoincrement=True,
)
CONVERSATION = Table(
    "conversation",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject_no", Integer, nullable=False),
    Column("source", String, nullable=False),
    Column("source_digest", LargeBinary, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),
    Column("created_ms", Integer),
    Column("updated_ms", Integer),
    Column("captured_ms", Integer, nullable=False),
    Column("signal", String, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("batch_no", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("block_no", Integer, nullable=False),
    Column("ended_ms", Integer),  # when access ended; its erasure follows
    UniqueConstraint("subject_no", "source_digest"),
    Index("conversation_signalled", "subject_no", "signal", sqlite_where=text(SIGNALLED)),
    Index("conversation_live", "subject_no", "no", "ended_ms", sqlite_where=text(LIVE)),
    Index("conversation_ended", "subject_no", "no", sqlite_where=text(ENDED)),
    sqlite_autoincrement=True,  # a number that was erased never names another conversation
)
BLOCK = Table(  # ciphertext: conversations of one person under one key
    "block",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("subject_no", Integer, nullable=False),
    Column("id", LargeBinary, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Index("block_of", "subject_no"),
    sqlite_autoincrement=True,
)
OBSOLETE_KEY = Table(  # keys of what is not stored any more; dropped next, and at every start.
    # An empty one is a note: keys of this person are being drawn, some may come to open nothing.
    "obsolete_key",
    METADATA,
    Column("subject_no", Integer, primary_key=True, autoincrement=False),
    Column("key_id", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
