"""What the gateway counts: words from closed lists and numbers, nothing about anybody."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class Outcome(StrEnum):
    """What became of one chat that came by, once it was served."""

    CAPTURED = "captured"
    """New here, or a later state of a chat that is here."""
    KNOWN = "known"
    """Here already, word for word."""
    HELD = "held"
    """A hold keeps the chat as it is here."""
    ANONYMOUS = "anonymous"
    """The request names nobody."""
    UNKNOWN_PERSON = "unknown_person"
    TEMPORARY = "temporary"
    HISTORY_OFF = "history_off"
    """The person's choice, or the state of their account: not told apart."""
    NOT_ANSWERED = "not_answered"
    """The upstream gave no answer that could be read as one."""
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    """Over the gateway's limit on what it holds of one chat; lost."""
    OVERFLOW = "overflow"
    """Too much waited already; lost."""
    FAILED = "failed"
    """The home could not take it; lost."""


LOST = frozenset({Outcome.TOO_LARGE, Outcome.OVERFLOW, Outcome.FAILED})
"""What should have been kept and was not."""


class Counters:
    """Counts since the process started."""

    def __init__(self) -> None:
        """Start from nothing."""
        self.chats: Counter[str] = Counter()
        """By `Outcome`."""
        self.refused: Counter[str] = Counter()
        """Requests refused before anything went upstream, by purpose or code."""
        self.upstream: Counter[str] = Counter()
        """Calls by how they ended: ``2xx`` to ``5xx``, ``unreachable``, ``timeout``, ``left``."""

    def lost(self) -> int:
        """Return how many chats should have been kept and were not."""
        return sum(self.chats[word] for word in LOST)

    def samples(self) -> dict[tuple[str, str, str], int]:
        """Return (metric, label, value of the label) -> count, for a page of metrics."""
        found: dict[tuple[str, str, str], int] = {}
        for outcome in Outcome:
            found["volens_gateway_chats_total", "outcome", outcome.value] = self.chats[outcome]
        for word, count in sorted(self.refused.items()):
            found["volens_gateway_refused_total", "reason", word] = count
        for word, count in sorted(self.upstream.items()):
            found["volens_gateway_upstream_total", "end", word] = count
        return found
