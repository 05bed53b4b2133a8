"""The field inventory of training: impact cases."""

from __future__ import annotations

from volens.audit.inventory_model import (
    DIGEST,
    DUTY,
    NUMBER,
    OPENS,
    PLACE,
    RANDOM,
    TableClass,
    rows_of,
)

_SHOWN = "the person; staff who answer requests"
_KEPT = "as long as the record is needed to show what became of the model"

TRAINING: tuple[TableClass, ...] = (
    TableClass(
        name="impact",
        counted_by="subject_no",
        held=rows_of(
            {
                "no": NUMBER,
                "id": ("reference number of a case", "the person can ask for it", RANDOM),
                "subject_no": ("whose, until the account is gone", "shows it to them"),
                "cause": ("why records may not be used any more", "shows it to them"),
                "opened_ms": ("when that was found", "shows it to them"),
                "log_index": PLACE,
                "salt": OPENS,
            },
            basis=DUTY,
            kept=_KEPT,
            seen_by=_SHOWN,
        ),
    ),
    TableClass(
        name="impact_touch",
        counted_by="impact_no",
        held=rows_of(
            {
                "no": NUMBER,
                "impact_no": ("of which case", "shows it to the person"),
                "family": ("which model", "shows what was touched"),
                "dataset": ("which dataset it was trained on", "shows what was touched"),
                "copy": ("hash of a copy that left before", "shows what was touched", DIGEST),
                "leaves": ("which records, as commitments", "proves what was taken out", DIGEST),
                "shards": ("in which parts of the model", "shows what was touched"),
                "state": ("where it stands", "shows it to the person"),
                "moved_ms": ("since when", "shows it to the person"),
                "log_index": PLACE,
                "proven": ("where in the log it is proven", "shows it to the person"),
            },
            basis=DUTY,
            kept=_KEPT,
            seen_by=_SHOWN,
        ),
    ),
)
