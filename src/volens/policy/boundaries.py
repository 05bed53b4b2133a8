"""When do facts change by themselves? Subjects in order of the moment their class ends.

Crossing a boundary then touches only the subjects behind it, not all of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from volens.core.time import FAR_FUTURE, to_millis

Millis = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.int64]

NEVER = to_millis(FAR_FUTURE)
"""Stands for "does not change by itself"."""
_NO_INDEXES: Indexes = np.empty(0, dtype=np.int64)


class BoundaryIndex:
    """Moments (milliseconds since 1970 UTC) at which subjects' classes end, in order.

    Changed subjects are appended to a short unsorted list; an entry counts only while it says what
    `moments` says, so nothing has to be deleted. The list is merged when it grows long.
    """

    def __init__(self, moments: Millis) -> None:
        """Sort the finite moments; `moments` is kept and updated in place."""
        self.moments = moments
        self._sort()

    def set(self, subjects: Indexes, moments: Millis) -> None:
        """Give each of `subjects` (each once) a new moment."""
        self.moments[subjects] = moments
        finite = moments < NEVER
        if np.any(finite):
            self._added.append(subjects[finite])
        if sum(map(len, self._added)) > max(1024, len(self._order) // 4):
            self._sort()

    def due(self, at: int) -> Indexes:
        """Return the subjects whose class ended at or before `at` (milliseconds), ascending."""
        end = int(np.searchsorted(self._times, at, side="right"))
        candidates = np.concatenate([self._order[self._first : end], *self._added])
        return np.unique(candidates[self.moments[candidates] <= at])

    def next(self) -> int:
        """Return the earliest moment of all; `NEVER` if there is none."""
        while self._first < len(self._order):
            ahead = slice(self._first, self._first + 256)
            holds = self.moments[self._order[ahead]] == self._times[ahead]
            if np.any(holds):
                self._first += int(np.argmax(holds))
                break
            self._first += len(holds)  # stale: these subjects were given other moments since
        earliest = int(self._times[self._first]) if self._first < len(self._order) else NEVER
        for subjects in self._added:
            earliest = min(earliest, int(self.moments[subjects].min()))
        return earliest

    def _sort(self) -> None:
        finite = np.flatnonzero(self.moments < NEVER)
        order = np.argsort(self.moments[finite])
        self._order: Indexes = finite[order]
        self._times: Millis = self.moments[self._order]
        self._added: list[Indexes] = []
        self._first = 0
