"""The body of a block: conversations as columns, for bulk reading (docs/formats/block.md).

    0   VBB1
    4   number of conversations n, of turns, and bytes of metadata: the sums of the rows (4 each)
    16  bytes of text: the sum of the rows (8)
    24  n rows of 40 bytes: row number (8), bytes of text (8), capture batch (4), position in it
        (4), turns (4), bytes of metadata (4), 1 if files were attached else 0 (4), zero (4)
    ... all tables of turns, then all metadata, then all texts, each in the order of the rows

Numbers are little-endian. Tables, metadata and texts are those of the payload (`vault.model`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from volens.core.errors import InvalidInput
from volens.vault.model import (
    MAGIC,
    MAX_TEXT_BYTES,
    MAX_TURNS,
    ROOT,
    Role,
    TurnFlag,
)

BODY_MAGIC = b"VBB1"
TURN_DTYPE = np.dtype(
    [
        ("role", "u1"),
        ("flags", "u1"),
        ("rating", "i1"),
        ("pad", "u1"),
        ("parent", "<i4"),
        ("at", "<i8"),
        ("size", "<u4"),
    ]
)
"""One row of a payload's turn table: 20 bytes, as `volens.vault.model` writes it."""
ROW_DTYPE = np.dtype(
    [
        ("number", "<u8"),
        ("text_bytes", "<u8"),
        ("batch", "<u4"),
        ("position", "<u4"),
        ("turns", "<u4"),
        ("meta_bytes", "<u4"),
        ("attached", "<u4"),
        ("pad", "<u4"),
    ]
)
_HEAD = struct.Struct("<4sIIIQ")
_PAYLOAD_HEAD = struct.Struct("<4sII")
_NO_ATTACHMENTS = b'{"attachments":[],'
_NO_MOMENT = -(2**63)
_FIRST_MILLI, _LAST_MILLI = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999
_KNOWN_FLAGS = np.uint8(int(~TurnFlag.NONE))
Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One conversation on its way into a body."""

    number: int
    """Row number in the vault."""
    batch: int
    """Number of the capture batch that committed to it."""
    position: int
    """Its position in that batch."""
    payload: bytes = field(repr=False)


def pack_body(entries: Sequence[Entry]) -> bytes:
    """Lay out conversations as a body, in order."""
    rows = np.zeros(len(entries), dtype=ROW_DTYPE)
    tables, metas, texts = [], [], []
    for row, entry in zip(rows, entries, strict=True):
        _, turns, meta_bytes = _PAYLOAD_HEAD.unpack_from(entry.payload)
        at_meta = _PAYLOAD_HEAD.size + turns * TURN_DTYPE.itemsize
        at_text = at_meta + meta_bytes
        meta = entry.payload[at_meta:at_text]
        tables.append(entry.payload[_PAYLOAD_HEAD.size : at_meta])
        metas.append(meta)
        texts.append(entry.payload[at_text:])
        row["number"], row["batch"], row["position"] = entry.number, entry.batch, entry.position
        row["turns"], row["meta_bytes"] = turns, meta_bytes
        row["text_bytes"] = len(entry.payload) - at_text
        row["attached"] = not meta.startswith(_NO_ATTACHMENTS)
    return b"".join((_head(rows), rows.tobytes(), *tables, *metas, *texts))


def merge_bodies(parts: Sequence[tuple[memoryview, Sequence[int]]]) -> bytes:
    """Return one body with the conversations of several that stay, in order; pure.

    Args:
        parts: for each body, the body and the places (rising) of what stays.

    Raises:
        InvalidInput: ``payload_form`` if one is not what `pack_body` writes.
    """
    rows, tables, metas, texts = [], [], [], []
    for body, places in parts:
        one = _sections(body)
        found = np.frombuffer(one.rows, dtype=ROW_DTYPE)
        turns = _running(found["turns"]) * TURN_DTYPE.itemsize
        meta = _running(found["meta_bytes"])
        text = _running(found["text_bytes"])
        rows.append(found[list(places)])
        tables += [one.tables[turns[place] : turns[place + 1]] for place in places]
        metas += [one.metas[meta[place] : meta[place + 1]] for place in places]
        texts += [one.texts[text[place] : text[place + 1]] for place in places]
    kept = np.concatenate(rows)
    return b"".join((_head(kept), kept.tobytes(), *tables, *metas, *texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Many conversations as columns. `repr` shows no text."""

    rows: np.ndarray = field(repr=False)
    """One for each conversation, of `ROW_DTYPE`."""
    turns: np.ndarray = field(repr=False)
    """All turn tables end to end, of `TURN_DTYPE`."""
    turn_starts: Int64s = field(repr=False)
    """Conversation `i` has the turns from ``turn_starts[i]`` up to ``turn_starts[i + 1]``."""
    metas: bytes = field(repr=False)
    texts: bytes = field(repr=False)
    """All texts end to end; each was UTF-8 when it was packed, and the seal shows it unchanged."""
    text_starts: Int64s = field(repr=False)
    """Turn `j` has the bytes from ``text_starts[j]`` up to ``text_starts[j + 1]``."""

    @classmethod
    def of(cls, bodies: Sequence[memoryview | bytes]) -> Self:
        """Read bodies end to end and check every bound; metadata is not parsed.

        Raises:
            InvalidInput: ``payload_form`` if one is not what `pack_body` writes.
        """
        parts = [_sections(body) for body in bodies]
        rows = np.frombuffer(b"".join([part.rows for part in parts]), dtype=ROW_DTYPE)
        _check_sums(rows, parts)
        return cls.checked(
            rows,
            b"".join([part.tables for part in parts]),
            b"".join([part.metas for part in parts]),
            b"".join([part.texts for part in parts]),
        )

    @classmethod
    def checked(cls, rows: np.ndarray, tables: bytes, metas: bytes, texts: bytes) -> Self:
        """Do as `joined`, and check every bound.

        Raises:
            InvalidInput: ``payload_form``.
        """
        columns = cls.joined(rows, tables, metas, texts)
        _check(columns)
        return columns

    @classmethod
    def joined(cls, rows: np.ndarray, tables: bytes, metas: bytes, texts: bytes) -> Self:
        """Compute the places of what lies end to end."""
        turns = np.frombuffer(tables, dtype=TURN_DTYPE)
        return cls(
            rows=rows,
            turns=turns,
            turn_starts=_running(rows["turns"]),
            metas=metas,
            texts=texts,
            text_starts=_running(turns["size"]),
        )

    @property
    def attached(self) -> NDArray[np.bool_]:
        """Whether each conversation names attached files."""
        found: NDArray[np.bool_] = self.rows["attached"] != 0
        return found

    def text(self, turn: int) -> str:
        """Return the text of turn `turn`."""
        return self.texts[self.text_starts[turn] : self.text_starts[turn + 1]].decode("utf-8")

    def take(self, places: Int64s) -> Self:
        """Return the columns of some conversations, in the order of `places`."""
        tables, metas, texts = [], [], []
        table, meta_starts = self.turns.tobytes(), _running(self.rows["meta_bytes"])
        for place in places.tolist():
            first, last = int(self.turn_starts[place]), int(self.turn_starts[place + 1])
            tables.append(table[first * TURN_DTYPE.itemsize : last * TURN_DTYPE.itemsize])
            metas.append(self.metas[meta_starts[place] : meta_starts[place + 1]])
            texts.append(self.texts[self.text_starts[first] : self.text_starts[last]])
        return self.joined(self.rows[places], b"".join(tables), b"".join(metas), b"".join(texts))

    def payload(self, place: int) -> bytes:
        """Return one conversation's payload, as `pack_payload` wrote it."""
        one = self.take(np.array([place], dtype=np.int64))
        head = _PAYLOAD_HEAD.pack(MAGIC, len(one.turns), len(one.metas))
        return b"".join((head, one.turns.tobytes(), one.metas, one.texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sections:
    rows: memoryview
    tables: memoryview
    metas: memoryview
    texts: memoryview


def _head(rows: np.ndarray) -> bytes:
    sums = [int(rows[name].sum(dtype=np.uint64)) for name in ("turns", "meta_bytes", "text_bytes")]
    return _HEAD.pack(BODY_MAGIC, len(rows), *sums)


def _sections(body: memoryview | bytes) -> _Sections:
    view = memoryview(body)
    if len(view) < _HEAD.size:
        raise _malformed("is shorter than its header")
    magic, count, turns, meta_bytes, text_bytes = _HEAD.unpack_from(view)
    at_tables = _HEAD.size + count * ROW_DTYPE.itemsize
    at_metas = at_tables + turns * TURN_DTYPE.itemsize
    at_texts = at_metas + meta_bytes
    if magic != BODY_MAGIC or at_texts + text_bytes != len(view):
        raise _malformed("has an unknown version, or more or fewer bytes than its header names")
    return _Sections(
        rows=view[_HEAD.size : at_tables],
        tables=view[at_tables:at_metas],
        metas=view[at_metas:at_texts],
        texts=view[at_texts:],
    )


def _check_sums(rows: np.ndarray, parts: Sequence[_Sections]) -> None:
    """Check that the rows of each body add up to its sections."""
    counts = np.array([len(part.rows) // ROW_DTYPE.itemsize for part in parts], dtype=np.int64)
    ends = np.cumsum(counts)
    for name, sizes in (
        ("turns", [len(part.tables) // TURN_DTYPE.itemsize for part in parts]),
        ("meta_bytes", [len(part.metas) for part in parts]),
        ("text_bytes", [len(part.texts) for part in parts]),
    ):
        held = _running(rows[name].astype(np.int64))
        if (held[ends] - held[ends - counts] != np.array(sizes, dtype=np.int64)).any():
            raise _malformed("has more or fewer bytes than its rows name")


def _running(sizes: np.ndarray) -> Int64s:
    starts = np.zeros(sizes.size + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def _malformed(what: str) -> InvalidInput:
    return InvalidInput("payload_form", f"a block of conversations {what}")


def _check(columns: Columns) -> None:
    """Check everything but metadata and the texts' encoding, for all conversations at once."""
    rows, turns = columns.rows, columns.turns
    if ((rows["turns"] > MAX_TURNS) | (rows["attached"] > 1) | (rows["pad"] != 0)).any():
        raise _malformed("has a conversation out of range")
    place = np.arange(turns.size) - np.repeat(columns.turn_starts[:-1], rows["turns"])
    dated = turns["at"] != _NO_MOMENT
    wrong = (
        (turns["role"] > Role.TOOL)
        | ((turns["flags"] & ~_KNOWN_FLAGS) != 0)
        | (np.abs(turns["rating"].astype(np.int16)) > 1)
        | (turns["pad"] != 0)
        | (turns["parent"] < ROOT)
        | (turns["parent"] >= place)
        | (turns["size"] > MAX_TEXT_BYTES)
        | (dated & ((turns["at"] < _FIRST_MILLI) | (turns["at"] > _LAST_MILLI)))
    )
    if wrong.any():
        raise _malformed(f"has turn {int(np.argmax(wrong))} out of range")
    held = columns.text_starts[columns.turn_starts]
    if (np.diff(held) != rows["text_bytes"].astype(np.int64)).any():
        raise _malformed("has more or fewer bytes of text than its turns name")
