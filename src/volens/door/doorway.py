"""What every door is given: the home's thread, and the few settings that doors share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import HTTPConnection

from volens.app.home import Home
from volens.app.thread import HomeThread
from volens.door.copies import Copies
from volens.door.provider import Provider

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the server is reached."""

    public_url: str = "http://127.0.0.1:8400"
    """What browsers and clients call it, without a slash at the end."""
    secure: bool = False
    """Whether it is reached over TLS: cookies and headers depend on it."""
    embedded_by: tuple[str, ...] = ()
    """Origins whose pages may show a page of this server in a frame."""
    provider: Provider | None = None
    """Another provider that signs people in (OpenID Connect)."""
    demo: bool = False
    """A demo home: the sign-in page says how to come in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorway:
    """The home behind the doors, and how they are reached."""

    thread: HomeThread
    settings: Settings
    copies: Copies = field(default_factory=Copies)
    """People's copies on their way, at whichever door they were started."""

    @property
    def draw(self) -> Callable[[int], bytes]:
        """Return the home's source of random bytes; it may be asked from any thread."""
        return self.thread.draw

    async def run(self, act: Callable[[Home], _Result]) -> _Result:
        """Run `act` on the home, in its thread."""
        return await self.thread.run(act)

    async def look(self, act: Callable[[Home], _Result]) -> _Result:
        """Run what only looks, and works on a home opened for reading too: where nobody waits.

        So who asks is known although a long act has the home's thread.
        """
        return await (self.thread.beside(act) if self.thread.waiting else self.thread.run(act))

    async def beside(self, act: Callable[[Home], _Result]) -> _Result:
        """Run what takes back without waiting for others: see `HomeThread.beside`."""
        return await self.thread.beside(act)


def doorway_of(request: HTTPConnection) -> Doorway:
    """Return the doorway of the application that serves `request`."""
    found: Doorway = request.app.state.doorway
    return found
