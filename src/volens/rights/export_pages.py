"""The readable parts of an export: pages that open offline, without scripts or anything fetched.

Everything that comes from the home is escaped; text that could reorder a line is made visible; each
text finds its own direction. The pages follow light and dark, print, and fit 320 pixels.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape

from volens.core.canonical import Json
from volens.core.time import format_moment
from volens.gate.own_copy import OwnConversation
from volens.rights.export_tables import (
    ACCESS_COLUMNS,
    CONSENT_COLUMNS,
    Tables,
    flags_of,
    is_left_out,
)
from volens.vault.model import ROOT, Turn, TurnFlag

INDEX = "index.html"
_MOST_CHATS = 50
_MOST_CHARACTERS = 1_000_000
_MOST_TITLES = 2_000
_TITLE = 120
_OVERRIDES = {0x202D: "U+202D", 0x202E: "U+202E"}
_CONTROLS = dict.fromkeys(
    [*range(32), *range(127, 160), 0xFFFE, 0xFFFF], "\N{REPLACEMENT CHARACTER}"
) | {
    ord("\n"): "\n",
    ord("\t"): "\t",
    ord("\r"): "\n",
}
_ROLES = {"user": "You", "assistant": "Assistant", "system": "System", "tool": "Tool"}
_FOLDED = TurnFlag.HIDDEN | TurnFlag.REASONING
_FLAG_WORDS = {
    "third_party": "other people's words",
    "hidden": "not shown in the product",
    "reasoning": "the assistant's working",
    "off_path": "on another branch",
    "incomplete": "broken off",
}
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 46rem; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-block-start: 2rem; }
h1, h2, h3, p, li, td, dd, div { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(6rem, auto) 1fr; gap: .25rem 1rem; margin: 0; }
dt { opacity: .75; } dd { margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: start; }
td { min-width: 6rem; vertical-align: top; }
article { border-block-start: 2px solid var(--line); margin-block-start: 2rem; }
.turn { border-inline-start: 4px solid var(--line); margin-block: .75rem;
  padding-inline-start: .75rem; }
.user { background: var(--soft); }
.who { font-size: .85rem; margin: 0; opacity: .8; }
.text { unicode-bidi: plaintext; white-space: pre-wrap; }
.mark { border: 1px solid var(--line); font-size: .75em; padding: 0 .2em; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-block-end: .5rem; } }
@media print { body { max-width: none; } details::details-content { content-visibility: visible; }
  .turn, tr { break-inside: avoid-page; } }
"""
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode("utf-8")).digest()).decode("ascii")
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPage:
    """One page of conversations."""

    name: str
    html: bytes = field(repr=False)
    first: int
    """The number of its first conversation, from 1."""
    titles: tuple[tuple[str, str, str], ...] = field(repr=False)
    """Id, title and day of each conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the index needs of a page that is written already."""

    name: str
    first: int
    count: int
    titles: tuple[tuple[str, str, str], ...] = field(repr=False)
    """Empty past the first `_MOST_TITLES` of an export, so that the index stays small."""


def chat_pages(found: Iterable[OwnConversation]) -> Iterator[ChatPage]:
    """Yield pages of conversations; at most one page is in memory."""
    first, size, pages = 1, 0, 0
    articles: list[str] = []
    titles: list[tuple[str, str, str]] = []
    for number, one in enumerate(found, start=1):
        articles.append(_article(one))
        titles.append(_listed(one))
        size += len(articles[-1])
        if len(articles) >= _MOST_CHATS or size >= _MOST_CHARACTERS:
            pages += 1
            yield _chat_page(pages, first, articles, titles)
            articles, titles, size, first = [], [], 0, number + 1
    if articles:
        yield _chat_page(pages + 1, first, articles, titles)


class ChatList:
    """Collects what the index says of the pages."""

    def __init__(self) -> None:
        """Begin with none."""
        self._titles = 0
        self.pages: list[Listed] = []

    def add(self, page: ChatPage) -> None:
        """Take a page's titles, as long as there are not too many."""
        count = len(page.titles)
        self._titles += count
        titles = page.titles if self._titles <= _MOST_TITLES else ()
        self.pages.append(Listed(name=page.name, first=page.first, count=count, titles=titles))


