"""What the contract of the client is tried on: the server in memory, and the real one."""

from datetime import timedelta
from typing import Any, Protocol

import httpx2
from starlette.testclient import TestClient

from tests.support.doors import Doors
from tests.support.ports import SteppedClock
from volens.client.asking import Ports, Settings
from volens.client.asynchronous import AsyncClient
from volens.client.client import Client
from volens.client.fake import FakeVolens
from volens.client.model import Notice
from volens.server.application import application

PURPOSE = "batch_training"
URL = "http://127.0.0.1:8400"


class Server(Protocol):
    """A server with somebody called ``ada`` who has said nothing, and ``bob``."""

    clock: SteppedClock

    def client(self, **changes: object) -> Client: ...
    def async_client(self, **changes: object) -> AsyncClient: ...
    def notice(self) -> Notice: ...


class InMemory:
    """The fake."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.fake = FakeVolens(self.clock)
        self.fake.person("ada")
        self.fake.person("bob")

    def client(self, **changes: object) -> Client:
        return self.fake.client(**changes)

    def async_client(self, **changes: object) -> AsyncClient:
        return self.fake.async_client(**changes)

    def notice(self) -> Notice:
        return Notice(id="training", language="en", sha256="0" * 64)


class Real:
    """The whole server over a home, without a socket."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._app = application(doors.doorway)
        self.clock = doors.where.clock
        self._verifier = doors.run(lambda home: home.signer.verifier.vkey)

    def client(self, **changes: object) -> Client:
        transport = TestClient(self._app, base_url=URL)._transport
        return Client(
            self._settings(changes),
            transport=transport,
            ports=Ports(clock=self.clock),
            wait=lambda _: None,
        )

    def async_client(self, **changes: object) -> AsyncClient:
        return AsyncClient(
            self._settings(changes),
            transport=httpx2.ASGITransport(app=self._app),
            ports=Ports(clock=self.clock),
        )

    def notice(self) -> Notice:
        found = self._doors.run(
            lambda home: next(
                one
                for one in home.policy.pack.notices
                if PURPOSE in one.purposes and one.language == "en"
            )
        )
        return Notice(id=found.id, language=found.language, sha256=found.hash)

    def _settings(self, changes: dict[str, Any]) -> Settings:
        known: dict[str, Any] = {
            "url": URL,
            "token": self._doors.service.secret,
            "verifier_key": self._verifier,
            "timeout": timedelta(seconds=20),
        }
        return Settings(**{**known, **changes})


def say_yes(server: Server, client: Client, subject: str) -> None:
    """Let somebody say yes."""
    (choice,) = [one for one in client.choices(subject) if one.purpose == PURPOSE]
    client.grant(subject, PURPOSE, server.notice(), etag=choice.etag)
