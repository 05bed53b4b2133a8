"""Checkpoints: a log's signed statement of its size and root (C2SP tlog-checkpoint v1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.merkle import EMPTY_ROOT, HASH_BYTES
from volens.log.note import (
    KeyType,
    Note,
    Signer,
    Verifier,
    from_base64,
    open_note,
    sign_note,
    to_base64,
)

MAX_SIZE = 2**63 - 1
_FIXED_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The first `size` leaves of the log `origin` have the root `root`."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Lines with a meaning of the log's own; Volens writes none."""

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if any(not line or "\n" in line for line in lines):
            raise InvalidInput("checkpoint_line", "an origin or extension line is empty or broken")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise InvalidInput("checkpoint_tree", f"no tree of {self.size} with such a root")

    def text(self) -> str:
        """Return the text of the note (tlog-checkpoint, "Note text")."""
        fixed = f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"
        return fixed + "".join(f"{line}\n" for line in self.extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint whose log signature holds, with the note it came in."""

    checkpoint: Checkpoint
    note: Note

    @property
    def cosigned(self) -> tuple[str, ...]:
        """The names of the known witnesses whose cosignatures hold, in the note's order."""
        return tuple(
            one.verifier.name
            for one in self.note.verified
            if one.verifier.key_type is KeyType.COSIGNATURE
        )


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint's note; each checkpoint has exactly one spelling.

    Raises:
        VerificationFailed: ``checkpoint_form`` on any other spelling.
    """
    lines = text.split("\n")
    try:
        origin, size, root = lines[:_FIXED_LINES]
        checkpoint = Checkpoint(
            origin=origin,
            size=_parse_size(size),
            root=from_base64(root),
            extensions=tuple(lines[_FIXED_LINES:-1]),
        )
    except (ValueError, InvalidInput) as error:
        raise _bad_form(text) from error
    if checkpoint.text() != text:
        raise _bad_form(text)
    return checkpoint


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Write `checkpoint` as a note signed by the log's key."""
    return sign_note(checkpoint.text(), signer)


def open_checkpoint(
    data: bytes, verifiers: Sequence[Verifier], *, origin: str | None = None
) -> SignedCheckpoint:
    """Read a checkpoint that its log signed; check every signature of a known key.

    Args:
        data: the signed note.
        verifiers: the keys of logs (type 0x01) and witnesses (type 0x04) the reader trusts.
        origin: the log wanted. Without it the origin must be the name of the log key that signed;
            with it any of the given log keys may have signed.

    Raises:
        VerificationFailed: if a known signature does not hold, no log key signed, the origin is
            another, or the text is not a checkpoint. Cosignatures alone are not enough.
    """
    note = open_note(data, verifiers)
    checkpoint = parse_checkpoint(note.text)
    signers = {
        one.verifier.name for one in note.verified if one.verifier.key_type is KeyType.ED25519
    }
    wanted = checkpoint.origin in signers if origin is None else checkpoint.origin == origin
    if not signers or not wanted:
        raise VerificationFailed(
            "checkpoint_origin",
            f"no known key of the log {checkpoint.origin[:80]!r} signed its checkpoint",
        )
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise VerificationFailed("empty_root", "a checkpoint of size 0 has another tree's root")
    return SignedCheckpoint(checkpoint=checkpoint, note=note)


def check_witnesses(signed: SignedCheckpoint, wanted: int) -> None:
    """Refuse a checkpoint that fewer than `wanted` different known witnesses cosigned.

    Raises:
        VerificationFailed: ``too_few_witnesses``.
    """
    if (found := len(set(signed.cosigned))) < wanted:
        message = f"{found} known witnesses cosigned, {wanted} are wanted"
        raise VerificationFailed("too_few_witnesses", message)


def _parse_size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_SIZE)):
        raise ValueError("not a tree size")
    return int(text)


def _bad_form(text: str) -> VerificationFailed:
    first = text.split("\n", 1)[0]
    return VerificationFailed("checkpoint_form", f"not a checkpoint: {first[:80]!r} ...")
