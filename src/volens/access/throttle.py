"""Slows down guessing without locking anybody out (OWASP, "device cookies").

Failures are counted for a name together with the network that they come from, and for a name over
all networks, and for a network over all names. A browser that has signed in before holds a device
cookie: its failures are counted apart, so that whoever guesses at a name from elsewhere, from
however many networks, does not keep its owner out. Method:
OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Final

from sqlalchemy import ColumnElement, Engine, delete, insert, select, update

from volens.access.secrets import AccessKeys
from volens.access.tables import LOGIN_FAILURE
from volens.core.errors import Denied
from volens.core.ports import Clock, Entropy
from volens.core.time import from_millis, to_millis

FROM_NETWORK: Final = 5
"""Failures for one name from one network, before that network waits."""
FROM_ANYWHERE: Final = 50
"""Failures for one name from everywhere, before unknown browsers wait."""
FROM_NETWORK_AT_ALL: Final = 100
"""Failures from one network for any names, before unknown browsers there wait."""
FROM_DEVICE: Final = 10
"""Failures from one known browser, before it counts as unknown."""
WAIT: Final = timedelta(minutes=15)
FORGET: Final = timedelta(days=1)
DEVICE_TIME: Final = timedelta(days=365)
_ANYBODY: Final = b""
_NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody who tries to sign in: under which name, from where, with which browser.

    Each is a keyed digest. Those of a second factor are others than those of a password.
    """

    name: bytes
    """Of a name that nobody has, too."""
    network: bytes
    everywhere: bytes
    device: bytes | None
    """Of a device cookie that was given out for this name; None: an unknown browser."""


class Throttle:
    """Counts failures."""

    def __init__(self, engine: Engine, keys: AccessKeys, *, clock: Clock, entropy: Entropy) -> None:
        """Use the table in `engine`."""
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._entropy = entropy

    def attempt(
        self, name: bytes, address: str, cookie: str | None, *, factor: str = "password"
    ) -> Attempt:
        """Return what is counted for an attempt.

        Args:
            name: the digest of the sign-in name.
            address: the client's IP address; a /64 of IPv6 counts as one.
            cookie: the device cookie, if the browser sent one.
            factor: what is guessed at; each is counted apart.
        """
        kind = factor.encode()
        nonce = None if cookie is None else self._nonce_of(name, cookie)
        return Attempt(
            name=name,
            network=self._keys.digest(b"network", kind, network_of(address).encode()),
            everywhere=self._keys.digest(b"everywhere", kind),
            device=None if nonce is None else self._keys.digest(b"known-device", kind, nonce),
        )

    def begin(self, attempt: Attempt) -> None:
        """Count an attempt as failed before it is made, so that many at once do not slip through.

        `succeed` takes that back.

        Raises:
            Denied: ``too_many_requests`` if it has to wait; it is not counted then.
        """
        device = attempt.device
        if device is not None and self._count(attempt.name, device) < FROM_DEVICE:
            self._add(attempt.name, device)
            return
        over = (
            self._count(attempt.name, attempt.network) >= FROM_NETWORK
            or self._count(attempt.name, attempt.everywhere) >= FROM_ANYWHERE
            or self._count(_ANYBODY, attempt.network) >= FROM_NETWORK_AT_ALL
        )
        if over:
            minutes = WAIT // timedelta(minutes=1)
            hint = f"wait {minutes} minutes; a browser that has signed in before need not"
            raise Denied("too_many_requests", "sign-in failed too often", hint=hint)
        self._add(attempt.name, attempt.network)
        self._add(attempt.name, attempt.everywhere)
        self._add(_ANYBODY, attempt.network)

    def succeed(self, attempt: Attempt) -> None:
        """Forget the failures for this name from this network and this browser."""
        with self._engine.begin() as db:
            db.execute(delete(LOGIN_FAILURE).where(_is(attempt.name, attempt.network)))
            if attempt.device is not None:
                db.execute(delete(LOGIN_FAILURE).where(_is(attempt.name, attempt.device)))
            for who, source in (
                (attempt.name, attempt.everywhere),
                (_ANYBODY, attempt.network),
            ):
                less = update(LOGIN_FAILURE).where(_is(who, source), LOGIN_FAILURE.c["count"] > 0)
                db.execute(less.values(count=LOGIN_FAILURE.c["count"] - 1))

    def device_cookie(self, name: bytes) -> str:
        """Return a cookie that shows later that its browser has signed in under this name."""
        nonce = self._entropy.draw(_NONCE_BYTES)
        made = to_millis(self._clock.now()).to_bytes(8, "big")
        mac = self._keys.digest(b"device", name, nonce, made)
        return base64.urlsafe_b64encode(nonce + made + mac).rstrip(b"=").decode("ascii")

    def _nonce_of(self, name: bytes, cookie: str) -> bytes | None:
        """Return what names a known browser, if the cookie is a good one for `name`."""
        try:
            raw = base64.b64decode(cookie + "=" * (-len(cookie) % 4), b"-_", validate=True)
        except ValueError:
            return None
        nonce, made, mac = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:24], raw[24:]
        if not hmac.compare_digest(mac, self._keys.digest(b"device", name, nonce, made)):
            return None
        if self._clock.now() - from_millis(int.from_bytes(made, "big")) >= DEVICE_TIME:
            return None
        return nonce

    def _count(self, who: bytes, source: bytes) -> int:
        """Return how many failures count at present: those since at most the waiting time."""
        with self._engine.connect() as db:
            query = select(LOGIN_FAILURE.c["count"], LOGIN_FAILURE.c.since_ms)
            row = db.execute(query.where(_is(who, source))).first()
        if row is None:
            return 0
        count, since = row
        return 0 if self._clock.now() - from_millis(since) >= WAIT else int(count)

    def _add(self, who: bytes, source: bytes) -> None:
        """Count one more; the waiting time counts from the last failure."""
        count = self._count(who, source) + 1
        values = {"count": count, "since_ms": to_millis(self._clock.now())}
        before = to_millis(self._clock.now() - FORGET)
        with self._engine.begin() as db:
            db.execute(delete(LOGIN_FAILURE).where(LOGIN_FAILURE.c.since_ms <= before))
            changed = db.execute(update(LOGIN_FAILURE).where(_is(who, source)).values(values))
            if not changed.rowcount:
                db.execute(insert(LOGIN_FAILURE).values(who=who, source=source, **values))


def _is(who: bytes, source: bytes) -> ColumnElement[bool]:
    return (LOGIN_FAILURE.c.who == who) & (LOGIN_FAILURE.c.source == source)


def network_of(address: str) -> str:
    """Return what counts as one network: an IPv4 address, the /64 of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    bits = 32 if parsed.version == 4 else 64  # noqa: PLR2004 - the version of the protocol
    return str(ip_network((parsed, bits), strict=False))
