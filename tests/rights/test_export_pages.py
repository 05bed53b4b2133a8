"""The readable pages, and tables for spreadsheets: whatever was said, nothing comes alive."""

import base64
import csv
import io
import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rights.exporting import ANN, BRANCHING, captured, export, part, plain
from tests.rights.test_export_again import held
from tests.support.homes import Place
from volens.core.purposes import Signal
from volens.gate.own_copy import OwnConversation
from volens.rights.export_pages import ChatList, chat_pages, safe
from volens.rights.export_tables import cell, csv_table
from volens.vault.model import Conversation, Payload, Role, Turn, TurnFlag

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</div></article></body></html><h1>gone</h1>",
    "<!-- <style>*{display:none}</style> -->",
    "javascript:alert(1)",
    "\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe\N{LEFT-TO-RIGHT OVERRIDE}",
    "\x00\x1b[31mred\x07 \x9b",
    "&lt;b&gt; &amp;",
    "שלום עולם\n\u0645\u0631\u062d\u0628\u0627",
    "=cmd|'/C calc'!A0",
)
EXPECTED_TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "a", "nav", "ul", "li",
    "bdi", "article", "div", "dl", "dt", "dd", "details", "summary", "span", "section", "table",
    "thead", "tbody", "tr", "th", "td", "code",
}  # fmt: skip
EXPECTED_ATTRIBUTES = {
    "lang", "dir", "charset", "http-equiv", "content", "name", "href", "id", "class", "scope",
    "tabindex",
}  # fmt: skip


class Reader:
    """Reads a page strictly: it is well-formed XML too, and no tag or attribute is unexpected."""

    def __init__(self, page: bytes) -> None:
        root = ET.fromstring(page.decode("utf-8"))
        found = list(root.iter())
        assert {one.tag for one in found} <= EXPECTED_TAGS
        assert {name for one in found for name in one.attrib} <= EXPECTED_ATTRIBUTES
        (policy,) = [one for one in found if one.get("http-equiv") == "Content-Security-Policy"]
        self.policy = policy.get("content", "")
        self.links = [one.attrib["href"] for one in found if "href" in one.attrib]
        body = root.find("body")
        assert body is not None
        self.text = "".join(body.itertext())


def conversation(*texts: str, title: str = "", language: str = "") -> OwnConversation:
    turns = tuple(
        Turn(role=Role.USER if index % 2 == 0 else Role.ASSISTANT, text=text, parent=index - 1)
        for index, text in enumerate(texts)
    )
    payload = Payload(turns=turns, title=title, language=language, attachments=(title,))
    return OwnConversation(held=held(None, Signal.NONE), updated=None, payload=payload)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    (page,) = chat_pages([conversation(text, text, title=text)])
    said = Reader(page.html).text
    for word in ("alert(1)", "gone", "red", "&lt;b&gt; &amp;", "שלום", "calc"):
        assert (word in text) == (word in said)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "ar", "en-GB"]))
def test_any_words_make_a_well_formed_page(text: str, language: str) -> None:
    (page,) = chat_pages([conversation(text, title=text, language=language)])
    Reader(page.html)
    shown = page.html.decode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e]", shown)


def test_an_override_is_shown_as_what_it_is() -> None:
    assert safe("a\u202eb") == 'a<span class="mark">U+202E</span>b'
    (page,) = chat_pages([conversation("x", title="a\u202eb")])
    assert page.html.count(b"U+202E") == 3  # in the list, as a heading, and as a file's name


def test_each_text_finds_its_own_direction_and_says_its_language() -> None:
    (page,) = chat_pages([conversation("مرحبا", language="ar")])
    shown = page.html.decode("utf-8")
    assert '<div class="text" dir="auto">مرحبا</div>' in shown
    assert ' lang="ar"' in shown
    assert '<html lang="en" dir="ltr">' in shown
    assert not re.search(r"(margin|padding|border)-(left|right)", shown)


