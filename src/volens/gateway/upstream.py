"""The upstream: where chats go. One pool of connections, few headers, limits on waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx2
from starlette.datastructures import Headers

from volens.core.errors import InvalidInput, Unavailable

URL_VARIABLE: Final = "VOLENS_UPSTREAM_URL"
KEY_VARIABLE: Final = "VOLENS_UPSTREAM_KEY"
SECONDS_VARIABLE: Final = "VOLENS_UPSTREAM_SECONDS"
CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 600.0
"""Between two pieces of an answer, unless set otherwise: a model may think for long."""
_MOST_SECONDS: Final = 3600.0
_TO_UPSTREAM: Final = frozenset({"accept", "content-type", "idempotency-key"})
_TO_UPSTREAM_PREFIXES: Final = ("openai-", "x-stainless-")
_FROM_UPSTREAM: Final = frozenset(
    {"content-type", "retry-after", "retry-after-ms", "x-request-id", "x-should-retry"}
)
_FROM_UPSTREAM_PREFIXES: Final = ("openai-", "x-ratelimit-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where chats go, with the operator's key for it."""

    url: str
    """The base, such as ``https://models.example/v1``; no slash at the end."""
    key: str = field(default="", repr=False)
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS

    def client(self) -> httpx2.AsyncClient:
        """Return a client for it. No proxy of the environment, no cookies kept, no redirects."""
        return httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(
                self.read_seconds, connect=self.connect_seconds, pool=self.connect_seconds
            ),
            limits=httpx2.Limits(max_connections=512, max_keepalive_connections=64),
        )


def upstream_of(environment: Mapping[str, str]) -> Upstream:
    """Read where chats go.

    Raises:
        Unavailable: ``upstream_not_set``.
        InvalidInput: ``upstream_form`` if it is no http or https address, or the time no number.
    """
    text = environment.get(URL_VARIABLE, "").strip().rstrip("/")
    if not text:
        hint = f"set {URL_VARIABLE}, such as https://models.example/v1"
        raise Unavailable("upstream_not_set", "no upstream is set for chats", hint=hint)
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query:
        hint = "an http or https address without a user, a query or a fragment"
        raise InvalidInput("upstream_form", f"{URL_VARIABLE} is not such an address", hint=hint)
    return Upstream(
        url=text,
        key=environment.get(KEY_VARIABLE, ""),
        read_seconds=_seconds(environment.get(SECONDS_VARIABLE, "")),
    )


def _seconds(text: str) -> float:
    try:
        found = float(text) if text.strip() else READ_SECONDS
    except ValueError:
        found = 0.0
    if not 0 < found <= _MOST_SECONDS:
        hint = f"a number of seconds, at most {_MOST_SECONDS:.0f}"
        raise InvalidInput("upstream_form", f"{SECONDS_VARIABLE} is not such a time", hint=hint)
    return found


def headers_to(upstream: Upstream, given: Headers) -> list[tuple[str, str]]:
    """Return what goes upstream of the caller's headers: a closed list, and the operator's key.

    Whatever is hop-by-hop (RFC 9110, 7.6.1), the caller's credentials, cookies and every word to
    Volens stay here.
    """
    dropped = _hop_by_hop(given.getlist("connection"))
    kept = [
        (name, value)
        for name, value in given.items()
        if (name in _TO_UPSTREAM or name.startswith(_TO_UPSTREAM_PREFIXES)) and name not in dropped
    ]
    if upstream.key:
        kept.append(("authorization", f"Bearer {upstream.key}"))
    # what comes back is read here: plain bytes spare unpacking them
    return [*kept, ("accept-encoding", "identity")]


def headers_from(given: httpx2.Headers) -> list[tuple[bytes, bytes]]:
    """Return what the caller gets of the upstream's headers: a closed list."""
    dropped = _hop_by_hop(given.get_list("connection"))
    return [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in given.multi_items()
        if (name in _FROM_UPSTREAM or name.startswith(_FROM_UPSTREAM_PREFIXES))
        and name not in dropped
    ]


def _hop_by_hop(connection: list[str]) -> frozenset[str]:
    """Return the headers that a message names as meant for the next hop only."""
    return frozenset(
        word.strip().casefold() for line in connection for word in line.split(",") if word.strip()
    )
