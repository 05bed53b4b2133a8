"""A zip's members, each looked at before it is opened; nothing is ever extracted.

Refused by name: encrypted, linked, absolute, climbing, overlapping, doubled or oddly packed
members. A name decides no path here, but a hostile name still is a reason to leave a member out.
Section numbers are those of PKWARE's APPNOTE.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

from volens.capture.entries import Bundle, Entry, Opener, Spent, open_regular, shown
from volens.capture.model import Limits, Skipped
from volens.core.errors import InvalidInput, VolensError

_IN_ZIP64 = 0xFFFF_FFFF  # APPNOTE 4.4.1.4
_LOCAL_HEADER_BYTES = 30  # APPNOTE 4.3.7
_END_RECORD_BYTES = 22 + 65_535  # APPNOTE 4.3.16 with the longest comment
_DIRECTORY_BYTES_PER_MEMBER = 1024
_READABLE_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # APPNOTE 4.4.4


def zip_bundles(path: Path, limits: Limits, stack: ExitStack, *, follow: bool) -> Iterator[Bundle]:
    """Yield one bundle for each folder in the zip, then one with what was refused."""
    place = shown(str(path))
    try:
        raw = open_regular(path, stack, follow=follow)
        size = os.fstat(raw.fileno()).st_size
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
    yield from _member_bundles(archive, infos, place, Spent(stored=size))


def _member_bundles(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], place: str, spent: Spent
) -> Iterator[Bundle]:
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
