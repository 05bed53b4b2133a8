"""Receipts by e-mail, through the SMTP server of whoever runs the home.

The recipient is said at each sending and kept nowhere; no error names them. Nothing is sent over a
connection that is not encrypted to a server whose certificate holds, but to this very machine.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from volens.core.errors import InvalidInput, Unavailable
from volens.core.time import to_millis
from volens.lifecycle.receipt_outline import Outline
from volens.lifecycle.receipt_pages import receipt_html, receipt_text

PREFIX = "VOLENS_SMTP_"
TIMEOUT_SECONDS = 20.0
_MAX_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[A-Za-z0-9:](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9:])?")
_ADDRESS = re.compile(  # the valid e-mail address of HTML, "email state"
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)


class Security(StrEnum):
    """How the way to the server is encrypted."""

    STARTTLS = "starttls"
    """From the greeting on (RFC 3207); a server that can't is not used."""
    TLS = "tls"
    """From the first byte (RFC 8314, 3.3)."""
    NONE = "none"
    """Not at all: to this machine only, and without a password."""


_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server that takes messages, and as whom it is spoken to."""

    host: str
    port: int
    security: Security
    sender: str
    account: str = ""
    password: str = field(default="", repr=False)
    authority: Path | None = None
    """PEM certificates to trust instead of the system's."""
    timeout_seconds: float = TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        check_address(self.sender)
        if not _HOST.fullmatch(self.host) or not 0 < self.port < 2**16:
            raise _bad_setting("HOST", "a host name, and PORT a number from 1 to 65535")
        if self.security is Security.NONE and (self.host not in _LOOPBACK or self.account):
            raise _bad_setting("SECURITY", "none only for this machine and without USER")
        if bool(self.account) != bool(self.password):
            raise _bad_setting("USER", "given together with PASSWORD")
        if not (self.account + self.password).isprintable():
            raise _bad_setting("PASSWORD", "one line of plain text")
        if not 0 < self.timeout_seconds <= 600:  # noqa: PLR2004 - ten minutes
            raise _bad_setting("TIMEOUT", "from 1 to 600 seconds")


def mail_server(environment: Mapping[str, str]) -> MailServer:
    """Return the server that the environment names: ``VOLENS_SMTP_HOST`` and its companions.

    Raises:
        Unavailable: ``mail_not_set_up`` if there is none.
        InvalidInput: ``mail_setting``, ``mail_address``.
    """

    def given(name: str, otherwise: str = "") -> str:
        return environment.get(PREFIX + name) or otherwise

    if not given("HOST") or not given("FROM"):
        hint = f"set {PREFIX}HOST and {PREFIX}FROM, or hand the file over another way"
        raise Unavailable("mail_not_set_up", "no mail server is set up", hint=hint)
    try:
        security = Security(given("SECURITY", Security.STARTTLS.value))
        port = int(given("PORT", str(_PORTS[security])))
        timeout = float(given("TIMEOUT", str(TIMEOUT_SECONDS)))
    except ValueError:
        raise _bad_setting("SECURITY", "starttls, tls or none, PORT and TIMEOUT numbers") from None
    return MailServer(
        host=given("HOST"),
        port=port,
        security=security,
        sender=given("FROM"),
        account=given("USER"),
        password=given("PASSWORD"),
        authority=Path(given("CA")) if given("CA") else None,
        timeout_seconds=timeout,
    )


def check_address(address: str) -> None:
    """Pass if `address` is one plain e-mail address: no name, no comment, no line break.

    Raises:
        InvalidInput: ``mail_address``; the message does not repeat the address.
    """
    if len(address) > _MAX_ADDRESS or not _ADDRESS.fullmatch(address):
        hint = "it looks like name@example.org"
        raise InvalidInput("mail_address", "that is not an e-mail address", hint=hint)


