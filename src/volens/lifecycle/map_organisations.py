"""The erasure map of organisations: what they instruct. Nothing of it is about a person."""

from __future__ import annotations

from typing import Final

from volens.lifecycle.map_rows import MapRow, Method, When, table_rows

ORGANISATION_ROWS: Final[tuple[MapRow, ...]] = (
    *table_rows(
        "main.db organisation",
        "",
        Method.KEPT,
        When.NEVER,
        {
            "name": "an organisation's short name",
            "instructions": "purposes it allows",
            "keeping": "times it has shortened",
            "changed_ms": "since when",
        },
    ),
    *table_rows(
        "main.db instruction",
        "",
        Method.KEPT,
        When.NEVER,
        {
            "organisation": "an organisation's short name",
            "version": "which of its instructions",
            "document": "purposes it allowed and times it shortened",
            "at_ms": "when",
            "log_index": "its entry in the log",
            "salt": "what opens the entry",
            "commitment": "what the entry commits by",
        },
    ),
)
