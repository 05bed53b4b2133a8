"""Small exports made for one test, and what came of reading them."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from volens.capture.model import DEFAULT, Captured, FileReport, Limits, Skipped
from volens.capture.reader import read_paths
from volens.vault.model import Conversation

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
DATA = Path(os.environ.get("VOLENS_TEST_DATA", _BESIDE))
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the public test data is not here; set VOLENS_TEST_DATA"
)


@dataclass
class Outcome:
    """Everything one reading yielded, sorted by kind."""

    captured: list[Captured] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    reports: list[FileReport] = field(default_factory=list)

    @property
    def conversations(self) -> list[Conversation]:
        return [item.conversation for item in self.captured]

    @property
    def only(self) -> Conversation:
        assert len(self.captured) == 1, self.skipped
        return self.captured[0].conversation

    @property
    def reasons(self) -> Counter[str]:
        return Counter(item.reason for item in self.skipped)


def read(*paths: Path, limits: Limits = DEFAULT) -> Outcome:
    outcome = Outcome()
    for item in read_paths(paths, limits):
        if isinstance(item, Captured):
            outcome.captured.append(item)
        elif isinstance(item, Skipped):
            outcome.skipped.append(item)
        else:
            outcome.reports.append(item)
    assert_counts_agree(outcome)
    return outcome


def assert_counts_agree(outcome: Outcome) -> None:
    """Every item is counted in exactly one report."""
    assert sum(report.read for report in outcome.reports) == len(outcome.captured)
    counted: Counter[str] = Counter()
    for report in outcome.reports:
        counted.update(report.skipped)
    assert counted == outcome.reasons


def read_json(folder: Path, value: object, *, limits: Limits = DEFAULT) -> Outcome:
    path = folder / "export"
    path.write_text(json.dumps(value), encoding="utf-8")
    return read(path, limits=limits)


def read_bytes(folder: Path, data: bytes, *, limits: Limits = DEFAULT) -> Outcome:
    path = folder / "export"
    path.write_bytes(data)
    return read(path, limits=limits)


def chatgpt_message(text: str, role: str = "user", **more: object) -> dict[str, object]:
    return {
        "author": {"role": role},
        "content": {"content_type": "text", "parts": [text]},
        "status": "finished_successfully",
        "recipient": "all",
        **more,
    }


def chatgpt_node(
    key: str, parent: str | None, message: dict[str, object] | None = None
) -> dict[str, object]:
    return {
        "id": key,
        "parent": parent,
        "children": [],
        "message": message if message is not None else chatgpt_message(f"text of {key}"),
    }


def chatgpt(
    *nodes: dict[str, object], current: str | None = None, **more: object
) -> dict[str, object]:
    return {
        "conversation_id": "c-1",
        "title": "A title",
        "create_time": 1_700_000_000.5,
        "mapping": {str(node["id"]): node for node in nodes},
        "current_node": current,
        **more,
    }


def chat_line(*texts: str, **more: object) -> dict[str, object]:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    return {"messages": messages, **more}
