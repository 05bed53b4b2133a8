"""A picture of what was decided and what was used, over time; every mark stands in a table too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from volens.app.home import Home
from volens.consent.model import Act, ConsentEvent
from volens.core.purposes import Purpose
from volens.policy.wording import say
from volens.rights.disclosures import DatasetUse
from volens.vault.subjects import Subject
from volens.web.person_choices import uses_of
from volens.web.person_frame import Asked, Values

WIDTH: Final = 720
LABELS: Final = 190
ROW: Final = 34
TOP: Final = 12
_MOST_EVENTS: Final = 200
_ON: Final = frozenset({Act.GRANT, Act.LIFT_OBJECTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """From when to when a yes stood, as places in the picture."""

    start: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One purpose: its bars, and where datasets used it."""

    label: str
    y: int
    bars: tuple[Bar, ...]
    used: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of the table."""

    at: datetime
    word: str
    label: str
    what: str = ""


def timeline_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at the choices, datasets and deletions of a person, as lanes and as a list."""
    language = asked.words.language
    pack = home.policy.pack
    now = home.clock.now()
    history = [one.event for one in home.ledger.history(subject.id)][-_MOST_EVENTS:]
    uses = uses_of(home, subject)
    erasures = home.erasures.of_subject(subject.id)

    def label(purpose: Purpose) -> str:
        info = pack.purposes.get(purpose)
        return say(info.label, language) if info else purpose.value.replace("_", " ")

    start = subject.created
    span = max(now - start, timedelta(minutes=1))

    def place(at: datetime) -> int:
        part = (min(max(at, start), now) - start) / span
        return LABELS + round(part * (WIDTH - LABELS - 12))

    happenings = [Happening(at=start, word="created", label="")]
    happenings += [
        Happening(at=one.at, word=one.act.value, label=label(one.purpose)) for one in history
    ]
    happenings += [
        Happening(
            at=use.manifest.created,
            word="dataset",
            label=label(use.manifest.purpose),
            what=use.dataset,
        )
        for use in uses
    ]
    happenings += [
        Happening(at=one.requested, word="erasure", label="", what=one.id) for one in erasures
    ]
    lanes = _lanes(history, uses, place, now, label)
    return {
        "lanes": lanes,
        "happenings": sorted(happenings, key=lambda one: one.at, reverse=True),
        "width": WIDTH,
        "labels": LABELS,
        "height": TOP + max(1, len(lanes)) * ROW + 26,
        "start": start,
        "now": now,
    }


def _lanes(
    history: Sequence[ConsentEvent],
    uses: Sequence[DatasetUse],
    place: Callable[[datetime], int],
    now: datetime,
    label: Callable[[Purpose], str],
) -> list[Lane]:
    """Return one lane for each purpose that was decided on or used, in the order of the first."""
    named = [event.purpose for event in history if event.act in _ON or event.act is Act.WITHDRAW]
    named += [use.manifest.purpose for use in uses]
    return [
        Lane(
            label=label(purpose),
            y=TOP + row * ROW,
            bars=_bars([one for one in history if one.purpose is purpose], place, now),
            used=tuple(
                place(use.manifest.created) for use in uses if use.manifest.purpose is purpose
            ),
        )
        for row, purpose in enumerate(dict.fromkeys(named))
    ]


def _bars(
    history: Sequence[ConsentEvent], place: Callable[[datetime], int], now: datetime
) -> tuple[Bar, ...]:
    """Return from where to where a yes stood."""
    bars: list[Bar] = []
    since: int | None = None
    for event in history:
        if event.act is Act.GRANT:
            since = place(event.at) if since is None else since
        elif event.act in {Act.WITHDRAW, Act.REVOKE} and since is not None:
            bars.append(Bar(start=since, width=max(3, place(event.at) - since)))
            since = None
    if since is not None:
        bars.append(Bar(start=since, width=max(3, place(now) - since)))
    return tuple(bars)
