"""One pass of array operations that tells where the costly patterns need to look.

The view is one byte for each character (characters above U+00FF are ``?``), so positions in the
view are positions in the text. Every answer is an upper bound: a place that is not named here holds
nothing that a detector could find.
"""

# ruff: noqa: PLR2004 - bytes by their ASCII code, and lengths of shapes, each named beside it
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLUSTER_GAP = 4
"""Digits this far apart or nearer belong to one cluster: up to three characters in between."""
CLUSTER_DIGITS = 6
TOKEN_CHARS = 16

_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look; positions count characters of the batch."""

    clusters: list[tuple[int, int, int]]
    """First digit, one past the last digit, number of digits; at least `CLUSTER_DIGITS`."""
    years: list[int]
    """Starts of digit runs of exactly four that begin with 1 or 2."""
    dotted: list[int]
    """Starts of what may be four numbers joined by dots."""
    coloned: list[int]
    """First colon of two that are at most five characters apart."""
    hyphened: list[int]
    """First separator of five two-character groups joined by hyphens (MAC addresses)."""
    ibans: list[int]
    """Starts of two letters followed by two digits and a letter or digit or space."""
    tokens: list[tuple[int, int]]
    """Runs of letters, digits, ``_`` and ``-`` of at least `TOKEN_CHARS`: first, one past last."""
    pans: list[int]
    """Starts of five letters followed by four digits and a letter (Indian PAN)."""


def look(view: bytes) -> Places:
    """Find the places where a detector needs to look, in time linear in the view."""
    b = np.frombuffer(view, dtype=np.uint8)
    digit = (b - np.uint8(48)) < 10  # wraps below zero on purpose
    alpha = ((b | np.uint8(32)) - np.uint8(97)) < 26
    positions = np.flatnonzero(digit)
    return Places(
        clusters=_clusters(positions),
        years=_years(b, digit),
        dotted=_dotted(b, digit),
        coloned=_near(np.flatnonzero(b == 58), 5),  # ":"; up to four hex digits between
        hyphened=_hyphened(b),
        ibans=_ibans(digit, alpha),
        tokens=_runs(digit | alpha | (b == 95) | (b == 45), TOKEN_CHARS),
        pans=_pans(digit, alpha),
    )


def _clusters(positions: NDArray[np.intp]) -> list[tuple[int, int, int]]:
    if positions.size < CLUSTER_DIGITS:
        return []
    cuts = np.flatnonzero(np.diff(positions) > CLUSTER_GAP)
    first = np.concatenate(([0], cuts + 1))
    last = np.concatenate((cuts, [positions.size - 1]))
    count = last - first + 1
    keep = count >= CLUSTER_DIGITS
    return list(
        zip(
            positions[first[keep]].tolist(),
            (positions[last[keep]] + 1).tolist(),
            count[keep].tolist(),
            strict=True,
        )
    )


def _near(positions: NDArray[np.intp], most: int) -> list[int]:
    if positions.size < 2:
        return []
    found: list[int] = positions[:-1][np.diff(positions) <= most].tolist()
    return found


def _years(b: NDArray[np.uint8], digit: _Mask) -> list[int]:
    if b.size < 4:
        return []
    run = digit[:-3] & digit[1:-2] & digit[2:-1] & digit[3:]
    run &= (b[:-3] == 49) | (b[:-3] == 50)
    run[1:] &= ~digit[: run.size - 1]
    run[:-1] &= ~digit[4:]
    found: list[int] = np.flatnonzero(run).tolist()
    return found


def _dotted(b: NDArray[np.uint8], digit: _Mask) -> list[int]:
    if b.size < 7:
        return []
    dots = np.flatnonzero((b[1:-1] == 46) & digit[:-2] & digit[2:]) + 1
    if dots.size < 3:
        return []
    near = (dots[1:-1] - dots[:-2] <= 4) & (dots[2:] - dots[1:-1] <= 4)
    found: list[int] = dots[:-2][near].tolist()
    return found


def _hyphened(b: NDArray[np.uint8]) -> list[int]:
    if b.size < 15:
        return []
    hyphen = b == 45
    run = hyphen[:-12] & hyphen[3:-9] & hyphen[6:-6] & hyphen[9:-3] & hyphen[12:]
    found: list[int] = np.flatnonzero(run).tolist()
    return found


def _ibans(digit: _Mask, alpha: _Mask) -> list[int]:
    if digit.size < 15:
        return []
    start = alpha[:-3] & alpha[1:-2] & digit[2:-1] & digit[3:]
    start[1:] &= ~(alpha | digit)[: start.size - 1]
    found: list[int] = np.flatnonzero(start).tolist()
    return found


def _pans(digit: _Mask, alpha: _Mask) -> list[int]:
    if digit.size < 10:
        return []
    end = digit.size - 9
    run = alpha[:end].copy()
    for offset in range(1, 5):
        run &= alpha[offset : end + offset]
    for offset in range(5, 9):
        run &= digit[offset : end + offset]
    run &= alpha[9:]
    found: list[int] = np.flatnonzero(run).tolist()
    return found


def _runs(mask: _Mask, least: int) -> list[tuple[int, int]]:
    """Find the runs of at least `least` (a power of two) set places, by doubling."""
    if mask.size < least:
        return []
    full, width = mask, 1
    while width < least:
        full = full[:-width] & full[width:]
        width *= 2
    edges = np.flatnonzero(np.diff(np.concatenate(([False], full, [False])).view(np.int8)))
    return [
        (first, last + least - 1)
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


def spelled_at(folded: bytes) -> list[int]:
    """Find brackets before "at", as in ``name (at) example``."""
    b = np.frombuffer(folded, dtype=np.uint8)
    if b.size < 4:
        return []
    bracket = (b[:-3] == 40) | (b[:-3] == 91)
    near = (b[1:-2] == 97) & (b[2:-1] == 116)
    apart = (b[1:-2] == 32) & (b[2:-1] == 97) & (b[3:] == 116)
    found: list[int] = np.flatnonzero(bracket & (near | apart)).tolist()
    return found


def words_at(folded: bytes, words: Sequence[bytes]) -> list[int]:
    """Find, in order, where one of `words` (of three or four bytes) begins.

    Compares four bytes at a time, at each of the four offsets.
    """
    padded = folded + b"\x00" * (8 - len(folded) % 4)
    fours = [np.uint32(int.from_bytes(word, "little")) for word in words if len(word) == 4]
    threes = [np.uint32(int.from_bytes(word, "little")) for word in words if len(word) == 3]
    found = []
    for offset in range(4):
        grams = np.frombuffer(padded, dtype="<u4", offset=offset, count=len(padded) // 4 - 1)
        hits = np.zeros(grams.size, dtype=np.bool_)
        for word in fours:
            hits |= grams == word
        grams = grams & np.uint32(0xFFFFFF)
        for word in threes:
            hits |= grams == word
        found.append(np.flatnonzero(hits) * 4 + offset)
    places: list[int] = np.sort(np.concatenate(found)).tolist()
    return places


def has_controls(view: bytes, barriers: int) -> bool:
    """Tell whether there are controls other than tab, line feed, return and `barriers` NULs."""
    b = np.frombuffer(view, dtype=np.uint8)
    odd = ((b < 32) & (b != 9) & (b != 10) & (b != 13)) | (b == 127)
    return int(np.count_nonzero(odd)) != barriers


def every(view: bytes, word: bytes) -> Iterator[int]:
    """Yield each place where `word` begins, in order, not overlapping."""
    at = view.find(word)
    while at >= 0:
        yield at
        at = view.find(word, at + len(word))
