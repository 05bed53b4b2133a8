"""A receipt as one HTML file that opens offline, and as plain text. Neither runs anything."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Sequence
from html import escape

from volens.lifecycle.receipt_outline import Moment, Outline, label, readable

_WIDTH = 72
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --soft: #595959;
  --line: #c8c8c8; --mark: #00527a; --bad: #8f1400; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #161616;
  --soft: #b4b4b4; --line: #4a4a4a; --mark: #8cc8ec; --bad: #ffab9c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 3rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.lead { font-size: 1.15rem; margin: 0 0 1rem; }
.late { border-inline-start: .3rem solid var(--bad); padding-inline-start: .8rem;
  color: var(--bad); }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1rem;
  margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: start; vertical-align: top; padding: .4rem .6rem .4rem 0;
  border-block-end: 1px solid var(--line); }
tbody th { font-weight: normal; }
time, code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
time { white-space: nowrap; }
pre { white-space: pre-wrap; border: 1px solid var(--line); padding: .6rem; margin: .6rem 0; }
a { color: var(--mark); }
a:focus-visible { outline: .2rem solid var(--mark); outline-offset: .2rem; }
@media (max-width: 30rem) {
  dl { display: block; } dd { margin: 0 0 .6rem; }
  th, td { padding-inline-end: .3rem; font-size: .86em; overflow-wrap: break-word; }
  time { white-space: normal; }
  time span { white-space: nowrap; }
}
@media print { :root { --ink: #000; --paper: #fff; --soft: #333; --line: #888; --mark: #000;
  --bad: #000; } body { max-width: none; padding: 0; } .save { display: none; }
  tr, pre { break-inside: avoid; } }
"""


def receipt_html(outline: Outline, data: bytes | None = None) -> bytes:
    """Write the page: no script, nothing loaded, the signed receipt inside to be saved if given.

    Args:
        outline: the receipt in words.
        data: the signed receipt itself; None if it goes along as a file.
    """

    def say(name: str) -> str:
        return escape(label(name, outline.language))

    before, command, after = outline.checking
    facts = "\n".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in outline.facts
    )
    late = f'<p class="late">{escape(outline.warning)}</p>' if outline.warning else ""
    save = ""
    if data is not None:
        place = "data:application/json;base64," + base64.b64encode(data).decode("ascii")
        name = escape(f"{outline.name}.json")
        save = f'<p class="save"><a download="{name}" href="{place}">{say("save")}</a></p>'
    tables = [_table(outline, "timeline", ("step", "when", "proof"), outline.timeline)]
    if outline.steps:
        tables.append(_table(outline, "steps", ("store", "when", "how"), outline.steps))
    parts = [
        "<!doctype html>",
        f'<html lang="{outline.language}" dir="{outline.direction}">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="robots" content="noindex">',
        f"<title>{escape(outline.subject_line)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{escape(outline.title)}</h1>",
        f'<p class="lead">{escape(outline.lead)}</p>',
        late,
        f"<dl>\n{facts}\n</dl>",
        *tables,
        f"<h2>{say('method')}</h2>" if outline.method else "",
        *[f"<p>{escape(text)}</p>" for text in outline.method],
        f"<h2>{say('check')}</h2>",
        f"<p>{escape(before)}</p>",
        f"<pre><code>{escape(command)}</code></pre>",
        save,
        f"<p>{escape(after)}</p>",
        f"<h2>{say('checkpoint')}</h2>",
        f"<pre>{escape(outline.checkpoint)}</pre>",
        "</main>",
        "</body>",
        "</html>",
    ]
    return ("\n".join(part for part in parts if part) + "\n").encode("utf-8")


def receipt_text(outline: Outline) -> str:
    """Write the same as plain text, at most 72 columns wide but for what must stay whole."""
    language = outline.language
    before, command, after = outline.checking
    lines = [outline.title, "=" * len(outline.title), "", *_wrapped(outline.lead)]
    if outline.warning:
        lines += ["", *_wrapped(outline.warning)]
    lines += ["", *_pairs(outline.facts)]
    lines += ["", label("timeline", language), *_moments(outline.timeline, language)]
    if outline.steps:
        lines += ["", label("steps", language), *_moments(outline.steps, language)]
    lines += ["", label("method", language)] if outline.method else []
    for text in outline.method:
        lines += _wrapped(text, "  ")
    lines += ["", label("check", language), *_wrapped(before, "  "), f"    {command}"]
    lines += [*_wrapped(after, "  "), "", label("checkpoint", language)]
    lines += [f"  {line}".rstrip() for line in outline.checkpoint.rstrip("\n").split("\n")]
    return "\n".join(lines) + "\n"


def _table(outline: Outline, title: str, columns: Sequence[str], moments: Sequence[Moment]) -> str:
    head = "".join(
        f'<th scope="col">{escape(label(one, outline.language))}</th>' for one in columns
    )
    rows = "\n".join(
        f'<tr><th scope="row">{escape(one.label)}</th><td>{_when(one, outline.language)}</td>'
        f"<td>{escape(one.note)}</td></tr>"
        for one in moments
    )
    return (
        f'<h2 id="{title}">{escape(label(title, outline.language))}</h2>\n'
        f'<table aria-labelledby="{title}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _when(moment: Moment, language: str) -> str:
    if moment.at is None:
        return escape(label("not_yet", language))
    words = "</span> <span>".join(readable(moment.at).split(" "))
    return f'<time datetime="{moment.iso}"><span>{words}</span></time>'


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _pairs(facts: Sequence[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for name, value in facts:
        if len(name) + len(value) + 2 <= _WIDTH:
            lines.append(f"{name}: {value}")
        else:
            lines += [f"{name}:", *_wrapped(value, "  ")]
    return lines


def _moments(moments: Sequence[Moment], language: str) -> list[str]:
    waiting = label("not_yet", language)
    lines = []
    for one in moments:
        when = readable(one.at) if one.at else waiting
        note = f" ({one.note})" if one.note else ""
        lines.append(f"  {when:<19}  {one.label}{note}")
    return lines
