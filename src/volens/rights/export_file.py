"""A file that has no name until it is whole, so that nothing of a broken-off copy is left anywhere.

Where the file system has nameless files (open(2), O_TMPFILE), even a kill leaves nothing. Elsewhere
the file is called ``.NAME.new`` meanwhile, readable by its owner only; a kill leaves that, and the
next try overwrites it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from volens.core.errors import InvalidInput
from volens.storage.files import sync_folder

_PRIVATE = 0o600
_NOT_OFFERED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})


@contextmanager
def private_file(out: Path, *, nameless: bool = True) -> Iterator[BinaryIO]:
    """Give a new file that gets the name `out`, durably, if the block ends well, and else is gone.

    Args:
        out: where; a file that does not exist yet, in a folder that does.
        nameless: use a nameless file where there is such a thing.

    Raises:
        InvalidInput: ``out_exists`` if somebody made a file of that name meanwhile.
    """
    descriptor = _open_nameless(out.parent) if nameless else None
    if descriptor is None:
        yield from _named(out)
        return
    with os.fdopen(descriptor, "w+b") as file:
        yield cast("BinaryIO", file)
        _sync(file)
        with _refusing_to_replace(out):
            # open(2): a descriptor of the source's folder makes this linkat(2), which follows
            os.link(f"/proc/self/fd/{descriptor}", out, src_dir_fd=descriptor, follow_symlinks=True)
    sync_folder(out.parent)


def _named(out: Path) -> Iterator[BinaryIO]:
    temporary = out.with_name(f".{out.name}.new")
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield cast("BinaryIO", file)
            _sync(file)
        with _refusing_to_replace(out):
            _link_or_rename(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(out.parent)


def _link_or_rename(temporary: Path, out: Path) -> None:
    try:
        os.link(temporary, out)  # unlike a rename, it replaces nobody's file
    except PermissionError:  # link(2), EPERM: the file system has no hard links
        if out.exists():
            raise FileExistsError(out) from None
        temporary.rename(out)


def _open_nameless(folder: Path) -> int | None:
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(folder, flag | os.O_RDWR | os.O_CLOEXEC, _PRIVATE)
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            return None
        raise


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _refusing_to_replace(out: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        message = f"{out} is there already"
        raise InvalidInput("out_exists", message, hint="choose another --out") from None
