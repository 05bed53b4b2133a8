"""What is held, why, on what basis, how long, and who may see it: one row for each column and file.

The rows are data (`inventory_rows`, `_duties`, `_files`). This module joins them with the schema
that is really there, so that a column or a file class without a row is found, and counts what is
held of one person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from volens.audit.inventory_access import ACCESS
from volens.audit.inventory_duties import DUTIES
from volens.audit.inventory_files import FILES
from volens.audit.inventory_model import FileClass, Held, TableClass
from volens.audit.inventory_rows import HOLDINGS
from volens.audit.inventory_safety import SAFETY
from volens.audit.inventory_training import TRAINING
from volens.audit.inventory_webhooks import WEBHOOKS
from volens.audit.survey import columns

TABLES: tuple[TableClass, ...] = (*HOLDINGS, *DUTIES, *ACCESS, *SAFETY, *TRAINING, *WEBHOOKS)
"""Every table that a home may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Where schema and inventory differ."""

    untold: tuple[str, ...]
    """Columns that are there and have no row, as ``table.column``."""
    gone: tuple[str, ...]
    """Rows of columns that are not there, in tables that are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many rows of one table are about one person."""

    table: str
    count: int
    held: tuple[Held, ...] = field(repr=False)


def compare(schema: Mapping[str, tuple[str, ...]]) -> Gaps:
    """Compare the columns of one or more databases with the rows of the inventory."""
    told = {table.name: {one.column for one in table.held} for table in TABLES}
    untold = [
        f"{table}.{column}"
        for table, names in schema.items()
        for column in names
        if column not in told.get(table, set())
    ]
    gone = [
        f"{table}.{column}"
        for table, names in schema.items()
        for column in sorted(told.get(table, set()) - set(names))
    ]
    return Gaps(untold=tuple(untold), gone=tuple(gone))


def file_class_of(name: str) -> FileClass | None:
    """Return the class of a file by its path in the home, or None if no class has it."""
    return next((one for one in FILES if one.pattern.fullmatch(name)), None)


def held_of(main: Engine, keys: Engine, *, number: int, raw: bytes) -> list[Share]:
    """Return what is held of one person, table by table, with counts; content stays closed.

    Args:
        main: the main database.
        keys: the key database.
        number: the person's row number.
        raw: the 16 bytes of the person's id.
    """
    shares = []
    there = {**columns(main), **columns(keys)}
    for table in TABLES:
        if table.name not in there or not table.counted_by:
            continue
        engine = keys if table.database == "keys.db" else main
        value: int | bytes = raw if table.counted_by.endswith("raw") else number
        query = _COUNTING[table.counted_by].format(table=table.name)
        with engine.connect() as db:
            count = int(db.exec_driver_sql(query, (value,)).scalar() or 0)
        shares.append(Share(table=table.name, count=count, held=table.held))
    return shares


_COUNTING = {
    "no": "SELECT count(*) FROM {table} WHERE no = ?",
    "bit": (  # the person's bit in a set of people (`vault.people`), which SQLite has no word for
        "SELECT count(*) FROM {table} WHERE ((instr('0123456789ABCDEF', "
        "substr(hex(substr(people, ?1 / 8 + 1, 1)), 1, 1)) - 1) * 16 + instr('0123456789ABCDEF', "
        "substr(hex(substr(people, ?1 / 8 + 1, 1)), 2, 1)) - 1) >> (?1 % 8) & 1"
    ),
    "subject_no": "SELECT count(*) FROM {table} WHERE subject_no = ?",
    "subject_raw": "SELECT count(*) FROM {table} WHERE subject = ?",
    "account_raw": (
        "SELECT count(*) FROM {table} WHERE account_no IN "
        "(SELECT no FROM account WHERE subject = ?)"
    ),
    "failure_raw": (
        "SELECT count(*) FROM {table} WHERE who IN "
        "(SELECT name_digest FROM account WHERE subject = ?)"
    ),
    "erasure_raw": (
        "SELECT count(*) FROM {table} WHERE erasure_no IN "
        "(SELECT no FROM erasure WHERE subject = ?)"
    ),
    "impact_no": (
        "SELECT count(*) FROM {table} WHERE impact_no IN "
        "(SELECT no FROM impact WHERE subject_no = ?)"
    ),
    "receipt_raw": (
        "SELECT count(*) FROM {table} WHERE erasure IN (SELECT id FROM erasure WHERE subject = ?)"
    ),
}
"""How the rows about one person are counted; the table's name is one of the inventory's own."""
