"""Delivers what happened to the receivers: Standard Webhooks 1.0, at least once, in order.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from volens.app.home import Home
from volens.app.telling import due_webhooks
from volens.app.webhooks import Due, Endpoint, Message, SigningKeys, failed, took
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable
from volens.gateway.guard import Guard, Target

ATTEMPT_SECONDS: Final = 15.0
_AT_ONCE: Final = 8
_SUCCESS = range(200, 300)
_GONE = 410
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one round did."""

    taken: int = 0
    failed: int = 0
    """Endpoints at which the round ended in vain."""
    disabled: int = 0
    """Endpoints that are told nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt ended."""

    failure: str = ""
    """A short word; empty if the message was taken."""
    gone: bool = False


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature as it stands in ``webhook-signature`` (Standard Webhooks, Signatures).

    Args:
        secret: 24 to 64 bytes.
        message_id: as in ``webhook-id``.
        timestamp: seconds since 1970, as in ``webhook-timestamp``.
        body: byte for byte what is sent.
    """
    digest = hmac.digest(secret, _signed(message_id, timestamp, body), hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode("ascii")


def signature_for_anybody(seed: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature that a public key checks (Ed25519, identifier ``v1a``).

    Args:
        seed: of the private key, 32 bytes (RFC 8032, 5.1.5).
        message_id: as in ``webhook-id``.
        timestamp: seconds since 1970, as in ``webhook-timestamp``.
        body: byte for byte what is sent.
    """
    made = Ed25519PrivateKey.from_private_bytes(seed).sign(_signed(message_id, timestamp, body))
    return "v1a," + base64.b64encode(made).decode("ascii")


def _signed(message_id: str, timestamp: int, body: bytes) -> bytes:
    return b".".join((message_id.encode("ascii"), str(timestamp).encode("ascii"), body))


class Sender:
    """Sends one message to one checked address."""

    def __init__(
        self,
        *,
        guard: Guard | None = None,
        trust: ssl.SSLContext | None = None,
        seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        """Check by `guard`; trust the system's certificate authorities unless told otherwise."""
        self._guard = guard or Guard()
        self._trust = trust
        self._seconds = seconds

    async def send(
        self, url: str, message: Message, keys: Sequence[SigningKeys], timestamp: int
    ) -> Attempt:
        """Send a message, signed with each of `keys`; say how that ended.

        A redirect is a failure. Of the answer only the status is read.
        """
        try:
            async with asyncio.timeout(self._seconds):
                target = await self._guard.resolve(url)
                status = await self._post(target, message, keys, timestamp)
        except TimeoutError:
            return Attempt(failure="timeout")
        except (Denied, InvalidInput, Unavailable) as error:
            return Attempt(failure=error.code)
        except httpx2.TimeoutException:
            return Attempt(failure="timeout")
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError):
            return Attempt(failure="unreachable")
        if status in _SUCCESS:
            return Attempt()
        return Attempt(failure=f"http_{status}", gone=status == _GONE)

    async def _post(
        self, target: Target, message: Message, keys: Sequence[SigningKeys], timestamp: int
    ) -> int:
        told = (message.id, timestamp, message.body)
        signatures = [signature(one.secret, *told) for one in keys]
        signatures += [signature_for_anybody(one.seed, *told) for one in keys]
        # The connection goes to the address that was checked; TLS and the request name the host.
        pinned = target.url.copy_with(host=str(target.address))
        headers = {
            "host": target.url.netloc.decode("ascii"),
            "content-type": "application/json",
            "user-agent": "volens-webhooks",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }
        verify = True if self._trust is None else self._trust
        async with (
            httpx2.AsyncClient(
                verify=verify, trust_env=False, follow_redirects=False, timeout=self._seconds
            ) as client,
            client.stream(
                "POST",
                pinned,
                content=message.body,
                headers=headers,
                extensions={"sni_hostname": target.url.host},
            ) as response,
        ):
            return response.status_code


class Runs(Protocol):
    """Runs acts on the home: a doorway, or its thread."""

    async def run(self, act: Callable[[Home], _Result]) -> _Result:
        """Run `act` on the home and return what it returns."""
        ...


class Deliverer:
    """Tells every endpoint what it has not been told; the scheduler calls it again and again."""

    def __init__(self, home: Runs, *, sender: Sender | None = None, most: int = 100) -> None:
        """Read from `home`; send at most `most` to each endpoint in a round."""
        self._home = home
        self._sender = sender or Sender()
        self._most = most
        self._one_round = asyncio.Lock()

    async def run_once(self) -> Delivered:
        """Do one round; a second one at the same time waits for it.

        An endpoint is told in order: what it does not take is tried again, later each time, and
        what comes after waits. If the process stops between a receiver's answer and the mark, the
        receiver is told once more, under the same ``webhook-id``.

        Raises:
            Unavailable: if the home can't be read or written.
        """
        async with self._one_round:
            due = await self._home.run(partial(due_webhooks, most=self._most))
            at_once = asyncio.Semaphore(_AT_ONCE)
            ends = await asyncio.gather(*(self._tell(one, at_once) for one in due))
        return Delivered(
            taken=sum(one.taken for one in ends),
            failed=sum(one.failed for one in ends),
            disabled=sum(one.disabled for one in ends),
        )

    async def _tell(self, due: Due, at_once: asyncio.Semaphore) -> Delivered:
        taken = 0
        async with at_once:
            for message in due.messages:
                attempt = await self._attempt(due, message)
                if attempt.failure:
                    ended = await self._failed(due.endpoint, attempt)
                    return Delivered(taken=taken, failed=1, disabled=int(ended))
                await self._home.run(partial(took, endpoint=due.endpoint, message=message))
                taken += 1
        return Delivered(taken=taken)

    async def _attempt(self, due: Due, message: Message) -> Attempt:
        now = await self._home.run(lambda home: home.clock.now())
        endpoint = due.endpoint
        return await self._sender.send(endpoint.url, message, due.keys, int(now.timestamp()))

    async def _failed(self, endpoint: Endpoint, attempt: Attempt) -> bool:
        """Record it; say whether the endpoint has ended with it."""
        with suppress(NotFound):  # it was removed meanwhile
            later = await self._home.run(
                lambda home: failed(home, endpoint, attempt.failure, gone=attempt.gone)
            )
            return bool(later.disabled)
        return False