def test_pages_need_no_script_and_fetch_nothing(here: Place, tmp_path: Path) -> None:
    hostile = [
        Conversation(
            source="api",
            source_id=str(number),
            title=text,
            turns=(Turn(role=Role.USER, text=text),),
        )
        for number, text in enumerate(HOSTILE)
    ]
    with here.open() as home:
        export(home, captured(home, [*hostile, BRANCHING]), tmp_path / "a.zip")
    for name in ("index.html", "chats/00001.html"):
        page = part(tmp_path / "a.zip", name)
        read = Reader(page)
        assert read.policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in read.policy
        style = page.partition(b"<style>")[2].partition(b"</style>")[0]
        assert f"'sha256-{base64.b64encode(sha256(style).digest()).decode()}'" in read.policy
        for link in read.links:
            assert re.fullmatch(
                r"(\.\./index\.html)|(chats/\d{5}\.html)?(#cnv_[a-z2-7]{26})?", link
            ), link
        for needed in (b"color-scheme: light dark", b"@media print", b"width=device-width"):
            assert needed in page


def test_what_the_product_did_not_show_is_folded_and_other_peoples_words_are_not_there() -> None:
    turns = (
        Turn(role=Role.SYSTEM, text="a memory", flags=TurnFlag.HIDDEN),
        Turn(role=Role.TOOL, text="their page", flags=TurnFlag.THIRD_PARTY | TurnFlag.HIDDEN),
        Turn(
            role=Role.ASSISTANT,
            text="reply",
            parent=0,
            rating=-1,
            at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    )
    payload = Payload(turns=turns, title="", language="", attachments=())
    one = OwnConversation(held=held(None, Signal.TEMPORARY), updated=None, payload=payload)
    (page,) = chat_pages([one])
    shown = page.html.decode("utf-8")
    assert shown.count("<details>") == 1
    assert "a memory" in shown
    assert "their page" not in shown
    assert "left out: other people" in shown
    for words in ("answers 0", "you rated it bad", "2026-01-01T00:00:00.000Z", "temporary"):
        assert words in shown


def test_a_huge_text_takes_a_page_of_its_own() -> None:
    huge = "x" * 2_000_000
    pages = list(chat_pages([conversation("a"), conversation(huge), conversation("b")]))
    assert [(page.first, len(page.titles)) for page in pages] == [(1, 2), (3, 1)]
    assert len(pages[0].html) < 2_020_000


def test_many_conversations_take_many_pages_and_the_index_stays_small() -> None:
    listed = ChatList()
    for page in chat_pages(conversation(str(number)) for number in range(2_120)):
        listed.add(page)
    assert [page.first for page in listed.pages[:2]] == [1, 51]
    assert sum(page.count for page in listed.pages) == 2_120
    assert sum(len(page.titles) for page in listed.pages) == 2_000
    assert [page.name for page in listed.pages][-1] == "chats/00043.html"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\uff1d1",
        "\uff20x",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"
    table = csv_table(("a",), [{"a": text}]).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(table, newline=""))) == [["a"], [f"'{text}"]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2))
def test_a_table_read_again_has_the_same_cells(texts: list[str]) -> None:
    data = csv_table(("a", "b"), [dict(zip("ab", texts, strict=True))])
    assert data.startswith(b"\xef\xbb\xbf")
    (_, row) = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert row == [cell(text) for text in texts]
    for value in row:
        assert not value.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", value)


def test_what_is_not_there_is_an_empty_cell_and_numbers_stay_numbers() -> None:
    assert (cell(None), cell(7), cell("plain"), cell("a=b")) == ("", "7", "plain", "a=b")


def test_names_in_tables_are_escaped_too(here: Place, tmp_path: Path) -> None:
    with here.open() as home:
        subject = captured(home, [plain(1)], "<b>=ann</b>")
        export(home, subject, tmp_path / "a.zip")
    page = part(tmp_path / "a.zip", "index.html")
    Reader(page)
    assert b"&lt;b&gt;=ann&lt;/b&gt;" in page
    assert ANN.encode() not in page
