"""A real mail server on loopback that keeps what it takes and refuses what it is told to."""

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Box:
    """What the server was handed, and how it answers."""

    taken: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    greeted: list[str] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    at_recipient: str = ""
    at_data: str = ""
    port: int = 0

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        del server, envelope
        self.greeted.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self.at_recipient:
            return f"{self.at_recipient} {address} is not here"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        if self.at_data:
            return self.at_data
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"

    def login(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        data: LoginPassword,
    ) -> AuthResult:
        del server, session, envelope, mechanism
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


@dataclass(frozen=True)
class Identity:
    """A certificate for 127.0.0.1 and its key, as files."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


def identity(under: Path, *, host: str = "127.0.0.1") -> Identity:
    """Make a certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Identity(under / "mail.pem", under / "mail.key")
    found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


@contextmanager
def serving(
    box: Box,
    *,
    starttls: Identity | None = None,
    tls: Identity | None = None,
    login: bool = False,
) -> Iterator[Box]:
    """Run a server on a free port of this machine."""
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(
            box,
            hostname="mail.test",
            tls_context=starttls.context() if starttls else None,
            require_starttls=False,
            auth_required=login,
            auth_require_tls=bool(starttls),
            authenticator=box.login if login else None,
            loop=loop,
        )

    context = tls.context() if tls else None
    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=context))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def answering(*said: bytes) -> Iterator[int]:
    """Run a server that says these lines, whatever it is told, and hangs up."""
    loop = asyncio.new_event_loop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for place, text in enumerate(said):
            if place:
                await reader.readline()
            writer.write(text)
            await writer.drain()
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
