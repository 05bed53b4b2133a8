"""A model behind an OpenAI-compatible endpoint (``POST BASE/chat/completions``).

Over https, or to this machine. No proxy of the environment, no redirect, no cookie; replies are
read up to a limit, and only as far as they have the form asked for.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx2

from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.principles.strict import Members
from volens.principles.writer import (
    Completion,
    Message,
    Sampling,
    WriterKind,
    WriterLabel,
    check_asked,
    completed,
)

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 300.0
WHOLE_SECONDS: Final = 900.0
"""For one reply as a whole, however slowly it trickles in."""
MOST_REPLY_BYTES: Final = 4 << 20
ATTEMPTS: Final = 4
_WAITS: Final = (1.0, 4.0, 15.0)
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_LET_IN: Final = frozenset({401, 403})
_OK = 200
_REPLY = "writer_reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model is, and with which key. `repr` shows no key.

    Attributes:
        url: the base, such as ``https://models.example/v1``.
        model: the model's name there.
        key: sent as a bearer token; empty: none is sent.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)


class Endpoint:
    """The model at a place."""

    def __init__(
        self,
        place: Place,
        *,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Reach the model at `place`; nothing is sent yet.

        Args:
            place: where it is.
            wait: waits between attempts, in seconds.
            clock: seconds that only grow.
            read_seconds: the longest silence within a reply.

        Raises:
            InvalidInput: ``writer_address`` or ``writer_model``.
        """
        self._url = check_address(place.url)
        if not 1 <= len(place.model) <= 200 or not place.model.isprintable():  # noqa: PLR2004 - bound of names
            raise InvalidInput("writer_model", "a model's name has 1 to 200 characters")
        if not place.key.isascii() or not place.key.isprintable():
            raise InvalidInput("writer_key", "the key holds a character that no header may have")
        self._place = place
        self._wait = wait
        self._clock = clock
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if place.key:
            headers["Authorization"] = f"Bearer {place.key}"
        self._http = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(read_seconds, connect=CONNECT_SECONDS),
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def label(self) -> WriterLabel:
        """What names the model; that the endpoint serves it, nothing proves."""
        return WriterLabel(kind=WriterKind.ENDPOINT, model=self._place.model)

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Ask, up to four times if the endpoint is busy.

        Raises:
            InvalidInput: ``asked_form``.
            Unavailable: ``writer_unreachable``, ``writer_busy``, ``writer_not_let_in`` or
                ``writer_status``.
            VerificationFailed: ``writer_reply``.
        """
        check_asked(messages, sampling)
        body = json.dumps(self._body(messages, sampling)).encode("utf-8")
        for pause in (*_WAITS, None):
            status, reply = self._send(body)
            if status == _OK:
                return _read(reply)
            if status in _BUSY and pause is not None:
                self._wait(pause)
                continue
            raise _refused(status)
        raise AssertionError("the last attempt answers or raises")

    def close(self) -> None:
        """Give up the connection."""
        self._http.close()

    def _body(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Json]:
        return {
            "model": self._place.model,
            "messages": [{"role": one.speaker.value, "content": one.text} for one in messages],
            "max_tokens": sampling.most_tokens,
            "temperature": sampling.thousandths / 1000,
            "seed": sampling.seed,
            "stream": False,
        }

    def _send(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        try:
            with self._http.stream("POST", self._url, content=body, headers=headers) as response:
                return response.status_code, self._content(response)
        except httpx2.TimeoutException:  # the chain could show what was sent
            raise Unavailable("writer_unreachable", "no reply in time", hint=_AGAIN) from None
        except httpx2.HTTPError as error:
            said = f"no reply: {type(error).__name__}"
            raise Unavailable("writer_unreachable", said, hint=_AGAIN) from None

    def _content(self, response: httpx2.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise VerificationFailed(_REPLY, "the model's endpoint packed its reply")
        until = self._clock() + WHOLE_SECONDS
        found = bytearray()
        for chunk in response.iter_raw():
            found += chunk
            if len(found) > MOST_REPLY_BYTES:
                raise VerificationFailed(_REPLY, f"a reply of more than {MOST_REPLY_BYTES} bytes")
            if self._clock() > until:
                raise Unavailable("writer_unreachable", "the reply took too long", hint=_AGAIN)
        return bytes(found)


_AGAIN = "look whether the model runs there; run the same command again, it goes on"


def check_address(text: str) -> str:
    """Return the address that completions are asked of, below the base `text`.

    Raises:
        InvalidInput: ``writer_address`` unless it is https, or http to this machine, without a
            user, a query or a fragment.
    """
    hint = "such as https://models.example/v1; http only to this machine"
    try:
        url = httpx2.URL(text.strip().rstrip("/"))
    except httpx2.InvalidURL:
        raise InvalidInput("writer_address", "not an address", hint=hint) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidInput("writer_address", "not an http or https address", hint=hint)
    if url.userinfo or url.query or url.fragment:
        raise InvalidInput("writer_address", "it holds a user, a query or a fragment", hint=hint)
    if url.scheme == "http" and not _is_here(url.host):
        raise InvalidInput("writer_address", f"http to {url.host} is not safe", hint=hint)
    return f"{url}/chat/completions"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refused(status: int) -> Unavailable:
    if status in _NOT_LET_IN:
        hint = "set the key in VOLENS_WRITER_KEY (or VOLENS_JUDGE_KEY)"
        return Unavailable("writer_not_let_in", f"the endpoint answered {status}", hint=hint)
    if status in _BUSY:
        told = f"the endpoint answered {status}, {ATTEMPTS} times"
        return Unavailable("writer_busy", told, hint=_AGAIN)
    hint = "check the address and the model's name"
    return Unavailable("writer_status", f"the endpoint answered {status}", hint=hint)


def _read(reply: bytes) -> Completion:
    """Read what is needed of a reply; other members are the endpoint's own."""
    try:
        members = Members(
            read_strict(reply, max_bytes=MOST_REPLY_BYTES), place="the reply", code=_REPLY
        )
        (choice,) = members.each("choices", most=1)
        message = choice.members("message")
        if message.text("role") != "assistant":
            raise message.error("role", "is not assistant")
        text = message.text("content", most=MOST_REPLY_BYTES, least=0)
        reason = choice.text("finish_reason", most=100)
    except InvalidInput as error:
        said = f"the model's endpoint sent no completion: {error.message}"
        raise VerificationFailed(_REPLY, said) from None
    return completed(text, finished=reason == "stop")
