"""How a client asks, and what it makes of what it gets, without sending anything itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from volens.client.answer import Answer, Decided
from volens.client.judging import Asked, denied, handed_out, judge, judge_each
from volens.client.memory import Memory
from volens.client.model import NO_TIME, Checked, Failure
from volens.core.errors import InvalidInput, VolensError
from volens.core.ports import Clock, Entropy
from volens.log.note import parse_vkey
from volens.storage.system import SystemClock, SystemEntropy

MOST_MAX_AGE: Final = timedelta(hours=1)
_OWN: Final = frozenset(Failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a program asks. `repr` shows no token."""

    url: str
    """Where the server is, without a path; ``https``, except on this machine."""
    token: str = field(repr=False)
    """The API token."""
    verifier_key: str
    """The verifier key of the home's log, as its owner printed it: whose answers count."""
    max_age: timedelta = NO_TIME
    """For how long an answer may be used again; by default never. At most an hour."""
    timeout: timedelta = timedelta(seconds=2)
    """For one attempt."""
    retries: int = 2
    """How often a call that can be repeated is repeated."""
    ahead: timedelta = timedelta(seconds=5)
    """How far the server's clock may be ahead of ours."""
    queue: int = 1000
    """How many conversations may wait to be sent; past that they are dropped, and counted."""

    def __post_init__(self) -> None:
        parse_vkey(self.verifier_key)
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise InvalidInput("url_form", "not the address of a server", hint="https://HOST")
        if parts.scheme == "http" and not _is_here(parts.hostname):
            hint = "use https: the token would be readable on the way"
            raise InvalidInput("plaintext_refused", f"{parts.hostname} over http", hint=hint)
        if not self.token or not self.token.isascii() or not self.token.isprintable():
            raise InvalidInput("token_form", "not an API token", hint="volens token issue")
        if not NO_TIME <= self.max_age <= MOST_MAX_AGE:
            raise InvalidInput("max_age", f"max_age is 0 to {MOST_MAX_AGE}")
        if self.timeout <= NO_TIME or self.ahead < NO_TIME:
            raise InvalidInput("timeout", "a time is negative, or none at all")
        if not 0 <= self.retries <= 10 or self.queue < 1:  # noqa: PLR2004 - more is an outage
            raise InvalidInput("retries", "retries are 0 to 10, and the queue holds at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The time and random bytes."""

    clock: Clock = field(default_factory=SystemClock)
    entropy: Entropy = field(default_factory=SystemEntropy)

    def draw_key(self) -> str:
        """Return a new key for ``Idempotency-Key``."""
        return self.entropy.draw(16).hex()


class Judge:
    """Judges answers, remembers them as long as it may, and denies whatever else comes."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        """Judge by these settings."""
        self._settings = settings
        self._verifier = parse_vkey(settings.verifier_key)
        self._clock = ports.clock
        self.memory = Memory(settings.max_age)

    def known(self, asked: Asked) -> Checked | None:
        """Return what may be used again, if that answers the whole question."""
        found = self.memory.reuse(asked, self._clock.now())
        return None if found is None else self._without_withdrawn(found)

    def known_each(self, several: Sequence[Asked]) -> dict[str, Checked]:
        """Return by purpose what may be used again."""
        known = {asked.purpose: self.known(asked) for asked in several}
        return {purpose: found for purpose, found in known.items() if found is not None}

    def take(self, asked: Asked, data: bytes, changes: int) -> Checked | None:
        """Return what an answer says; None if a change made it worthless on its way.

        Raises:
            VerificationFailed: if it does not count.
        """
        now = self._clock.now()
        within, ahead = self._settings.timeout + self._settings.ahead, self._settings.ahead
        answer = judge(data, asked, self._verifier, now=now, within=within, ahead=ahead)
        return self._handed_out(asked, answer, changes, now)

    def take_each(
        self, several: Sequence[Asked], data: bytes, changes: Sequence[int]
    ) -> dict[str, Checked]:
        """Return what answers say by purpose, without those that a change made worthless.

        Raises:
            VerificationFailed: if one of them does not count.
        """
        now = self._clock.now()
        within, ahead = self._settings.timeout + self._settings.ahead, self._settings.ahead
        answers = judge_each(data, several, self._verifier, now=now, within=within, ahead=ahead)
        found = {
            asked.purpose: self._handed_out(asked, answer, before, now)
            for asked, answer, before in zip(several, answers, changes, strict=True)
        }
        return {purpose: one for purpose, one in found.items() if one is not None}

    def _handed_out(
        self, asked: Asked, answer: Answer, changes: int, now: datetime
    ) -> Checked | None:
        if not self.memory.keep(answer, changes):
            return None
        decisions = [(answer, one) for one in answer.decisions]
        return self._without_withdrawn(handed_out(asked, decisions, now, reused=False))

    def refuse(self, asked: Asked, error: Exception) -> Checked:
        """Return the deny that an error is."""
        if not isinstance(error, VolensError):
            return denied(asked, Failure.UNREACHABLE)
        if error.code in _OWN:
            return denied(asked, Failure(error.code))
        return denied(asked, Failure.REFUSED, error.code)

    def _without_withdrawn(self, checked: Checked) -> Checked:
        """Deny whoever withdrew through this client just now."""
        purpose, reasons = checked.purpose, (Failure.WITHDRAWN_HERE.value,)
        decisions = tuple(
            Decided(subject=one.subject, permit=False, reasons=reasons)
            if self.memory.is_withdrawn(one.subject, purpose)
            else one
            for one in checked.decisions
        )
        return replace(checked, decisions=decisions)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
