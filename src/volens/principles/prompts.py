"""Prompt files: JSON Lines, one request a line, each saying where it is from.

What comes from people is refused, be it with their yes: it has a way of its own, through the gate.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from volens.core.canonical import read_strict
from volens.core.errors import Denied, InvalidInput, NotFound, VolensError
from volens.principles.asking import holds_parts
from volens.principles.screening import MEMBERS_OF_CHATS, check_no_chat, check_place
from volens.principles.strict import Members

CODE: Final = "prompts_form"
MOST_BYTES: Final = 64 << 20
MOST_PROMPTS: Final = 100_000
MOST_CHARACTERS: Final = 8_000
_HINT: Final = "docs/formats/principles.md says how a prompt file is written"


class Source(StrEnum):
    """Where a prompt is from: the classes of ``[tables.sources]`` in which nobody's data is."""

    PUBLIC_TEXT = "public_text"
    PRINCIPLE_BASED = "principle_based"
    SYNTHETIC = "synthetic"


OF_PEOPLE: Final = frozenset({"curated", "contributors"})
"""The classes of ``[tables.sources]`` that are people's data and need a yes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One request. `repr` shows no text.

    Attributes:
        id: names it in its file; 1 to 100 characters.
        text: what is asked.
        source: where it is from.
        origin: where it is from, in words: a title, an address, a licence.
    """

    id: str
    text: str = field(repr=False)
    source: Source
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSet:
    """The prompts of a file, in its order.

    Attributes:
        prompts: at least one; every id once, every text once.
        digest: SHA-256 of the file, in hexadecimal digits.
    """

    prompts: tuple[Prompt, ...]
    digest: str

    def sources(self) -> dict[str, int]:
        """Return how many prompts are of each source."""
        return dict(sorted(Counter(one.source.value for one in self.prompts).items()))


def open_prompts(path: Path) -> PromptSet:
    """Read a prompt file.

    Raises:
        NotFound: ``no_prompts``.
        Denied: as `read_prompts`, and ``place_of_chats``.
        InvalidInput: as `read_prompts`.
    """
    if path.is_dir():
        check_place(path / "prompts")
        raise InvalidInput(CODE, f"{path} is a folder", hint=_HINT)
    if not path.is_file():
        raise NotFound("no_prompts", f"no prompt file at {path}", hint=_HINT)
    check_place(path)
    if path.stat().st_size > MOST_BYTES:
        raise InvalidInput(CODE, f"{path.name} has more than {MOST_BYTES >> 20} MiB", hint=_HINT)
    return read_prompts(path.read_bytes(), place=path.name)


def read_prompts(data: bytes, *, place: str) -> PromptSet:
    """Read prompts, and refuse whatever looks as if people had said it.

    Raises:
        InvalidInput: ``prompts_form``.
        Denied: ``chat_record`` for a record of a chat, ``prompt_of_people`` for a source that is
            people's data, ``chat_in_text`` or ``person_in_text``.
    """
    lines = data.removesuffix(b"\n").split(b"\n")
    if len(lines) > MOST_PROMPTS:
        raise InvalidInput(CODE, f"{place} has more than {MOST_PROMPTS} prompts", hint=_HINT)
    found = tuple(_line(line, place, number, data) for number, line in enumerate(lines, start=1))
    for what, said in (
        ("id", [one.id for one in found]),
        ("text", [one.text for one in found]),
    ):
        if len(set(said)) != len(said):
            at = next(number for number, value in enumerate(said) if value in said[:number])
            raise InvalidInput(CODE, f"{place}, line {at + 1}: a {what} that stood before")
    check_no_chat([(f"prompt {one.id!r}", one.text) for one in found], place=place)
    check_no_chat([(f"origin of {one.id!r}", one.origin) for one in found], place=place)
    return PromptSet(prompts=found, digest=hashlib.sha256(data).hexdigest())


def _line(line: bytes, place: str, number: int, data: bytes) -> Prompt:
    where = f"{place}, line {number}"
    try:
        value = read_strict(line, max_bytes=1 << 20)
    except InvalidInput as error:
        raise _not_read(where, data, error) from None
    if not isinstance(value, dict):
        raise _not_read(where, data, InvalidInput(CODE, "not an object"))
    told = sorted(MEMBERS_OF_CHATS & value.keys())
    if told:
        hint = "records of chats go through the gate: volens import, volens build"
        raise Denied("chat_record", f"{where}: the member {told[0]!r} is one of chats", hint=hint)
    members = Members(value, place=where, code=CODE)
    source = members.text("source", most=100)
    if source in OF_PEOPLE:
        hint = f"here only {', '.join(Source)}; what people wrote goes through the gate"
        raise Denied("prompt_of_people", f"{where}: {source} is people's data", hint=hint)
    found = Prompt(
        id=members.text("id", most=100),
        text=members.text("text", most=MOST_CHARACTERS),
        source=members.word("source", Source),
        origin=members.text("origin", most=500),
    )
    members.close()
    if holds_parts(found.text):
        hint = "lines such as === ANSWER === mark the parts of what models are asked"
        raise InvalidInput(CODE, f"{where}: text holds a mark of a part", hint=hint)
    return found


def _not_read(where: str, data: bytes, error: VolensError) -> VolensError:
    """Return what is wrong with a file that is not lines of prompts: perhaps it is an export."""
    names = (name for name in sorted(MEMBERS_OF_CHATS) if json.dumps(name).encode() in data)
    told = next(names, None)
    if told is not None:
        hint = "records of chats go through the gate: volens import, volens build"
        return Denied("chat_record", f"{where}: an export with the member {told!r}", hint=hint)
    return InvalidInput(CODE, f"{where}: {error.message}", hint=_HINT)
