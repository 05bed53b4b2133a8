"""Deleting: chats, all chats, the account; how far it is, its receipts, and taking it back."""

from __future__ import annotations

import hmac
import os
from typing import Final

from volens.app.access import access_keys
from volens.app.home import Home
from volens.app.mailing import check_mail, keep_address
from volens.app.receipts import issue, sent_receipts
from volens.app.retention import new_request
from volens.core.errors import InvalidInput, NotFound, VolensError
from volens.core.ids import ConversationId, IdKind, parse_id
from volens.holds.erasure import Erasure, ErasureState
from volens.lifecycle.addresses import Address
from volens.lifecycle.mailing import check_address
from volens.lifecycle.receipt_form import check_contact
from volens.lifecycle.receipt_outline import Outline
from volens.lifecycle.receipt_pages import receipt_html
from volens.lifecycle.receipt_words import LANGUAGES
from volens.log.kinds import ErasureScope
from volens.vault.listing import count_of
from volens.vault.subjects import Subject
from volens.web.person_choices import uses_of
from volens.web.person_frame import Asked, Sent, Values, own_chat

NO_CONTACT: Final = "not set up (VOLENS_CONTACT)"
_BACK: Final = b"take-back"


def delete_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at what a deletion would do, before it is asked for."""
    scope = _scope(asked.query.get("what", ""))
    chat = asked.query.get("chat", "")
    erasure = _wanted(home, subject, scope, chat)
    now = home.clock.now()
    held = [
        hold
        for hold in home.holds.visible_to_subject(subject.id, now)
        if hold.in_force(now) and (not chat or chat in hold.conversations)
    ]
    if scope is ErasureScope.ACCOUNT:
        asked.need_step_up(now)
    return {
        "scope": scope.value,
        "chat": chat,
        "erasure": erasure,
        "count": 1 if chat else count_of(home.main, subject),
        "uses": [one for one in uses_of(home, subject) if not chat or chat in one.conversations],
        "held": held,
        "mail": mail_set_up(),
    }


def delete(home: Home, subject: Subject, asked: Asked) -> str:
    """Ask for the deletion: access ends at once, the clock starts now."""
    scope = _scope(asked.form.get("what", ""))
    if asked.form.get("answer") != "delete":
        return "/me/erasures"
    if scope is ErasureScope.ACCOUNT:
        asked.need_step_up(home.clock.now())
    erasure = _wanted(home, subject, scope, asked.form.get("chat", ""))
    standing = home.erasures.request(erasure)  # it holds now; the log gets it a little later
    if home.log is not None:
        home.erasures.drain()
    if asked.form.get("mail", "").strip() and mail_set_up():
        _keep_mail(home, standing, asked)
    if scope is ErasureScope.ACCOUNT:
        return left_path(home, standing.id)
    return f"/me/erasures/{standing.id}?done=asked"


def erasures_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at all deletions of the person."""
    del asked
    home.erasures.drain()
    found = list(reversed(home.erasures.of_subject(subject.id)))
    return {
        "erasures": found,
        "sent": sent_receipts(home).latest([one.id for one in found]),
        "now": home.clock.now(),
        "chats": count_of(home.main, subject),
    }


