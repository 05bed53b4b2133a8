"""Sets of people, by their rows, as one bit for each."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt


def pack_people(numbers: npt.NDArray[np.int64]) -> bytes:
    """Return the set of these rows: bit `n & 7` of byte `n >> 3`, as many bytes as it takes."""
    if not len(numbers):
        return b""
    bits = np.zeros(int(numbers.max()) + 1, dtype=np.bool_)
    bits[numbers] = True
    return np.packbits(bits, bitorder="little").tobytes()


def any_of(people: bytes, numbers: Collection[int]) -> bool:
    """Say whether one of these rows is in a set."""
    size = len(people)
    return any(n >> 3 < size and people[n >> 3] >> (n & 7) & 1 for n in numbers)


def without_people(people: bytes, numbers: Collection[int]) -> bytes:
    """Return a set without these rows; of the same size."""
    left = bytearray(people)
    for number in numbers:
        if number >> 3 < len(left):
            left[number >> 3] &= ~(1 << (number & 7))
    return bytes(left)
