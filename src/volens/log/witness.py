"""A small witness: it cosigns a log's checkpoint once it has seen that the log only grew.

Follows C2SP tlog-witness (``add-checkpoint`` and the monitor's ``checkpoint``) with cosignature/v1.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ports import Clock
from volens.core.time import EPOCH
from volens.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, parse_checkpoint
from volens.log.files import Files, replace_durably
from volens.log.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from volens.log.note import (
    KeyType,
    Signer,
    Verifier,
    format_note,
    from_base64,
    open_note,
    parse_note,
    to_base64,
)

ADD_CHECKPOINT = "add-checkpoint"
MAX_PROOF_LINES = 63
_OLD = "old "


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """The body of an ``add-checkpoint`` request."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """Write the request body (tlog-witness, "add-checkpoint")."""
        lines = [f"{_OLD}{self.old_size}", *(to_base64(part) for part in self.proof)]
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a request body; each request has exactly one spelling.

    Raises:
        VerificationFailed: ``request_form``.
    """
    head, _, checkpoint = body.partition(b"\n\n")
    try:
        first, *rest = head.decode("ascii").split("\n")
        proof = tuple(from_base64(line) for line in rest)
        request = AddCheckpoint(old_size=_size(first), proof=proof, checkpoint=checkpoint)
    except ValueError as error:
        raise _bad_request() from error
    if len(proof) > MAX_PROOF_LINES or any(len(part) != HASH_BYTES for part in proof):
        raise _bad_request()
    if request.encode() != body:
        raise _bad_request()
    return request


class Witness:
    """Remembers for each known log the latest checkpoint it cosigned. Safe between threads."""

    def __init__(
        self,
        files: Files,
        *,
        signer: Signer,
        logs: Mapping[str, Sequence[Verifier]],
        clock: Clock,
    ) -> None:
        """Take what it works with.

        Args:
            files: where it remembers; one file a log.
            signer: a key of type `KeyType.COSIGNATURE`.
            logs: the keys it trusts for each origin.
            clock: the time it states.

        Raises:
            InvalidInput: ``key_type`` if the key is not a cosigner's.
        """
        if signer.verifier.key_type is not KeyType.COSIGNATURE:
            raise InvalidInput("key_type", f"the key {signer.name} is no witness's key")
        self._files = files
        self._signer = signer
        self._logs = {origin: tuple(keys) for origin, keys in logs.items()}
        self._clock = clock
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> Response:
        """Answer one ``add-checkpoint`` request.

        1. Check the request, 2. the log's signature, 3. the old size, 4. the consistency. 5.
        Remember the checkpoint durably. 6. Answer with the cosignature. A stop before step 5
        leaves the witness as it was; after it, the log asks again and gets a cosignature.

        Raises:
            VerificationFailed: if what the witness remembers was changed; it signs nothing then.
        """
        try:
            request = parse_add_checkpoint(body)
            origin = parse_checkpoint(parse_note(request.checkpoint).text).origin
        except VerificationFailed as error:
            return _answer(400, error.message)
        if origin not in self._logs:
            return _answer(404, "this log is not known here")
        try:
            signed = open_checkpoint(request.checkpoint, self._logs[origin], origin=origin)
        except VerificationFailed as error:
            return _answer(422 if error.code == "empty_root" else 403, error.message)
        if request.old_size > signed.checkpoint.size:
            return _answer(400, "the old size is larger than the checkpoint's")
        with self._lock:
            return self._cosign(request, signed)

    def latest(self, origin_hash: str) -> bytes | None:
        """Return the latest cosigned checkpoint of a log, by the hex SHA-256 of its origin."""
        if origin_hash not in {_file_name(origin) for origin in self._logs}:
            return None
        try:
            return self._files.read(origin_hash)
        except FileNotFoundError:
            return None

    def _cosign(self, request: AddCheckpoint, signed: SignedCheckpoint) -> Response:
        new, name = signed.checkpoint, _file_name(signed.checkpoint.origin)
        old = self._remembered(new.origin)
        if request.old_size != old.size:
            return Response(
                status=409, body=f"{old.size}\n".encode(), content_type="text/x.tlog.size"
            )
        try:
            verify_consistency(
                old_size=old.size,
                old_root=old.root,
                size=new.size,
                root=new.root,
                proof=request.proof,
            )
        except VerificationFailed as error:
            return _answer(422, error.message)
        timestamp = int((self._clock.now() - EPOCH).total_seconds())
        cosignature = self._signer.cosign_text(new.text(), timestamp=timestamp)
        lines = [*(one.signature for one in signed.note.verified), cosignature]
        replace_durably(self._files, name, format_note(new.text(), lines))
        return Response(status=200, body=cosignature.line().encode())

    def _remembered(self, origin: str) -> Checkpoint:
        """Return the checkpoint cosigned last, which its own cosignature vouches for."""
        note = self.latest(_file_name(origin))
        if note is None:
            return Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)
        checkpoint = parse_checkpoint(open_note(note, [self._signer.verifier]).text)
        if checkpoint.origin != origin:
            raise VerificationFailed("witness_state", f"the state for {origin} was changed")
        return checkpoint


def _file_name(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _size(line: str) -> int:
    digits = line.removeprefix(_OLD)
    if not digits.isdigit() or len(digits) > len(str(2**63)):
        raise ValueError("not an old size line")
    return int(digits)


def _answer(status: int, message: str) -> Response:
    return Response(status=status, body=f"{message}\n".encode())


def _bad_request() -> VerificationFailed:
    return VerificationFailed("request_form", "not an add-checkpoint request")