def index_page(
    tables: Tables, pages: Sequence[Listed], left_out: Mapping[str, int], *, language: str
) -> Iterator[bytes]:
    """Yield the index, piece by piece.

    Args:
        tables: what the home knows.
        pages: the pages of conversations.
        left_out: what is not in the copy, by reason.
        language: of the policy's words; the page itself is in English.
    """
    yield from _head("Your data")
    yield _bytes("<h1>Your data</h1><p>Everything in this file is about you. It opens offline.</p>")
    yield _bytes(_section("Your account", _facts(tables.account)))
    yield _bytes(_section("The rules in force", _rules(tables.policy, language)))
    yield _bytes(
        _section(
            "Your choices",
            "<p>The latest choice counts. Receipts: the folder <code>receipts</code>.</p>",
            _table(CONSENT_COLUMNS[:5], tables.consents, "You have made no choice: all is off."),
        )
    )
    yield _bytes(
        _section(
            "Who has seen your data",
            "<p>Each access stands in the log. Proofs: <code>accesses.jsonl</code>.</p>",
            _table(ACCESS_COLUMNS[:8], tables.accesses, "Nobody has opened it."),
        )
    )
    yield _bytes(
        _section(
            "Data sets that hold your chats",
            _records(_counted(tables.datasets), "No data set holds any of your chats."),
        )
    )
    yield _bytes(_section("Models", _records(tables.models, "No model learned from your chats.")))
    yield _bytes(
        _section(
            "Models that used what may not be used any more",
            _records(tables.impact, "There is none."),
        )
    )
    yield _bytes(
        _section(
            "Copies that went out in the clear",
            _records(tables.disclosures, "No copy of your chats went out in the clear."),
        )
    )
    yield _bytes(
        _section("Holds", _records(tables.holds, "There is no hold that you are told of."))
    )
    yield _bytes(_section("Erasures", _records(tables.erasures, "You have asked for no erasure.")))
    yield _bytes(
        _section("Your requests", _records(tables.requests, "You have made no other request."))
    )
    yield _bytes(
        _section("What you reported", _records(tables.reports, "You have reported nothing."))
    )
    yield _bytes(_section("What was left out", _left_out(left_out)))
    yield _bytes("<section><h2>Your chats</h2>")
    if not pages:
        yield _bytes("<p>There are no chats in this copy.</p>")
    for page in pages:
        yield _bytes(_page_entry(page))
    yield _bytes("</section></body></html>\n")


def _chat_page(
    number: int, first: int, articles: Sequence[str], titles: Sequence[tuple[str, str, str]]
) -> ChatPage:
    last = first + len(articles) - 1
    listed = "".join(
        f'<li><a href="#{escape(one)}"><bdi>{safe(title)}</bdi></a> {escape(day)}</li>'
        for one, title, day in titles
    )
    body = [
        *_head(f"Chats {first} to {last}"),
        _bytes(f'<p><a href="../{INDEX}">Your data</a></p><h1>Chats {first} to {last}</h1>'),
        _bytes(f"<nav><ul>{listed}</ul></nav>"),
        *(_bytes(article) for article in articles),
        _bytes("</body></html>\n"),
    ]
    return ChatPage(
        name=f"chats/{number:05}.html", html=b"".join(body), first=first, titles=tuple(titles)
    )


def _article(one: OwnConversation) -> str:
    held, payload = one.held, one.payload
    name, title, day = _listed(one)
    lang = f' lang="{escape(payload.language)}"' if payload.language else ' lang=""'
    facts: dict[str, Json] = {
        "id": name,
        "day": day,
        "changed": format_moment(one.updated) if one.updated else None,
        "came in": format_moment(held.captured),
        "from": held.source,
        "signal": None if held.signal.value == "none" else held.signal.value,
        "files": ", ".join(payload.attachments) or None,
    }
    turns = "".join(_turn(index, turn) for index, turn in enumerate(payload.turns))
    return (
        f'<article id="{escape(name)}"><h2 dir="auto"{lang}>{safe(title)}</h2>{_facts(facts)}'
        f"<div{lang}>{turns}</div></article>"
    )


