"""The one place that prints: answers on stdout, progress, questions and errors on stderr."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from volens.core.canonical import Json

Tell = Callable[[int, int], None]
"""Told how much is done and how much there is."""

_PLAIN_WIDTH = 80
_MOVERS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
GOOD, BAD, WARN, DIM, STRONG = "green", "red", "yellow", "dim", "bold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command found: one document for programs, and the same for people."""

    document: Mapping[str, Json]
    shown: Sequence[RenderableType] = field(default=())
    code: int = 0
    """The exit code."""


def safe(text: str, *, lines: bool = False) -> str:
    """Return `text` with everything escaped that could steer a terminal or reorder a line.

    Args:
        text: from anywhere.
        lines: keep line breaks and tabs.
    """
    return "".join(
        letter if not _steers(letter) or (lines and letter in "\n\t") else _escaped(letter)
        for letter in text
    )


def line(text: str, style: str = "") -> Text:
    """Return one line or paragraph."""
    return Text(safe(text), style=style)


def whole(text: str) -> Text:
    """Return one long word, such as a key, that must stay in one piece to be copied."""
    return Text(safe(text), no_wrap=True)


def block(text: str) -> Text:
    """Return text of several lines, such as a notice, with its own line breaks."""
    return Text(safe(text.rstrip("\n"), lines=True))


def heading(text: str) -> Text:
    """Return a heading."""
    return Text(safe(text), style=STRONG)


def indented(*items: RenderableType) -> RenderableType:
    """Return items set in by two columns."""
    return Padding(Group(*items), (0, 0, 0, 2))


def fields(rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Return names and values, one a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=DIM, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(safe(name), Text(safe(value)))
    return grid


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """Return a table.

    A column whose name starts with ``#`` is set to the right; with ``!`` it is never broken, for
    ids and keys that people copy.
    """
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        right = name.startswith("#")
        made.add_column(
            safe(name.lstrip("#!")),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=name.startswith("!"),
        )
    for row in rows:
        made.add_row(*(Text(safe(cell)) for cell in row))
    return made


class Output:
    """Writes to the two streams of a process."""

    def __init__(self, *, as_json: bool = False, plain: bool = False) -> None:
        """Write documents if `as_json`; no colour, bars or questions if `plain`."""
        self.as_json = as_json
        self._plain = plain
        self._out = _console(stderr=False, plain=plain)
        self._err = _console(stderr=True, plain=plain)

    @property
    def interactive(self) -> bool:
        """Say whether somebody sits there who can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self._plain and not self.as_json

    def answer(self, answer: Answer) -> None:
        """Print an answer in the form asked for."""
        if self.as_json:
            print(json.dumps(answer.document, indent=2))  # noqa: T201 - this module prints
        else:
            self.say(*answer.shown)

    def say(self, *items: RenderableType) -> None:
        """Print for people before the answer; nothing if a document was asked for."""
        if not self.as_json:
            for item in items:
                self._print(item)

    def _print(self, item: RenderableType) -> None:
        if isinstance(item, Text) and item.no_wrap:
            self._out.print(item, soft_wrap=True)  # to be copied whole: the terminal may wrap it
        elif self._out.is_terminal:
            self._out.print(item)
        else:
            with self._out.capture() as captured:
                self._out.print(item)
            for text in captured.get().removesuffix("\n").split("\n"):
                self._out.print(Text(text.rstrip(), end="\n"), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a remark to stderr."""
        self._err.print(line(text), soft_wrap=True)

    def error(self, code: str, message: str, hint: str) -> None:
        """Print an error to stderr, and as a document to stdout if one was asked for."""
        text = Text("error: ", style=BAD)
        text.append(safe(message), style="default")
        self._err.print(text, soft_wrap=True)  # paths stay in one piece; terminals wrap them
        if hint:
            self._err.print(Text(f"hint: {safe(hint)}", style=DIM), soft_wrap=True)
        if self.as_json:
            document = {"error": {"code": code, "message": message, "hint": hint}}
            print(json.dumps(document, indent=2))  # noqa: T201 - this module prints

    def ask(self, question: str) -> bool:
        """Ask a yes-or-no question on stderr; anything but a yes is a no."""
        self._err.print(line(f"{question} [y/N] "), end="")
        self._err.file.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes", "j", "ja"}

    @contextmanager
    def progress(self, what: str, *, bytes_of: bool = False) -> Iterator[Tell]:
        """Show a bar with the time left while the block works; only on a terminal."""
        if not self._err.is_terminal or self._plain or self.as_json:
            yield _tell_nobody
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._err, transient=True) as bar:
            task = bar.add_task(safe(what), total=None, amount="")

            def tell(done: int, total: int) -> None:
                amount = f"{done >> 20}/{total >> 20} MiB" if bytes_of else f"{done:,}/{total:,}"
                bar.update(task, completed=done, total=total, amount=amount)

            yield tell


def _tell_nobody(done: int, total: int) -> None:
    del done, total


def _console(*, stderr: bool, plain: bool) -> Console:
    # Python gives an 80-column answer where there is no terminal; COLUMNS says otherwise.
    asked = os.environ.get("COLUMNS") or (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr,
        width=None if asked else _PLAIN_WIDTH,
        no_color=True if plain else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def _steers(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category in {"Cc", "Cs", "Zl", "Zp"} or letter in _MOVERS


def _escaped(letter: str) -> str:
    point = ord(letter)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"  # noqa: PLR2004 - one byte
