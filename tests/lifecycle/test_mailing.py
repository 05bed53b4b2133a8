"""A receipt goes out by e-mail whole and safely, or it counts as not sent."""

import socket
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.lifecycle.erasing import Erasing
from tests.log.support import SIGNER
from volens.core.errors import InvalidInput, Unavailable
from volens.lifecycle.mailing import (
    MailServer,
    Security,
    build_message,
    check_address,
    mail_server,
    send_message,
)
from volens.lifecycle.receipt import verify_receipt
from volens.lifecycle.receipt_outline import outline

pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")

from tests.lifecycle.mail import Box, answering, identity, serving

ADA = "ada@example.net"
SENDER = "privacy@example.org"
AT = datetime.fromisoformat("2026-03-01T12:00:00.000Z")
HERE = MailServer(host="127.0.0.1", port=25, security=Security.NONE, sender=SENDER)


def message(
    language: str = "en", *, paper: bytes | None = b"%PDF-", recipient: str = ADA
) -> EmailMessage:
    data = Erasing().done()
    words = outline(verify_receipt(data, SIGNER.verifier), language=language)
    return build_message(words, data, sender=SENDER, recipient=recipient, at=AT, paper=paper)


def code_of(wanted: EmailMessage, server: MailServer) -> str:
    with pytest.raises(Unavailable) as refused:
        send_message(wanted, server)
    assert ADA not in f"{refused.value} {refused.value.__cause__} {refused.value.hint}"
    return refused.value.code


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_message_holds_the_text_the_page_the_receipt_and_the_paper(language: str) -> None:
    made = message_from_bytes(bytes(message(language)), policy=SMTP)
    assert isinstance(made, EmailMessage)
    plain, page = made.get_body(("plain",)), made.get_body(("html",))
    assert plain is not None
    assert page is not None
    name = {"en": "Reference number", "de": "Vorgangsnummer"}[language]
    assert name in plain.get_content()
    assert f'<html lang="{language}"' in page.get_content()
    assert "data:" not in page.get_content()  # it is attached, once
    attached = {one.get_filename(): one for one in made.iter_attachments()}
    (receipt_name, receipt), (paper_name, paper) = attached.items()
    data = receipt.get_content()
    found = verify_receipt(data, SIGNER.verifier).receipt
    assert receipt_name == f"{found.reference}.receipt.json"
    assert receipt.get_content_type() == "application/json"
    assert (paper_name, paper.get_content()) == (f"{found.reference}.receipt.pdf", b"%PDF-")
    assert made["Subject"].endswith(found.reference)
    assert made["Auto-Submitted"] == "auto-generated"
    assert made["Date"].datetime == AT
    assert made["Message-ID"].endswith("@example.org>")


def test_the_same_receipt_gives_the_same_message() -> None:
    assert bytes(message()) == bytes(message())
    assert bytes(message()) != bytes(message("de"))


def test_there_can_be_no_paper() -> None:
    assert len(list(message(paper=None).iter_attachments())) == 1


WRONG = [
    "",
    "ada",
    "ada@",
    "@example.net",
    "ada@example.net\n",
    "ada@example.net\r\nBcc: eve@example.com",
    "ada@example.net, eve@example.com",
    "ada@example.net;eve@example.com",
    "Ada <ada@example.net>",
    "<ada@example.net>",
    "ada@example.net (home)",
    '"ada\r\n eve"@example.net',
    "ada@-example.net",
    "ada@example..net",
    "ada@example.net.",
    "\u0430da@example.net",
    "ada\x00@example.net",
    " ada@example.net",
    f"{'a' * 65}@example.net",
    f"ada@{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 60}",
]


@pytest.mark.parametrize("address", WRONG)
def test_no_address_brings_a_header_or_a_second_recipient(address: str) -> None:
    for given in ({"recipient": address}, {"sender": address}):
        with pytest.raises(InvalidInput) as refused:
            build_message(
                outline(verify_receipt(Erasing().done(), SIGNER.verifier)),
                b"{}",
                at=AT,
                **{"sender": SENDER, "recipient": ADA, **given},
            )
        assert refused.value.code == "mail_address"
        assert not address.strip() or address not in str(refused.value)


@pytest.mark.parametrize("address", ["a@b", "o'neil+x@sub.example.co", "A.B_c@EXAMPLE.net"])
def test_plain_addresses_are_taken(address: str) -> None:
    check_address(address)


@pytest.mark.enable_socket
def test_a_server_on_this_machine_takes_it_and_is_told_no_name_of_the_machine() -> None:
    with serving(Box()) as box:
        send_message(message("de"), replace(HERE, port=box.port))
    ((sender, recipients, content),) = box.taken
    assert (sender, recipients) == (SENDER, [ADA])
    assert box.greeted == ["example.org"]
    got = message_from_bytes(content, policy=SMTP)
    assert isinstance(got, EmailMessage)
    (receipt, _) = got.iter_attachments()
    assert verify_receipt(receipt.get_content(), SIGNER.verifier).receipt.done


@pytest.mark.enable_socket
def test_the_way_there_is_encrypted_and_the_certificate_checked(tmp_path: Path) -> None:
    mine = identity(tmp_path)
    for security, server in (
        (Security.STARTTLS, {"starttls": mine}),
        (Security.TLS, {"tls": mine}),
    ):
        with serving(Box(), **server) as box:
            there = MailServer(
                host="127.0.0.1",
                port=box.port,
                security=security,
                sender=SENDER,
                authority=mine.certificate,
                timeout_seconds=5,
            )
            send_message(message(), there)
            assert len(box.taken) == 1
            assert code_of(message(), replace(there, authority=None)) == "mail_insecure"
            assert len(box.taken) == 1


