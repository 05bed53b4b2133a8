"""The machine-readable parts of an export: JSON, JSON Lines, and tables for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from volens.capture.values import account_id, language
from volens.capture.volens_jsonl import FORMAT
from volens.core.canonical import Json, canonical_json
from volens.core.purposes import Signal
from volens.core.time import format_moment
from volens.gate.own_copy import OwnConversation
from volens.rights.export_manifest import VERSION
from volens.vault.model import ROOT, Turn, TurnFlag

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - the full-width ones too
_CONTROLS = {
    point: "\N{REPLACEMENT CHARACTER}" for point in range(32) if chr(point) not in "\t\r\n"
}
_WORDS = {flag: (flag.name or "").lower() for flag in TurnFlag if flag is not TurnFlag.NONE}
CONSENT_COLUMNS = (
    "at",
    "purpose",
    "act",
    "scope",
    "target",
    "notice",
    "notice_language",
    "notice_sha256",
    "expires",
    "channel",
    "event",
    "log_index",
)
ACCESS_COLUMNS = (
    "at",
    "actor",
    "action",
    "purpose",
    "reason",
    "what",
    "outcome",
    "duration_ms",
    "log_index",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Everything in an export that is small: what the home knows, besides what was said."""

    account: Mapping[str, Json] = field(repr=False)
    policy: Mapping[str, Json] = field(repr=False)
    choices: Mapping[str, Json] = field(repr=False)
    consents: Sequence[Mapping[str, Json]] = field(repr=False)
    """One row for each choice, with the members of `CONSENT_COLUMNS`."""
    accesses: Sequence[Mapping[str, Json]] = field(repr=False)
    """One row for each access, with the members of `ACCESS_COLUMNS`."""
    datasets: Sequence[Mapping[str, Json]] = field(repr=False)
    models: Sequence[Mapping[str, Json]] = field(repr=False)
    impact: Sequence[Mapping[str, Json]] = field(repr=False)
    disclosures: Sequence[Mapping[str, Json]] = field(repr=False)
    holds: Sequence[Mapping[str, Json]] = field(repr=False)
    erasures: Sequence[Mapping[str, Json]] = field(repr=False)
    requests: Sequence[Mapping[str, Json]] = field(repr=False)
    reports: Sequence[Mapping[str, Json]] = field(repr=False)


def part_document(part: str, content: Json) -> bytes:
    """Write one JSON part in its canonical form, with its version and name."""
    return canonical_json({"version": VERSION, "part": part, part: content})


def conversation_line(one: OwnConversation, reference: str) -> tuple[bytes, int]:
    """Write a conversation as one line of `volens-jsonl`, and count the turns left empty.

    Turns that are other people's words keep their place, flag and time, so that the branches
    around them stay what they were; their text is left out (Art. 15(4)). Hidden turns (memory, own
    instructions) and a model's working are about the person and stay, flagged as they are.

    Args:
        one: the conversation.
        reference: the name by which the product knows the person.
    """
    held, payload = one.held, one.payload
    record: dict[str, Json] = {"format": FORMAT, "id": held.id}
    if account_id(reference) is not None:
        record["subject"] = reference
    if held.created is not None:
        record["created"] = format_moment(held.created)
    if one.updated is not None:
        record["updated"] = format_moment(one.updated)
    if payload.title:
        record["title"] = payload.title
    if language(payload.language) == payload.language and payload.language:
        record["language"] = payload.language
    if held.signal is not Signal.NONE:
        record["signal"] = held.signal.value
    if payload.attachments:
        record["attachments"] = [*payload.attachments]
    record["turns"] = [_turn(turn, index) for index, turn in enumerate(payload.turns)]
    left = sum(is_left_out(turn) for turn in payload.turns)
    line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return line.encode("utf-8") + b"\n", left


def is_left_out(turn: Turn) -> bool:
    """Say whether a turn's text is other people's."""
    return TurnFlag.THIRD_PARTY in turn.flags


def flags_of(turn: Turn) -> list[str]:
    """Return a turn's flags as words."""
    return [word for flag, word in _WORDS.items() if flag in turn.flags]


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, Json]]) -> bytes:
    """Write a table for spreadsheets: UTF-8 with a byte order mark, RFC 4180, every cell quoted.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV
    Injection").
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row[name]) for name in columns])
    return text.getvalue().encode("utf-8-sig")


def cell(value: Json) -> str:
    """Return a value as a spreadsheet may safely show it."""
    text = "" if value is None else str(value)
    text = text.translate(_CONTROLS)
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) else text


def _turn(turn: Turn, index: int) -> dict[str, Json]:
    item: dict[str, Json] = {
        "role": turn.role.name.lower(),
        "text": "" if is_left_out(turn) else turn.text,
    }
    if turn.at is not None:
        item["at"] = format_moment(turn.at)
    if turn.parent != index - 1:
        item["parent"] = None if turn.parent == ROOT else turn.parent
    if turn.rating:
        item["rating"] = turn.rating
    for word in flags_of(turn):
        item[word] = True
    return item
