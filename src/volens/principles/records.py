"""Records as training libraries read them: one line of each file, and the way back.

``preference.jsonl`` has the columns prompt, chosen and rejected, ``sft.jsonl`` prompt and
completion, as lists of messages; the other columns say where the record is from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Final

from volens.core.canonical import Json, canonical_json, read_strict
from volens.principles.prompts import Source
from volens.principles.strict import Members

LABEL: Final = "synthetic"
CODE: Final = "record_form"
_BREAKERS = ("\x85", "\u2028", "\u2029")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What all records of a set share.

    Attributes:
        constitution: the digest of the principles.
        writer: the name of the model that wrote.
        judge: the name of the model that judged; empty: none did.
    """

    constitution: str
    writer: str
    judge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One pair. `repr` shows no text."""

    prompt_id: str
    source: Source
    prompt: str = field(repr=False)
    chosen: str = field(repr=False)
    rejected: str = field(repr=False)
    critique: str = field(repr=False)
    principles: tuple[str, ...]
    found: tuple[str, ...]

    def digest(self, origin: Origin) -> str:
        """Return what names the record: SHA-256 over principles and texts, hexadecimal."""
        texts: list[Json] = [origin.constitution, self.prompt, self.chosen, self.rejected]
        return hashlib.sha256(canonical_json(texts)).hexdigest()


def sft_line(record: Record, origin: Origin) -> bytes:
    """Return a line of ``sft.jsonl``."""
    return _line(
        {
            "prompt": _said("user", record.prompt),
            "completion": _said("assistant", record.chosen),
            **_about(record, origin),
        }
    )


def pair_line(record: Record, origin: Origin) -> bytes:
    """Return a line of ``preference.jsonl``."""
    return _line(
        {
            "prompt": _said("user", record.prompt),
            "chosen": _said("assistant", record.chosen),
            "rejected": _said("assistant", record.rejected),
            "critique": record.critique,
            "found": list(record.found),
            **_about(record, origin),
        }
    )


def read_line(line: bytes, origin: Origin, *, place: str) -> Record:
    """Read a line of ``preference.jsonl``; writing it again gives the same bytes.

    Raises:
        InvalidInput: ``record_form`` naming the place, or a code of `read_strict`.
    """
    members = Members(read_strict(line), place=place, code=CODE)
    found = Record(
        prompt_id=members.text("prompt_id", most=100),
        source=members.word("source", Source),
        prompt=_heard(members, "prompt", "user"),
        chosen=_heard(members, "chosen", "assistant"),
        rejected=_heard(members, "rejected", "assistant"),
        critique=members.text("critique", most=1 << 20),
        principles=members.texts("principles"),
        found=members.texts("found"),
    )
    if pair_line(found, origin) != line:
        raise members.error("record", "is not the one form of what it says")
    return found


def _about(record: Record, origin: Origin) -> dict[str, Json]:
    return {
        "record": record.digest(origin),
        "provenance": LABEL,
        "constitution": origin.constitution,
        "principles": list(record.principles),
        "prompt_id": record.prompt_id,
        "source": record.source.value,
        "writer": origin.writer,
        "judge": origin.judge,
    }


def _said(role: str, text: str) -> list[Json]:
    return [{"role": role, "content": text}]


def _heard(members: Members, name: str, role: str) -> str:
    (message,) = members.each(name, most=1)
    if message.text("role") != role:
        raise message.error("role", f"is not {role}")
    return message.text("content", most=1 << 20)


def _line(value: dict[str, Json]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for breaker in _BREAKERS:  # some readers end a line at these
        text = text.replace(breaker, f"\\u{ord(breaker):04x}")
    return text.encode("utf-8") + b"\n"
