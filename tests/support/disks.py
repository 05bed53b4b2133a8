"""A small disk of one's own that can be filled: a tmpfs in a private mount namespace, Linux only.

The story runs in a child; when it ends, the namespace and the disk are gone with it.
"""

import contextlib
import ctypes
import errno
import os
import platform
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

_NEWNS, _NEWUSER = 0x20000, 0x10000000
_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
_FILLER = "filler"
_BLOCK = 4096


class NoDisk(Exception):
    """The system lets nobody mount a disk here."""


class StoryFailed(Exception):
    """The story raised in the child; the message is its traceback."""


class SmallDisk:
    """The disk, as the story sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, *, leave_blocks: int = 0) -> None:
        """Take all space but some blocks of 4 KiB."""
        with (self.folder / _FILLER).open("ab", buffering=0) as file:
            block = bytes(_BLOCK)
            with contextlib.suppress(OSError):
                while True:
                    file.write(block)
            size = file.tell()
            file.truncate(max(0, size - size % _BLOCK - leave_blocks * _BLOCK))

    def free(self) -> None:
        """Give the space back."""
        (self.folder / _FILLER).unlink(missing_ok=True)


def run_on_small_disk(
    folder: Path, story: Callable[[SmallDisk], None], *, size_bytes: int, seconds: float = 120.0
) -> None:
    """Mount a disk over `folder` in a child and run the story there.

    Raises:
        NoDisk: if mounting is not permitted.
        StoryFailed: if the story raised or took too long.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of numpy, which hold no lock
        child = os.fork()
    if child == 0:
        _be_the_child(folder, story, size_bytes, reader, writer)
    os.close(writer)
    try:
        said = _all_of(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if said.startswith(b"no disk"):
        raise NoDisk(said.decode())
    if said != b"done":
        raise StoryFailed(said.decode() or "the story took too long")


def _all_of(reader: int, deadline: float) -> bytes:
    """Read to the end, or to the deadline."""
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0]:
            break
        data = os.read(reader, 65536)
        if not data:
            return said
        said += data
    return b""


def _be_the_child(
    folder: Path, story: Callable[[SmallDisk], None], size_bytes: int, reader: int, writer: int
) -> None:
    """Never return: whatever happens here must not run the parent's code."""
    try:
        os.close(reader)
        signal.alarm(300)  # the last resort, should the parent die
        try:
            _mount(folder, size_bytes)
        except OSError as error:
            os.write(writer, f"no disk: {error}".encode())
            os._exit(2)
        try:
            story(SmallDisk(folder))
            os.write(writer, b"done")
        except BaseException:  # noqa: BLE001 - the parent raises it
            os.write(writer, traceback.format_exc().encode()[-60000:])
    finally:
        os._exit(0)


def _mount(folder: Path, size_bytes: int) -> None:
    if platform.system() != "Linux":
        raise OSError(errno.ENOSYS, sys.platform)
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    flags = _NEWNS if user == 0 else _NEWNS | _NEWUSER
    _must(libc.unshare(flags))
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", "ascii")
    _must(libc.mount(b"none", b"/", None, _PRIVATE, None))
    options = f"size={size_bytes}".encode("ascii")
    _must(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options))


def _must(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