@pytest.mark.enable_socket
def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    other = identity(tmp_path, host="127.0.0.2")
    with serving(Box(), tls=other) as box:
        there = replace(HERE, port=box.port, security=Security.TLS, authority=other.certificate)
        assert code_of(message(), there) == "mail_insecure"
    assert not box.taken


@pytest.mark.enable_socket
def test_a_server_that_offers_no_encryption_gets_nothing() -> None:
    with serving(Box()) as box:
        there = replace(HERE, port=box.port, security=Security.STARTTLS)
        assert code_of(message(), there) == "mail_insecure"
    assert not box.taken


@pytest.mark.enable_socket
def test_a_password_is_given_only_inside_the_encryption(tmp_path: Path) -> None:
    mine = identity(tmp_path)
    with serving(Box(), starttls=mine, login=True) as box:
        there = replace(
            HERE,
            port=box.port,
            security=Security.STARTTLS,
            authority=mine.certificate,
            account="us",
            password="right",
        )
        send_message(message(), there)
        assert (box.logins, len(box.taken)) == ([(b"us", b"right")], 1)
        assert code_of(message(), replace(there, password="wrong")) == "mail_refused"
    assert "right" not in repr(there)
    assert len(box.taken) == 1


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "box",
    [Box(at_recipient="550"), Box(at_recipient="451"), Box(at_data="554 no"), Box(at_data="452 x")],
    ids=["no-such-box", "try-later", "unwanted", "full"],
)
def test_a_refusal_is_said_with_its_code_and_without_the_address(box: Box) -> None:
    with serving(box):
        assert code_of(message(), replace(HERE, port=box.port)) == "mail_refused"
    assert not box.taken


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "said",
    [
        (),
        (b"\x00\xff\xfe garbage\r\n",),
        (b"220 hello\r\n",),
        (b"220 hello\r\n", b"250 fine\r\n", b"250 fine\r\n"),
        (b"220 " + b"x" * 20000 + b"\r\n",),
    ],
    ids=["nothing", "garbage", "greeting-only", "halfway", "endless-line"],
)
def test_a_broken_server_is_unavailable(said: tuple[bytes, ...]) -> None:
    with answering(*said) as port:
        found = code_of(message(), replace(HERE, port=port, timeout_seconds=2))
    assert found in {"mail_unreachable", "mail_refused"}


@pytest.mark.enable_socket
def test_a_server_that_hangs_up_after_taking_it_has_taken_it() -> None:
    lines = [b"220 hi\r\n", b"250 mail.test\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
    with answering(*lines, b"250 taken\r\n") as port:
        send_message(message(), replace(HERE, port=port, timeout_seconds=2))


@pytest.mark.enable_socket
def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert code_of(message(), replace(HERE, port=port)) == "mail_unreachable"


@pytest.mark.enable_socket
def test_a_silent_server_is_given_up_after_the_time_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = replace(HERE, port=silent.getsockname()[1], timeout_seconds=0.2)
        assert code_of(message(), there) == "mail_unreachable"


SET = {"VOLENS_SMTP_HOST": "mail.example.org", "VOLENS_SMTP_FROM": SENDER}


def test_the_server_is_named_by_the_environment_and_encrypted_unless_said_otherwise() -> None:
    found = mail_server(SET)
    assert (found.host, found.port, found.security) == ("mail.example.org", 587, Security.STARTTLS)
    assert (found.account, found.authority) == ("", None)
    assert mail_server({**SET, "VOLENS_SMTP_SECURITY": "tls"}).port == 465
    whole = mail_server(
        {
            **SET,
            "VOLENS_SMTP_PORT": "2525",
            "VOLENS_SMTP_USER": "us",
            "VOLENS_SMTP_PASSWORD": "secret",
            "VOLENS_SMTP_CA": "/etc/mail.pem",
            "VOLENS_SMTP_TIMEOUT": "3",
        }
    )
    assert (whole.port, whole.account, whole.password) == (2525, "us", "secret")
    assert (whole.authority, whole.timeout_seconds) == (Path("/etc/mail.pem"), 3.0)
    assert "secret" not in repr(whole)


@pytest.mark.parametrize("missing", sorted(SET))
def test_without_a_server_there_is_no_sending(missing: str) -> None:
    with pytest.raises(Unavailable) as refused:
        mail_server({**SET, missing: ""})
    assert refused.value.code == "mail_not_set_up"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "two words"),
        ("HOST", "-x"),
        ("HOST", "a\nb"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "smtp"),
        ("SECURITY", "none"),
        ("SECURITY", "ssl"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "601"),
        ("TIMEOUT", "nan"),
        ("TIMEOUT", "soon"),
        ("USER", "without a password"),
        ("PASSWORD", "without a name"),
        ("FROM", "Privacy <privacy@example.org>"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        mail_server({**SET, f"VOLENS_SMTP_{name}": value})
    assert refused.value.code in {"mail_setting", "mail_address"}


def test_no_password_goes_over_an_open_line() -> None:
    for changes in ({"host": "mail.example.org"}, {"account": "us", "password": "hunter2"}):
        with pytest.raises(InvalidInput) as refused:
            replace(HERE, **changes)
        assert "hunter2" not in str(refused.value)


def test_a_file_of_certificates_that_is_none_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nothing of the kind")
    for authority in (wrong, tmp_path / "missing"):
        there = replace(HERE, security=Security.TLS, authority=authority)
        with pytest.raises(InvalidInput) as refused:
            send_message(message(), there)
        assert refused.value.code == "mail_setting"
