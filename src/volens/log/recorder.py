"""Writes entries: stamps the time, draws a fresh salt for each commitment, appends durably."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from volens.core.errors import Unavailable
from volens.core.ports import Clock, Entropy
from volens.log.entries import SALT_BYTES, Entry, commit, encode_entry
from volens.log.fields import Value
from volens.log.kinds import EntryKind

_NARROWING = frozenset(
    {
        EntryKind.SUBJECT_CHANGED,
        EntryKind.CONVERSATION_SIGNALLED,
        EntryKind.ORGANISATION_INSTRUCTED,
        EntryKind.ERASURE_REQUESTED,
        EntryKind.POLICY_ACTIVATED,
    }
)
"""Besides negative choices, which the consent ledger itself can tell."""


class EntrySink(Protocol):
    """Where encoded entries go. `append` is durable when it returns the indexes given."""

    def append(self, entries: Sequence[bytes]) -> range:
        """Append `entries` as one group."""
        ...


class NoLog:
    """The sink of a home that was opened for reading: it takes nothing."""

    def append(self, entries: Sequence[bytes]) -> range:
        """Refuse.

        Raises:
            Unavailable: ``read_only``, always.
        """
        raise Unavailable(
            "read_only", f"the home was opened for reading: {len(entries)} entries refused"
        )


def tell_nobody() -> None:
    """Do nothing: nobody else uses records meanwhile."""


class Recorder:
    """Records acts in the log. When a method returns, the entry survives a power cut."""

    def __init__(
        self,
        log: EntrySink,
        *,
        clock: Clock,
        entropy: Entropy,
        narrowing: Callable[[], None] = tell_nobody,
    ) -> None:
        """Append to `log`; `narrowing` is called before an entry that may narrow a use."""
        self._log = log
        self._narrowing = narrowing
        self._clock = clock
        self._entropy = entropy
        self.narrowings = 0
        """How many entries of this process may have narrowed what a use permits."""

    def commit(self, *parts: bytes) -> tuple[bytes, bytes]:
        """Return (salt, commitment): 32 fresh bytes, and what the entry may carry of `parts`."""
        salt = self._entropy.draw(SALT_BYTES)
        return salt, commit(salt, *parts)

    def record(self, kind: EntryKind, fields: Mapping[str, Value]) -> int:
        """Append one entry and return its index.

        Raises:
            InvalidInput: if its fields are not the ones that `kind` has.
        """
        return self.record_all([(kind, fields)])[0]

    def record_all(self, items: Sequence[tuple[EntryKind, Mapping[str, Value]]]) -> range:
        """Append one entry for each (kind, fields), as one durable group; return the indexes.

        Raises:
            InvalidInput: as `record`; nothing is appended then.
        """
        now = self._clock.now()
        narrowing = sum(kind in _NARROWING for kind, _ in items)
        if narrowing:
            self._narrowing()
            self.narrowings += narrowing
        return self._log.append(
            [encode_entry(Entry(kind=kind, at=now, fields=fields)) for kind, fields in items]
        )
