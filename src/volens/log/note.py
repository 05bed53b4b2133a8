"""Signed notes: text under one or more Ed25519 signatures (C2SP signed-note v1).

Two kinds of key sign here: a log's own (type 0x01, over the text) and a witness's (type 0x04, over
the text and the moment it was seen: tlog-cosignature, ``cosignature/v1``). A note may carry lines
of keys the reader does not know; they are kept and never believed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from volens.core.errors import InvalidInput, VerificationFailed

MAX_NOTE_BYTES = 1024 * 1024
MAX_SIGNATURES = 100
SEED_BYTES = 32
_DASH = "\N{EM DASH} "
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
_SPACE = 0x20


class KeyType(IntEnum):
    """The signature type byte of a key (signed-note, "Signature types")."""

    ED25519 = 0x01
    """Signs the text of a note."""
    COSIGNATURE = 0x04
    """Signs the text of a checkpoint and the time: a witness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line. Its bytes say nothing until a `Verifier` has checked them."""

    name: str
    key_id: bytes
    value: bytes
    """What follows the key id: a signature, for a witness with 8 bytes of time before it."""

    def line(self) -> str:
        """Return the line as it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A public key with the name it signs under."""

    name: str
    public: bytes
    key_type: KeyType = KeyType.ED25519

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.public) != _KEY_BYTES:
            raise InvalidInput("key_size", f"a public key takes {_KEY_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """The four bytes that name this key on a signature line (signed-note, "Signatures")."""
        named = self.name.encode() + b"\n" + bytes([self.key_type]) + self.public
        return sha256(named).digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as text: ``name+key id+base64(type || public key)``."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.key_type]) + self.public)}"

    def verify_bytes(self, message: bytes, signature: bytes) -> None:
        """Check a bare Ed25519 signature over `message` (RFC 8032), for other signed formats.

        Raises:
            VerificationFailed: ``bad_signature``.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            message_text = f"the signature of {self.name} does not hold"
            raise VerificationFailed("bad_signature", message_text) from error

    def verify_text(self, text: str, signature: Signature) -> int | None:
        """Check a note's signature line; return the POSIX time of a cosignature, else None.

        Raises:
            VerificationFailed: ``bad_signature``.
        """
        if self.key_type is KeyType.ED25519:
            self.verify_bytes(text.encode(), signature.value)
            return None
        timestamp = int.from_bytes(signature.value[:_TIME_BYTES], "big")
        if len(signature.value) != _TIME_BYTES + _SIGNATURE_BYTES or timestamp >= 2**63:
            raise VerificationFailed(
                "bad_signature", f"the cosignature of {self.name} is misshapen"
            )
        self.verify_bytes(_cosigned(text, timestamp), signature.value[_TIME_BYTES:])
        return timestamp


