"""A browser and a served home for the page tests; without a browser they are skipped."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from pytest_socket import enable_socket

from tests.support.pages import Served, find_browser, serve_home
from volens.door.cookies import SESSION


# Until it ends, the thread of the tests counts as inside an event loop, in which no other can
# be run: it must not outlive the tests of a browser.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip("no browser: tools/install_browser.sh installs one")
    enable_socket()
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def served(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    del browser  # asked first, so that nothing is served where there is none
    enable_socket()
    with serve_home(Path(tmp_path_factory.mktemp("served"))) as one:
        yield one


def signed_in(served: Served, browser: Browser, **wanted: object) -> BrowserContext:
    """Return a browser context in which the person is signed in."""
    context = browser.new_context(base_url=served.url, **wanted)  # type: ignore[arg-type]  # options
    token = served.doors.session(served.doors.person, stepped_up=True)
    context.add_cookies([{"name": SESSION, "value": token, "url": served.url}])
    return context
