"""The erasure map of webhooks: who is told of choices; nothing of it is about a person."""

from __future__ import annotations

from typing import Final

from volens.lifecycle.map_rows import MapRow, Method, When, table_rows

WEBHOOK_ROWS: Final[tuple[MapRow, ...]] = (
    *table_rows(
        "main.db webhook",
        "",
        Method.KEPT,
        When.NEVER,
        {
            "no": "number of the receiver",
            "id": "its random id",
            "url": "its address",
            "types": "what it is told of",
            "named": "whether it is told the product's name for people",
            "generation": "number of its signing secret",
            "former_until_ms": "until when the secret before signs too",
            "created_ms": "since when",
            "mark_index": "how far in the log it was told",
            "mark_no": "how far at that place",
            "delivered": "how many messages it took",
            "attempts": "how many attempts were in vain",
            "next_ms": "when to try again",
            "failing_since_ms": "since when it takes nothing",
            "failure": "why, as a word",
            "disabled": "why it is told nothing any more",
        },
    ),
)
