"""Counters that tell every process at once that something may have been taken back.

A training loop asks, before it hands a batch out, whether anything changed since it last looked.
That has to cost next to nothing, and has to be seen across processes as soon as a withdrawal is
acknowledged. So the home has a small file that all of them have mapped
(docs/formats/revocation.md):

    "VLEPOCH1" || choices (u64) || erasures (u64) || narrowings (u64)      little-endian

Each counter only goes up. `choices` and `erasures` do after an append to the journal of that name
is durable and before it is acknowledged. `narrowings` is odd from before the owner of the home
changes something that may narrow what a use permits until after the change is committed; a reader
that finds it odd has to look for itself each time. The numbers mean nothing but that they differ;
after a power cut there is no reader left to whom they could.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from volens.core.errors import Unavailable
from volens.storage.files import sync_folder

EPOCH_FILE: Final = "epoch"
UNHEARD: Final = "revocation_epoch"
"""The code of a change that holds, but of which running uses may not have heard."""
_MAGIC: Final = b"VLEPOCH1"
_WORD: Final = struct.Struct("<Q")
_SIZE: Final = 32
_HINT: Final = "start again; volens doctor says what is wrong with the home"


class Source(IntEnum):
    """What changed: the place of its counter."""

    CHOICES = 8
    ERASURES = 16
    NARROWINGS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The counters at one moment."""

    choices: int
    erasures: int
    narrowings: int

    @property
    def settled(self) -> bool:
        """Whether no narrowing change is under way."""
        return self.narrowings % 2 == 0


class RevocationEpoch:
    """The counters of one home, for those who change something."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        self._path = path

    def create(self) -> None:
        """Make the file if there is none; whoever has an older one mapped finds it replaced.

        Raises:
            Unavailable: ``revocation_epoch``.
        """
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            if not self._path.exists():
                fresh.write_bytes(_MAGIC + bytes(_SIZE - len(_MAGIC)))
                fresh.chmod(0o600)
                with suppress(FileExistsError):
                    os.link(fresh, self._path)
                fresh.unlink()
                sync_folder(self._path.parent)
        except OSError as error:
            raise _unavailable(self._path, error.strerror or "input/output error") from error

    def tell(self, source: Source) -> None:
        """Count one change of a source.

        Raises:
            Unavailable: ``revocation_epoch`` if the file can't be written: the change holds, but
                those who run already may not hear of it.
        """
        with self._changed() as (read, write):
            write(source, read(source) + 1)

    def begin_narrowing(self) -> None:
        """Make `narrowings` odd: what is permitted may be about to narrow.

        Raises:
            Unavailable: ``revocation_epoch``.
        """
        with self._changed() as (read, write):
            write(Source.NARROWINGS, (read(Source.NARROWINGS) // 2 + 1) * 2 + 1)

    def settle(self) -> None:
        """Make `narrowings` even again, once all that began is committed; for the home's owner.

        Raises:
            Unavailable: ``revocation_epoch``.
        """
        with self._changed() as (read, write):
            if read(Source.NARROWINGS) % 2:
                write(Source.NARROWINGS, read(Source.NARROWINGS) + 1)

    @contextmanager
    def _changed(self) -> Iterator[tuple[Callable[[Source], int], Callable[[Source, int], None]]]:
        """Give what reads and writes a counter, while no other process may."""
        self.create()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _unavailable(self._path, error.strerror or "input/output error") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)

            def read(source: Source) -> int:
                return int(_WORD.unpack(os.pread(descriptor, _WORD.size, source))[0])

            def write(source: Source, value: int) -> None:
                # One aligned write of eight bytes: a reader sees all of it or none. File and
                # mapping are one memory (mmap(2), MAP_SHARED).
                os.pwrite(descriptor, _WORD.pack(value), source)

            yield read, write
        except (OSError, struct.error) as error:
            raise _unavailable(self._path, str(error)) from error
        finally:
            os.close(descriptor)


class EpochReader:
    """The counters of one home, for those who use records. A mapping: it survives a fork."""

    def __init__(self, path: Path) -> None:
        """Map the file.

        Raises:
            Unavailable: ``revocation_stale`` if that can't be done.
        """
        self._path = str(path)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                status = os.fstat(descriptor)
                self._file = (status.st_dev, status.st_ino)
                self._mapped = mmap.mmap(descriptor, _SIZE, mmap.MAP_SHARED, mmap.PROT_READ)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            raise _stale(self._path, "can't be mapped") from error
        if self._mapped[: len(_MAGIC)] != _MAGIC:
            raise _stale(self._path, "is no file of counters")

    def words(self) -> Words:
        """Return the counters as they are now.

        Raises:
            Unavailable: ``revocation_stale`` if the file is gone or another one has its name:
                nobody counts in the one that is mapped any more.
        """
        try:
            status = os.stat(self._path)  # noqa: PTH116 - a third of the time; once for each batch
        except OSError as error:
            raise _stale(self._path, "is gone") from error
        if (status.st_dev, status.st_ino) != self._file:
            raise _stale(self._path, "was replaced")
        read, mapped = _WORD.unpack_from, self._mapped
        return Words(
            choices=read(mapped, Source.CHOICES)[0],
            erasures=read(mapped, Source.ERASURES)[0],
            narrowings=read(mapped, Source.NARROWINGS)[0],
        )


def _stale(path: str, what: str) -> Unavailable:
    message = f"what was taken back can't be known: {path} {what}"
    return Unavailable("revocation_stale", message, hint=_HINT)


def _unavailable(path: Path, what: str) -> Unavailable:
    message = f"{path} can't be written ({what}): running trainings may not hear of a change"
    return Unavailable(UNHEARD, message, hint="stop them, and see to the home's folder")
