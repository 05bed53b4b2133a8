"""A page and a text say all that a receipt says, in plain words, and run nothing."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from tests.lifecycle.erasing import CONTACT, DAY, Erasing
from tests.log.support import SIGNER
from volens.core.time import format_moment
from volens.holds.erasure import ErasureState
from volens.lifecycle import receipt_words as words
from volens.lifecycle.erasure_map import inventory, stores_to_clear
from volens.lifecycle.map_rows import Method
from volens.lifecycle.receipt import Shown, verify_receipt
from volens.lifecycle.receipt_outline import Outline, is_late, outline, readable
from volens.lifecycle.receipt_pages import receipt_html, receipt_text
from volens.log.kinds import ErasureCause, ErasureScope

VOID = {"meta", "br", "link", "img", "input", "hr"}
LANGUAGES = sorted(words.LANGUAGES)


class Page(HTMLParser):
    """What a page is made of; it fails on what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "title"}:
            self.texts.append(data)

    @property
    def said(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def shown(data: bytes) -> Shown:
    return verify_receipt(data, SIGNER.verifier)


def states() -> Mapping[ErasureState, bytes]:
    """Return one document for each state."""
    erasing = Erasing()
    name, back = erasing.ask(), erasing.ask(ErasureScope.ACCOUNT)
    found = {ErasureState.ACCESS_ENDED: erasing.receipt(name)}
    erasing.cancel(back)
    found[ErasureState.CANCELLED] = erasing.receipt(back)
    erasing.hold(name, erasing.clock.now() + DAY)
    found[ErasureState.HELD] = erasing.receipt(name)
    erasing.remove_keys([name])
    found[ErasureState.KEYS_REMOVED] = erasing.receipt(name)
    erasing.finish([name])
    found[ErasureState.IRRECOVERABLE] = erasing.receipt(name)
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", list(ErasureState))
def test_page_and_text_say_where_it_stands_and_every_time(
    state: ErasureState, language: str
) -> None:
    data = states()[state]
    found = shown(data)
    made = outline(found, language=language)
    page = Page(receipt_html(made, data).decode())
    text = re.sub(r"\s+", " ", receipt_text(made))
    times = found.receipt.times
    for said in (page.said, text):
        assert words.STATE[state][language] in said
        assert found.receipt.reference in said
        assert CONTACT in said
        for one in (times.requested, times.keys_removed, times.irrecoverable, times.held_until):
            assert one is None or readable(one) in said
        assert re.sub(r"\s+", " ", found.note).strip() in said
        assert "volens verify" in said
        for step in found.receipt.steps:
            assert words.METHOD[step.method][language] in said
    others = set(ErasureState) - {state}
    assert not any(words.STATE[other][language] in page.said for other in others)


def test_only_the_last_is_called_a_receipt() -> None:
    for state, data in states().items():
        made = outline(shown(data))
        done = state is ErasureState.IRRECOVERABLE
        assert made.title == ("Erasure receipt" if done else "Erasure: where it stands")
        assert made.name.endswith(".receipt" if done else ".status")
        assert ("not yet" in receipt_text(made)) == (
            state not in {ErasureState.IRRECOVERABLE, ErasureState.CANCELLED}
        )


def test_how_it_is_erased_is_told_unless_it_is_not() -> None:
    for state, data in states().items():
        made = outline(shown(data))
        told = state is not ErasureState.CANCELLED
        for said in (receipt_text(made), receipt_html(made, data).decode()):
            assert ("How it is erased" in said) == told
        open_yet = state not in {ErasureState.CANCELLED, ErasureState.IRRECOVERABLE}
        assert (words.KEPT["en"] in made.method) == open_yet


def test_the_page_is_one_file_that_loads_and_runs_nothing() -> None:
    data = Erasing().done()
    text = receipt_html(outline(shown(data)), data).decode()
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "h1",
            "h2",
            "p",
            "dl",
            "dt",
            "span",
        ),
        *("dd", "table", "thead", "tbody", "tr", "th", "td", "time", "pre", "code", "a"),
    }
    assert not re.search(
        r"https?:|//|@import|url\(|\son\w+=|javascript:",
        text.replace(page.of("a")[0]["href"] or "", "").replace(CONTACT, ""),
    )
    policy = next(one for one in page.of("meta") if "content" in one and "http-equiv" in one)
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_the_signed_receipt_lies_inside_the_page() -> None:
    data = Erasing().done()
    page = Page(receipt_html(outline(shown(data)), data).decode())
    (link,) = page.of("a")
    kind, _, encoded = (link["href"] or "").partition(",")
    assert (kind, base64.b64decode(encoded)) == ("data:application/json;base64", data)
    assert link["download"] == f"{shown(data).receipt.reference}.receipt.json"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reader_by_ear_and_a_narrow_screen_are_served(language: str) -> None:
    data = Erasing().done()
    text = receipt_html(outline(shown(data), language=language), data).decode()
    page = Page(text)
    (html,) = page.of("html")
    assert (html["lang"], html["dir"]) == (language, words.LANGUAGES[language])
    assert len(page.of("h1")) == len(page.of("main")) == len(page.of("title")) == 1
    ids = {one.get("id") for one in page.of("h2")}
    for one in page.of("table"):
        assert one["aria-labelledby"] in ids
    assert {one["scope"] for one in page.of("th")} == {"col", "row"}
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.of("meta")
    for wanted in ("prefers-color-scheme: dark", "@media print", "max-width: 30rem"):
        assert wanted in text
    assert all(one["datetime"] for one in page.of("time"))


