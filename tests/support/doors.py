"""A home behind its doors: a person, staff of each role, a program, and a client for any of them.

    with open_doors(tmp_path) as doors:
        app = some_application(doors.doorway)
        client = doors.client(app, doors.person)            # cookie session
        client = doors.client(app, doors.staff[Role.RATER])  # cookie session
        client = doors.client(app, doors.service)            # bearer token
        client = doors.client(app)                           # nobody
        client.post("/x", data={**doors.csrf(client), "field": "value"})

Clients are starlette's `TestClient`, in process: no socket is opened. `doors.run(act)` runs an act
on the home; `doors.where.clock.step(...)` lets time pass.
"""

import atexit
import base64
import hmac
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

from starlette.testclient import TestClient
from starlette.types import ASGIApp

from tests.support.homes import Place, add, place
from volens.access.accounts import LocalAccount
from volens.access.model import Role, Scope
from volens.access.tokens import ApiToken
from volens.app.access import accounts_of, roles_of, sessions_of, tokens_of
from volens.app.home import Home
from volens.app.thread import HomeThread
from volens.door.cookies import SESSION
from volens.door.doorway import Doorway, Settings
from volens.vault.subjects import Subject

_Result = TypeVar("_Result")
BASE_URL = "http://127.0.0.1:8400"
ORGANISATION = "acme"


@dataclass(frozen=True)
class Guest:
    """Somebody with an account: a person or a member of staff."""

    account: LocalAccount
    subject: Subject | None = None


@dataclass(frozen=True)
class Program:
    """A program with a token."""

    secret: str
    token: ApiToken


@dataclass
class Doors:
    """A home that is open behind its doors."""

    where: Place
    thread: HomeThread
    doorway: Doorway
    person: Guest
    other: Guest
    """Another person."""
    staff: Mapping[Role, Guest]
    service: Program
    """A program with every scope."""
    clients: list[TestClient] = field(default_factory=list)

    def run(self, act: Callable[[Home], _Result]) -> _Result:
        """Run an act on the home, from outside an event loop."""
        return self.thread.run_here(act)

    def add_person(self, reference: str) -> Guest:
        """Add one more person with an account."""
        return self.run(lambda home: _person(home, reference))

    def program(self, *scopes: Scope, organisation: str | None = None) -> Program:
        """Issue a token with these scopes, of whoever runs the home or of an organisation."""
        return self.run(
            lambda home: Program(
                *tokens_of(home).issue("program", scopes, organisation=organisation)
            )
        )

    def session(self, guest: Guest, *, stepped_up: bool = False) -> str:
        """Open a session and return its token."""
        return self.run(
            lambda home: sessions_of(home).open(guest.account.id, stepped_up=stepped_up)
        )

    def client(
        self, app: ASGIApp, whose: Guest | Program | None = None, *, stepped_up: bool = False
    ) -> TestClient:
        """Return a client of `app` for somebody; it follows no redirects and raises no errors."""
        client = TestClient(
            app, base_url=BASE_URL, follow_redirects=False, raise_server_exceptions=True
        )
        if isinstance(whose, Guest):
            client.cookies.set(
                SESSION, self.session(whose, stepped_up=stepped_up), domain="127.0.0.1"
            )
        elif isinstance(whose, Program):
            client.headers["Authorization"] = f"Bearer {whose.secret}"
        self.clients.append(client)
        return client

    def csrf(self, client: TestClient) -> dict[str, str]:
        """Return the form field that a page would carry for this client's session."""
        secret = client.cookies.get(SESSION) or client.cookies["volens-form"]
        mac = hmac.digest(secret.encode(), b"volens/form/v1", "sha256")
        return {"csrf": base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")}


@dataclass(frozen=True)
class _Made:
    """A home with everybody in it, made once and copied for each test."""

    where: Place
    person: Guest
    other: Guest
    staff: Mapping[Role, Guest]
    service: Program


@cache
def _made() -> _Made:
    under = Path(tempfile.mkdtemp(prefix="volens-doors-"))
    atexit.register(shutil.rmtree, under, ignore_errors=True)
    where = place(under)
    where.create()
    with where.open() as home:
        return _Made(
            where=where,
            person=_person(home, "ada"),
            other=_person(home, "bob"),
            staff={role: _staffer(home, role) for role in Role},
            service=Program(*tokens_of(home).issue("everything", list(Scope))),
        )


@contextmanager
def open_doors(folder: Path, *, settings: Settings | None = None) -> Iterator[Doors]:
    """Copy a home with everybody in it below `folder`, open it in its thread, and close it."""
    made = _made()
    where = made.where.copy(folder)
    thread = HomeThread(where.open)
    try:
        doors = Doors(
            where=where,
            thread=thread,
            doorway=Doorway(thread=thread, settings=settings or Settings()),
            person=made.person,
            other=made.other,
            staff=made.staff,
            service=made.service,
        )
        yield doors
        for client in doors.clients:
            client.close()
    finally:
        thread.close()


def _person(home: Home, reference: str) -> Guest:
    (subject,) = add(home, reference)
    return Guest(accounts_of(home).add_person(reference, subject.id), subject)


def _staffer(home: Home, role: Role) -> Guest:
    accounts = accounts_of(home)
    organisation = ORGANISATION if role is Role.ORGANISATION_ADMIN else None
    account = accounts.add_staff(f"staff-{role.value}", organisation=organisation)
    roles_of(home).give(account, role, until=home.clock.now() + timedelta(days=90))
    return Guest(accounts.by_id(account.id))