class Signer:
    """A private key with the name it signs under. Shows no key in `repr`."""

    __slots__ = ("_private", "verifier")

    def __init__(self, *, name: str, seed: bytes, key_type: KeyType = KeyType.ED25519) -> None:
        """Take the raw 32-byte seed of RFC 8032; where it is kept is the caller's business.

        Raises:
            InvalidInput: if the seed or the name has another shape.
        """
        if len(seed) != SEED_BYTES:
            raise InvalidInput("key_size", f"a seed takes {SEED_BYTES} bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes_raw()
        self.verifier = Verifier(name=name, public=public, key_type=key_type)

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name}+{self.verifier.key_id.hex()})"

    @property
    def name(self) -> str:
        """The name this key signs under."""
        return self.verifier.name

    def sign_bytes(self, message: bytes) -> bytes:
        """Return a bare 64-byte Ed25519 signature (RFC 8032), for other signed formats."""
        return self._private.sign(message)

    def sign_text(self, text: str) -> Signature:
        """Sign the text of a note; the key must be of type `KeyType.ED25519`."""
        if self.verifier.key_type is not KeyType.ED25519:
            raise InvalidInput("key_type", f"the key {self.name} only cosigns")
        return self._line(self.sign_bytes(text.encode()))

    def cosign_text(self, text: str, *, timestamp: int) -> Signature:
        """Sign a checkpoint's text as seen at `timestamp`, POSIX seconds (cosignature/v1)."""
        if self.verifier.key_type is not KeyType.COSIGNATURE or not 0 < timestamp < 2**63:
            raise InvalidInput("key_type", f"the key {self.name} does not cosign at {timestamp}")
        signature = self.sign_bytes(_cosigned(text, timestamp))
        return self._line(timestamp.to_bytes(_TIME_BYTES, "big") + signature)

    def _line(self, value: bytes) -> Signature:
        return Signature(name=self.name, key_id=self.verifier.key_id, value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A signature line that holds, with the key that made it."""

    verifier: Verifier
    signature: Signature
    timestamp: int | None
    """POSIX seconds at which a witness cosigned; None on a plain signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text and its signature lines, as read. Only `verified` ones were checked."""

    text: str
    signatures: tuple[Signature, ...]
    verified: tuple[Verified, ...] = ()

    @property
    def unknown(self) -> tuple[Signature, ...]:
        """The lines of keys the reader did not know; they prove nothing."""
        known = {one.signature for one in self.verified}
        return tuple(one for one in self.signatures if one not in known)


def parse_vkey(text: str) -> Verifier:
    """Read a verifier key; each key has exactly one spelling.

    Raises:
        InvalidInput: ``vkey_form`` on any other spelling.
    """
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    try:
        key = from_base64(encoded)
        verifier = Verifier(name=name, public=key[1:], key_type=KeyType(key[0]))
    except (ValueError, IndexError, InvalidInput) as error:
        raise _bad_vkey(text) from error
    if verifier.vkey != text:
        raise _bad_vkey(text)
    return verifier


def format_note(text: str, signatures: Iterable[Signature]) -> bytes:
    """Write a note.

    Raises:
        InvalidInput: if the text can't stand in a note.
    """
    if not text.endswith("\n") or not _is_plain(text):
        raise InvalidInput("note_text", "a note's text ends in a newline and has no control codes")
    return (text + "\n" + "".join(one.line() for one in signatures)).encode()


def sign_note(text: str, signer: Signer) -> bytes:
    """Write `text` (ending in a newline) as a note signed by `signer`."""
    return format_note(text, [signer.sign_text(text)])


def parse_note(data: bytes) -> Note:
    """Read a note without believing it: no signature is checked.

    Raises:
        VerificationFailed: ``note_form`` if the bytes are not a note in its one spelling.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise _bad_form(f"it has more than {MAX_NOTE_BYTES} bytes")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad_form("it is not UTF-8") from error
    head, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n") or not _is_plain(whole):
        raise _bad_form("no text, blank line and signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _bad_form(f"it has more than {MAX_SIGNATURES} signatures")
    note = Note(text=head + "\n", signatures=tuple(_parse_line(line) for line in lines))
    if len(set(note.signatures)) != len(note.signatures):
        raise _bad_form("a signature stands twice")
    return note


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> Note:
    """Read a note and check every signature of a known key.

    Raises:
        VerificationFailed: ``note_form``; ``bad_signature`` if a known key's line does not hold;
            ``unknown_keys`` if no known key signed.
        InvalidInput: ``ambiguous_key`` if two verifiers share name and key id.
    """
    known = {(one.name, one.key_id): one for one in verifiers}
    if len(known) != len(verifiers):
        raise InvalidInput("ambiguous_key", "two verifier keys share a name and key id")
    note = parse_note(data)
    verified = tuple(
        Verified(verifier=key, signature=one, timestamp=key.verify_text(note.text, one))
        for one in note.signatures
        if (key := known.get((one.name, one.key_id)))
    )
    if not verified:
        names = ", ".join(sorted({one.name for one in note.signatures}))
        hint = "give the verifier key of whoever must have signed"
        raise VerificationFailed("unknown_keys", f"signed only by unknown keys: {names}", hint=hint)
    if len({one.verifier for one in verified}) != len(verified):
        raise _bad_form("one key signed twice")
    return Note(text=note.text, signatures=note.signatures, verified=verified)


def check_key_name(name: str) -> None:
    """Refuse a key name that can't stand on a signature line (signed-note, "Format").

    Raises:
        InvalidInput: ``key_name``.
    """
    if not name or "+" in name or not _is_plain(name) or any(letter.isspace() for letter in name):
        raise InvalidInput("key_name", f"not a key name: {name[:60]!r}", hint="no spaces, no plus")


def to_base64(data: bytes) -> str:
    """Write standard base64 with padding (RFC 4648, 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """Read standard base64; each value has exactly one spelling.

    Raises:
        ValueError: on any other spelling.
    """
    data = base64.b64decode(text.encode("ascii", "replace"), validate=True)
    if to_base64(data) != text:
        raise ValueError("not the one spelling of base64")
    return data


def _parse_line(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        check_key_name(name)
        value = from_base64(encoded)
    except (binascii.Error, ValueError, InvalidInput) as error:
        raise _bad_form(f"not a signature line: {line[:80]!r}") from error
    if not line.startswith(_DASH) or len(value) <= _KEY_ID_BYTES:
        raise _bad_form(f"not a signature line: {line[:80]!r}")
    return Signature(name=name, key_id=value[:_KEY_ID_BYTES], value=value[_KEY_ID_BYTES:])


def _is_plain(text: str) -> bool:
    return all(ord(letter) >= _SPACE or letter == "\n" for letter in text)


def _cosigned(text: str, timestamp: int) -> bytes:
    """Return the message a witness signs (tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _bad_form(message: str) -> VerificationFailed:
    return VerificationFailed("note_form", f"not a signed note: {message}")


def _bad_vkey(text: str) -> InvalidInput:
    hint = "name+8 hex digits+base64, as the key's owner printed it"
    return InvalidInput("vkey_form", f"not a verifier key: {text[:80]!r}", hint=hint)
