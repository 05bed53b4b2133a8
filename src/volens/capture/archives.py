"""Open files, folders, gzip files and zips in place, within limits, writing nothing to disk.

Refused by name: encrypted, linked, absolute, climbing, overlapping, doubled or oddly packed zip
members, archives inside archives, and whatever inflates beyond the limits. Nothing is ever
extracted, so a member's name decides no path; a hostile name still is a reason to leave it out.
"""

from __future__ import annotations

import codecs
import gzip
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

from volens.capture.model import Limits, Skipped
from volens.core.errors import InvalidInput, Unavailable, VolensError

CHUNK = 64 * 1024
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_MAGIC = b"\x1f\x8b"
_OTHER_ARCHIVES = (b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"(\xb5/\xfd", b"Rar!")
_IN_ZIP64 = 0xFFFF_FFFF  # APPNOTE 4.4.1.4
_LOCAL_HEADER_BYTES = 30  # APPNOTE 4.3.7
_END_RECORD_BYTES = 22 + 65_535  # APPNOTE 4.3.16 with the longest comment
_DIRECTORY_BYTES_PER_MEMBER = 1024
_READABLE_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # APPNOTE 4.4.4
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
Opener = Callable[[ExitStack], BinaryIO]
OnPosition = Callable[[int], None]


