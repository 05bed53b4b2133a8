"""Receipts that go out by themselves: to people who gave an address with their request.

They are told twice: that access has ended, and that nothing can be opened any more. Then the
address is forgotten. It is forgotten too if the request is taken back, or if nothing could be sent
for so long that it serves nobody any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Final

from volens.app.home import Home
from volens.app.receipts import CONTACT, issue, sent_receipts
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import ErasureId
from volens.holds.erasure import Erasure, ErasureState
from volens.lifecycle.addresses import Address, AddressBook
from volens.lifecycle.mailing import build_message, mail_server, send_message
from volens.lifecycle.receipt_form import check_contact

GIVE_UP: Final = timedelta(days=30)
"""So long after the end of an erasure an address is kept for a mail that can't be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail that is ready to go, and what has to be noted when it went."""

    erasure: ErasureId
    state: ErasureState
    message: EmailMessage


def addresses_of(home: Home) -> AddressBook:
    """Return where addresses for receipts are kept."""
    return AddressBook(home.folder, home.custody, entropy=home.entropy)


def check_mail(environment: Mapping[str, str]) -> None:
    """Pass if receipts can be mailed from here at all.

    Raises:
        Unavailable: ``mail_not_set_up``.
        InvalidInput: ``mail_setting``, ``contact_missing``.
    """
    mail_server(environment)
    _contact(environment)


def keep_address(home: Home, address: Address) -> None:
    """Keep where to tell somebody of their erasure, from any process."""
    home.erasures.find(address.erasure)
    addresses_of(home).keep(address)


def waiting_letters(home: Home) -> list[ErasureId]:
    """Return the erasures of which somebody has to be told now; forget the addresses of others.

    What is taken back, or unknown, or past telling needs no address.
    """
    book, now = addresses_of(home), home.clock.now()
    wanted = book.waiting()
    told = sent_receipts(home).latest(wanted)
    due = []
    for name in wanted:
        erasure = _find(home, name)
        if erasure is None or _over(erasure, now):
            book.forget(name)
            continue
        before = told[name][0] if name in told else None
        if before is ErasureState.IRRECOVERABLE:  # it was stopped before it forgot
            book.forget(name)
        elif erasure.state is ErasureState.IRRECOVERABLE or before is None:
            due.append(name)
    return due


def write_letter(home: Home, name: ErasureId, environment: Mapping[str, str]) -> Letter | None:
    """Return the mail about one erasure; None while the log has not published what it would say.

    Raises:
        Unavailable, InvalidInput: as `check_mail`.
    """
    address = addresses_of(home).read(name)
    if address is None:
        addresses_of(home).forget(name)
        return None
    steps = home.erasures.evidence(name).steps
    published = home.owned_log().published_size
    if not steps or any(step.index >= published for step in steps):
        return None
    server, contact = mail_server(environment), _contact(environment)
    issued = issue(home, name, language=address.language, contact=contact)
    message = build_message(
        issued.words,
        issued.data,
        sender=server.sender,
        recipient=address.address,
        at=home.clock.now(),
    )
    return Letter(erasure=name, state=issued.shown.receipt.state, message=message)


def deliver(letter: Letter, environment: Mapping[str, str]) -> None:
    """Hand a mail to the server that the environment names; it touches no home.

    Raises:
        Unavailable: ``mail_unreachable``, ``mail_insecure`` or ``mail_refused``.
    """
    send_message(letter.message, mail_server(environment))


def note_delivered(home: Home, letter: Letter) -> None:
    """Keep that a mail went out; after the last one, forget the address.

    If it stops before this, the mail is sent again: twice is better than never.
    """
    sent_receipts(home).record(letter.erasure, letter.state, home.clock.now())
    if letter.state is ErasureState.IRRECOVERABLE:
        addresses_of(home).forget(letter.erasure)


def _find(home: Home, name: ErasureId) -> Erasure | None:
    try:
        return home.erasures.find(name)
    except (NotFound, InvalidInput):
        return None


def _over(erasure: Erasure, at: datetime) -> bool:
    if erasure.state is ErasureState.CANCELLED:
        return True
    return erasure.irrecoverable is not None and at > erasure.irrecoverable + GIVE_UP


def _contact(environment: Mapping[str, str]) -> str:
    found = environment.get(CONTACT, "")
    if not found:
        hint = f"set {CONTACT}: Privacy office, privacy@example.org"
        raise InvalidInput("contact_missing", "a receipt says whom to ask", hint=hint)
    check_contact(found)
    return found
