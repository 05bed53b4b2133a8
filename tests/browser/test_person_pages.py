"""A person's pages in a real browser: what everybody can use, and what weighs the same."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import signed_in
from tests.support.pages import PERSON_PAGES, Served

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]
NARROW = {"width": 320, "height": 640}
WIDER = """() => [...document.querySelectorAll('body *')].filter(
  one => one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest('.table, .picture, .menu, .unseen')).map(one => one.outerHTML.slice(0, 120))"""
CONTRAST = """one => {
  const number = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = rgb => rgb.map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const style = getComputedStyle(one);
  const [a, b] = [light(number(style.color)), light(number(style.backgroundColor))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(served: Served, browser: Browser, scheme: str) -> None:
    context = signed_in(served, browser, color_scheme=scheme)
    page = context.new_page()
    found = {}
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    for name, path in all_pages(served).items():
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        result = Axe().run(page, options={"runOnly": tags, "resultTypes": ["violations"]})
        if result.violations_count:
            found[name] = [
                (one["id"], [node["html"][:160] for node in one["nodes"]][:3])
                for one in result.response["violations"]
            ]
    context.close()
    assert not found


def test_nothing_is_wider_than_a_narrow_screen(served: Served, browser: Browser) -> None:
    context = signed_in(served, browser, viewport=NARROW)
    page = context.new_page()
    wide = {}
    for name, path in all_pages(served).items():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, (
            name,
            page.evaluate(WIDER),
        )
        if found := page.evaluate(WIDER):
            wide[name] = found
    context.close()
    assert not wide


def test_arabic_runs_from_right_to_left(served: Served, browser: Browser) -> None:
    context = signed_in(served, browser, locale="ar", viewport={"width": 1180, "height": 800})
    page = context.new_page()
    for name, path in all_pages(served).items():
        page.goto(path)
        assert page.locator("html").get_attribute("dir") == "rtl"
        assert page.evaluate("document.documentElement.scrollWidth") <= 1180, name
    page.goto("/me")
    menu, main = page.locator(".menu").bounding_box(), page.locator("main").bounding_box()
    assert menu is not None
    assert main is not None
    assert menu["x"] > main["x"]
    context.close()


def test_nothing_moves_while_a_page_loads(served: Served, browser: Browser) -> None:
    context = signed_in(served, browser)
    context.add_init_script(
        "window.moved = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "one => window.moved += one.value)).observe({type: 'layout-shift', buffered: true})"
    )
    page = context.new_page()
    for name, path in all_pages(served).items():
        page.goto(path, wait_until="networkidle")
        assert page.evaluate("window.moved") == 0, name
    context.close()


def test_yes_and_no_weigh_the_same_and_going_back_is_no_longer_a_way(
    served: Served, browser: Browser
) -> None:
    context = signed_in(served, browser, java_script_enabled=True)
    page = context.new_page()
    steps_to_yes = 0
    page.goto("/me")
    page.get_by_role("link", name="See the choices").click()
    steps_to_yes += 1
    page.get_by_role("link", name="Look at it Finding and fixing faults").click()
    steps_to_yes += 1
    pair_weighs_the_same(page)
    page.get_by_role("button", name="Yes", exact=True).click()
    steps_to_yes += 1
    expect(page.get_by_text("Your yes is written down")).to_be_visible()
    expect(page.get_by_text("Datasets made from now on may hold your chats")).to_be_visible()
    pair_weighs_the_same(page)
    steps_back = 0
    page.goto("/me")
    page.get_by_role("link", name="See the choices").click()
    steps_back += 1
    page.get_by_role("button", name="Take it back Finding and fixing faults").click()
    steps_back += 1
    expect(page.get_by_text("Your yes is taken back")).to_be_visible()
    assert steps_back <= steps_to_yes
    page.goto("/me/delete?what=history")
    pair_weighs_the_same(page)
    context.close()


def test_a_whole_life_without_javascript(served: Served, browser: Browser) -> None:
    context = signed_in(served, browser, java_script_enabled=False)
    page = context.new_page()
    for step in (decide, look_after_chats, fetch_proofs, fetch_the_copy, ask, speak_german):
        step(page)
    context.close()