def _turn(index: int, turn: Turn) -> str:
    role = turn.role.name.lower()
    said = [f"{index}", _ROLES[role]]
    if turn.at is not None:
        said.append(format_moment(turn.at))
    said += [_FLAG_WORDS[word] for word in flags_of(turn)]
    if turn.rating:
        said.append("you rated it good" if turn.rating > 0 else "you rated it bad")
    if turn.parent != index - 1:
        said.append("begins anew" if turn.parent == ROOT else f"answers {turn.parent}")
    who = f'<p class="who" lang="en">{escape(" · ".join(said))}</p>'
    if is_left_out(turn):
        text = '<p lang="en">(left out: other people\'s words)</p>'
    else:
        text = f'<div class="text" dir="auto">{safe(turn.text)}</div>'
    if turn.flags & _FOLDED and not is_left_out(turn):
        text = f'<details><summary lang="en">show</summary>{text}</details>'
    return f'<div class="turn {role}">{who}{text}</div>'


def _listed(one: OwnConversation) -> tuple[str, str, str]:
    title = one.payload.title
    title = f"{title[:_TITLE]}…" if len(title) > _TITLE else title or one.held.id
    return one.held.id, title, format_moment(one.held.created or one.held.captured)[:10]


def _page_entry(page: Listed) -> str:
    last = page.first + page.count - 1
    head = f'<h3><a href="{escape(page.name)}">Chats {page.first} to {last}</a></h3>'
    listed = "".join(
        f'<li><a href="{escape(page.name)}#{escape(one)}"><bdi>{safe(title)}</bdi></a> '
        f"{escape(day)}</li>"
        for one, title, day in page.titles
    )
    return f"{head}<ul>{listed}</ul>" if listed else head


def safe(text: str) -> str:
    """Return text from anywhere as HTML: escaped, controls replaced, overrides made visible."""
    clean = escape(text.replace("\r\n", "\n").translate(_CONTROLS))
    for point, word in _OVERRIDES.items():
        clean = clean.replace(chr(point), f'<span class="mark">{word}</span>')
    return clean


def _head(title: str) -> Iterator[bytes]:
    yield _bytes(
        '<!DOCTYPE html>\n<html lang="en" dir="ltr"><head><meta charset="utf-8" />'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}" />'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />'
        '<meta name="color-scheme" content="light dark" />'
        '<meta name="referrer" content="no-referrer" />'
        f"<title>{safe(title)}</title><style>{_STYLE}</style></head><body>"
    )


def _section(title: str, *inner: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(inner)}</section>"


def _facts(facts: Mapping[str, Json]) -> str:
    rows = "".join(
        f'<dt>{escape(name.replace("_", " "))}</dt><dd dir="auto">{_value(value)}</dd>'
        for name, value in facts.items()
        if value is not None
    )
    return f"<dl>{rows}</dl>"


def _records(records: Sequence[Mapping[str, Json]], nothing: str) -> str:
    if not records:
        return f"<p>{escape(nothing)}</p>"
    return "".join(f"<div class='turn'>{_facts(one)}</div>" for one in records)


def _counted(records: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    """Show how many there are where a record lists conversations one by one."""
    return [
        {
            name: len(value) if isinstance(value, list) and name == "conversations" else value
            for name, value in one.items()
        }
        for one in records
    ]


def _value(value: Json) -> str:
    if isinstance(value, Mapping):
        return _facts(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"<ul>{''.join(f'<li>{_value(one)}</li>' for one in value)}</ul>" if value else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe("-" if value is None else str(value))


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Json]], nothing: str) -> str:
    if not rows:
        return f"<p>{escape(nothing)}</p>"
    head = "".join(f'<th scope="col">{escape(name.replace("_", " "))}</th>' for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_value(row[name])}</td>' for name in columns)}</tr>" for row in rows
    )
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _rules(policy: Mapping[str, Json], language: str) -> str:
    texts = policy["texts"]
    facts = {name: value for name, value in policy.items() if name not in {"texts", "language"}}
    said = "".join(
        f'<div class="text" lang="{escape(language)}" dir="auto">{safe(str(text))}</div>'
        for text in (texts if isinstance(texts, list) else [])
    )
    return f"{_facts(facts)}{said}"


def _left_out(left_out: Mapping[str, int]) -> str:
    if not left_out:
        return "<p>Nothing was left out.</p>"
    return _facts({REASONS.get(name, name): count for name, count in left_out.items()})


REASONS = {
    "third_party_turns": "turns that are other people's words; your right to a copy does not reach "
    "theirs (GDPR Art. 15(4))",
    "erased": "chats that were erased while this copy was made",
    "erasing": "chats that are being erased: nobody can open them any more",
    "closed": "chats of a closed account",
}
"""Why something is not in the copy, in words; a code without words is shown as it is."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8")
