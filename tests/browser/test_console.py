"""In a real browser: a reviewer's and a privacy officer's whole story, and every page of staff.

Each page is looked at by axe, at 320 pixels, and with scripts off; the keyboard alone is enough.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.console import fill
from tests.support.doors import Doors, Guest, open_doors
from tests.support.pages import serve_app
from volens.access.model import Role
from volens.app.access import accounts_of, roles_of
from volens.app.home import Home
from volens.core.ids import ConversationId
from volens.door.cookies import SESSION
from volens.server.application import application
from volens.web.console import PAGES

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with open_doors(tmp_path_factory.mktemp("doors")) as found:
        yield found


@pytest.fixture(scope="module")
def chats(doors: Doors) -> Mapping[str, ConversationId]:
    return fill(doors)


@pytest.fixture(scope="module")
def url(browser: Browser, doors: Doors, chats: Mapping[str, ConversationId]) -> Iterator[str]:
    del browser, chats  # asked first: where there is no browser nothing is served
    with serve_app(application(doors.doorway)) as found:
        yield found


@contextmanager
def visit(
    doors: Doors,
    browser: Browser,
    url: str,
    guest: Guest,
    *,
    width: int = 1200,
    scripts: bool = True,
    dark: bool = False,
) -> Iterator[Page]:
    """Open a page for a member of staff; whatever the browser complains of fails the test."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        java_script_enabled=scripts,
        color_scheme="dark" if dark else "light",
    )
    token = doors.session(guest, stepped_up=True)
    context.add_cookies([{"name": SESSION, "value": token, "url": url}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def paths_of(role: Role) -> list[str]:
    """Return the pages of a role that need nothing named."""
    return [
        f"/staff{one.path}"
        for one in PAGES
        if not one.act and role in one.roles and "{" not in one.path and one.key
    ] + ["/staff", "/staff/tables/plans"]


def check(page: Page) -> None:
    """Let axe look at the page as it is; nothing may be wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(wide), page.url


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("role", list(Role))
def test_axe_finds_nothing_on_any_page(
    doors: Doors, browser: Browser, url: str, role: Role, dark: bool
) -> None:
    with visit(doors, browser, url, doors.staff[role], dark=dark) as page:
        for path in paths_of(role):
            page.goto(url + path)
            check(page)


@pytest.mark.parametrize("role", list(Role))
def test_nothing_is_wider_than_320_pixels(
    doors: Doors, browser: Browser, url: str, role: Role
) -> None:
    with visit(doors, browser, url, doors.staff[role], width=320) as page:
        for path in paths_of(role):
            page.goto(url + path)
            check(page)


def colleague(doors: Doors) -> Guest:
    """Add one more reviewer."""

    def act(home: Home) -> Guest:
        account = accounts_of(home).add_staff("second-reviewer")
        until = home.clock.now() + timedelta(days=30)
        roles_of(home).give(account, Role.TRUST_AND_SAFETY, until=until)
        return Guest(accounts_of(home).by_id(account.id))

    return doors.run(act)


def press_on(page: Page, name: str, *, goes: bool = True, most: int = 120) -> None:
    """Reach what is called `name` with the Tab key alone, and press Enter.

    Args:
        page: where.
        name: how its text begins.
        goes: whether another page comes of it.
        most: how often Tab is pressed.
    """
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent.trim()")
        if str(focused).startswith(name):
            shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert shown != "none", f"{name}: the focus can't be seen"
            if not goes:
                page.keyboard.press("Enter")
                return
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_a_look_is_accessible_and_reached_with_the_keyboard(
    doors: Doors, browser: Browser, url: str, chats: Mapping[str, ConversationId]
) -> None:
    reviewer = doors.staff[Role.TRUST_AND_SAFETY]
    with visit(doors, browser, url, reviewer, width=320) as page:
        page.goto(f"{url}/staff/cases/new?class=system_abuse&conversation={chats['attacks']}")
        check(page)
        page.get_by_label("Turn 1").check()
        press_on(page, "Open the case")
        check(page)
        press_on(page, "Look at these turns")
        press_on(page, "Show the text", goes=False)
        found = Axe().run(page, options={"rules": {"meta-refresh": {"enabled": False}}})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("window.alerted === undefined")
        page.get_by_role("button", name="I am done").focus()
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.get_by_text("Your look has ended")).to_be_visible()


def test_a_reviewers_day_without_scripts(doors: Doors, browser: Browser, url: str) -> None:
    reviewer, second = doors.staff[Role.TRUST_AND_SAFETY], colleague(doors)
    with visit(doors, browser, url, reviewer, scripts=False) as page:
        page.goto(f"{url}/staff")
        page.get_by_role("link", name="Review queue").first.click()
        page.get_by_role("link", name="Open a case").click()
        page.get_by_role("link", name="Illegal content").click()
        page.get_by_label("Turn 4").check()
        page.get_by_label("Turn 5").check()
        page.get_by_label("Which law it breaks").fill("DE:StGB-130")
        page.get_by_role("button", name="Ask a second person").click()
        expect(page.get_by_text("You cannot do it for your own")).to_be_visible()
        expect(page.get_by_role("button", name="Look at these turns")).to_have_count(0)
        case = page.url.partition("?")[0]
        with visit(doors, browser, url, second, scripts=False) as other:
            other.goto(case)
            other.get_by_role("button", name="Approve").click()
            expect(other.get_by_text("You approved the case")).to_be_visible()
        page.goto(case)
        page.get_by_role("button", name="Look at these turns").click()
        said = page.locator(".said").first
        expect(said).not_to_be_visible()
        page.get_by_text("Show the text").first.click()
        expect(said).to_be_visible()
        assert "U+202E" in said.inner_text()
        expect(page.locator(".said")).to_have_count(2)
        expect(page.get_by_text("This page goes by itself at")).to_be_visible()
        page.get_by_role("button", name="I am done").click()
        expect(page.get_by_text("Your look has ended")).to_be_visible()
        page.get_by_role("button", name="Close the case").click()
        expect(page.get_by_text("The case is closed")).to_be_visible()


def test_a_privacy_officers_day_without_scripts(doors: Doors, browser: Browser, url: str) -> None:
    officer = doors.staff[Role.PRIVACY_OFFICER]
    with visit(doors, browser, url, officer, scripts=False) as page:
        page.goto(f"{url}/staff/overview")
        page.get_by_text("The same numbers as a table").first.click()
        expect(page.get_by_role("columnheader", name="said nothing").first).to_be_visible()
        page.get_by_role("link", name="Rights requests").first.click()
        page.get_by_role("link", name="Access").click()
        page.get_by_label("How was it shown?").select_option("documents")
        page.get_by_role("button", name="Record it").click()
        expect(page.get_by_text("it was shown who asks")).to_be_visible()
        page.get_by_role("button", name="Somebody works on it").click()
        page.get_by_label("Outcome and reason").select_option("refused.excessive")
        page.get_by_role("button", name="Close the request").click()
        expect(page.get_by_text("The request is closed.")).to_be_visible()
        page.get_by_role("link", name="Policy versions").click()
        page.get_by_role("link", name="Compare consent-first clarifications-2025-02").click()
        expect(page.get_by_text("For how many people")).to_be_visible()
        page.get_by_role("button", name="Put consent-first@clarifications").click()
        expect(page.get_by_text("in force from now on")).to_be_visible()
        page.get_by_role("link", name="Clock").click()
        page.get_by_label("Date and time in UTC").fill(f"{doors.where.clock.now():%Y-%m-%dT%H:%M}")
        page.get_by_label("I looked at another clock").check()
        page.get_by_role("button", name="Confirm the time").click()
        expect(page.get_by_text("The time is confirmed")).to_be_visible()
        page.get_by_role("link", name="Audits").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").first.click()
        assert download.value.suggested_filename == "audit-1.json"


def test_an_officers_requests_are_reached_with_the_keyboard(
    doors: Doors, browser: Browser, url: str
) -> None:
    with visit(doors, browser, url, doors.staff[Role.PRIVACY_OFFICER]) as page:
        page.goto(f"{url}/staff")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        press_on(page, "Rights requests")
        press_on(page, "Correction")
        check(page)
