"""Real dialogues for the demo: the public ``chatterbot-corpus``, people writing in many languages.

the package chatterbot-corpus (BSD-3-Clause). Short exchanges, none of them personal.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from volens.core.errors import Unavailable
from volens.vault.model import ROOT, Conversation, Role, Turn

LANGUAGES = {
    "english": "en",
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "japanese": "ja",
    "hindi": "hi",
    "turkish": "tr",
    "chinese": "zh",
}
SOURCE = "chatterbot-corpus"
_MIN_TURNS = 2


def read_dialogues(language: str, most: int) -> list[Conversation]:
    """Return up to `most` dialogues in one language (the corpus's own folder name).

    Raises:
        Unavailable: ``demo_missing`` if the corpus or a YAML reader is not installed.
    """
    found = []
    for source_id, lines in _read(language):
        turns = tuple(
            Turn(
                role=Role.ASSISTANT if number % 2 else Role.USER,
                text=text,
                parent=number - 1 if number else ROOT,
            )
            for number, text in enumerate(lines)
        )
        found.append(
            Conversation(
                source=SOURCE, source_id=source_id, turns=turns, language=LANGUAGES[language]
            )
        )
        if len(found) == most:
            break
    return found


def _read(language: str) -> Iterator[tuple[str, list[str]]]:
    yaml, folder = _parts()
    for path in sorted((folder / language).glob("*.yml")):
        document = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        for number, lines in enumerate(document.get("conversations") or []):
            texts = [line for line in lines if isinstance(line, str) and line.strip()]
            if len(texts) >= _MIN_TURNS and len(texts) == len(lines):
                yield f"{language}/{path.stem}/{number}", texts


def _parts() -> tuple[Any, Path]:
    spec = importlib.util.find_spec("chatterbot_corpus")
    if spec is None or spec.origin is None or importlib.util.find_spec("yaml") is None:
        raise Unavailable(
            "demo_missing",
            "the demo's dialogues are not installed",
            hint="pip install 'volens[demo]'",
        )
    return importlib.import_module("yaml"), Path(spec.origin).parent / "data"
