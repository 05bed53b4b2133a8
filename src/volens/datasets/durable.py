"""Folders that appear whole or not at all: staged beside their place, synced, renamed.

The lock on a staging folder lives in the operating system and dies with its process, so a folder
whose lock is free is a dead one's leftover and is removed by the next run. POSIX only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from hashlib import file_digest
from pathlib import Path

from volens.core.errors import InvalidInput, Unavailable


def staging_path(out: Path) -> Path:
    """Return where `out` is staged: beside it, hidden, so that the rename stays in one volume."""
    return out.with_name(f".{out.name}.staging")


def claim_staging(out: Path) -> tuple[Path, int]:
    """Make an empty staging folder for `out`, removing a dead one; return it and its lock.

    The lock is an open file descriptor; closing it gives the folder up.

    Raises:
        InvalidInput: ``out_exists`` if `out` is there already, ``out_parent`` if nothing can lie
            there.
        Unavailable: ``staging_in_use`` if a living process stages the same `out`.
    """
    if not out.name or not out.parent.is_dir():
        raise InvalidInput("out_parent", f"no folder {out.parent} to put the dataset in")
    check_absent(out)
    path = staging_path(out)
    while True:
        path.mkdir(mode=0o700, exist_ok=True)  # it holds content in the clear: for its owner only
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not path.exists() or path.stat().st_ino != os.fstat(lock).st_ino:
                os.close(lock)  # another run removed it in between
                continue
            for leftover in path.iterdir():
                _remove(leftover)
        except BlockingIOError as error:
            os.close(lock)
            hint = "wait for the other build, or name another folder"
            raise Unavailable("staging_in_use", f"{out} is being built", hint=hint) from error
        except BaseException:
            os.close(lock)
            raise
        return path, lock


def check_absent(out: Path) -> None:
    """Refuse a place that is taken, be it by a broken link.

    Raises:
        InvalidInput: ``out_exists``.
    """
    if out.exists() or out.is_symlink():
        raise InvalidInput("out_exists", f"{out} exists already", hint="name a new folder")


def publish(staged: Path, out: Path) -> None:
    """Sync every file and folder in `staged`, then rename it to `out`.

    If it stops before the rename there is no `out`; after it, `out` is complete.

    Raises:
        InvalidInput: ``out_exists`` if `out` appeared in the meantime.
    """
    for folder, _, names in os.walk(staged):
        for name in names:
            sync(Path(folder) / name)
        sync(Path(folder))
    check_absent(out)
    try:
        staged.rename(out)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise InvalidInput("out_exists", f"{out} exists already") from error
        raise
    sync(out.parent)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def discard(staged: Path, lock: int) -> None:
    """Remove a staging folder and give its lock up."""
    try:
        shutil.rmtree(staged, ignore_errors=True)
    finally:
        os.close(lock)


def digest_file(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
