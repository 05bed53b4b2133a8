"""The field inventory as a document: of a home, or of what is held of one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from volens.audit.inventory import TABLES, Share
from volens.audit.inventory_files import FILES
from volens.audit.inventory_model import Held
from volens.audit.paper import Paper, Section

VERSION = "volens-inventory/v1"
_COLUMNS = ("field", "what", "why", "basis", "how long", "who may see it", "form")


def inventory_paper(
    schema: Mapping[str, tuple[str, ...]], facts: Sequence[tuple[str, str]]
) -> Paper:
    """Write what a home holds, column by column and file by file.

    Args:
        schema: the columns of every table that is there.
        facts: about the home.
    """
    tables = [
        Section(
            title=f"{table.database}: {table.name}",
            said=("About people." if table.about_people else "About nobody in particular.",),
            columns=_COLUMNS,
            rows=tuple(_row(one) for one in table.held if one.column in schema[table.name]),
        )
        for table in TABLES
        if table.name in schema
    ]
    files = Section(title="Files", columns=_COLUMNS, rows=tuple(_row(one.held) for one in FILES))
    return Paper(
        version=VERSION,
        title="What is held, why, on what basis, how long, and who may see it",
        facts=tuple(facts),
        sections=(*tables, files),
    )


def person_paper(shares: Sequence[Share], facts: Sequence[tuple[str, str]]) -> Paper:
    """Write what is held of one person: which fields, and in how many rows."""
    held = [one for one in shares if one.count]
    sections = [
        Section(
            title=f"{one.table}: {one.count} {'row' if one.count == 1 else 'rows'} about you",
            columns=_COLUMNS,
            rows=tuple(_row(each) for each in one.held),
        )
        for one in held
    ]
    nothing = [one.table for one in shares if not one.count]
    return Paper(
        version=VERSION,
        title="What is held about you",
        facts=(*facts, *((one.table, str(one.count)) for one in held)),
        sections=(
            Section(
                title="In short",
                said=(
                    f"Nothing about you is in: {', '.join(nothing)}."
                    if nothing
                    else "Every kind of field holds something about you.",
                ),
                columns=("where", "#rows"),
                rows=tuple((one.table, str(one.count)) for one in shares),
                picture=tuple((one.table, one.count) for one in held),
            ),
            *sections,
        ),
    )


def _row(one: Held) -> tuple[str, ...]:
    return (one.column, one.what, one.why, one.basis, one.kept, one.seen_by, one.form)
