"""The field inventory of webhooks: data, written by hand, as `inventory_rows`."""

from __future__ import annotations

from volens.audit.inventory_model import (
    HOUSE,
    NOBODY,
    NUMBER,
    OPERATOR,
    RANDOM,
    TableClass,
    rows_of,
)

WEBHOOKS: tuple[TableClass, ...] = (
    TableClass(
        name="webhook",
        held=rows_of(
            {
                "no": NUMBER,
                "id": ("id of a receiver of webhooks", "names it", RANDOM),
                "url": ("its address", "messages go there"),
                "types": ("what it is told of", "nothing else is sent"),
                "named": ("whether it gets the product's references", "nothing else is sent"),
                "generation": ("number of its signing secret", "the secret is derived from it"),
                "former_until_ms": ("until when the former secret signs", "a change of secrets"),
                "created_ms": ("when it was added", "order"),
                "mark_index": ("how far in the log it was told", "nothing is missed"),
                "mark_no": ("how far at that place", "nothing is missed"),
                "delivered": ("how many messages it took", "the operator sees that it works"),
                "attempts": ("attempts in vain", "the wait grows"),
                "next_ms": ("when to try again", "the wait grows"),
                "failing_since_ms": ("since when it takes nothing", "it is given up in the end"),
                "failure": ("why, as a word", "the operator sees what is wrong"),
                "disabled": ("why it is told nothing any more", "the operator sees that"),
            },
            basis=NOBODY,
            kept=HOUSE,
            seen_by=OPERATOR,
        ),
    ),
)
