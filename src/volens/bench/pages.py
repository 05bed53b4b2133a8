"""What a page costs a person whose home is large: time to its first byte, and its size.

Twice: 10^5 conversations of 1,000 people, and, the worst there is, all of one person. Requests go
through the whole application in process, from the call to the moment at which it sends the answer's
head; a network is not part of it. Beside the pages stands one that does not exist: what routes and
headers cost alone.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from starlette.types import ASGIApp

from volens.app.access import accounts_of, sessions_of
from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.app.thread import HomeThread
from volens.core.regions import Region
from volens.door.cookies import SESSION
from volens.door.doorway import Doorway, Settings
from volens.log.kinds import CaptureSource
from volens.server.application import application
from volens.vault.listing import page_of
from volens.vault.model import Conversation, Role, Turn
from volens.vault.subjects import NewSubject, Subject

CONVERSATIONS: Final = 100_000
PEOPLE: Final = 1_000
GOAL_MS: Final = 50.0
GOAL_BYTES: Final = 100_000
_BATCH: Final = 5_000
_NOTHING: Final = "/no-such-page"
PATHS: Final[Sequence[str]] = (
    "/me",
    "/me/choices",
    "/me/choices/batch_training",
    "/me/chats",
    "/me/chats?before=50000",
    "/me/chats/{chat}",
    "/me/seen",
    "/me/datasets",
    "/me/timeline",
    "/me/erasures",
    "/me/delete?what=history",
    "/me/export",
    "/me/holds",
    "/me/rights",
    "/me/policy",
    "/me/policy/versions",
    "/me/policy/fields",
)


def run(
    print_line: Callable[[str], None], *, conversations: int = CONVERSATIONS, rounds: int = 9
) -> dict[str, tuple[float, int]]:
    """Measure every page; return (median milliseconds, bytes) by path."""
    found = {}
    for people in (PEOPLE, 1):
        said = f"{conversations:,} conversations of {people:,} people; medians of {rounds}"
        print_line(said if people > 1 else f"{conversations:,} conversations of one person")
        for path, one in _one_home(print_line, conversations, people, rounds).items():
            found[f"{people} {path}"] = one
    print_line(f"goals: {GOAL_MS:.0f} ms, {GOAL_BYTES:,} bytes")
    return found


def _one_home(
    print_line: Callable[[str], None], conversations: int, people: int, rounds: int
) -> dict[str, tuple[float, int]]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {"VOLENS_KEK_DIR": f"{folder}/keys"}
        home = Path(folder) / "home"
        create_home(home, environment=environment)
        thread = HomeThread(lambda: open_home(home, writing=True, environment=environment))
        try:
            token, chat = thread.run_here(lambda opened: _fill(opened, conversations, people))
            app = application(Doorway(thread=thread, settings=Settings()))
            paths = [path.format(chat=chat) for path in PATHS]
            found = asyncio.run(_measure(app, [_NOTHING, *paths], token, rounds))
        finally:
            thread.close()
    for path, (milliseconds, least, most, size) in found.items():
        missed = path != _NOTHING and (milliseconds > GOAL_MS or size > GOAL_BYTES)
        print_line(
            f"{path.replace(chat, 'cnv_...'):<28} {milliseconds:7.1f} ms"
            f"  ({least:.1f} - {most:.1f})  {size:7,} bytes{'  MISSED' if missed else ''}"
        )
    return {path.replace(chat, "cnv"): (one[0], one[3]) for path, one in found.items()}


def _fill(home: Home, conversations: int, people: int) -> tuple[str, str]:
    """Capture everybody's conversations; return a session of the last, and one of their chats."""
    new = [
        NewSubject(reference=f"person-{number}", plan="free", region=Region.EU)
        for number in range(people)
    ]
    subjects = home.subjects.add(new)
    chats = _chats(conversations)
    share = conversations // people
    for first in range(0, people if people > 1 else 0, 50):
        some = subjects[first : first + 50]
        taken = {one: list(itertools.islice(chats, share)) for one in some}
        home.vault.capture(taken, source=CaptureSource.DEMO)
    while some_chats := list(itertools.islice(chats, _BATCH)):
        home.vault.capture({subjects[-1]: some_chats}, source=CaptureSource.DEMO)
    return _session(home, subjects[-1]), page_of(home.main, subjects[-1], limit=1)[0].id


def _session(home: Home, subject: Subject) -> str:
    account = accounts_of(home).add_person("ada@example.org", subject.id)
    return sessions_of(home).open(account.id, stepped_up=True)


def _chats(count: int) -> Iterator[Conversation]:
    for number in range(count):
        yield Conversation(
            source="bench",
            source_id=f"{number}",
            title=f"About the {number}th thing that I wanted to know",
            turns=(
                Turn(role=Role.USER, text=f"Tell me about thing {number}, at some length. " * 3),
                Turn(role=Role.ASSISTANT, text="It is like the others, but not quite. " * 8),
            ),
        )


async def _measure(
    app: ASGIApp, paths: Sequence[str], token: str, rounds: int
) -> dict[str, tuple[float, float, float, int]]:
    """Ask for all pages in turn, in each round; the first round warms up."""
    figures: dict[str, list[float]] = {path: [] for path in paths}
    sizes: dict[str, int] = {}
    for _ in range(rounds + 1):
        for path in paths:
            seconds, sizes[path] = await _ask(app, path, token)
            figures[path].append(seconds * 1e3)
    return {
        path: (median(taken[1:]), min(taken[1:]), max(taken[1:]), sizes[path])
        for path, taken in figures.items()
    }


async def _ask(app: ASGIApp, path: str, token: str) -> tuple[float, int]:
    """Return how long the head of an answer took, and how many bytes its body has."""
    where, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": where,
        "raw_path": where.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8400"),
            (b"cookie", f"{SESSION}={token}".encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8400),
    }
    began = time.perf_counter()
    first: list[float] = []
    size = 0

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal size
        if message["type"] == "http.response.start":
            first.append(time.perf_counter() - began)
        else:
            size += len(message.get("body", b""))

    await app(scope, receive, send)
    return first[0], size


if __name__ == "__main__":
    run(print)
