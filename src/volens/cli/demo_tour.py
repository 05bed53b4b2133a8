"""What the steps of ``volens demo`` share: what is known so far, and the demo's own clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from volens.app.home import Home
from volens.cli.output import DIM, STRONG, Output, indented, line
from volens.core.canonical import Json
from volens.core.ports import Clock
from volens.log.note import Verifier
from volens.vault.subjects import Subject


@dataclass(slots=True, kw_only=True)
class DemoClock:
    """A clock that runs as fast as the real one, but behind it, and may be set on towards it."""

    real: Clock
    behind: timedelta

    def now(self) -> datetime:
        """Return the demo's moment."""
        return self.real.now() - self.behind

    def go_on(self, step: timedelta) -> None:
        """Let `step` go by, but never past the real moment."""
        self.behind = max(timedelta(0), self.behind - step)


@dataclass(slots=True)
class Tour:
    """What is known so far."""

    output: Output
    home: Home
    folder: Path
    clock: DemoClock
    people: dict[str, Subject] = field(default_factory=dict)
    step: int = 0
    facts: dict[str, Json] = field(default_factory=dict)

    @property
    def verifier(self) -> Verifier:
        """Return what checks the log's signatures."""
        return self.home.signer.verifier

    def title(self, text: str, told: str) -> None:
        """Begin a step: what happens, and which command does it."""
        self.step += 1
        self.output.say(line(""), line(f"{self.step}. {text}", STRONG), line(told, DIM))

    def found(self, text: str, style: str = "") -> None:
        """Say what came of it."""
        self.output.say(indented(line(text, style)))
