"""The JSON Lines forms: `trl`, `openai` and `sharegpt` (docs/formats/dataset.md).

One record a line, UTF-8. Where the form has room for an id, the leaf stands in the line; `openai`
has none (unknown members are refused there), so the leaves lie beside it in a file of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from volens.core.canonical import read_strict
from volens.core.errors import InvalidInput, VerificationFailed
from volens.datasets.model import LEAF_BYTES, ROLE_NAMES, Format, Order, RecordBatch
from volens.datasets.shards import Tally
from volens.vault.model import Role

Turns = list[tuple[Role, str]]

SHAREGPT_NAMES = ("system", "human", "gpt", "tool")
"""The word of each role in the `sharegpt` form, at the index of its number."""

SIDE_SUFFIX = ".leaves"
_LINES_A_TALLY = 4096


def _trl_line(leaf: bytes, turns: Turns) -> dict[str, Any]:
    return {"messages": _messages(turns), "record": leaf.hex()}


def _openai_line(_leaf: bytes, turns: Turns) -> dict[str, Any]:
    return {"messages": _messages(turns)}


def _sharegpt_line(leaf: bytes, turns: Turns) -> dict[str, Any]:
    said = [{"from": SHAREGPT_NAMES[role], "value": text} for role, text in turns]
    return {"conversations": said, "id": leaf.hex()}


def _messages(turns: Turns) -> list[dict[str, str]]:
    return [{"role": ROLE_NAMES[role], "content": text} for role, text in turns]


_LINE: Mapping[Format, Callable[[bytes, Turns], dict[str, Any]]] = {
    Format.TRL: _trl_line,
    Format.OPENAI: _openai_line,
    Format.SHAREGPT: _sharegpt_line,
}
LINE_FORMS = frozenset(_LINE)
"""The forms that are written here."""


def has_side_file(form: Format) -> bool:
    """Say whether the leaves of a file of this form lie beside it, under `SIDE_SUFFIX`."""
    return form is Format.OPENAI


class LinesShard:
    """A file of lines, with the leaves beside it where the form has no room for them."""

    __slots__ = ("_file", "_line", "_side")

    def __init__(self, path: Path, form: Format) -> None:
        """Begin files that must not exist."""
        self._line = _LINE[form]
        self._file: IO[bytes] = path.open("xb")
        self._side = path.with_suffix(SIDE_SUFFIX).open("xb") if has_side_file(form) else None

    def write(self, batch: RecordBatch, order: Order) -> None:
        """Append the records with the numbers in `order`, one a line.

        Raises:
            InvalidInput: ``batch_text`` if a text is not UTF-8.
        """
        for leaf, turns in batch.rows(order):
            self._file.write(_encode(self._line(leaf, turns)))
            if self._side is not None:
                self._side.write(leaf)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._side is not None:
            self._side.close()

    def abandon(self) -> None:
        """Close the files as they are."""
        self.close()


def scan_lines(path: Path, form: Format) -> Iterator[Tally]:
    """Yield the leaves and counts of a file, some thousand lines at a time.

    Every line must be what the writer of the form writes for the same record, byte for byte.

    Raises:
        VerificationFailed: ``data_form`` naming file and line.
    """
    side = path.with_suffix(SIDE_SUFFIX).read_bytes() if has_side_file(form) else None
    leaves, turns, payload, number = bytearray(), 0, 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            at = (number - 1) * LEAF_BYTES
            try:
                leaf, said = _decode(line, None if side is None else side[at : at + LEAF_BYTES])
                whole = _encode(_LINE[form](leaf, said)) == line
            except (InvalidInput, ValueError, KeyError, TypeError) as error:
                raise _refused(path, number, str(error)) from error
            if not whole or len(leaf) != LEAF_BYTES:
                raise _refused(path, number, "not the one form of its record")
            leaves += leaf
            turns += len(said)
            payload += sum(len(text.encode()) for _, text in said)
            if number % _LINES_A_TALLY == 0:
                yield Tally(leaves=bytes(leaves), turns=turns, payload_bytes=payload)
                leaves, turns, payload = bytearray(), 0, 0
    if side is not None and len(side) != number * LEAF_BYTES:
        raise _refused(path, number, f"{len(side)} bytes of leaves beside {number} lines")
    yield Tally(leaves=bytes(leaves), turns=turns, payload_bytes=payload)


def _encode(line: dict[str, Any]) -> bytes:
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    for breaker in ("\x85", "\u2028", "\u2029"):  # some readers end a line at these
        if breaker in text:
            text = text.replace(breaker, f"\\u{ord(breaker):04x}")
    return text.encode("utf-8") + b"\n"


def _decode(line: bytes, leaf: bytes | None) -> tuple[bytes, Turns]:
    """Return the leaf and the turns of one line of any of the forms."""
    record: Any = read_strict(line)
    if "conversations" in record:
        turns = [(SHAREGPT_NAMES.index(m["from"]), m["value"]) for m in record["conversations"]]
    else:
        turns = [(ROLE_NAMES.index(m["role"]), m["content"]) for m in record["messages"]]
    if leaf is None:
        leaf = bytes.fromhex(record.get("id") or record["record"])
    return leaf, [(Role(role), str(text)) for role, text in turns]


def _refused(path: Path, line: int, what: str) -> VerificationFailed:
    return VerificationFailed("data_form", f"data/{path.name}, line {line}: {what}")
