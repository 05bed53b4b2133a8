"""Limits before any route: how large, how slow, how many at once, how often.

Clients are told apart by network only (an IPv4 address, the first 64 bits of an IPv6 address),
under a keyed hash that lives in memory: nothing here says who asked.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from volens.core.errors import InvalidInput, Unavailable, VolensError
from volens.core.ports import Entropy
from volens.door.problems import problem

_MEGABYTE: Final = 1024 * 1024
_KEY_BYTES: Final = 32
_NETWORK_BITS: Final = 64
_MOST_CLIENTS: Final = 20_000
_EXEMPT: Final = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken."""

    body_bytes: int = _MEGABYTE
    body_bytes_of: Mapping[str, int] = field(
        default_factory=lambda: {
            "/v1/chat/completions": 20 * _MEGABYTE,
            "/v1/traces": 8 * _MEGABYTE,
            "/v1/subjects/*/conversations": 8 * _MEGABYTE,
        }
    )
    """For paths that begin so, and after a star end so, another size."""
    pause_seconds: float = 10.0
    """The longest pause within a body."""
    body_seconds: float = 60.0
    """How long a whole body may take."""
    at_once: int = 256
    """How many requests are worked on at once."""
    a_second: float = 50.0
    """How many requests a network may make each second, over time."""
    burst: float = 300.0
    """How many of them at once."""

    programs_a_second: float = 1_000.0
    """The same for what programs ask (`programs_at`): one address asks for many people."""
    programs_burst: float = 4_000.0
    programs_at: str = "/v1/"

    def body_of(self, path: str) -> int:
        """Return the largest body that a path takes."""
        for pattern, size in self.body_bytes_of.items():
            prefix, _, suffix = pattern.partition("*")
            if path.startswith(prefix) and path.endswith(suffix):
                return size
        return self.body_bytes


class Buckets:
    """One token bucket for each network; the ones that were not seen for longest are forgotten.

    A bucket that is forgotten is full again: with very many networks the limit is looser, never
    tighter.
    """

    def __init__(
        self, *, a_second: float, burst: float, key: bytes, most: int = _MOST_CLIENTS
    ) -> None:
        """Take `a_second` tokens a second, at most `burst` saved up; `key` is for this process."""
        self._rate, self._burst, self._key, self._most = a_second, burst, key, most
        self._found: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, client: str, at: float) -> float:
        """Take a token; return 0.0, or how many seconds until there is one.

        Args:
            client: the address that the request came from; anything else counts as one client.
            at: a clock's reading that only goes on, in seconds.
        """
        name = hashlib.blake2b(network_of(client), key=self._key, digest_size=16).digest()
        tokens, since = self._found.pop(name, (self._burst, at))
        tokens = min(self._burst, tokens + (at - since) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._found[name] = (tokens if wait else tokens - 1, at)
        while len(self._found) > self._most:
            self._found.popitem(last=False)
        return wait


def network_of(client: str) -> bytes:
    """Return what stands for a client's network: an IPv4 address, or 64 bits of an IPv6 one."""
    try:
        address: IPv4Address | IPv6Address = ip_address(client)
    except ValueError:
        return b""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped.packed
        return ip_network((address, _NETWORK_BITS), strict=False).network_address.packed
    return address.packed


class TooManyRequests(Unavailable):
    """A client asks more often than it may."""


class Limiter:
    """Refuses what is over a limit with a problem, before a route sees it."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        *,
        entropy: Entropy,
        ticking: Callable[[], float],
        refused: Callable[[str], None] = lambda _code: None,
    ) -> None:
        """Wrap `app`.

        Args:
            app: what serves.
            limits: what is taken.
            entropy: for the key under which clients are told apart.
            ticking: a clock's reading that only goes on, in seconds.
            refused: told the code of each refusal.
        """
        self._app = app
        self._limits = limits
        self._ticking = ticking
        self._refused = refused
        key = entropy.draw(_KEY_BYTES)
        self._pages = Buckets(a_second=limits.a_second, burst=limits.burst, key=key)
        self._programs = Buckets(
            a_second=limits.programs_a_second, burst=limits.programs_burst, key=key
        )
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in _EXEMPT:
            await self._app(scope, receive, send)
            return
        most = self._limits.body_of(scope["path"])
        try:
            self._admit(scope, most)
        except VolensError as error:
            await self._refuse(error, scope, receive, send)
            return
        self._working += 1
        try:
            await _Guarded(self, most).serve(scope, receive, send)
        finally:
            self._working -= 1

    def _admit(self, scope: Scope, most: int) -> None:
        client = scope.get("client")
        programs = scope["path"].startswith(self._limits.programs_at)
        wait = (self._programs if programs else self._pages).take(
            client[0] if client else "", self._ticking()
        )
        if wait:
            hint = f"try again in {wait:.1f} s"
            raise TooManyRequests("too_many_requests", "this network asks too often", hint=hint)
        if self._working >= self._limits.at_once:
            raise Unavailable("busy", "too many requests at once", hint="try again in a moment")
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > most:
                raise _too_large(most)

    async def _refuse(self, error: VolensError, scope: Scope, receive: Receive, send: Send) -> None:
        self._refused(error.code)
        # What is not read of the body can't be told from a next request: the connection ends.
        answer = problem(error, headers={"Connection": "close"})
        await answer(scope, receive, send)


class _Guarded:
    """One request, whose body is counted and timed as the route reads it."""

    def __init__(self, limiter: Limiter, most: int) -> None:
        self._limiter = limiter
        self._limits = limiter._limits  # noqa: SLF001 - one module, one thing
        self._left = most
        self._most = most
        self._ends = asyncio.get_running_loop().time() + self._limits.body_seconds
        self._reading = True
        self._answered = False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def read() -> Message:
            return await self._read(receive)

        async def answer(message: Message) -> None:
            self._answered = True
            await send(message)

        try:
            await self._limiter._app(scope, read, answer)  # noqa: SLF001 - as above
        except _Over as over:
            if self._answered:
                raise
            await self._limiter._refuse(over.error, scope, receive, send)  # noqa: SLF001 - as above

    async def _read(self, receive: Receive) -> Message:
        if not self._reading:
            return await receive()  # waits for the end of the connection: that may take long
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(self._limits.pause_seconds, self._ends - now)):
                message = await receive()
        except TimeoutError:
            slow = InvalidInput("too_slow", "the body came too slowly", hint="send it in one go")
            raise _Over(slow) from None
        self._left -= len(message.get("body", b""))
        self._reading = message["type"] == "http.request" and message.get("more_body", False)
        if self._left < 0:
            raise _Over(_too_large(self._most))
        return message


class _Over(BaseException):
    """A limit was passed while a route was reading. No route may take it for its own error."""

    def __init__(self, error: VolensError) -> None:
        self.error = error


def _too_large(most: int) -> InvalidInput:
    return InvalidInput(
        "too_large", f"a body of more than {most:,} bytes", hint="send less at a time"
    )
