"""Names of people, where a model that finds them is installed. Nothing is ever downloaded."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Protocol

from volens.core.errors import Unavailable


class NameModel(Protocol):
    """Finds names of people.

    Given the same texts it gives the same answer. Spans are character positions in each text,
    sorted and not overlapping. An error is raised, never swallowed: the build then stops.
    """

    @property
    def label(self) -> str:
        """Return which model this is, with its version, for the report."""

    def find(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the spans of names in each text, in the order of `texts`."""


class SpacyNames:
    """Names through a spaCy pipeline that is already installed on this machine."""

    def __init__(self, pipeline: str) -> None:
        """Load the pipeline `pipeline` (an installed package).

        Raises:
            Unavailable: ``name_model_missing`` if spaCy or the pipeline is not installed.
        """
        if any(importlib.util.find_spec(part) is None for part in ("spacy", pipeline)):
            raise Unavailable(
                "name_model_missing",
                f"no name model {pipeline!r} is installed",
                hint="install spaCy and the pipeline, or go on without looking for names",
            )
        spacy = importlib.import_module("spacy")
        self._nlp = spacy.load(pipeline, exclude=["lemmatizer", "parser", "attribute_ruler"])
        self._label = f"{pipeline} {self._nlp.meta.get('version', '')}".strip()

    @property
    def label(self) -> str:
        """Return the pipeline's name and version."""
        return self._label

    def find(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the spans labelled as persons (``PERSON`` or ``PER``)."""
        return [
            [(ent.start_char, ent.end_char) for ent in doc.ents if ent.label_ in {"PERSON", "PER"}]
            for doc in self._nlp.pipe(texts)
        ]
