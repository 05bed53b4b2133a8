"""The register: what people took back, kept with the keys, so that no backup brings anybody back.

The log names nobody, and the journals lie in the home. If the home is lost and a backup restored,
only this file still knows which withdrawals and erasures came after the backup
(docs/decisions/backups.md). Each entry is sealed; the key lies beside it in the custody folder, so
a copy of the file alone says nothing.

    file  = "VLTAKEN1" || base (u64) || zeros to 64     base: when it was made, and what was dropped
    frame = "VLT1" || length (u32) || SHA-256(body)[:8] || body, zeros to a multiple of 64
    body  = envelope, bound to the place of the frame (base + offset)

A frame that is not whole was cut off before anybody was told; what follows it starts at the next
multiple of 64.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from volens.app.identity import REGISTER_FILE, REGISTER_KEY_FILE, load_secret
from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.core.ports import Clock, Entropy
from volens.core.time import format_moment, parse_moment, to_millis
from volens.crypto.envelope import KEY_ID_BYTES, NONCE_BYTES, open_envelope, seal_envelope
from volens.holds.erasure import PROMISE
from volens.storage.files import write_private
from volens.storage.journal import Journal, tell_nobody
from volens.storage.revocation import RevocationEpoch, Source

KEPT = PROMISE + timedelta(days=5)
"""How long an entry stays: longer than any backup may be restored (`backup.LIFETIME`)."""
_FILE = struct.Struct(">8sQ48x")
_FILE_MAGIC = b"VLTAKEN1"
_FRAME = struct.Struct(">4sI8s")
_FRAME_MAGIC = b"VLT1"
_STEP = 64
_MAX_BODY_BYTES = 64 * 1024
_MOST_HANDED = 10_000
_PLACES_A_MILLISECOND = 11  # as a power of 2: no register grows by 2 MB a second
_KEY_ID = hashlib.sha256(b"volens/register/v1").digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """One entry: what a journal of the home took in, or that a request was taken back itself."""

    at: datetime
    journal: str
    """`choices` or `erasures`: whose entry `body` is; empty for a cancellation."""
    body: bytes
    cancelled: str = ""
    """The id of an erasure that was cancelled."""


class Register:
    """The register at one path. Any process may append; `read` gives whole entries in order."""

    def __init__(self, path: Path, *, key: bytes, clock: Clock, entropy: Entropy) -> None:
        """Name the file; `key` is 32 bytes."""
        self._path = path
        self._key = key
        self._clock = clock
        self._entropy = entropy

    def create(self) -> None:
        """Make the file if there is none.

        Its places begin beyond those of any file there was before, so one that was lost is not
        taken for one that has nothing to say: backups from before are refused.
        """
        if not self._path.exists():
            base = to_millis(self._clock.now()) << _PLACES_A_MILLISECOND
            write_private(self._path, _FILE.pack(_FILE_MAGIC, base))

    def add(self, journal: str, bodies: Sequence[bytes], *, durable: bool = True) -> None:
        """Add journal entries; if `durable`, a power cut keeps them when this returns.

        Raises:
            Unavailable: ``register`` if the custody folder can't be written.
        """
        documents: list[dict[str, Json]] = [
            {"journal": journal, "body": body.hex()} for body in bodies
        ]
        self._append(documents, durable=durable)

    def add_cancelled(self, erasure_id: str) -> None:
        """Add that an erasure was taken back; when this returns, a power cut keeps it.

        Raises:
            Unavailable: ``register``.
        """
        self._append([{"cancelled": erasure_id}], durable=True)

    def place(self) -> int:
        """Return the place behind the last entry, for `read`.

        Raises:
            Unavailable: ``register``.
        """
        with self._open(fcntl.LOCK_SH) as descriptor:
            return _base(os.pread(descriptor, _STEP, 0)) + os.fstat(descriptor).st_size

    def read(self, since: int = 0) -> list[TakenBack]:
        """Return the entries from the place `since` on; 0: all that are kept.

        Raises:
            VerificationFailed: ``register_set_back`` if the file ends before `since`,
                ``register_dropped`` if entries after `since` are no longer kept, or if an entry was
                changed.
            Unavailable: ``register``.
        """
        with self._open(fcntl.LOCK_SH) as descriptor:
            data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        base = _base(data)
        if since > base + len(data):
            hint = "put the newest copy of the file back"
            message = f"{self._path} is older than the backup"
            raise VerificationFailed("register_set_back", message, hint=hint)
        if 0 < since < base:
            message = "what was taken back since the backup is no longer kept"
            raise VerificationFailed("register_dropped", message, hint="the backup is too old")
        start = max(since - base, _STEP)
        return [self._opened(body, base + at) for at, body in _frames(data, start)]

    def drop_old(self) -> int:
        """Drop entries that no restorable backup needs; return how many.

        Raises:
            Unavailable: ``register``.
        """
        last = self._clock.now() - KEPT
        with self._open(fcntl.LOCK_EX) as descriptor:
            data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            base = _base(data)
            dropped, cut = 0, len(data) + -len(data) % _STEP
            for at, body in _frames(data, _STEP):
                if self._opened(body, base + at).at >= last:
                    cut = at
                    break
                dropped += 1
            if dropped:
                left = _FILE.pack(_FILE_MAGIC, base + cut - _STEP) + data[cut:]
                write_private(self._path, left)
        return dropped

    def _append(self, documents: Sequence[dict[str, Json]], *, durable: bool) -> None:
        now = format_moment(self._clock.now())
        with self._open(fcntl.LOCK_EX) as descriptor:
            base = _base(os.pread(descriptor, _STEP, 0))
            size = os.fstat(descriptor).st_size
            start = at = size + -size % _STEP
            data = b""
            for document in documents:
                plain = canonical_json({"v": 1, "at": now, **document})
                data += _frame(self._sealed(plain, base + at))
                at = start + len(data)
            try:
                os.pwrite(descriptor, data, start)
                if durable:
                    os.fdatasync(descriptor)  # of all that anybody has written to it
            except OSError as error:
                message = f"{self._path} can't be written: {error.strerror or error}"
                raise Unavailable("register", message) from error

    def _sealed(self, plain: bytes, place: int) -> bytes:
        nonce = self._entropy.draw(NONCE_BYTES)
        associated = _binding(place)
        return seal_envelope(self._key, plain, key_id=_KEY_ID, nonce=nonce, associated=associated)

    def _opened(self, body: bytes, place: int) -> TakenBack:
        plain = open_envelope(self._key, body, key_id=_KEY_ID, associated=_binding(place))
        found = read_canonical(plain)
        if isinstance(found, dict) and found.pop("v", None) == 1:
            at = parse_moment(str(found.pop("at", "")))
            if found.keys() == {"cancelled"}:
                return TakenBack(at=at, journal="", body=b"", cancelled=str(found["cancelled"]))
            if found.keys() == {"journal", "body"}:
                entry = bytes.fromhex(str(found["body"]))
                return TakenBack(at=at, journal=str(found["journal"]), body=entry)
        raise VerificationFailed("register_form", f"an entry of {self._path} has another form")

    @contextmanager
    def _open(self, lock: int) -> Iterator[int]:
        """Open and lock the file that has the name now."""
        while True:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                hint = "restore the custody folder; volens doctor says more"
                message = f"{self._path} can't be used: {error.strerror}"
                raise Unavailable("register", message, hint=hint) from error
            try:
                fcntl.flock(descriptor, lock)
                if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                    yield descriptor
                    return
            finally:
                os.close(descriptor)


def open_register(custody: Path, *, clock: Clock, entropy: Entropy) -> Register:
    """Return the register of a home.

    Raises:
        Unavailable: ``custody_missing``.
    """
    key = load_secret(custody, REGISTER_KEY_FILE)
    return Register(custody / REGISTER_FILE, key=key, clock=clock, entropy=entropy)


class RegisteredJournal(Journal):
    """A journal of the home whose entries the register gets too.

    An append is true once the home's own journal has it, whether or not custody can be written:
    nobody is refused, or waits for a second sync, because of a disk of keys. The owner makes
    everything durable in the register before it takes it out of the journal, and takes nothing
    out if that fails.
    """

    def __init__(
        self, path: Path, register: Register, *, tell: Callable[[], None] = tell_nobody
    ) -> None:
        """Use the journal at `path`; its name tells the register whose entries these are."""
        super().__init__(path, tell=tell)
        self._name = path.name
        self._register = register
        self._handed: set[bytes] = set()

    def append(self, body: bytes) -> None:
        """See `Journal.append`."""
        super().append(body)
        try:
            self._register.add(self._name, [body], durable=False)
            if len(self._handed) < _MOST_HANDED:  # others are handed over twice: no harm
                self._handed.add(body)
        except Unavailable:
            return  # `drain` does it

    @contextmanager
    def drain(self) -> Iterator[list[bytes]]:
        """See `Journal.drain`.

        Raises:
            Unavailable: ``register``; the entries stay, and hold.
        """
        with super().drain() as bodies:
            fresh = [body for body in bodies if body not in self._handed]
            if bodies:
                self._register.add(self._name, fresh)
            yield bodies
        self._handed.clear()


def journals_of(
    folder: Path, register: Register, epoch: RevocationEpoch
) -> tuple[RegisteredJournal, RegisteredJournal]:
    """Return a home's journals of choices and of erasures; both count in `epoch`."""
    return (
        RegisteredJournal(folder / "choices", register, tell=partial(epoch.tell, Source.CHOICES)),
        RegisteredJournal(folder / "erasures", register, tell=partial(epoch.tell, Source.ERASURES)),
    )


def _frame(body: bytes) -> bytes:
    if len(body) > _MAX_BODY_BYTES:
        raise InvalidInput("register_entry", f"a register entry of {len(body)} bytes")
    framed = _FRAME.pack(_FRAME_MAGIC, len(body), hashlib.sha256(body).digest()[:8]) + body
    return framed + bytes(-len(framed) % _STEP)


def _frames(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, body) of each whole frame."""
    at = start
    while at + _FRAME.size <= len(data):
        magic, length, check = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        whole = magic == _FRAME_MAGIC and hashlib.sha256(body).digest()[:8] == check
        if whole and len(body) == length:
            yield at, body
            at += _FRAME.size + length
            at += -at % _STEP
        else:
            at += _STEP


def _base(data: bytes) -> int:
    if len(data) < _STEP or not data.startswith(_FILE_MAGIC):
        raise VerificationFailed("register_form", "not a register of what was taken back")
    return int(_FILE.unpack_from(data)[1])


def _binding(place: int) -> bytes:
    return b"volens/register/v1\x00" + place.to_bytes(8, "big")
