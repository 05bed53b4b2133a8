"""What the tests of the log share: keys, entries, and a folder in memory that can crash."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from volens.log.entries import Entry, encode_entry
from volens.log.kinds import EntryKind
from volens.log.note import KeyType, Signer

ORIGIN = "example.org/volens"
SIGNER = Signer(name=ORIGIN, seed=bytes(range(32)))
WITNESS = Signer(name="example.net/w1", seed=bytes(32), key_type=KeyType.COSIGNATURE)
SECOND = Signer(name="example.net/w2", seed=b"2" * 32, key_type=KeyType.COSIGNATURE)
AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def entry(number: int) -> bytes:
    return encode_entry(Entry(kind=EntryKind.JOURNAL_APPLIED, at=AT, fields={"count": number}))


def entries(count: int, *, start: int = 0) -> list[bytes]:
    return [entry(number) for number in range(start, start + count)]


class Stopped(BaseException):
    """The power went out."""


class _File:
    def __init__(self, data: bytes) -> None:
        self.live = data
        self.durable = b""


class MemoryFiles:
    """A folder in memory that knows what a crash may take away.

    It polices its caller: it refuses operations that the port does not promise, and `crash`
    loses what was not made durable.
    """

    def __init__(self, durable: dict[str, bytes] | None = None) -> None:
        self._names = {name: _File(data) for name, data in (durable or {}).items()}
        for file in self._names.values():
            file.durable = file.live
        self._durable_names = dict(self._names)
        self.operations = 0
        self.stop_at: tuple[int, bool] | None = None

    def names(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def read(self, name: str) -> bytes:
        if name not in self._names:
            raise FileNotFoundError(name)
        return self._names[name].live

    def write(self, name: str, data: bytes) -> None:
        def act() -> None:
            file = self._names.setdefault(name, _File(b""))
            file.live = file.durable = data

        self._operate(act)

    def write_each(self, files: Mapping[str, bytes]) -> None:
        for name in sorted(files, reverse=True):
            self.write(name, files[name])

    def replace(self, source: str, target: str) -> None:
        assert source.rpartition("/")[0] == target.rpartition("/")[0], "one folder to sync"

        def act() -> None:
            self._names[target] = self._names.pop(source)

        self._operate(act)

    def sync_folder(self, folder: str) -> None:
        def act() -> None:
            here = {
                n for n in {*self._names, *self._durable_names} if n.rpartition("/")[0] == folder
            }
            for name in here:
                if name in self._names:
                    self._durable_names[name] = self._names[name]
                else:
                    del self._durable_names[name]

        self._operate(act)

    def append(self, name: str, data: bytes) -> None:
        assert name in self._durable_names, "only what will be found again is appended to"

        def act() -> None:
            self._names[name].live += data

        self._operate(act)

    def sync(self, name: str) -> None:
        def act() -> None:
            self._names[name].durable = self._names[name].live

        self._operate(act)

    def list(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        inside = [name.removeprefix(prefix) for name in self._names if name.startswith(prefix)]
        return sorted(name for name in inside if "/" not in name)

    def remove(self, name: str) -> None:
        def act() -> None:
            self._names.pop(name, None)

        self._operate(act)

    def close(self) -> None:
        """Nothing to let go of."""

    def crash(self, chance: random.Random | None, *, keep: bool = False) -> MemoryFiles:
        """Return what is found after a crash.

        Without `chance` either everything written is there (`keep`) or only what is durable; with
        it, each thing that is not durable is there or not, and appended bytes in part.
        """
        found: dict[str, bytes] = {}
        for name in {*self._names, *self._durable_names}:
            live, durable = self._names.get(name), self._durable_names.get(name)
            kept = keep if chance is None else chance.random() < 0.5
            file = live if kept else durable
            if file is not None:
                found[name] = self._content(file, chance, keep=keep)
        return MemoryFiles(found)

    @staticmethod
    def _content(file: _File, chance: random.Random | None, *, keep: bool) -> bytes:
        if chance is None:
            return file.live if keep else file.durable
        new = file.live[len(file.durable) :]
        cut = chance.randint(0, len(new))
        if chance.random() < 0.7:
            return file.durable + new[:cut]
        sector = (len(file.durable) + cut) // 512 * 512  # disks write whole sectors
        kept = (file.durable + new)[: max(sector, len(file.durable))]
        return kept + bytes(len(file.live) - len(kept))

    def _operate(self, act: Callable[[], None]) -> None:
        number, self.operations = self.operations, self.operations + 1
        if self.stop_at == (number, False):
            raise Stopped
        act()
        if self.stop_at == (number, True):
            raise Stopped
