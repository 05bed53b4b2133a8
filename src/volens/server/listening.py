"""Where a server listens, what protects the way there, and the protocol on it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import FrameType

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from volens.core.errors import InvalidInput, Unavailable

GRACE_SECONDS = 10
"""How long answers that have begun may take after the server was told to end."""
HEAD_SECONDS = 10.0
"""How long a client may take to send the head of a request."""
MOST_CONNECTIONS = 1_000
_BACKLOG = 512
_HEAD_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the server listens, and what protects the way there."""

    host: str = "127.0.0.1"
    port: int = 8400
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    """Whether a reverse proxy on the way ends TLS."""

    @property
    def secure(self) -> bool:
        """Whether people reach it over TLS."""
        return self.tls_certificate is not None or self.behind_proxy


def check_listening(listening: Listening) -> None:
    """Refuse to listen where others could read along.

    Raises:
        InvalidInput: ``tls_needed`` for an address that is not this machine's own without TLS or a
            proxy that has it; ``tls_pair`` if only one of certificate and key is given.
    """
    if (listening.tls_certificate is None) != (listening.tls_key is None):
        raise InvalidInput("tls_pair", "a certificate needs its key", hint="give both or none")
    if not listening.secure and not _is_loopback(listening.host):
        raise InvalidInput(
            "tls_needed",
            f"{listening.host} can be reached by others, and there is no TLS",
            hint="give --tls-cert and --tls-key, or --behind-proxy if a proxy ends TLS",
        )


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Take an address.

    Raises:
        Unavailable: ``address_taken``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, port))
        except OSError as error:
            raise Unavailable(
                "address_taken",
                f"can't listen on {host}, port {port}: {error.strerror or error}",
                hint="choose another --port; 0 takes any that is free",
            ) from error
        taken.listen(_BACKLOG)
        yield taken
    finally:
        taken.close()


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context that speaks TLS 1.3 and nothing older.

    Raises:
        Unavailable: ``tls_certificate``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        message = f"the certificate or its key can't be read: {error.strerror or error}"
        raise Unavailable("tls_certificate", message, hint="PEM files are wanted") from error
    return context


def address_of(taken: socket.socket, *, secure: bool) -> str:
    """Return the URL of a listening socket."""
    host, port = taken.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def server_config(app: ASGIApp, *, tls: ssl.SSLContext | None, proxied: bool) -> uvicorn.Config:
    """Return how uvicorn runs here: no access log, no server name, patient protocols only.

    Args:
        app: what serves.
        tls: for TLS on this socket.
        proxied: believe the headers in which a proxy on this machine says who asked.
    """
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=proxied,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
        lifespan="off",
        ws="none",
    )
    config.load()
    config.ssl = tls
    return config


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for the head of a request only so long (slowloris).

    uvicorn times a connection out between two requests, but not within the head of one.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # as uvicorn's own
    ) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._waiting is None and self.conn.their_state is h11.IDLE:
            self._wait()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.abort()


class Server(uvicorn.Server):
    """A server that, when told to end, ends in order and returns."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals to end; unlike uvicorn's own, don't raise them again afterwards.

        The home still has to be let go of then.
        """
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {
            one: signal.signal(one, self._told_to_end)
            for one in wanted
            if signal.getsignal(one) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _told_to_end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.should_exit = True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
