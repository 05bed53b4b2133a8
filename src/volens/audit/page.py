"""The frame of a generated page: one file, no script, light and dark, on paper and on a phone.

Everything that comes in is escaped here. Pictures are SVG with a title and description of their
own, and never the only place where a number stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #c9ced6; --dim: #59636e;
  --good: #1a7f37; --bad: #b4232a; --warn: #7d5700; --bar: #2f6f9f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14171b; --line: #3b424b;
  --dim: #9aa4af; --good: #57c274; --bad: #ff7b76; --warn: #e0b04a; --bar: #74b4e0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin-bottom: 0; } p, ul { max-width: 44rem; } .dim { color: var(--dim); }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
b.good, b.bad, b.warn { white-space: nowrap; }
svg { display: block; width: 100%; max-width: 32rem; height: auto; margin: 1rem 0; }
svg text { fill: var(--ink); font: 14px system-ui, sans-serif; }
svg .good { fill: var(--good); } svg .bad { fill: var(--bad); } svg .warn { fill: var(--warn); }
svg .bar { fill: var(--bar); } svg .track { fill: none; stroke: var(--line); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--dim); padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid var(--line); } td.n, th.n { text-align: right; }
.ask { border-left: .25rem solid var(--warn); padding-left: .75rem; }
@media (max-width: 40rem) { table.cards thead { position: absolute; left: -999rem; }
  table.cards tr { display: block; border-bottom: 2px solid var(--line); padding: .5rem 0; }
  table.cards td { display: block; border: 0; padding: .1rem 0; text-align: left; }
  table.cards td::before { content: attr(data-name) ": "; color: var(--dim); } }
@media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --dim: #444; --line: #999;
  --good: #0b5a22; --bad: #8f1018; --warn: #5a3f00; --bar: #23577d; }
  body { max-width: none; padding: 0; font-size: 10pt; } tr, section { break-inside: avoid; } }
"""

_WIDTH, _ROOM, _STEP = 360, 290, 42
"""Of a picture, in its own units: its width, the longest bar, and the height of one bar."""


def page(title: str, body: Sequence[str], *, language: str = "en") -> str:
    """Return a whole page.

    Args:
        title: plain text.
        body: HTML, made by the functions below.
        language: BCP 47.
    """
    head = (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # A page that can load nothing can tell nobody that it was opened.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
    )
    return head + "\n".join([f"<h1>{escape(title)}</h1>", *body]) + "\n</main>\n</body>\n</html>\n"


def heading(text: str, *, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, *, style: str = "") -> str:
    """Return a paragraph; `style` is one of the classes above."""
    return f"<p{_class(style)}>{escape(text)}</p>"


def bullets(items: Sequence[str]) -> str:
    """Return a list, or nothing for no items."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "") -> str:
    """Return a table that becomes cards on a narrow screen; ``#`` before a name: numbers."""
    names = [name.lstrip("#") for name in columns]
    kinds = [' class="n"' if name.startswith("#") else "" for name in columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>'
        for name, kind in zip(names, kinds, strict=True)
    )
    lines = [
        "<tr>"
        + "".join(
            f'<td{kind} data-name="{escape(name, quote=True)}">{escape(cell)}</td>'
            for cell, name, kind in zip(row, names, kinds, strict=True)
        )
        + "</tr>"
        for row in rows
    ]
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table class="cards">{told}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def bars(title: str, items: Sequence[tuple[str, int, str]]) -> str:
    """Return a picture of horizontal bars, one for each (name, count, style).

    Names stand above their bars and the picture is narrow, so that it can be read at 320 pixels.
    The numbers stand in it as text, and in its description for who can't see it.
    """
    most = max((count for _, count, _ in items), default=0) or 1
    told = "; ".join(f"{name} {count}" for name, count, _ in items)
    drawn = []
    for place, (name, count, style) in enumerate(items):
        top = place * _STEP
        long = max(2, round(_ROOM * count / most)) if count else 0
        drawn.append(
            f'<text x="0" y="{top + 16}">{escape(name)}</text>'
            f'<rect class="track" x="1" y="{top + 22}" width="{_ROOM}" height="14" rx="2"/>'
            f'<rect class="{escape(style or "bar")}" x="1" y="{top + 22}" width="{long}" '
            f'height="14" rx="2"/><text x="{_ROOM + 9}" y="{top + 34}">{count:,}</text>'
        )
    size = f"{_WIDTH} {_STEP * len(items) + 4}"
    return (
        f'<svg viewBox="0 0 {size}" role="img" aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>{''.join(drawn)}</svg>"
    )


def badge(text: str, style: str) -> str:
    """Return a short coloured word; the word alone says it too."""
    return f"<b{_class(style)}>{escape(text)}</b>"


def _class(style: str) -> str:
    return f' class="{escape(style)}"' if style else ""
