"""What a run has done so far, durable step by step, so that a run that stops is gone on with.

A hidden folder beside the folder to be made: ``steps.jsonl``, whose first line says which run it
is. Each step is appended and synced before the next one begins. A line without its end is a step
that was interrupted: it is dropped and made again. The lock on the folder lives in the operating
system and dies with its process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.principles.judging import GateResult, read_gate
from volens.principles.strict import Members

_STEPS: Final = "steps.jsonl"
_CODE: Final = "work_form"


class Reason(StrEnum):
    """Why a prompt gave no pair."""

    CUT_OFF = "cut_off"
    EMPTY = "empty"
    CRITIQUE_UNREADABLE = "critique_unreadable"
    NOTHING_TO_REVISE = "nothing_to_revise"
    SAYS_NOTHING = "critique_says_nothing"
    PERSONAL_DATA = "personal_data"
    CHAT_FORM = "chat_form"
    HOLDS_FORM = "repeats_the_form"
    UNCHANGED = "unchanged"
    STILL_BROKEN = "still_broken"
    JUDGE_AGAINST = "judge_against"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A pair that a prompt gave. `repr` shows no text.

    Attributes:
        prompt: the prompt's id.
        draft: the first answer, redacted: the rejected one.
        critique: what was found wrong with it, by rules and by the writer.
        revision: the second answer: the chosen one.
        principles: the ids of the principles it was revised by.
        found: the rules that the draft broke, as ``PRINCIPLE:FAULT``.
    """

    prompt: str
    draft: str = field(repr=False)
    critique: str = field(repr=False)
    revision: str = field(repr=False)
    principles: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A prompt that gave no pair, and why."""

    prompt: str
    reason: Reason


Step = Kept | Dropped


class Work:
    """The steps of one run that are done. One process at a time; made by `open_work`."""

    def __init__(self, path: Path, run: Mapping[str, Json]) -> None:
        """Read what is done of `run`, or begin it.

        Raises:
            InvalidInput: ``other_work`` if another run was begun here.
            VerificationFailed: ``work_form`` if the file was changed.
        """
        self._path = path
        self.steps: dict[str, Step] = {}
        self.gate: GateResult | None = None
        lines = _whole_lines(path)
        if not lines:
            self._append(run)
        elif lines[0] != canonical_json(run):
            hint = f"name another folder, or remove {path.parent}"
            said = "another run was begun here, with other principles, prompts, models or settings"
            raise InvalidInput("other_work", said, hint=hint)
        for number, line in enumerate(lines[1:], start=2):
            try:
                self._take(Members(read_canonical(line), place=f"line {number}", code=_CODE))
            except InvalidInput as error:
                said = f"what was done so far can't be read: {error.message}"
                raise VerificationFailed(_CODE, said, hint=f"remove {path.parent}") from None

    def keep_gate(self, result: GateResult) -> None:
        """Keep how the judge did, durably."""
        self._append({"gate": result.document()})
        self.gate = result

    def keep(self, step: Step) -> None:
        """Keep a step, durably."""
        self._append(_document(step))
        self.steps[step.prompt] = step

    def _take(self, members: Members) -> None:
        if members.has("gate"):
            self.gate = read_gate(members.members("gate"))
            members.close()
            return
        step = _step(members)
        if step.prompt in self.steps:
            raise members.error("prompt", "stands twice")
        self.steps[step.prompt] = step

    def _append(self, document: Mapping[str, Json]) -> None:
        with self._path.open("ab") as file:
            file.write(canonical_json(document) + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def open_work(out: Path, run: Mapping[str, Json]) -> Iterator[Work]:
    """Hold what is done of the run that makes `out`.

    Args:
        out: the folder to be made; it must not exist.
        run: what names the run: everything that its steps depend on.

    Raises:
        InvalidInput: ``out_exists``, ``out_parent`` or ``other_work``.
        Unavailable: ``work_in_use`` if another process makes `out`.
        VerificationFailed: ``work_form``.
    """
    check_out(out)
    folder = out.with_name(f".{out.name}.work")
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "wait for the other run, or name another folder"
            raise Unavailable("work_in_use", f"{out} is being made", hint=hint) from None
        check_out(out)  # another process may just have finished it
        work = Work(folder / _STEPS, run)
        try:
            yield work
        finally:
            if out.exists() or not work.steps:  # finished, or nothing to go on with
                shutil.rmtree(folder)
    finally:
        os.close(lock)


def check_out(out: Path) -> None:
    """Refuse a place where no folder can be made.

    Raises:
        InvalidInput: ``out_exists`` or ``out_parent``.
    """
    if not out.name or not out.parent.is_dir():
        raise InvalidInput("out_parent", f"no folder {out.parent} to make {out.name or out} in")
    if out.exists() or out.is_symlink():
        raise InvalidInput("out_exists", f"{out} exists already", hint="name a new folder")


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines that have an end; cut off what has none."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
    return whole.split(b"\n")[:-1]


def _document(step: Step) -> dict[str, Json]:
    if isinstance(step, Dropped):
        return {"prompt": step.prompt, "dropped": step.reason.value}
    return {
        "prompt": step.prompt,
        "draft": step.draft,
        "critique": step.critique,
        "revision": step.revision,
        "principles": list(step.principles),
        "found": list(step.found),
    }


def _step(members: Members) -> Step:
    step: Step
    if members.has("dropped"):
        step = Dropped(prompt=members.text("prompt"), reason=members.word("dropped", Reason))
    else:
        step = Kept(
            prompt=members.text("prompt"),
            draft=members.text("draft", most=1 << 20),
            critique=members.text("critique", most=1 << 20),
            revision=members.text("revision", most=1 << 20),
            principles=members.texts("principles"),
            found=members.texts("found"),
        )
    members.close()
    return step
