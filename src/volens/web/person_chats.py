"""The person's chats: a page of titles in one logged access, one chat, leave out, report."""

from __future__ import annotations

from typing import Final

from volens.app.home import Home
from volens.core.errors import InvalidInput, NotFound
from volens.core.purposes import Signal
from volens.holds.reports import ReportReason
from volens.log.kinds import AccessAction
from volens.vault.listing import count_of, page_of
from volens.vault.model import Role, Turn, TurnFlag
from volens.vault.subjects import Subject
from volens.web.person_frame import Asked, Values, own_chat

PAGE: Final = 25
_SHOWN_CHARACTERS: Final = 4_000
_TURNS_PAGE: Final = 40
_BUDGET_CHARACTERS: Final = 40_000
_HIDDEN = TurnFlag.HIDDEN | TurnFlag.REASONING | TurnFlag.OFF_PATH


def chats_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at a page of chats, newest first, with their titles."""
    before = _number(asked.query.get("before"))
    found = page_of(home.main, subject, before=before, limit=PAGE + 1)
    here = found[:PAGE]
    titles: dict[str, str] = {}
    if here:
        with home.own_copy.begin(subject, among=here, action=AccessAction.SHOW) as reading:
            titles = {one.held.id: one.payload.title for one in reading.conversations()}
    return {
        "chats": [(held, titles.get(held.id)) for held in here],
        "total": count_of(home.main, subject),
        "more": here[-1].number if len(found) > PAGE else None,
        "first": before is None,
        "before": before or "",
        "done": asked.query.get("done", ""),
    }


def mark(home: Home, subject: Subject, asked: Asked) -> str:
    """Leave one chat out of every use but the person's own history, or take that back."""
    held = own_chat(home, subject, asked.params["chat"])
    word = asked.form.get("use")
    if word not in {"out", "in"}:
        raise InvalidInput("word_unknown", "a chat is left out or in")
    signal = Signal.EXCLUDED if word == "out" else Signal.NONE
    if held.signal is not signal:
        if held.signal not in {Signal.EXCLUDED, Signal.NONE}:
            raise InvalidInput("signal_fixed", "what this chat was marked with stays")
        home.vault.set_signal(held, signal, subject.holder)
    if asked.form.get("from") == "chat":
        return f"/me/chats/{held.id}?done={word}"
    before = _number(asked.form.get("before"))
    there = f"before={before}&" if before else ""
    return f"/me/chats?{there}done={word}#{held.id}"


def chat_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Open one chat for its person; logged."""
    held = own_chat(home, subject, asked.params["chat"])
    with home.own_copy.begin(subject, among=[held], action=AccessAction.SHOW) as reading:
        opened = [one.payload for one in reading.conversations()]
    if not opened:
        raise NotFound("conversation_unknown", "there is no such chat of yours")
    (payload,) = opened
    shown = [(index, turn) for index, turn in enumerate(payload.turns) if not turn.flags & _HIDDEN]
    start = max(0, _number(asked.query.get("from")) or 0)
    some = _within(shown[start : start + _TURNS_PAGE])
    end = start + len(some)
    return {
        "held": held,
        "title": payload.title,
        "turns": [
            {
                "index": index,
                "role": turn.role.name.lower(),
                "own": turn.role is Role.USER,
                "text": turn.text[:_SHOWN_CHARACTERS],
                "cut": len(turn.text) > _SHOWN_CHARACTERS,
                "others": bool(turn.flags & TurnFlag.THIRD_PARTY),
                "at": turn.at,
                "rating": turn.rating,
            }
            for index, turn in some
        ],
        "hidden": len(payload.turns) - len(shown),
        "earlier": None if not start else max(0, start - _TURNS_PAGE),
        "later": None if end >= len(shown) else end,
        "reasons": [one.value for one in ReportReason],
        "reports": [
            one for one in home.reports().of_subject(subject.number) if one.conversation == held.id
        ],
        "done": asked.query.get("done", ""),
    }


def report(home: Home, subject: Subject, asked: Asked) -> str:
    """File a report about a chat, or about one reply in it."""
    held = own_chat(home, subject, asked.params["chat"])
    word = asked.form.get("because", "")
    if word not in set(ReportReason):
        raise InvalidInput("word_unknown", "a report names one of a few reasons")
    home.reports().file(
        held, because=ReportReason(word), turn=_number(asked.form.get("turn"), zero=True)
    )
    return f"/me/chats/{held.id}?done=reported"


def _within(turns: list[tuple[int, Turn]]) -> list[tuple[int, Turn]]:
    """Return as many turns as fit on a page, at least one."""
    kept: list[tuple[int, Turn]] = []
    size = 0
    for index, turn in turns:
        size += min(len(turn.text), _SHOWN_CHARACTERS)
        if kept and size > _BUDGET_CHARACTERS:
            break
        kept.append((index, turn))
    return kept


def _number(text: str | None, *, zero: bool = False) -> int | None:
    """Return a whole number from a query or form, or None."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:  # noqa: PLR2004 - below 2**53
        return None
    number = int(text)
    return number if number or zero else None
