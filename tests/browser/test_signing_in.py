"""Signing in with a real browser: forms, an authenticator of its own, no trouble for anybody."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python import sync_playwright as axe
from playwright.sync_api import Browser, Page
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.doors import Doors, open_doors
from tests.support.pages import serve_app
from tests.support.ports import SeededEntropy
from volens.access.passwords import hash_password
from volens.app.access import accounts_of, passkeys_of
from volens.door.doorway import Doorway, Settings
from volens.server.application import application

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]
PASSWORD = "three quiet rivers"
SUBMIT = "form button.button:not(.plain)"


class Late:
    """An application that is made once its address is known."""

    made: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.made(scope, receive, send)


@dataclass(frozen=True)
class Site:
    """A server under a host name: an address in numbers has no passkeys."""

    doors: Doors
    url: str


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    late = Late()
    with open_doors(tmp_path) as doors, serve_app(late) as address:
        url = address.replace("127.0.0.1", "localhost")
        settings = Settings(public_url=url)
        late.made = application(Doorway(thread=doors.thread, settings=settings))
        hashed = hash_password(PASSWORD, entropy=SeededEntropy())
        doors.run(lambda home: accounts_of(home).set_password(doors.person.account, hashed))
        yield Site(doors, url)


def test_a_person_signs_in_adds_a_passkey_and_comes_back_with_it(
    browser: Browser, site: Site
) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 800})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    _give_authenticator(page)
    page.goto(f"{site.url}/sign-in")
    _look(page)
    page.fill("#name", "ada")
    page.fill("#password", PASSWORD)
    page.click(SUBMIT)
    page.wait_for_url("**/me")
    page.goto(f"{site.url}/sign-in/security")
    _look(page)
    with page.expect_navigation(url="**/sign-in/security"):
        page.click("form[data-make] button")
    assert len(site.doors.run(lambda home: passkeys_of(home).of(site.doors.person.account))) == 1
    page.click("form[action='/sign-out'] button")
    page.wait_for_url("**/sign-in")
    page.click("form.passkey button")
    page.wait_for_url("**/me")
    page.goto(f"{site.url}/sign-in/confirm?next=/me")
    _look(page)
    page.click("form.passkey button")
    page.wait_for_url("**/me")
    assert wrong == []
    page.close()


def _give_authenticator(page: Page) -> None:
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True}
    options["automaticPresenceSimulation"] = True
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def _look(page: Page) -> None:
    """Nothing sticks out at 320 pixels, and axe finds nothing."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
