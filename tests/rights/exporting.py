"""Homes with somebody in them to export, and ways to look into an export."""

import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.homes import add
from volens.app.home import Home
from volens.app.own_data import exporter_of
from volens.capture.model import Captured
from volens.capture.reader import read_paths
from volens.core.purposes import Signal
from volens.log.kinds import CaptureSource
from volens.rights.export import CONVERSATIONS, ExportResult
from volens.vault.model import Conversation, Role, Turn, TurnFlag
from volens.vault.subjects import Subject

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANN = "ann@example.org"
BRANCHING = Conversation(
    source="api",
    source_id="branching",
    title="Two answers",
    language="pt-BR",
    created=NOON,
    updated=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    signal=Signal.EXCLUDED,
    attachments=("letter.pdf", "plan.txt"),
    turns=(
        Turn(role=Role.SYSTEM, text="Remember: likes tea.", flags=TurnFlag.HIDDEN),
        Turn(role=Role.USER, text="Which tea?", parent=0, at=NOON),
        Turn(role=Role.ASSISTANT, text="Hm, green.", parent=1, flags=TurnFlag.REASONING),
        Turn(role=Role.ASSISTANT, text="Green tea.", parent=2, rating=1),
        Turn(role=Role.ASSISTANT, text="Black t", parent=1, flags=TurnFlag.OFF_PATH, rating=-1),
        Turn(role=Role.USER, text="", parent=-1, flags=TurnFlag.INCOMPLETE | TurnFlag.OFF_PATH),
    ),
)
QUOTING = Conversation(
    source="api",
    source_id="quoting",
    turns=(
        Turn(role=Role.USER, text="What does the page say?"),
        Turn(
            role=Role.TOOL,
            text="Bob Builder lives in Elm Street.",
            flags=TurnFlag.THIRD_PARTY,
            parent=0,
            at=NOON,
        ),
        Turn(role=Role.ASSISTANT, text="It names somebody.", parent=1),
    ),
)


def plain(number: int, text: str = "Good evening") -> Conversation:
    return Conversation(
        source="api",
        source_id=f"plain-{number}",
        turns=(
            Turn(role=Role.USER, text=f"{text} {number}"),
            Turn(role=Role.ASSISTANT, text="And to you.", parent=0),
        ),
    )


def captured(home: Home, wanted: Sequence[Conversation], reference: str = ANN) -> Subject:
    """Add a person with these conversations."""
    (subject,) = add(home, reference)
    home.vault.capture({subject: list(wanted)}, source=CaptureSource.API)
    return subject


def export(home: Home, subject: Subject, out: Path) -> ExportResult:
    return exporter_of(home).write(subject, out)


def part(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def document(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    body = json.loads(part(path, f"{name}.json"))
    assert body["version"] == "volens-export/1"
    assert body["part"] == name
    return body[name]


def lines(path: Path, name: str = CONVERSATIONS) -> list[Any]:
    return [json.loads(line) for line in part(path, name).splitlines()]


def read_again(path: Path) -> list[Captured]:
    """Return what our own importer reads in an export, and nothing that it complains of."""
    items = list(read_paths([path]))
    assert not [item for item in items if getattr(item, "reason", "")]
    return [item for item in items if isinstance(item, Captured)]
