"""Conversations on their way to the server: a queue with an end, and what became of each.

Nothing here waits or blocks. What is in the queue is in memory only: when the program ends without
`close`, it is gone.
"""

from __future__ import annotations

import threading
from collections import deque

from volens.client.calls import Call
from volens.client.model import CaptureCounts


class Outbox:
    """Safe to use from several threads. `repr` shows no content."""

    def __init__(self, most: int) -> None:
        """Hold at most `most` conversations that wait."""
        self._most = most
        self._lock = threading.Lock()
        self._queue: deque[Call] = deque()
        self._sending = 0
        self._counts = dict.fromkeys(("kept", "not_kept", "refused", "failed", "dropped"), 0)
        self._closed = False

    def put(self, call: Call) -> bool:
        """Take a conversation in; False, and counted as dropped, if there is no room for it."""
        with self._lock:
            if self._closed or len(self._queue) + self._sending >= self._most:
                self._counts["dropped"] += 1
                return False
            self._queue.append(call)
            return True

    def take(self) -> Call | None:
        """Return the next to send, and count it as on its way; None if there is none."""
        with self._lock:
            if not self._queue:
                return None
            self._sending += 1
            return self._queue.popleft()

    def settle(self, what: str) -> None:
        """Count one that was on its way as ``kept``, ``not_kept``, ``refused`` or ``failed``."""
        with self._lock:
            self._sending -= 1
            self._counts[what] += 1

    def count(self, what: str) -> None:
        """Count one that never was in the queue."""
        with self._lock:
            self._counts[what] += 1

    def close(self) -> None:
        """Take nothing more in."""
        with self._lock:
            self._closed = True

    def drop_rest(self) -> None:
        """Drop whatever still waits."""
        with self._lock:
            self._counts["dropped"] += len(self._queue)
            self._queue.clear()

    def counts(self) -> CaptureCounts:
        """Return what became of everything so far."""
        with self._lock:
            return CaptureCounts(waiting=len(self._queue) + self._sending, **self._counts)

    @property
    def waiting(self) -> int:
        """How many wait or are on their way."""
        with self._lock:
            return len(self._queue) + self._sending
