"""Who gives an address with the request is told by itself how far it is; then it is forgotten."""

from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.server.conftest import Served
from tests.server.test_jobs import asked, person
from tests.support.homes import Place
from volens.app.mailing import addresses_of, keep_address
from volens.app.receipts import sent_receipts
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import ErasureId, IdKind, format_id
from volens.holds.erasure import ErasureState
from volens.lifecycle.addresses import FOLDER, Address
from volens.lifecycle.probe import probe
from volens.lifecycle.receipt import verify_receipt

pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")

from tests.lifecycle.mail import Box, serving

ADA = "ada@example.net"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def box() -> Iterator[Box]:
    with serving(Box()) as found:
        yield found


@pytest.fixture
def mailing(here: Place, box: Box) -> Iterator[Served]:
    found = Served(
        here,
        {
            "VOLENS_SMTP_HOST": "127.0.0.1",
            "VOLENS_SMTP_PORT": str(box.port),
            "VOLENS_SMTP_FROM": "privacy@example.org",
            "VOLENS_SMTP_SECURITY": "none",
            "VOLENS_CONTACT": "Privacy office, privacy@example.org",
        },
    )
    yield found
    found.thread.close()


def wanted_by(served: Served, language: str = "en") -> ErasureId:
    found = asked(served.home, person(served.home))
    address = Address(erasure=found.id, address=ADA, language=language)
    keep_address(served.home, address)
    return found.id


def receipts(box: Box, served: Served) -> list[ErasureState]:
    states = []
    for sender, recipients, content in box.taken:
        assert (sender, recipients) == ("privacy@example.org", [ADA])
        [attached] = message_from_bytes(content, policy=SMTP).iter_attachments()
        shown = verify_receipt(attached.get_content(), served.home.signer.verifier)
        states.append(shown.receipt.state)
    return states


def some_minutes(served: Served) -> None:
    for _ in range(3):
        served.where.clock.step(MINUTE)
        served.now()


@pytest.mark.enable_socket
def test_a_person_is_told_twice_and_then_the_address_is_nowhere(
    mailing: Served, box: Box, here: Place
) -> None:
    name = wanted_by(mailing)
    mailing.now()
    some_minutes(mailing)
    assert receipts(box, mailing) == [ErasureState.ACCESS_ENDED]
    mailing.days(29)
    some_minutes(mailing)
    assert receipts(box, mailing) == [ErasureState.ACCESS_ENDED, ErasureState.IRRECOVERABLE]
    assert addresses_of(mailing.home).waiting() == []
    assert not list((here.folder / FOLDER).iterdir())
    assert not list(here.kek.rglob("mail-*"))
    assert probe([here.folder, here.kek], {"address": ADA.encode()}) == []
    assert sent_receipts(mailing.home).latest([name])[name][0] is ErasureState.IRRECOVERABLE


@pytest.mark.enable_socket
def test_a_mail_that_can_not_be_sent_is_tried_again_and_alarms_and_goes_out_once(
    mailing: Served, box: Box
) -> None:
    box.at_data = "451 later"
    wanted_by(mailing)
    mailing.now()
    some_minutes(mailing)
    assert box.taken == []
    assert "receipts_failed:mail_refused" in mailing.alarms()
    box.at_data = ""
    some_minutes(mailing)
    some_minutes(mailing)
    assert receipts(box, mailing) == [ErasureState.ACCESS_ENDED]
    assert mailing.alarms() == []


@pytest.mark.enable_socket
def test_a_request_that_is_taken_back_leaves_no_address(mailing: Served, box: Box) -> None:
    name = wanted_by(mailing)
    mailing.home.erasures.cancel(name, mailing.where.clock.now())
    mailing.now()
    some_minutes(mailing)
    assert box.taken == []
    assert addresses_of(mailing.home).waiting() == []


@pytest.mark.enable_socket
def test_it_is_told_in_the_language_asked_for(mailing: Served, box: Box) -> None:
    wanted_by(mailing, "de")
    mailing.now()
    some_minutes(mailing)
    [(_, _, content)] = box.taken
    page = message_from_bytes(content, policy=SMTP).get_body(("html",))
    assert page is not None
    assert '<html lang="de"' in page.get_content()


def test_an_address_is_sealed_and_opens_only_with_its_own_key(here: Place) -> None:
    with here.open() as home:
        name = asked(home, person(home)).id
        keep_address(home, Address(erasure=name, address=ADA, language="en"))
        book = addresses_of(home)
        assert book.read(name) == Address(erasure=name, address=ADA, language="en")
        assert probe([here.folder, here.kek], {"address": ADA.encode()}) == []
        [key] = here.kek.rglob("mail-*")
        kept = key.read_bytes()
        key.unlink()
        assert book.read(name) is None
        other = format_id(IdKind.ERASURE, bytes(16))
        key.with_name(f"mail-{other}.key").write_bytes(kept)
        (here.folder / FOLDER / name).rename(here.folder / FOLDER / other)
        assert book.read(ErasureId(other)) is None


def test_what_is_no_address_or_about_no_erasure_is_kept_nowhere(here: Place) -> None:
    with here.open() as home:
        name = asked(home, person(home)).id
        with pytest.raises(InvalidInput):
            keep_address(home, Address(erasure=name, address="ada", language="en"))
        with pytest.raises(InvalidInput):
            keep_address(home, Address(erasure=name, address=ADA, language="tlh"))
        unknown = ErasureId(format_id(IdKind.ERASURE, bytes(16)))
        with pytest.raises(NotFound):
            keep_address(home, Address(erasure=unknown, address=ADA, language="en"))
    assert not Path(here.folder / FOLDER).exists()
