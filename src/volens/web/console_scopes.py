"""Research and rating: what their roles may see, asked of the gate, and what does not exist yet.

Research sees aggregates that carry a privacy guarantee; there is no such mechanism, so the gate
denies, and this page says so instead of showing counts that look like one. A rater opens one
record at a time, each of which its person granted for `human_feedback`; the gate decides anew and
logs at each opening.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.core.errors import Denied, NotFound
from volens.core.purposes import Purpose
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.log.kinds import AccessAction, AccessReason, Actor
from volens.vault.model import Payload, TurnFlag
from volens.vault.model import Role as Speaker
from volens.web.console_frame import StaffPage, Visit
from volens.web.harmless import harmless

_RESEARCH: Final = frozenset({Role.RESEARCH})
_RATERS: Final = frozenset({Role.RATER})
_RATE: Final = Use(purpose=Purpose.HUMAN_FEEDBACK.value)
_RATER: Final = Asker(actor=Actor.RATER, action=AccessAction.SHOW, reason=AccessReason.REVIEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregates:
    """What the gate says to research."""

    permitted: int
    left_out: tuple[tuple[str, int], ...]
    mechanism: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTurn:
    """One turn as it is shown: harmless markup."""

    number: int
    speaker: str
    own: bool
    at: datetime | None
    said: Markup = field(repr=False)
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One record that was opened to be rated."""

    place: tuple[int, int]
    turns: tuple[ShownTurn, ...] = field(repr=False)


def aggregates(home: Home) -> Aggregates:
    """Return what the gate says; nothing is counted that could tell of anybody."""
    info = home.policy.pack.purposes.get(Purpose.AGGREGATED_RESEARCH)
    permitted, left_out = home.gate.preview(Use(purpose=Purpose.AGGREGATED_RESEARCH.value))
    reasons = sorted(((reason.value, count) for reason, count in left_out.items()))
    return Aggregates(
        permitted=permitted,
        left_out=tuple(reasons),
        mechanism="" if info is None else info.mechanism,
    )


def granted_records(home: Home) -> int:
    """Return how many conversations may be opened to be rated; nothing is opened."""
    home.ledger.drain()
    home.erasures.drain()
    permitted, _ = home.gate.preview(_RATE)
    return permitted


def next_record(home: Home, after: tuple[int, int]) -> Opened:
    """Open the next record that was granted.

    Only the person's own turns and the assistant's are shown: other people gave no grant.

    Args:
        home: the home.
        after: the place of the last one; (0, 0) for the first.

    Raises:
        NotFound: ``record_none`` if there is none.
    """
    home.ledger.drain()
    home.erasures.drain()
    census = home.facts.census(home.policy, _RATE, home.clock.now())
    for wanted in census.permitted():
        for number in wanted.subjects.tolist():
            if number < after[0]:
                continue
            subject = home.subjects.by_number(number)
            for held in home.vault.of_subject(subject):
                if (number, held.number) <= after:
                    continue
                try:
                    payload = home.gate.show(held, subject, _RATE, _RATER)
                except Denied:
                    continue  # taken back meanwhile, or left out by a signal
                turns = tuple(one for one in shown_turns(payload) if not one.flags)
                return Opened(place=(number, held.number), turns=turns)
    raise NotFound("record_none", "there is no further record that was granted for rating")


def shown_turns(payload: Payload, wanted: frozenset[int] | None = None) -> tuple[ShownTurn, ...]:
    """Return turns as harmless markup.

    Args:
        payload: what was opened.
        wanted: which turns, by index; all by default.
    """
    return tuple(
        ShownTurn(
            number=index,
            speaker=turn.role.name.lower(),
            own=turn.role is Speaker.USER,
            at=turn.at,
            said=harmless(turn.text),
            flags=tuple(flag.name.lower() for flag in TurnFlag if flag in turn.flags and flag.name),
        )
        for index, turn in enumerate(payload.turns)
        if wanted is None or index in wanted
    )


async def _aggregates(visit: Visit) -> Response:
    found = await visit.run(aggregates)
    return visit.page("aggregates", {"found": found}, here="aggregates")


async def _rating(visit: Visit) -> Response:
    count = await visit.run(granted_records)
    return visit.page("rating", {"count": count, "record": None}, here="rating")


async def _open_next(visit: Visit) -> Response:
    """Show the record in the answer to the act itself: looking again is another logged access."""
    first, _, second = visit.form.get("after", "").partition(".")
    after = (int(first), int(second)) if _is_number(first) and _is_number(second) else (0, 0)
    count = await visit.run(granted_records)
    try:
        found = await visit.run(lambda home: next_record(home, after))
    except NotFound:
        return visit.done("/staff/rating", "no_more_records")
    return visit.page("rating", {"count": count, "record": found}, here="rating")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16  # noqa: PLR2004 - below 2^53


PAGES: Final = (
    StaffPage(
        path="/aggregates", roles=_RESEARCH, handler=_aggregates, key="aggregates", group="people"
    ),
    StaffPage(path="/rating", roles=_RATERS, handler=_rating, key="rating", group="people"),
    StaffPage(path="/rating/next", roles=_RATERS, handler=_open_next, act=True),
)
