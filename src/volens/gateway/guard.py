"""Which addresses webhooks may go to: public ones, over TLS, checked where they are connected to.

An operator who types an address must not be able to make this server ask its own neighbours
(server-side request forgery): a name is resolved once, every address found is checked, and the
connection is made to a checked address, not to the name, so that a second answer of the name
service changes nothing. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import httpx2

from volens.core.errors import Denied, InvalidInput, Unavailable

MOST_URL_CHARACTERS: Final = 2000
RESOLVE_SECONDS: Final = 5.0
_HTTPS_PORT: Final = 443
_FIRST_FREE_PORT: Final = 1024
_LAST_PORT: Final = 65535
_REFUSED: Final = tuple(
    ip_network(text)
    for text in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "5f00::/16")
)
"""What Python's own list leaves open: a cloud's service inside its machines, and special blocks of
IANA's registries."""
_CARRIES_ANOTHER: Final = tuple(
    IPv6Network(text)
    for text in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "::/96",
        "::ffff:0:0:0/96",
    )
)
"""Networks whose addresses hold an IPv4 address that a gateway takes out (RFC 6052, 3056, 4380)."""

Address = IPv4Address | IPv6Address
Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""From a name to its addresses; raises OSError if there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect, and what to say there."""

    url: httpx2.URL
    address: Address
    """Checked; connect to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The rules; one that allows this machine's own addresses is for tests and demos."""

    allow_loopback: bool = False
    resolver: Resolver | None = None
    """Asked once for each attempt; the system's by default."""

    def check_url(self, text: str) -> httpx2.URL:
        """Return the address of a receiver if its form is allowed; nothing is looked up.

        Raises:
            InvalidInput: ``webhook_url``.
        """
        try:
            url = httpx2.URL(text) if len(text) <= MOST_URL_CHARACTERS else httpx2.URL("")
        except httpx2.InvalidURL:
            url = httpx2.URL("")
        port = url.port or _HTTPS_PORT
        faults = {
            "it has no host": not url.host,
            "it is not https": url.scheme != "https" and not self._is_own(url),
            "it names a user": bool(url.userinfo),
            "it has a fragment": bool(url.fragment),
            "its port is not 443 or above 1023": port != _HTTPS_PORT
            and not _FIRST_FREE_PORT <= port <= _LAST_PORT,
        }
        wrong = [why for why, is_so in faults.items() if is_so]
        if wrong:
            hint = "give an https address such as https://hooks.example/volens"
            raise InvalidInput("webhook_url", f"the address can't be used: {wrong[0]}", hint=hint)
        return url

    def check_address(self, address: Address) -> None:
        """Pass if an address may be connected to.

        Raises:
            Denied: ``address_refused``.
        """
        if self.allow_loopback and address.is_loopback:
            return
        inside = isinstance(address, IPv6Address) and (
            address.ipv4_mapped is not None or any(address in net for net in _CARRIES_ANOTHER)
        )
        special = (
            address.is_multicast or address.is_reserved or any(address in net for net in _REFUSED)
        )
        if inside or special or not address.is_global:
            hint = "webhooks go to public addresses only"
            raise Denied("address_refused", "the receiver's address is not public", hint=hint)

    async def resolve(self, text: str) -> Target:
        """Look a receiver up, once, and check every address found.

        Raises:
            InvalidInput: ``webhook_url``.
            Denied: ``address_refused`` if any of its addresses may not be connected to.
            Unavailable: ``name_unknown``.
        """
        url = self.check_url(text)
        look_up = self.resolver or _system
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                found = await look_up(url.host)
        except (OSError, UnicodeError, TimeoutError):
            found = []
        addresses = [_address(one) for one in dict.fromkeys(found)]
        if not addresses:
            raise Unavailable("name_unknown", "the receiver's name can't be looked up")
        for address in addresses:
            self.check_address(address)
        return Target(url=url, address=addresses[0])

    def _is_own(self, url: httpx2.URL) -> bool:
        if not self.allow_loopback or url.scheme != "http":
            return False
        try:
            return ip_address(url.host).is_loopback
        except ValueError:
            return url.host == "localhost"


async def _system(host: str) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def _address(text: str) -> Address:
    """Read an address as the resolver gives it, which may carry a zone."""
    return ip_address(text.partition("%")[0])
