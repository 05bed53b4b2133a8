"""Walk files and folders, and open what is found in place; nothing is written to disk.

Links are not followed, pipes and devices not opened, archives inside archives not read.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from volens.capture.entries import (
    GZIP_MAGIC,
    ZIP_MAGIC,
    Bundle,
    Entry,
    Opened,
    open_regular,
    shown,
)
from volens.capture.model import Limits, Skipped
from volens.capture.zips import zip_bundles


@contextmanager
def bundles(path: Path, limits: Limits) -> Iterator[Iterator[Bundle]]:
    """Give the bundles of one file or folder; zips stay open until the block ends."""
    with ExitStack() as stack:
        yield _bundles(path, limits, stack)


def stored_size(path: Path, limits: Limits) -> int:
    """Return the bytes on disk of a file, or of all files that a walk of a folder reaches."""
    try:
        if path.is_dir():
            return sum(
                file.stat(follow_symlinks=False).st_size
                for _, files, _ in _walk(path, limits)
                for file in files
            )
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


def _bundles(path: Path, limits: Limits, stack: ExitStack) -> Iterator[Bundle]:
    if path.is_dir():
        for folder, files, refused in _walk(path, limits):
            yield from _folder_bundles(folder, files, refused, limits)
        return
    entries, faults, zips = list[Entry](), list[Skipped](), list[Path]()
    _sort_file(path, entries, faults, zips, follow=True)
    if entries or faults:
        yield Bundle(place=shown(str(path)), entries=tuple(entries), refused=tuple(faults))
    for archive in zips:
        yield from zip_bundles(archive, limits, stack, follow=True)


def _folder_bundles(
    folder: Path, files: list[Path], refused: list[Skipped], limits: Limits
) -> Iterator[Bundle]:
    entries, zips = list[Entry](), list[Path]()
    for file in files:
        _sort_file(file, entries, refused, zips)
    yield Bundle(
        place=shown(str(folder)), entries=tuple(entries), refused=tuple(refused), is_folder=True
    )
    for archive in zips:
        with ExitStack() as stack:
            yield from zip_bundles(archive, limits, stack, follow=False)


def _walk(top: Path, limits: Limits) -> Iterator[tuple[Path, list[Path], list[Skipped]]]:
    """Yield each folder with its regular files and what was refused; links are not followed."""
    waiting = [(top, 0)]
    while waiting:
        folder, depth = waiting.pop()
        files, folders, refused = _list_folder(folder)
        if depth >= limits.folder_depth:
            message = f"deeper than {limits.folder_depth} folders; name it to read it"
            refused += [_refusal(path, "folder_depth", message) for path in folders]
        else:
            waiting.extend((path, depth + 1) for path in reversed(folders))
        yield folder, files, refused


def _list_folder(folder: Path) -> tuple[list[Path], list[Path], list[Skipped]]:
    files, folders, refused = list[Path](), list[Path](), list[Skipped]()
    try:
        listed = sorted(os.scandir(folder), key=lambda item: item.name)
    except OSError:
        return [], [], [_refusal(folder, "unreadable", "the folder can't be listed")]
    for item in listed:
        path = folder / item.name
        if item.is_symlink():
            refused.append(_refusal(path, "link", "links are not followed; name the target"))
        elif item.is_dir(follow_symlinks=False):
            folders.append(path)
        elif item.is_file(follow_symlinks=False):
            files.append(path)
        else:
            refused.append(_refusal(path, "not_a_file", "neither a file nor a folder"))
    return files, folders, refused


def _refusal(path: Path, reason: str, message: str) -> Skipped:
    return Skipped(place=shown(str(path)), reason=reason, message=message)


def _sort_file(
    path: Path,
    entries: list[Entry],
    faults: list[Skipped],
    zips: list[Path],
    *,
    follow: bool = False,
) -> None:
    """Put a file where it belongs by its first bytes."""
    try:
        with ExitStack() as stack:
            opened = open_regular(path, stack, follow=follow)
            magic = opened.read(4)
            size = os.fstat(opened.fileno()).st_size
    except FileNotFoundError:
        faults.append(_refusal(path, "not_found", "there is no such file"))
        return
    except (OSError, ValueError):
        faults.append(_refusal(path, "unreadable", "the file can't be opened or is no plain file"))
        return
    if magic in ZIP_MAGIC:
        zips.append(path)
        return
    is_gzip = magic.startswith(GZIP_MAGIC)

    def opener(stack: ExitStack) -> Opened:
        raw = open_regular(path, stack, follow=follow)
        return stack.enter_context(gzip.GzipFile(fileobj=raw)) if is_gzip else raw

    entries.append(
        Entry(
            place=shown(str(path)),
            name=path.name,
            stored_bytes=size,
            compressed=is_gzip,
            opener=opener,
            declared_bytes=0 if is_gzip else size,
        )
    )
