"""What a client remembers: signed answers for a while, and what was withdrawn through it.

Answers are remembered only if the program said for how long (`max_age`), one by one for each person
and purpose, and never past their own time. A withdrawal makes everything about its purpose
forgotten, and answers on their way worthless: one person may go by several names.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from volens.client.answer import Answer, Decided
from volens.client.judging import Asked, handed_out
from volens.client.model import NO_TIME, Checked

MOST_REMEMBERED = 100_000


class Memory:
    """Safe to use from several threads."""

    def __init__(self, max_age: timedelta, *, most: int = MOST_REMEMBERED) -> None:
        """Remember for `max_age` at most; zero: never. Past `most`, the oldest goes."""
        self._max_age = max_age
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], tuple[Answer, Decided]] = OrderedDict()
        self._changes: dict[str, int] = {}
        self._withdrawing: set[tuple[str, str]] = set()

    def changes(self, purpose: str) -> int:
        """Return how often something about `purpose` was changed through this client."""
        with self._lock:
            return self._changes.get(purpose, 0)

    def reuse(self, asked: Asked, now: datetime) -> Checked | None:
        """Return what is known of everybody asked about, if it counts at `now`; else None."""
        if self._max_age <= NO_TIME:
            return None
        found = []
        with self._lock:
            for subject in asked.subjects:
                known = self._known.get((asked.purpose, subject))
                if known is None or not self._counts(known[0], now):
                    return None
                found.append(known)
        if len({answer.policy.hash for answer, _ in found}) != 1:
            return None
        return handed_out(asked, found, now, reused=True)

    def keep(self, answer: Answer, changes: int) -> bool:
        """Take in an answer; False if something was changed since `changes`: it is worthless."""
        with self._lock:
            if self._changes.get(answer.purpose, 0) != changes:
                return False
            if self._max_age > NO_TIME:
                for one in answer.decisions:
                    key = (answer.purpose, one.subject)
                    self._known[key] = (answer, one)
                    self._known.move_to_end(key)
                while len(self._known) > self._most:
                    self._known.popitem(last=False)
            return True

    def change(self, purpose: str) -> None:
        """Forget everything about a purpose, answers on their way included."""
        with self._lock:
            self._forget(purpose)

    def begin_withdrawal(self, subject: str, purpose: str) -> None:
        """Deny from now on, until the server has confirmed it."""
        with self._lock:
            self._withdrawing.add((subject, purpose))
            self._forget(purpose)

    def confirm_withdrawal(self, subject: str, purpose: str) -> None:
        """Leave it to the server from now on: it has the withdrawal."""
        with self._lock:
            self._withdrawing.discard((subject, purpose))
            self._forget(purpose)

    def is_withdrawn(self, subject: str, purpose: str) -> bool:
        """Say whether a withdrawal through this client waits for its confirmation."""
        with self._lock:
            return (subject, purpose) in self._withdrawing

    def _forget(self, purpose: str) -> None:
        self._changes[purpose] = self._changes.get(purpose, 0) + 1
        for key in [key for key in self._known if key[0] == purpose]:
            del self._known[key]

    def _counts(self, answer: Answer, now: datetime) -> bool:
        age = now - answer.at
        return NO_TIME <= age <= self._max_age and now < answer.valid_until
