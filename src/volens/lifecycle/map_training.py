"""The erasure map of training: impact cases."""

from __future__ import annotations

from typing import Final

from volens.lifecycle.map_rows import MapRow, Method, When, table_rows

TRAINING_ROWS: Final[tuple[MapRow, ...]] = (
    *table_rows(
        "main.db impact",
        "impact",
        Method.VALUE_CLEARED,
        When.ACCOUNT,
        {
            "subject_no": "whose records a model was trained on",
            "salt": "opens what the log says about the case",
        },
    ),
    *table_rows(
        "main.db impact",
        "",
        Method.KEPT,
        When.NEVER,
        {
            "no": "order of the cases",
            "id": "the case's random id",
            "cause": "why records may not be used any more, a word",
            "opened_ms": "when that was found",
            "log_index": "where in the log",
        },
    ),
    *table_rows(
        "main.db impact_touch",
        "keys",
        Method.UNLINKED,
        When.CONVERSATION,
        {"leaves": "random-looking numbers that a conversation's secret opens"},
    ),
    *table_rows(
        "main.db impact_touch",
        "",
        Method.KEPT,
        When.NEVER,
        {
            "no": "order of what was touched",
            "impact_no": "of which case",
            "family": "which model",
            "dataset": "which dataset it was trained on",
            "copy": "hash of a copy that left before",
            "shards": "in which parts of the model",
            "state": "where it stands, a word",
            "moved_ms": "since when",
            "log_index": "where in the log",
            "proven": "where in the log it is proven",
        },
    ),
)