def decide(page: Page) -> None:
    """Switch the history off and on; say yes to a use and take it back."""
    page.goto("/me")
    page.get_by_role("button", name="Turn history off").click()
    expect(page.get_by_text("History is off")).to_be_visible()
    page.get_by_role("button", name="Turn history on").click()
    page.goto("/me/choices/safety_training")
    page.get_by_role("button", name="Yes", exact=True).click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Your yes is taken back")).to_be_visible()


def look_after_chats(page: Page) -> None:
    """Leave one chat out; report another, delete it and take that back."""
    page.goto("/me/chats")
    first = page.locator(".rows li").first
    first.get_by_role("button", name=re.compile("Leave out")).click()
    expect(page.locator(".rows li").first.get_by_text("Left out")).to_be_visible()
    page.get_by_role("link", name="Older chats").click()
    page.locator(".rows li a").first.click()
    page.get_by_label("Why").select_option("wrong")
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_text("Your report is written down")).to_be_visible()
    page.get_by_role("link", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deletion has begun")).to_be_visible()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Nothing is deleted")).to_be_visible()


def fetch_proofs(page: Page) -> None:
    """Download the proof of an access, and of a chat in a dataset."""
    page.goto("/me/seen")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Proof")).first.click()
    assert download.value.suggested_filename.startswith("access-")
    page.goto("/me/datasets")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download proof")).first.click()
    assert download.value.suggested_filename.startswith("dst_")


def fetch_the_copy(page: Page) -> None:
    """Have a copy made, and download it."""
    page.goto("/me/export")
    page.get_by_role("button", name="Make my copy").click()
    for _ in range(100):
        if page.get_by_role("link", name="Download").count():
            break
        page.goto("/me/export")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "my-data.zip"


def ask(page: Page) -> None:
    """Ask for a correction."""
    page.goto("/me/rights")
    page.get_by_role("button", name="Send request Correct something").click()
    expect(page.get_by_text("Your request is written down")).to_be_visible()


def speak_german(page: Page) -> None:
    """Choose another language and come back to the same page."""
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_role("heading", name="Deine Rechte")).to_be_visible()


def test_everything_is_reached_with_the_keyboard_and_seen_where_it_is(
    served: Served, browser: Browser
) -> None:
    context = signed_in(served, browser)
    page = context.new_page()
    page.goto("/me/choices/human_feedback")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        text = page.evaluate("document.activeElement.textContent.trim()")
        reached.append(text)
        if page.evaluate("document.activeElement.tagName") in {"A", "BUTTON"}:
            assert outline == "solid", text
        if text == "No":
            break
    assert reached[-2:] == ["Yes", "No"]
    page.keyboard.press("Enter")
    page.wait_for_url("**done=no*")
    expect(page.get_by_text("Nobody will be told that you said no")).to_be_visible()
    context.close()


def test_closing_the_account_signs_out_at_once_and_can_be_taken_back(
    served: Served, browser: Browser
) -> None:
    context = signed_in(served, browser)
    page = context.new_page()
    page.goto("/me/delete?what=account")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="Your account is closed")).to_be_visible()
    address = page.url
    page.goto("/me")
    assert "/sign-in" in page.url
    page.goto(address)
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("heading", name="Your account is back")).to_be_visible()
    context.close()
    context = signed_in(served, browser)
    page = context.new_page()
    answer = page.goto("/me")
    assert answer is not None
    assert answer.status == 200
    assert "/sign-in" not in page.url
    context.close()


def all_pages(served: Served) -> dict[str, str]:
    """Return the address of every page, with one chat and one deletion."""
    subject = served.doors.person.subject
    assert subject is not None
    chat = served.doors.run(lambda home: next(iter(home.vault.of_subject(subject))).id)
    erasure = served.doors.run(lambda home: home.erasures.of_subject(subject.id)[0].id)
    return {
        **PERSON_PAGES,
        "chat": f"/me/chats/{chat}",
        "erasure": f"/me/erasures/{erasure}",
        "error": "/me/chats/none",
    }


def pair_weighs_the_same(page: Page) -> None:
    """Pass if the two answers have one size, one contrast, and lie one tab apart."""
    one, two = page.locator(".pair .button").all()
    assert size(one) == size(two)
    assert one.evaluate(CONTRAST) == two.evaluate(CONTRAST) >= 4.5
    one.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == two.text_content()


def size(button: Locator) -> tuple[float, float]:
    """Return width and height, to the tenth of a pixel."""
    box = button.bounding_box()
    assert box is not None
    return round(box["width"], 1), round(box["height"], 1)