@dataclass(slots=True)
class Spent:
    """Inflated bytes of one archive so far, over all its members."""

    inflated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One readable file: on disk, gzipped, or a zip's member."""

    place: str
    name: str
    stored_bytes: int
    compressed: bool
    opener: Opener = field(repr=False)
    declared_bytes: int = 0
    """What a zip says the member inflates to; 0 if nothing says so."""
    spent: Spent = field(default_factory=Spent, repr=False)

    def chunks(self, limits: Limits, on_position: OnPosition | None = None) -> Iterator[bytes]:
        """Yield the content as UTF-8 without a byte order mark.

        Raises:
            InvalidInput: ``inflated_size``, ``inflated_ratio``, ``truncated``,
                ``corrupt_archive``, ``json_encoding``.
            Unavailable: ``unreadable`` if the file can't be read.
        """
        with ExitStack() as stack:
            try:
                opened = self.opener(stack)
            except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise _reading_fault(error) from error
            yield from _utf8(self._guarded(opened, limits, on_position))

    def _guarded(
        self, opened: BinaryIO, limits: Limits, on_position: OnPosition | None
    ) -> Iterator[bytes]:
        # `read1` hands out what was inflated before a fault, `read` would lose it
        read = cast("Callable[[int], bytes]", getattr(opened, "read1", opened.read))
        own = 0
        while True:
            try:
                chunk = read(CHUNK)
            except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
                raise _reading_fault(error) from error
            if not chunk:
                return
            own += len(chunk)
            self.spent.inflated += len(chunk)
            if self.compressed:
                self._check(own, limits)
            if on_position is not None:
                whole = max(self.declared_bytes, own, 1)
                on_position(min(self.stored_bytes, self.stored_bytes * own // whole))
            yield chunk

    def _check(self, own: int, limits: Limits) -> None:
        if own > limits.member_bytes or self.spent.inflated > limits.total_bytes:
            raise InvalidInput("inflated_size", "inflates beyond the limit")
        if own > limits.ratio_floor_bytes and own > limits.ratio * self.stored_bytes:
            raise InvalidInput("inflated_ratio", "inflates like a bomb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Files that lie beside one another and may speak about each other."""

    place: str
    entries: tuple[Entry, ...] = ()
    refused: tuple[Skipped, ...] = ()
    is_zip: bool = False
    is_folder: bool = False


def shown(name: str) -> str:
    """Return a path or member name as one printable line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:500]


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
        yield from _zip_bundles(archive, limits, stack, follow=True)


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
            yield from _zip_bundles(archive, limits, stack, follow=False)


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
            opened = _open(path, stack, follow=follow)
            magic = opened.read(4)
            size = os.fstat(opened.fileno()).st_size
    except FileNotFoundError:
        faults.append(_refusal(path, "not_found", "there is no such file"))
        return
    except (OSError, ValueError):
        faults.append(_refusal(path, "unreadable", "the file can't be opened or is no plain file"))
        return
    if magic in _ZIP_MAGIC:
        zips.append(path)
        return
    is_gzip = magic.startswith(_GZIP_MAGIC)

    def opener(stack: ExitStack) -> BinaryIO:
        raw = _open(path, stack, follow=follow)
        return cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=raw))) if is_gzip else raw

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


def _open(path: Path, stack: ExitStack, *, follow: bool) -> BinaryIO:
    """Open a regular file; a link or a pipe put in its place since the walk is refused."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    opened = stack.enter_context(os.fdopen(os.open(path, flags), "rb"))
    if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        raise OSError("not a regular file")
    return opened


def _zip_bundles(path: Path, limits: Limits, stack: ExitStack, *, follow: bool) -> Iterator[Bundle]:
    place = shown(str(path))
    try:
        raw = _open(path, stack, follow=follow)
        _check_directory(raw, limits)
        archive = stack.enter_context(zipfile.ZipFile(raw))
        infos = archive.infolist()
        if len(infos) > limits.members:
            raise InvalidInput("too_many_members", f"more than {limits.members} files in the zip")
    except VolensError as error:
        refused = Skipped(place=place, reason=error.code, message=error.message)
        yield Bundle(place=place, refused=(refused,), is_zip=True)
        return
    # zipfile raises all of these on bytes that are no zip
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, OverflowError):
        message = "the zip is broken or cut short; download it again"
        refused = Skipped(place=place, reason="corrupt_archive", message=message)
        yield Bundle(place=place, refused=(refused,), is_zip=True)
        return
    yield from _member_bundles(archive, infos, place)


def _member_bundles(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], place: str
) -> Iterator[Bundle]:
    spent = Spent()
    folders: dict[str, list[Entry]] = {}
    refused: list[Skipped] = []
    overlapping = _overlapping(infos)
    seen: set[str] = set()
    for info in infos:
        if info.is_dir():
            continue
        member = f"{place}!{shown(info.filename)}"
        reason, message = _refuse_member(info)
        if not reason and info.filename in seen:
            reason, message = "doubled_member", "the zip has two files of this name; repack it"
        if not reason and info.header_offset in overlapping:
            reason, message = (
                "overlapping_member",
                "its bytes overlap another file's: a bomb's form",
            )
        seen.add(info.filename)
        if reason:
            refused.append(Skipped(place=member, reason=reason, message=message))
            continue
        folder, _, name = info.filename.rpartition("/")
        folders.setdefault(folder, []).append(
            Entry(
                place=member,
                name=name,
                stored_bytes=info.compress_size,
                compressed=True,
                opener=_member_opener(archive, info),
                declared_bytes=info.file_size,
                spent=spent,
            )
        )
    for entries in folders.values():
        yield Bundle(place=place, entries=tuple(entries))
    yield Bundle(place=place, refused=tuple(refused), is_zip=True)


def _member_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Opener:
    return lambda stack: cast("BinaryIO", stack.enter_context(archive.open(info)))


def _refuse_member(info: zipfile.ZipInfo) -> tuple[str, str]:
    name = info.orig_filename
    parts = name.replace("\\", "/").split("/")
    if "\0" in name or not name.isprintable() or ".." in parts or "\\" in name:
        return "member_name", "the file's name climbs or holds odd characters; repack the zip"
    if name.startswith("/") or (len(parts[0]) > 1 and parts[0][1] == ":"):
        return "member_name", "the file's name is an absolute path; repack the zip"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        return "link", "a link or device inside the zip; replace it by the file it points to"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted_member", "it is encrypted; unpack it with its password first"
    if info.compress_type not in _READABLE_METHODS:
        return "packing_method", "packed in a way that is not read; repack with deflate"
    return "", ""


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Return where members start whose bytes run into the next one's."""
    found: set[int] = set()
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for info, following in pairwise(ordered):
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
        if end > following.header_offset:
            found |= {info.header_offset, following.header_offset}
    return found


def _check_directory(raw: BinaryIO, limits: Limits) -> None:
    """Refuse a table of contents that is too large to be read at all."""
    size = raw.seek(0, os.SEEK_END)
    tail_at = max(0, size - _END_RECORD_BYTES)
    raw.seek(tail_at)
    tail = raw.read()
    raw.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        raise InvalidInput("corrupt_archive", "the zip is broken or cut short; download it again")
    count = int.from_bytes(tail[at + 10 : at + 12], "little")
    # the table lies between the files and this record, so its offset bounds it
    start = int.from_bytes(tail[at + 16 : at + 20], "little")
    most = limits.members * _DIRECTORY_BYTES_PER_MEMBER
    if _IN_ZIP64 in {start, count | 0xFFFF_0000}:
        locator = tail.rfind(b"PK\x06\x06", 0, at)
        start = int.from_bytes(tail[locator + 48 : locator + 56], "little") if locator >= 0 else 0
    if tail_at + at - start > most:
        raise InvalidInput("too_many_members", f"more than {limits.members} files in the zip")


def _reading_fault(error: Exception) -> VolensError:
    if isinstance(error, EOFError):
        return InvalidInput("truncated", "the compressed file is cut short; download it again")
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return Unavailable("unreadable", "the file can't be read")
    return InvalidInput("corrupt_archive", "the compressed bytes are broken; download it again")


def _utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Drop a byte order mark; rewrite UTF-16 and UTF-32 as UTF-8."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= len(codecs.BOM_UTF32_LE):
            break
    encoding = "utf-8"
    for mark, name in _BOMS:
        if first.startswith(mark):
            first, encoding = first[len(mark) :], name
            break
    if encoding == "utf-8":
        if first:
            yield first
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise InvalidInput("json_encoding", f"the file is not the {encoding} it says") from error


def describe(head: bytes) -> tuple[str, str]:
    """Say what bytes that are not JSON look like: a reason code and a line for people."""
    if head.startswith(_ZIP_MAGIC) or head.startswith((_GZIP_MAGIC, *_OTHER_ARCHIVES)):
        return (
            "nested_archive",
            "an archive of a kind or in a place that is not read; unpack it first",
        )
    if head[257:262] == b"ustar":
        return "nested_archive", "a tar archive; unpack it and name the folder"
    if b"\0" in head[:4096]:
        return "binary_file", "not text"
    if head.lstrip()[:1] == b"<":
        return "not_json", "a web page or XML; choose the export's JSON form"
    return "not_json", "not JSON"
