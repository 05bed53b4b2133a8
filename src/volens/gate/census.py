"""The answer for everybody at once: which conversations one use may open, some people at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from volens.gate.reading import MOST_SUBJECTS, Wanted
from volens.policy.bitmap import ConsentBitmap

_PEOPLE_AT_ONCE = 10_000
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Every conversation decided for one use."""

    bitmap: ConsentBitmap
    numbers: Int64s
    """Subject numbers, ascending."""
    offsets: Int64s
    """First conversation (by rank) of each subject, then their count."""
    upto: int
    """The highest conversation number there was; later ones were not decided on."""

    def permitted(self) -> Iterator[Wanted]:
        """Yield what is permitted, some people at a time, without unpacking all bits at once."""
        for first in range(0, len(self.numbers), _PEOPLE_AT_ONCE):
            offsets = self.offsets[first : first + _PEOPLE_AT_ONCE + 1]
            bits = self._bits(int(offsets[0]), int(offsets[-1]))
            before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(bits, dtype=np.int64)])
            relative = offsets - offsets[0]
            some = np.flatnonzero(before[relative[1:]] > before[relative[:-1]])
            for start in range(0, len(some), MOST_SUBJECTS):
                yield self._wanted(first, some[start : start + MOST_SUBJECTS], relative, bits)

    def people(self) -> Int64s:
        """Return the rows of the people of whom anything is permitted, rising."""
        found = [some.subjects for some in self.permitted()]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def _bits(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        skipped = start & 7
        packed = self.bitmap.bits[start >> 3 : (stop + 7) >> 3]
        bits = np.unpackbits(packed, count=skipped + stop - start, bitorder="little")
        return bits[skipped:].astype(np.bool_)

    def _wanted(
        self,
        first: int,
        places: Int64s,
        offsets: Int64s,
        bits: npt.NDArray[np.bool_],
    ) -> Wanted:
        sizes = offsets[places + 1] - offsets[places]
        return Wanted(
            subjects=self.numbers[first + places],
            sizes=sizes,
            permitted=np.concatenate(
                [bits[offsets[place] : offsets[place + 1]] for place in places.tolist()]
            ),
            upto=self.upto,
        )

    def lost_in(self, later: Census) -> bool:
        """Say whether anything permitted here is not permitted in a later census.

        Conversations are told by their place within a person. Whose conversations ended or came
        back in between (`ErasureLedger.moved_since`) has to be known apart; captures only add.
        """
        for some in self.permitted():
            ends = np.cumsum(some.sizes).tolist()
            for number, size, end in zip(
                some.subjects.tolist(), some.sizes.tolist(), ends, strict=True
            ):
                if np.any(some.permitted[end - size : end] & ~later._first(number, size)):
                    return True
        return False

    def _first(self, number: int, size: int) -> npt.NDArray[np.bool_]:
        """Return what is permitted of a person's first `size` conversations."""
        found = np.zeros(size, dtype=np.bool_)
        place = int(np.searchsorted(self.numbers, number))
        if place < len(self.numbers) and self.numbers[place] == number:
            start = int(self.offsets[place])
            stop = min(start + size, int(self.offsets[place + 1]))
            found[: stop - start] = self._bits(start, stop)
        return found

    def permits_any(self, number: int) -> bool:
        """Say whether any conversation of the subject with this number is permitted."""
        place = int(np.searchsorted(self.numbers, number))
        if place == len(self.numbers) or self.numbers[place] != number:
            return False
        ranks = np.arange(self.offsets[place], self.offsets[place + 1])
        return bool(np.any(self.bitmap.bits[ranks >> 3] >> (ranks & 7) & 1))
