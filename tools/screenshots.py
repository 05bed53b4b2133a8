r"""Take a picture of every page, in light and dark: ``python tools/screenshots.py FOLDER``.

It makes a home with something to see in it, serves it on loopback, and looks at it with Chromium.
``--language`` and ``--width`` choose how; ``--only`` names pages. The pictures of the README:

    python tools/screenshots.py docs/pictures --width 1000 --first-screen --schemes light \
        --only overview
    python tools/screenshots.py docs/pictures --width 1000 --first-screen --schemes dark \
        --only timeline
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from playwright.sync_api import Browser, sync_playwright
from starlette.routing import Route
from tests.support.pages import PERSON_PAGES, Served, find_browser, serve_home

from volens.access.model import Role
from volens.door.cookies import SESSION
from volens.web.routes import web_routes


def main() -> int:
    """Take the pictures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("screenshots"))
    parser.add_argument("--language", default="en")
    parser.add_argument("--width", type=int, default=1180)
    parser.add_argument("--schemes", default="light,dark")
    parser.add_argument("--only", default="")
    parser.add_argument("--first-screen", action="store_true", help="no more than fits on it")
    wanted = parser.parse_args()
    path = find_browser()
    if path is None:
        print("no browser: tools/install_browser.sh installs one", file=sys.stderr)
        return 5
    wanted.folder.mkdir(parents=True, exist_ok=True)
    only = set(filter(None, wanted.only.split(",")))
    with (
        tempfile.TemporaryDirectory() as home,
        serve_home(Path(home)) as served,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        chosen = [one for one in pages(served) if not only or one[0] in only]
        for scheme, (name, url, token) in itertools.product(wanted.schemes.split(","), chosen):
            out = wanted.folder / f"{name}-{scheme}.png"
            status = take(browser, url, out, token=token, scheme=scheme, wanted=wanted)
            print(f"{status} {out}")
        browser.close()
    return 0


def pages(served: Served) -> Iterator[tuple[str, str, str | None]]:
    """Yield name, address and session of every page that needs no name of a thing in its path."""
    doors = served.doors
    person = doors.session(doors.person, stepped_up=True)
    subject = doors.person.subject
    assert subject is not None
    chat = doors.run(lambda home: next(iter(home.vault.of_subject(subject))).id)
    erasure = doors.run(lambda home: home.erasures.of_subject(subject.id)[0].id)
    for name, path in PERSON_PAGES.items():
        yield name, served.url + path, person
    yield "chat", f"{served.url}/me/chats/{chat}", person
    yield "erasure", f"{served.url}/me/erasures/{erasure}", person
    yield "error", f"{served.url}/me/chats/none", person
    paths = sorted(
        route.path
        for route in web_routes()
        if isinstance(route, Route) and "GET" in (route.methods or ())
    )
    staff = doors.session(doors.staff[Role.PRIVACY_OFFICER], stepped_up=True)
    for path in paths:
        if "{" in path or not path.startswith(("/sign-in", "/staff")):
            continue
        name = path.strip("/").replace("/", "-")
        yield name, served.url + path, staff if path.startswith("/staff") else None


def take(
    browser: Browser,
    url: str,
    out: Path,
    *,
    token: str | None,
    scheme: str,
    wanted: argparse.Namespace,
) -> int:
    """Take one picture; return the page's status."""
    context = browser.new_context(
        viewport={"width": wanted.width, "height": 760 if wanted.first_screen else 860},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=wanted.language,
    )
    if token is not None:
        context.add_cookies([{"name": SESSION, "value": token, "url": url}])
    page = context.new_page()
    answer = page.goto(url)
    page.screenshot(path=str(out), full_page=not wanted.first_screen)
    context.close()
    return 0 if answer is None else answer.status


if __name__ == "__main__":
    sys.exit(main())