def erasure_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at one deletion: how far it is, as its receipt says it."""
    home.erasures.drain()  # what was only in the journal gets its entry, and its row
    erasure = _own(home, subject, asked.params["reference"])
    _, words = _issued(home, erasure, asked)
    now = home.clock.now()
    return {
        "erasure": erasure,
        "outline": words,
        "can_take_back": erasure.is_open and now < erasure.cool_off_ends,
        "now": now,
        "mail": mail_set_up() and erasure.state is not ErasureState.CANCELLED,
        "done": asked.query.get("done", ""),
    }


def erasure_file(home: Home, subject: Subject, asked: Asked) -> Sent:
    """Hand over a receipt or status as a signed file, a page or a paper."""
    erasure = _own(home, subject, asked.params["reference"])
    data, words = _issued(home, erasure, asked)
    match asked.params["form"]:
        case "json":
            return Sent(data=data, name=f"{words.name}.json", media_type="application/json")
        case "html":
            return Sent(
                data=receipt_html(words, data), name=f"{words.name}.html", media_type="text/html"
            )
        case "pdf":
            from volens.lifecycle.receipt_pdf import receipt_pdf  # noqa: PLC0415 - an extra

            return Sent(
                data=receipt_pdf(words, data),
                name=f"{words.name}.pdf",
                media_type="application/pdf",
            )
        case _:
            raise NotFound("page_missing", "a receipt has no such form")


def take_back(home: Home, subject: Subject, asked: Asked) -> str:
    """Take a deletion back within its cool-off."""
    erasure = _own(home, subject, asked.params["reference"])
    home.erasures.cancel(erasure.id, home.clock.now())
    return f"/me/erasures/{erasure.id}?done=back"


def left_path(home: Home, reference: str) -> str:
    """Return where the deletion of an account is seen and taken back without signing in."""
    return f"/left?reference={reference}&key={_key(home, reference)}"


def left(home: Home, reference: str, key: str) -> dict[str, object]:
    """Look at the deletion of an account from outside: its person is not signed in any more.

    Raises:
        NotFound: ``erasure_unknown`` without the key that the person's browser was given.
    """
    if not hmac.compare_digest(key, _key(home, reference)):
        raise NotFound("erasure_unknown", "there is no such deletion")
    erasure = home.erasures.find(reference)
    now = home.clock.now()
    return {
        "erasure": erasure,
        "can_take_back": erasure.is_open and now < erasure.cool_off_ends,
        "back": erasure.state is ErasureState.CANCELLED,
        "reference": reference,
        "key": key,
    }


def return_from_left(home: Home, reference: str, key: str) -> None:
    """Take the deletion of an account back, with the key that the person's browser was given.

    Raises:
        NotFound: ``erasure_unknown``.
        Denied: ``cool_off_over``.
    """
    left(home, reference, key)
    home.erasures.cancel(reference, home.clock.now())


def _key(home: Home, reference: str) -> str:
    """Return what only the browser has that asked for a deletion: the reference is on receipts."""
    try:
        raw = parse_id(IdKind.ERASURE, reference)
    except InvalidInput:
        raise NotFound("erasure_unknown", "there is no such deletion") from None
    return access_keys(home).digest(_BACK, raw).hex()


def _scope(word: str) -> ErasureScope:
    try:
        return ErasureScope(word)
    except ValueError:
        raise NotFound("scope_unknown", "there is no such thing to delete") from None


def _wanted(home: Home, subject: Subject, scope: ErasureScope, chat: str) -> Erasure:
    chats: list[ConversationId] = []
    if scope is ErasureScope.CONVERSATION:
        chats = [own_chat(home, subject, chat).id]
    return new_request(home, home.entropy.draw(16), scope, subject, conversations=chats)


def _own(home: Home, subject: Subject, reference: str) -> Erasure:
    found = [one for one in home.erasures.of_subject(subject.id) if one.id == reference]
    if not found:
        raise NotFound("erasure_unknown", "there is no such deletion of yours")
    return found[0]


def keep_mail(home: Home, subject: Subject, asked: Asked) -> str:
    """Keep where the receipt of one deletion goes; it is forgotten once it was sent."""
    erasure = _own(home, subject, asked.params["reference"])
    _keep_mail(home, erasure, asked)
    return f"/me/erasures/{erasure.id}?done=mail"


def mail_set_up() -> bool:
    """Say whether receipts can be mailed from here."""
    try:
        check_mail(os.environ)
    except VolensError:
        return False
    return True


def _keep_mail(home: Home, erasure: Erasure, asked: Asked) -> None:
    written = asked.form.get("mail", "").strip()
    check_address(written)
    language = asked.words.language if asked.words.language in LANGUAGES else "en"
    keep_address(home, Address(erasure=erasure.id, address=written, language=language))


def _issued(home: Home, erasure: Erasure, asked: Asked) -> tuple[bytes, Outline]:
    """Issue what can be shown now; what is not published is not claimed."""
    contact = os.environ.get("VOLENS_CONTACT", "") or NO_CONTACT
    check_contact(contact)
    home.erasures.drain()
    home.owned_log().publish()
    language = asked.words.language if asked.words.language in LANGUAGES else "en"
    issued = issue(home, erasure.id, language=language, contact=contact)
    return issued.data, issued.words
