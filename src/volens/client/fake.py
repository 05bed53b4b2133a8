"""A server in memory for tests of programs that ask: it answers as the real one does, and watches.

Everybody is a deny until a test says otherwise. Answers are signed by a key of its own. It travels
by the client's own transport, so nothing of the client is left out of a test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import httpx2

from volens.client.answer import Answer, Decided, PolicyNamed, write_answer
from volens.client.asking import Ports, Settings
from volens.client.asynchronous import AsyncClient
from volens.client.client import Client
from volens.client.policing import Guarded, Police
from volens.core.canonical import Json
from volens.core.ports import Clock
from volens.core.purposes import PROHIBITED, Purpose
from volens.core.time import format_moment
from volens.log.note import Signer
from volens.storage.system import SystemClock, SystemEntropy

URL: Final = "http://127.0.0.1:8400"
TOKEN: Final = "volens-fake-token"  # noqa: S105 - opens nothing but this fake
_HOLDS: Final = timedelta(hours=1)
_Value = TypeVar("_Value")
_Made = tuple[int, dict[str, Json]]


class Trouble(Enum):
    """What can be wrong with a server; a program must take each for a deny."""

    NONE = "none"
    DOWN = "down"
    """No connection."""
    SLOW = "slow"
    """No answer in time."""
    FAILING = "failing"
    """Status 503."""
    REFUSING = "refusing"
    """Status 401: the token is no good."""
    GARBLED = "garbled"
    """An answer that is no JSON."""
    UNSIGNED = "unsigned"
    FORGED = "forged"
    """Signed by somebody else."""
    CHANGED = "changed"
    """Every deny turned into a permit, under the signature of the true answer."""
    OLD = "old"
    """Made an hour ago, as somebody who kept it would send it again."""


class FakeVolens:
    """People, their choices, and what a program did."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Go by `clock`; the system's by default."""
        self.clock = clock or SystemClock()
        self._signer = Signer(name="volens.fake/log", seed=SystemEntropy().draw(32))
        self._grants: dict[str, set[str]] = {}
        self._withdrawn: set[tuple[str, str]] = set()
        self._changes = 0
        self._repeats: dict[str, _Made] = {}
        self.police = Police(self.clock)
        self.trouble = Trouble.NONE
        self.requests: list[str] = []
        """Method and path of each request that arrived."""
        self.captured: list[tuple[str, str]] = []
        """Whose conversation was kept, and the product's id of it; each once."""
        self.flags: list[Mapping[str, Any]] = []

    @property
    def verifier_key(self) -> str:
        """The key that its answers are signed by."""
        return self._signer.verifier.vkey

    @property
    def transport(self) -> httpx2.MockTransport:
        """How requests travel to it."""
        return httpx2.MockTransport(self.handle)

    def person(self, subject: str, *, grants: Iterable[str] = ()) -> str:
        """Add a person who said yes to these purposes; return the name."""
        self._grants.setdefault(subject, set()).update(grants)
        self._changes += 1
        return subject

    def withdraw(self, subject: str, purpose: str) -> None:
        """Let a person take a yes back, somewhere else than through the program."""
        self._grants.setdefault(subject, set()).discard(purpose)
        self._withdrawn.add((subject, purpose))
        self._changes += 1
        self.police.changed(subject, purpose)

    def guard(self, subject: str, purpose: str, value: _Value) -> Guarded[_Value]:
        """Give a program data of somebody; `Guarded.open` is the use that is watched."""
        return Guarded(subject=subject, purpose=purpose, police=self.police, value=value)

    def settings(self, **changes: object) -> Settings:
        """Return settings that lead here."""
        known: dict[str, Any] = {"url": URL, "token": TOKEN, "verifier_key": self.verifier_key}
        return Settings(**{**known, **changes})

    def client(self, **changes: object) -> Client:
        """Return a client that asks here; it never waits between repeats."""
        ports = Ports(clock=self.clock)
        settings = self.settings(**changes)
        return Client(settings, transport=self.transport, ports=ports, wait=_no_wait)

    def async_client(self, **changes: object) -> AsyncClient:
        """Return an asynchronous client that asks here; it never waits between repeats."""
        ports = Ports(clock=self.clock)
        settings = self.settings(**changes)
        return AsyncClient(settings, transport=self.transport, ports=ports, wait=_no_async_wait)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        path = request.url.raw_path.decode("ascii").partition("?")[0]
        self.requests.append(f"{request.method} {path}")
        if self.trouble is Trouble.DOWN:
            raise httpx2.ConnectError("connection refused", request=request)
        if self.trouble is Trouble.SLOW:
            raise httpx2.ReadTimeout("timed out", request=request)
        if self.trouble is Trouble.FAILING:
            return _said(*_problem(503, "storage", "a store can't be had right now"))
        known = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.trouble is Trouble.REFUSING or not known:
            return _said(*_problem(401, "credentials_refused", "the credentials are not good"))
        if self.trouble is Trouble.GARBLED:
            return httpx2.Response(200, content=b"<html>welcome</html>")
        if path == "/v1/choices:check":
            return httpx2.Response(200, content=self._check(json.loads(request.content)))
        return _said(*self._once(request, path))

    def _once(self, request: httpx2.Request, path: str) -> _Made:
        key = request.headers.get("Idempotency-Key")
        if key is not None and key in self._repeats:
            return self._repeats[key]
        body = json.loads(request.content) if request.content else {}
        made = self._route(request.method, path.split("/")[2:], body, request.headers)
        if key is not None:
            self._repeats[key] = made
        return made

    def _route(
        self, method: str, parts: list[str], body: Mapping[str, Any], headers: httpx2.Headers
    ) -> _Made:
        if (method, parts) == ("POST", ["flags"]):
            self.flags.append(body)
            return 201, {"id": f"flg_{len(self.flags)}"}
        if len(parts) < 3 or parts[0] != "subjects":  # noqa: PLR2004 - subjects, who, what
            return _problem(404, "not_found", "there is nothing here")
        subject = unquote(parts[1])
        if subject not in self._grants:
            return _problem(404, "subject_unknown", "nobody here has that name")
        acts: dict[tuple[str, str], Callable[[], _Made]] = {
            ("GET", "choices"): lambda: self._choices(subject),
            ("PUT", "choices"): lambda: self._choose(subject, parts[-1], body, headers),
            ("POST", "conversations"): lambda: self._capture(subject, body),
            ("POST", "embed-tokens"): self._embed,
        }
        act = acts.get((method, parts[2]))
        return _problem(404, "not_found", "there is nothing here") if act is None else act()

    def _check(self, question: Mapping[str, Any]) -> bytes:
        if "purposes" not in question:
            return self._answer(question["purpose"], question)
        answers = [self._answer(purpose, question) for purpose in question["purposes"]]
        return b'{"answers":[%b]}' % b",".join(answers)

    def _answer(self, purpose: str, question: Mapping[str, Any]) -> bytes:
        at = self.clock.now() - (_HOLDS if self.trouble is Trouble.OLD else timedelta(0))
        answer = Answer(
            purpose=purpose,
            decisions=tuple(self._decide(name, purpose) for name in question["subjects"]),
            policy=PolicyNamed(name="fake", version="1", hash=sha256(b"fake").hexdigest()),
            at=at,
            valid_until=self.clock.now() + _HOLDS,
            mark=str(self._changes),
        )
        self.police.answered(answer)
        if self.trouble is Trouble.UNSIGNED or not question.get("sign", False):
            return write_answer(answer)
        if self.trouble is Trouble.FORGED:
            other = Signer(name=self._signer.name, seed=bytes(32))
            return write_answer(answer, other)
        written = write_answer(answer, self._signer)
        if self.trouble is Trouble.CHANGED:
            return written.replace(b'"permit":false', b'"permit":true')
        return written

    def _decide(self, subject: str, purpose: str) -> Decided:
        if purpose in PROHIBITED:
            reason = "prohibited"
        elif subject not in self._grants:
            reason = "subject_unknown"
        elif purpose in self._grants[subject]:
            return Decided(subject=subject, permit=True, reasons=("granted",))
        else:
            withdrawn = (subject, purpose) in self._withdrawn
            reason = "grant_withdrawn" if withdrawn else "no_grant"
        return Decided(subject=subject, permit=False, reasons=(reason,))

    def _status(self, subject: str, purpose: str) -> str:
        if purpose in self._grants[subject]:
            return "granted"
        return "withdrawn" if (subject, purpose) in self._withdrawn else "not_granted"

    def _etag(self, subject: str, purpose: str) -> str:
        state = f"{subject} {purpose} {self._status(subject, purpose)}"
        return f'"{sha256(state.encode()).hexdigest()[:32]}"'

    def _choices(self, subject: str) -> _Made:
        return 200, {
            "choices": [
                {
                    "purpose": one.value,
                    "label": one.value.replace("_", " "),
                    "status": self._status(subject, one.value),
                    "objected": False,
                    "rests_on": "consent",
                    "asked": True,
                    "grants": [],
                    "etag": self._etag(subject, one.value),
                }
                for one in Purpose
                if one not in PROHIBITED
            ]
        }

    def _choose(
        self, subject: str, purpose: str, body: Mapping[str, Any], headers: httpx2.Headers
    ) -> _Made:
        if body["granted"] and purpose in PROHIBITED:
            return _problem(403, "prohibited", "nobody can grant that")
        if body["granted"] and "notice" not in body:
            return _problem(400, "notice_form", "a yes names the notice that was shown")
        if body["granted"] and headers.get("If-Match") != self._etag(subject, purpose):
            return _problem(412, "choice_changed", "the choice has changed meanwhile")
        if body["granted"]:
            self.person(subject, grants=[purpose])
        else:
            self.withdraw(subject, purpose)
        return 200, {
            "purpose": purpose,
            "status": self._status(subject, purpose),
            "event": f"evt_{self._changes}",
            "at": self._now(),
            "holds": True,
            "logged": True,
            "etag": self._etag(subject, purpose),
        }

    def _capture(self, subject: str, body: Mapping[str, Any]) -> _Made:
        self.captured.append((subject, body["source_id"]))
        return 201, {"kept": True, "added": 1, "updated": 0, "known": 0, "held": 0}

    def _embed(self) -> _Made:
        token = SystemEntropy().draw(16).hex()
        return 201, {"token": token, "ends": self._now(timedelta(minutes=5))}

    def _now(self, later: timedelta = timedelta(0)) -> str:
        moment: datetime = self.clock.now() + later
        return format_moment(moment)


def _problem(status: int, code: str, detail: str) -> _Made:
    title = "denied"
    return status, {
        "type": f"docs/api.md#{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
    }


def _said(status: int, body: dict[str, Json]) -> httpx2.Response:
    return httpx2.Response(status, json=body)


def _no_wait(seconds: float) -> None:
    del seconds


async def _no_async_wait(seconds: float) -> None:
    del seconds
