"""Charts made by the server: SVG whose colours come from style classes, each with a table twin.

A picture is never the only place where a number stands: every number is written in it as text and
stands in the table beside it. Series differ in lightness and in texture, not in hue alone. There
is no style attribute and no script (CSP). The pictures are narrow, with names above their bars, so
that they can be read at 320 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup, escape

_WIDTH: Final = 360
_ROOM: Final = 359
"""The longest bar, in units of the picture."""
_STEP: Final = 44
"""The height of one bar with its name."""
_BAR: Final = 16
STYLES: Final = ("s1", "s2", "s3", "s4")
"""Classes of series, from the strongest to the faintest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture and its table."""

    title: str
    picture: Markup
    columns: tuple[str, ...]
    """Names of the table's columns; ``#`` before a name: numbers."""
    rows: tuple[tuple[str, ...], ...]
    legend: tuple[tuple[str, str], ...] = ()
    """(style, name) of each series, if there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its name, how long it is, and what stands at its end."""

    name: str
    value: int
    said: str
    style: str = "s1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One bar of several parts, in the order of the series."""

    name: str
    parts: tuple[int, ...]
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One bar from a moment to a moment."""

    name: str
    start: datetime
    end: datetime
    said: str
    style: str = "s1"


def bar_chart(
    title: str,
    bars: Sequence[Bar],
    columns: tuple[str, str],
    *,
    most: int = 0,
) -> Chart:
    """Return horizontal bars.

    Args:
        title: what it shows, in words.
        bars: from the top.
        columns: the names of the table's columns.
        most: what a full bar stands for; the longest bar by default.
    """
    full = most or max((bar.value for bar in bars), default=0) or 1
    drawn = [
        _named(place, bar.name, bar.said)
        + _rect("track", 0, _ROOM, place)
        + _rect(bar.style, 0, _long(bar.value, full), place)
        for place, bar in enumerate(bars)
    ]
    return Chart(
        title=title,
        picture=_picture(title, drawn, len(bars)),
        columns=columns,
        rows=tuple((bar.name, bar.said) for bar in bars),
    )


def stack_chart(
    title: str,
    stacks: Sequence[Stack],
    series: Sequence[str],
    columns: tuple[str, ...],
    *,
    numbers: Sequence[tuple[str, ...]],
) -> Chart:
    """Return bars of parts, all as long as their sum says; one colour for each series.

    Args:
        title: what it shows, in words.
        stacks: from the top.
        series: the name of each part, four at most.
        columns: the names of the table's columns.
        numbers: the table's cells after the name, for each stack.
    """
    full = max((sum(stack.parts) for stack in stacks), default=0) or 1
    drawn = []
    for place, stack in enumerate(stacks):
        made, at = _named(place, stack.name, stack.said), 0
        for style, part in zip(STYLES, stack.parts, strict=False):
            long = _long(part, full)
            made += _rect(style, at, max(0, long - 1), place)
            at += long
        drawn.append(made)
    return Chart(
        title=title,
        picture=_picture(title, drawn, len(stacks)),
        columns=columns,
        rows=tuple((stack.name, *cells) for stack, cells in zip(stacks, numbers, strict=True)),
        legend=tuple(zip(STYLES, series, strict=False)),
    )


def span_chart(
    title: str, spans: Sequence[Span], now: datetime, columns: tuple[str, str], now_said: str
) -> Chart:
    """Return bars over time, with a line at `now`.

    Args:
        title: what it shows, in words.
        spans: from the top.
        now: where the line stands.
        columns: the names of the table's columns.
        now_said: what the line is called.
    """
    first = min([now, *(span.start for span in spans)])
    last = max([now, *(span.end for span in spans)])
    whole = (last - first).total_seconds() or 1.0

    def place_of(moment: datetime) -> int:
        return round(_ROOM * (moment - first).total_seconds() / whole)

    drawn = [
        _named(row, span.name, span.said)
        + _rect(
            span.style, place_of(span.start), place_of(span.end) - place_of(span.start), row, low=2
        )
        for row, span in enumerate(spans)
    ]
    at, height = min(_ROOM - 1, place_of(now) + 1), _STEP * len(spans)
    anchor = "end" if at > _ROOM // 2 else "start"
    drawn.append(
        Markup('{1}<text class="now" x="{0}" y="{2}" text-anchor="{3}">{4}</text>').format(
            at, _ticks(at, len(spans)), height + 14, anchor, now_said
        )
    )
    return Chart(
        title=title,
        picture=_picture(title, drawn, len(spans), foot=20),
        columns=columns,
        rows=tuple((span.name, span.said) for span in spans),
    )


def _ticks(at: int, count: int) -> Markup:
    """Return the line at one moment, where the bars are: names above them stay clear of it."""
    line = Markup('<line class="now" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
    tops = (row * _STEP + 17 for row in range(count))
    return Markup().join(line.format(at, top, top + _BAR + 6) for top in tops)


def _long(value: int, full: int) -> int:
    """Return the length of a bar; whatever is not nothing can be seen."""
    return max(3, round(_ROOM * value / full)) if value > 0 else 0


def _named(place: int, name: str, said: str) -> Markup:
    top = place * _STEP + 14
    return Markup(
        '<text x="0" y="{0}">{1}</text><text class="n" x="{2}" y="{0}" text-anchor="end">{3}</text>'
    ).format(top, _short(name), _WIDTH, said)


def _rect(style: str, left: int, long: int, place: int, *, low: int = 0) -> Markup:
    if not long and not low:
        return Markup()
    return Markup('<rect class="{0}" x="{1}" y="{2}" width="{3}" height="{4}" rx="3"/>').format(
        style, left, place * _STEP + 20, max(low, long), _BAR
    )


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _picture(title: str, drawn: Sequence[Markup], count: int, *, foot: int = 0) -> Markup:
    height = _STEP * count + foot
    head = Markup(
        '<svg class="chart" viewBox="-1 0 {0} {1}" role="img" aria-label="{2}" direction="ltr">'
    ).format(_WIDTH + 2, max(height, 1), escape(title))
    return head + Markup().join(drawn) + Markup("</svg>")