def build_message(
    outline: Outline,
    data: bytes,
    *,
    sender: str,
    recipient: str,
    at: datetime,
    paper: bytes | None = None,
) -> EmailMessage:
    """Write the message: plain text and the page, with the signed receipt and the PDF attached.

    Args:
        outline: the receipt in words.
        data: the signed receipt.
        sender: from whom.
        recipient: to whom.
        at: now.
        paper: the PDF, if there is one.

    Raises:
        InvalidInput: ``mail_address``.
    """
    check_address(sender)
    check_address(recipient)
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = outline.subject_line
    message["Date"] = format_datetime(at.astimezone(UTC))
    domain = sender.rpartition("@")[2]
    message["Message-ID"] = f"<{outline.name}.{to_millis(at)}@{domain}>"
    message["Content-Language"] = outline.language
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5
    message.set_content(receipt_text(outline))
    message.add_alternative(receipt_html(outline).decode("utf-8"), subtype="html")
    message.add_attachment(
        data, maintype="application", subtype="json", filename=f"{outline.name}.json"
    )
    if paper is not None:
        message.add_attachment(
            paper, maintype="application", subtype="pdf", filename=f"{outline.name}.pdf"
        )
    digest = sha256(data).hexdigest()[:32]
    parts = [part for part in message.walk() if part.is_multipart()]
    for place, part in enumerate(parts):  # else they would be drawn from nowhere
        part.set_boundary(f"volens-{digest}-{place}")
    return message


def send_message(message: EmailMessage, server: MailServer) -> None:
    """Hand a message to the server; when this returns, the server has taken it over.

    Raises:
        Unavailable: ``mail_unreachable``, ``mail_insecure`` or ``mail_refused``; then it was not
            sent, or the server did not say that it was.
    """
    context = _context(server)
    try:
        connection = _connect(server, context)
        try:
            _hand_over(connection, message, server, context)
        finally:
            connection.close()
    except (smtplib.SMTPNotSupportedError, ssl.SSLError):
        hint = "it must offer encryption, and a certificate that holds"
        text = f"the way to the mail server {server.host} is not safe"
        raise Unavailable("mail_insecure", text, hint=hint) from None
    except smtplib.SMTPRecipientsRefused as error:
        code = min(code for code, _ in error.recipients.values())
        raise _refused(server, code) from None  # the cause would name the recipient
    except smtplib.SMTPResponseException as error:
        raise _refused(server, error.smtp_code) from None
    except (smtplib.SMTPException, OSError, ValueError):
        text = f"the mail server {server.host} does not answer as it should"
        hint = "nothing is marked as sent; try again later"
        raise Unavailable("mail_unreachable", text, hint=hint) from None


def _connect(server: MailServer, context: ssl.SSLContext) -> smtplib.SMTP:
    """Connect, and say no name of this machine."""
    domain = server.sender.rpartition("@")[2]
    if server.security is Security.TLS:
        return smtplib.SMTP_SSL(
            server.host,
            server.port,
            local_hostname=domain,
            timeout=server.timeout_seconds,
            context=context,
        )
    return smtplib.SMTP(
        server.host, server.port, local_hostname=domain, timeout=server.timeout_seconds
    )


def _hand_over(
    connection: smtplib.SMTP, message: EmailMessage, server: MailServer, context: ssl.SSLContext
) -> None:
    if server.security is Security.STARTTLS:
        connection.starttls(context=context)
    if server.account:
        connection.login(server.account, server.password)
    connection.send_message(message)
    with suppress(smtplib.SMTPException, OSError):
        connection.quit()  # it was taken over: how the server says goodbye is its own affair


def _context(server: MailServer) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.authority)
    except (OSError, ValueError) as error:
        raise _bad_setting("CA", "a file of certificates in PEM form") from error


def _refused(server: MailServer, code: int) -> Unavailable:
    hint = "nothing is marked as sent; ask whoever runs the server"
    text = f"the mail server {server.host} refused the message (code {code})"
    return Unavailable("mail_refused", text, hint=hint)


def _bad_setting(name: str, wanted: str) -> InvalidInput:
    return InvalidInput("mail_setting", f"{PREFIX}{name} is not right", hint=f"it takes {wanted}")
