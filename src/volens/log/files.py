"""The file operations a log needs, as a port, and their adapter for one folder.

Names are relative paths with slashes; "" is the folder itself. The port is this small so that a
test can stop the log before and after every single operation.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from volens.core.errors import Unavailable
from volens.storage.files import sync_folder

TEMPORARY = ".tmp"
_MODE = 0o644
_WRITERS = 8


class FileReader(Protocol):
    """Reads the files of one folder."""

    def names(self) -> Iterator[str]:
        """Return the names of all files at any depth, in any order."""
        ...

    def read(self, name: str) -> bytes:
        """Return all bytes of a file.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        ...


class Files(FileReader, Protocol):
    """Reads and writes the files of one folder that nobody else writes.

    Each operation happens before the next one starts. What is called durable survives a crash of
    the machine; what is not may survive, or not, or (appended bytes) in part.
    """

    def write(self, name: str, data: bytes) -> None:
        """Create or overwrite a file, and its folders, with durable bytes.

        The bytes are durable, the name is not before `sync_folder`; new folders are durable.
        """
        ...

    def write_each(self, files: Mapping[str, bytes]) -> None:
        """Do `write` for each name, in any order."""
        ...

    def replace(self, source: str, target: str) -> None:
        """Rename a file over another in one step; durable after `sync_folder`."""
        ...

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file; durable after `sync`."""
        ...

    def sync(self, name: str) -> None:
        """Make what was appended to a file durable."""
        ...

    def list(self, folder: str) -> list[str]:
        """Return the names of the files right inside a folder; none if there is no folder."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, or an empty folder; durable after `sync_folder` of its parent."""
        ...

    def close(self) -> None:
        """Let others write."""
        ...


class DirectoryReader:
    """A folder of the file system, for reading. Symbolic links count as files of no bytes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> Iterator[str]:
        """Return the names of all files at any depth."""
        for folder, folders, files in os.walk(self._directory):
            linked = [name for name in folders if Path(folder, name).is_symlink()]
            for name in [*files, *linked]:
                yield Path(folder, name).relative_to(self._directory).as_posix()

    def read(self, name: str) -> bytes:
        """Return all bytes of a file."""
        path = self._directory / name
        return b"" if path.is_symlink() else path.read_bytes()


class DirectoryFiles(DirectoryReader):
    """A folder of the file system, for its one writer."""

    def __init__(self, directory: Path) -> None:
        """Take the folder for writing, creating it if need be.

        Raises:
            Unavailable: ``log_in_use`` if another process has it.
        """
        super().__init__(directory)
        if not directory.is_dir():
            directory.mkdir(parents=True)
            sync_folder(directory.parent)
        self._lock = os.open(directory, os.O_RDONLY)
        self._appending: dict[str, int] = {}
        self._made: set[str] = set()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            hint = "ask the process that has it, or stop it"
            raise Unavailable("log_in_use", "another process writes this log", hint=hint) from error

    def write(self, name: str, data: bytes) -> None:
        """Create or overwrite a file with durable bytes."""
        self._make_for(name)
        self._write(name, data)

    def write_each(self, files: Mapping[str, bytes]) -> None:
        """Create or overwrite files with durable bytes, several at a time."""
        for name in files:
            self._make_for(name)
        # One by one, each fsync waits for a commit of the file system's journal; side by side they
        # share commits (measured: 12 times as fast for 400 files on a busy disk).
        with ThreadPoolExecutor(max_workers=_WRITERS) as pool:
            deque(pool.map(self._write, files, files.values()), maxlen=0)  # raises what they raise

    def _write(self, name: str, data: bytes) -> None:
        descriptor = os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: str, target: str) -> None:
        """Rename a file over another in one step."""
        os.replace(self._path(source), self._path(target))  # noqa: PTH105 - a Path costs as much
        if (old := self._appending.pop(target, None)) is not None:
            os.close(old)

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable."""
        sync_folder(self._directory / folder)

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file."""
        _write_all(self._descriptor(name), data)

    def sync(self, name: str) -> None:
        """Make what was appended to a file durable."""
        os.fdatasync(self._descriptor(name))

    def list(self, folder: str) -> list[str]:
        """Return the names of the files right inside a folder."""
        path = self._directory / folder
        return sorted(one.name for one in path.iterdir() if one.is_file()) if path.is_dir() else []

    def remove(self, name: str) -> None:
        """Remove a file, or an empty folder."""
        path = self._directory / name
        if path.is_dir():
            self._made.discard(name)
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others write."""
        for descriptor in self._appending.values():
            os.close(descriptor)
        self._appending.clear()
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def _descriptor(self, name: str) -> int:
        if name not in self._appending:
            flags = os.O_WRONLY | os.O_APPEND
            self._appending[name] = os.open(self._path(name), flags)
        return self._appending[name]

    def _make_for(self, name: str) -> None:
        folder = name.rpartition("/")[0]
        if folder not in self._made:
            self._make(self._directory / folder)
            self._made.add(folder)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir()
            sync_folder(folder.parent)


def replace_durably(files: Files, name: str, data: bytes) -> None:
    """Give a file new bytes in one step: after a crash it has the old bytes or the new ones."""
    files.write(name + TEMPORARY, data)
    files.replace(name + TEMPORARY, name)
    files.sync_folder(name.rpartition("/")[0])


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
