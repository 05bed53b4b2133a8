"""Whole files, written durably: either the old bytes or the new ones, never a mixture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from volens.core.errors import Unavailable


def write_durable(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `data`; when this returns, a power cut keeps it.

    If it stops earlier, `path` is as it was, and a file ``.NAME.new`` may be left, which the next
    call overwrites.
    """
    temporary = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder`, for the owner only, and durable with every folder above it that is new."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def write_private(path: Path, data: bytes) -> None:
    """As `write_durable`, readable by the owner only, in a folder of the owner only."""
    make_folder(path.parent)
    write_durable(path, data, mode=0o600)


def read_private(path: Path) -> bytes | None:
    """Return the file's bytes, or None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one that names the folder.

    Raises:
        Unavailable: ``storage`` in its place.
    """
    try:
        yield
    except OSError as error:
        hint = "see that the disk has space and the folder can be written"
        what = f"{path}: {error.strerror or error}"
        raise Unavailable("storage", what, hint=hint) from error
