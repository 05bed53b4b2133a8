"""The witness over HTTP: a small server, and the log's side of asking one."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

from volens.core.errors import InvalidInput, Unavailable, VerificationFailed, VolensError
from volens.log.checkpoint import SignedCheckpoint, parse_checkpoint
from volens.log.note import MAX_NOTE_BYTES, Verifier, parse_note
from volens.log.store import TransparencyLog
from volens.log.witness import ADD_CHECKPOINT, AddCheckpoint, Response, Witness

MAX_BODY_BYTES = MAX_NOTE_BYTES + 4096
_LOOPBACK = "127.0.0.1"
_TRIES = 3
_CONFLICT = 409
_SUCCESS = 200


def witness_server(
    witness: Witness, *, host: str = _LOOPBACK, port: int = 0
) -> ThreadingHTTPServer:
    """Return a bound server that answers for `witness`; run it with ``serve_forever``.

    Args:
        witness: who answers.
        host: on this machine only by default; put a TLS proxy before anything else.
        port: 0 takes a free one (``server_address`` says which).
    """

    class Handler(_Handler):
        answers = witness

    return ThreadingHTTPServer((host, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    """POST <prefix>/add-checkpoint and GET <prefix>/<origin hash>/checkpoint."""

    answers: Witness
    timeout: ClassVar[float | None] = 10  # seconds
    server_version = "volens-witness"
    sys_version = ""

    def do_POST(self) -> None:
        """Answer ``add-checkpoint``."""
        digits = self.headers.get("Content-Length", "")
        length = int(digits) if digits.isdigit() and len(digits) < len("1000000000") else -1
        if self.path != f"/{ADD_CHECKPOINT}":
            self._send(Response(status=404, body=b"no such call\n"))
        elif not 0 <= length <= MAX_BODY_BYTES:
            self.close_connection = True
            self._send(Response(status=413, body=b"the request is too long\n"))
        else:
            try:
                self._send(self.answers.add_checkpoint(self.rfile.read(length)))
            except VolensError:
                self._send(Response(status=500, body=b"the witness cannot answer\n"))

    def do_GET(self) -> None:
        """Answer a monitor."""
        parts = self.path.split("/")
        found = None
        if len(parts) == len(("", "hash", "checkpoint")) and parts[2] == "checkpoint":
            found = self.answers.latest(parts[1])
        if found is None:
            self._send(Response(status=404, body=b"no checkpoint\n"))
        else:
            self._send(Response(status=200, body=found))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Write nothing: requests are nobody's business."""

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)


def submit(
    log: TransparencyLog,
    url: str,
    witness: Verifier,
    *,
    old_size: int = 0,
    timeout_seconds: float = 5.0,
) -> SignedCheckpoint:
    """Ask a witness to cosign the log's latest checkpoint and add its cosignature.

    Args:
        log: the log.
        url: the witness's submission prefix, ``http://`` or ``https://``.
        witness: the key the cosignature must be of.
        old_size: the size the witness cosigned last, as far as the log remembers; the witness
            says if it is another.
        timeout_seconds: how long to wait for each answer.

    Raises:
        Unavailable: ``witness_unreachable``, ``witness_refused`` or ``checkpoint_moved``; the
            log goes on without.
        VerificationFailed: ``witness_ahead`` if the witness has seen a longer log than this one
            (this one was cut or set back); ``bad_signature`` or ``unknown_keys`` for its answer.
    """
    for _ in range(_TRIES):
        checkpoint = log.checkpoint
        size = parse_checkpoint(parse_note(checkpoint).text).size
        proof = log.consistency_proof(old_size, size=size)
        request = AddCheckpoint(old_size=old_size, proof=proof, checkpoint=checkpoint)
        status, body = _post(url, request.encode(), timeout_seconds)
        if status == _SUCCESS:
            return log.add_cosignatures(checkpoint + body, [witness])
        if status != _CONFLICT:
            raise _refused(status)
        old_size = _conflicting_size(body, status)
        if old_size > size:
            hint = "this log was cut or restored from an old copy; find out before going on"
            message = f"the witness {witness.name} has seen {old_size} entries, this log has {size}"
            raise VerificationFailed("witness_ahead", message, hint=hint)
    raise _refused(_CONFLICT)


def _conflicting_size(body: bytes, status: int) -> int:
    digits = body.decode("ascii", "replace").removesuffix("\n")
    if not digits.isdigit() or len(digits) > len(str(2**63)):
        raise _refused(status)
    return int(digits)


def _post(url: str, body: bytes, timeout_seconds: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput("witness_url", f"not the URL of a witness: {url[:80]!r}")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout_seconds)
    try:
        path = f"{parts.path.rstrip('/')}/{ADD_CHECKPOINT}"
        connection.request("POST", path, body, {"Content-Type": "text/plain; charset=utf-8"})
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_BODY_BYTES)
    except (OSError, HTTPException) as error:
        message = f"the witness at {parts.hostname} does not answer"
        raise Unavailable("witness_unreachable", message) from error
    finally:
        connection.close()


def _refused(status: int) -> Unavailable:
    return Unavailable("witness_refused", f"the witness did not cosign (status {status})")
