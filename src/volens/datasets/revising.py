"""What a dataset is made for besides its use: who gets it, and in whose place it comes.

A new version may hold what is in the old one and may still be used, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import DatasetId, IdKind, parse_id
from volens.datasets.manifest import MANIFEST_FILE, Manifest, parse_manifest
from volens.gate.census import Int64s
from volens.gate.facts import Use
from volens.gate.gate import Gate, Selection

ROWS_FILE: Final = "rows.bin"
"""Row numbers of the vault, in the order of the leaves; zero for what was erased since."""
LOST: Final = "not_permitted_any_more"
MOST_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """In whose place a dataset comes, and who gets it."""

    revises: Manifest | None = None
    """A dataset built here; only what is in it and may still be used comes in."""
    recipient: str = ""
    """Who gets it, if its form is a plain one: a name that every person in it is shown."""

    def __post_init__(self) -> None:
        name = self.recipient
        if len(name) > MOST_CHARACTERS or not name.isprintable() or name.strip() != name:
            hint = f"one line of text, at most {MOST_CHARACTERS} characters"
            raise InvalidInput("recipient_form", "not a name of a recipient", hint=hint)


NO_TERMS: Final = Terms()


def kept_folder(kept: Path, dataset: str | Path) -> Path:
    """Return the folder in `kept` of a dataset built here, by its id or its own folder.

    Raises:
        NotFound: ``dataset_unknown``.
    """
    if isinstance(dataset, Path) or not dataset.startswith(f"{IdKind.DATASET.value}_"):
        path = Path(dataset)
        try:
            data = (path / MANIFEST_FILE).read_bytes()
        except OSError:
            hint = "give the folder of a dataset, or its id"
            raise NotFound("dataset_unknown", f"no dataset at {path}", hint=hint) from None
        dataset = parse_manifest(data).dataset
    parse_id(IdKind.DATASET, dataset)
    folder = kept / dataset
    if not (folder / MANIFEST_FILE).exists():
        raise NotFound("dataset_unknown", f"{dataset} was not built in this home")
    return folder


def old_version(kept: Path, dataset: str | Path) -> Manifest:
    """Return the manifest of a dataset built here, by its id or its own folder.

    Raises:
        NotFound: ``dataset_unknown``.
    """
    return parse_manifest((kept_folder(kept, dataset) / MANIFEST_FILE).read_bytes())


def lost(gate: Gate, kept: Path, old: Manifest, use: Use) -> int:
    """Return how many conversations of a dataset may not be used any more; opens nothing."""
    permitted, _ = gate.preview(use, among=rows_of(kept, old.dataset))
    return old.counts.records - permitted


def rows_of(kept: Path, dataset: DatasetId) -> Int64s:
    """Return the row numbers of what is in a dataset of which the folder `kept` keeps a part."""
    return np.frombuffer((kept / dataset / ROWS_FILE).read_bytes(), dtype="<i8")


def left_out(selection: Selection, revises: Manifest | None) -> dict[str, int]:
    """Return what was decided against, by reason; of a new version, what it has lost since."""
    if revises is None:
        return {reason.value: count for reason, count in selection.excluded.items()}
    lost = revises.counts.records - selection.permitted
    return {LOST: lost} if lost else {}