def test_the_colours_have_contrast_enough() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text, in each of the two schemes."""
    data = Erasing().done()
    text = receipt_html(outline(shown(data)), data).decode()
    schemes = re.findall(r":root \{([^}]*--paper[^}]*)\}", text)
    assert len(schemes) == 3  # the third is for paper
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", scheme))
        for name in ("ink", "soft", "mark", "bad"):
            assert contrast(colours[name], colours["paper"]) >= 4.5


def contrast(one: str, two: str) -> float:
    first, second = sorted((luminance(one), luminance(two)), reverse=True)
    return (first + 0.05) / (second + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(letter * 2 for letter in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_no_word_of_a_receipt_becomes_markup() -> None:
    data = Erasing().done()
    found = shown(data)
    evil = '<b title="x">&amp;</b>\'"'
    receipt = replace(found.receipt, contact=evil, controller=evil)
    made = outline(replace(found, receipt=receipt, note=evil))
    page = Page(receipt_html(made, data).decode())
    assert "b" not in {tag for tag, _ in page.tags}
    assert page.said.count(evil) == 3


def test_text_fits_a_narrow_terminal_but_for_what_is_copied() -> None:
    for data in states().values():
        for language in LANGUAGES:
            text = receipt_text(outline(shown(data), language=language))
            body = text.split("volens verify")[0].split("\n")[:-1]
            assert max(map(len, body)) <= 72


def late(change: Callable[[Erasing], timedelta]) -> tuple[bool, Outline]:
    erasing = Erasing()
    name = erasing.ask()
    erasing.remove_keys([name])
    promised = erasing.erasures[name].promised_by
    erasing.clock.moment = promised + change(erasing)
    erasing.finish([name])
    found = shown(erasing.receipt(name))
    return is_late(found.receipt), outline(found)


def test_late_is_said_from_the_first_moment_after_the_promise() -> None:
    in_time, calm = late(lambda _: timedelta())
    too_late, made = late(lambda _: timedelta(milliseconds=1))
    assert (in_time, calm.warning) == (False, "")
    assert (too_late, made.warning) == (True, words.LATE["en"])
    assert words.LATE["en"] in re.sub(r"\s+", " ", receipt_text(made))
    assert words.LATE["en"] in Page(receipt_html(made, b"{}").decode()).said


def test_overdue_is_said_before_it_is_done_and_not_of_what_was_taken_back() -> None:
    erasing = Erasing()
    name, back = erasing.ask(), erasing.ask()
    erasing.cancel(back)
    erasing.clock.moment = erasing.erasures[name].promised_by
    assert not is_late(shown(erasing.receipt(name)).receipt)
    erasing.clock.step(timedelta(seconds=1))
    assert is_late(shown(erasing.receipt(name)).receipt)
    assert not is_late(shown(erasing.receipt(back)).receipt)


def test_there_are_words_for_all_there_is_in_each_language() -> None:
    tables: list[Mapping[object, words.Text]] = [
        {state: words.STATE[state] for state in ErasureState},
        {scope: words.SCOPE[scope] for scope in ErasureScope},
        {cause: words.CAUSE[cause] for cause in ErasureCause},
        {store: words.STORE[store] for store in stores_to_clear()},
        {method: words.METHOD[method] for method in Method if method is not Method.KEPT},
        dict(words.LABEL),
        dict(words.TITLE),
        dict(words.SUBJECT_LINE),
        {"": words.MEANS, "k": words.KEPT, "c": words.CHECKING, "p": words.PROVES, "l": words.LATE},
    ]
    assert {row.place for row in inventory()} >= {"main.db receipt_sent"}
    for table in tables:
        for name, text in table.items():
            assert set(text) == set(words.LANGUAGES), name
            assert all(text.values()), name


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("de", "de"), ("de-AT", "de"), ("DE", "de"), ("en_GB", "en"), ("fr", "en"), ("", "en")],
)
def test_a_language_falls_back_to_english(wanted: str, found: str) -> None:
    made = outline(shown(Erasing().done()), language=wanted)
    assert (made.language, words.language_for(wanted)) == (found, found)


def test_an_unknown_store_is_shown_by_its_own_word() -> None:
    found = shown(Erasing().done())
    steps = (replace(found.receipt.steps[0], store="search_index", method="melted"),)
    made = outline(replace(found, receipt=replace(found.receipt, steps=steps)), language="de")
    assert (made.steps[0].label, made.steps[0].note) == ("search index", "melted")
    assert made.steps[0].iso == format_moment(steps[0].at)
