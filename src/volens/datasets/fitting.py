"""Which records a form can carry; a record that does not fit is left out and counted, not bent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from volens.datasets.model import Format, RecordBatch
from volens.vault.model import Role

UNFIT = "format_unfit"
"""The reason code under which the manifest counts records that the form can't carry."""

OPENAI_LEAST_RECORDS = 10
"""Fewest examples that a fine-tuning job takes (published guide for supervised fine-tuning)."""


def fits(batch: RecordBatch, form: Format) -> NDArray[np.bool_]:
    """Say for each record whether `form` can carry it unchanged.

    Every form needs a turn. ``openai`` also needs what its published validation demands: the roles
    system, user and assistant only, no empty text, a user turn, and the assistant last (a tool turn
    would need the call it answers, which is not captured).
    """
    starts, stops = batch.turn_offsets[:-1], batch.turn_offsets[1:]
    fit: NDArray[np.bool_] = stops > starts
    if form is Format.OPENAI:
        fit &= _count(batch, batch.roles == Role.TOOL) == 0
        fit &= _count(batch, np.diff(batch.text_offsets) == 0) == 0
        fit &= _count(batch, batch.roles == Role.USER) > 0
        ends = np.where(fit, stops - 1, 0)
        fit &= (batch.roles[ends] == Role.ASSISTANT) if len(batch.roles) else fit
    return fit


def _count(batch: RecordBatch, marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many turns of each record are marked."""
    upto = np.concatenate(([0], np.cumsum(marked, dtype=np.int64)))
    counts: NDArray[np.int64] = upto[batch.turn_offsets[1:]] - upto[batch.turn_offsets[:-1]]
    return counts
