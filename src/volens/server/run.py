"""The process: owns the home, listens, and ends in order."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import FrameType

import uvicorn

from volens.app.home import Home
from volens.app.thread import HomeThread
from volens.core.errors import InvalidInput, Unavailable
from volens.door.doorway import Doorway, Settings
from volens.server.application import application

GRACE_SECONDS = 10
"""How long answers that have begun may take after the server was told to end."""
_BACKLOG = 512


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


class Server(uvicorn.Server):
    """A server that, when told to end, ends in order and returns."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals to end; unlike uvicorn's own, don't raise them again afterwards.

        The home still has to be let go of then.
        """
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {one: signal.signal(one, self._told_to_end) for one in wanted}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _told_to_end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.should_exit = True


def serve(
    open_it: Callable[[], Home],
    listening: Listening,
    settings: Settings,
    *,
    started: Callable[[str], None],
) -> None:
    """Own the home and serve all doors until SIGTERM or SIGINT.

    1. The home is opened: its lock is held from here on.
    2. The address is taken; `started` is told where the server is.
    3. Requests are answered.
    4. Told to end: no new ones; those that have begun get `GRACE_SECONDS`.
    5. Acts that wait for the home are finished, the log is published, the lock is given up.

    Args:
        open_it: opens the home for writing.
        listening: where.
        settings: how it is reached.
        started: called once with the address, when requests are taken.

    Raises:
        InvalidInput: as `check_listening`.
        Unavailable: ``address_taken``; or as opening a home.
    """
    check_listening(listening)
    thread = HomeThread(open_it)
    try:
        with listen(listening) as taken:
            doorway = Doorway(thread=thread, settings=settings)
            config = uvicorn.Config(
                application(doorway),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=listening.behind_proxy,
                timeout_graceful_shutdown=GRACE_SECONDS,
                lifespan="off",
                ws="none",
            )
            config.load()
            config.ssl = _tls(listening)
            started(_address(listening, taken))
            Server(config).run(sockets=[taken])
    finally:
        thread.close()


@contextlib.contextmanager
def listen(listening: Listening) -> Iterator[socket.socket]:
    """Take the address.

    Raises:
        Unavailable: ``address_taken``.
    """
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((listening.host, listening.port))
        except OSError as error:
            where = f"{listening.host}, port {listening.port}"
            raise Unavailable(
                "address_taken",
                f"can't listen on {where}: {error.strerror or error}",
                hint="choose another --port; 0 takes any that is free",
            ) from error
        taken.listen(_BACKLOG)
        yield taken
    finally:
        taken.close()


def _tls(listening: Listening) -> ssl.SSLContext | None:
    if listening.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(listening.tls_certificate, listening.tls_key)
    except OSError as error:
        message = f"the certificate or its key can't be read: {error.strerror or error}"
        raise Unavailable("tls_certificate", message, hint="PEM files are wanted") from error
    return context


def _address(listening: Listening, taken: socket.socket) -> str:
    host, port = taken.getsockname()[:2]
    scheme = "http" if listening.tls_certificate is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
