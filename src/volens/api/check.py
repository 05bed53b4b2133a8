"""``POST /v1/choices:check``: may this be used, for up to 1,000 people (docs/formats/check.md).

Plain ASGI: what is asked before every use may cost no more than asking. Nothing of the home is
touched while nothing has changed: the answers come from snapshots in memory, and before each one
the home's mark is looked at. What can't be decided is an error, never a yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from volens.access.model import Principal
from volens.access.model import Scope as TokenScope
from volens.api.check_form import MOST_BYTES, MOST_SUBJECTS, PATH, Question, read_question
from volens.api.snapshot import UNKNOWN, Names, Snapshot, require_policy, take
from volens.app.access import tokens_of
from volens.app.changes import Changes, Mark
from volens.app.home import Home
from volens.app.policies import history
from volens.core.canonical import canonical_json
from volens.core.errors import Denied, InvalidInput, Unavailable, VolensError
from volens.core.ports import Clock
from volens.core.time import format_moment
from volens.door.doorway import Doorway
from volens.door.problems import problem
from volens.door.who import program_of
from volens.log.dsse import sign_envelope
from volens.log.note import Signer

PAYLOAD_TYPE: Final = "application/vnd.volens.check+json"
_MOST_TOKENS: Final = 256
_NOT_KNOWN: Final = -1
_JSON: Final = b"application/json"
_AT: Final = f"/v1{PATH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """A token that was good at one mark."""

    principal: Principal
    mark: Mark
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Home:
    """What may be asked of the home from outside its thread."""

    changes: Changes
    clock: Clock
    signer: Signer


class CheckRoute:
    """Answers checks for one home."""

    def __init__(self, doorway: Doorway) -> None:
        """Answer for the home behind `doorway`."""
        self._doorway = doorway
        self._home: _Home | None = None
        self._snapshots: dict[str, Snapshot] = {}
        self._programs: dict[str, _Program] = {}
        self._names = Names()
        self.taken = 0
        """How many snapshots were taken."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            headers = dict(scope["headers"])
            home = self._home or await self._begin()
            mark = home.changes.mark()
            await self._admit(home, headers.get(b"authorization"), mark)
            question = read_question(await _body(headers, receive))
            answer = await self._answer(home, question, mark)
        except VolensError as error:
            await problem(error, instance=_AT)(scope, receive, send)
            return
        except (SQLAlchemyError, OSError):
            told = Unavailable("storage", "a store can't be had right now", hint="try again later")
            await problem(told, instance=_AT)(scope, receive, send)
            return
        size = str(len(answer)).encode("ascii")
        started = {"type": "http.response.start", "status": 200}
        fields = [(b"content-type", _JSON), (b"content-length", size)]
        await send({**started, "headers": fields})
        await send({"type": "http.response.body", "body": answer})

    async def _begin(self) -> _Home:
        def look(home: Home) -> _Home:
            return _Home(changes=Changes(home), clock=home.clock, signer=home.signer)

        self._home = await self._doorway.run(look)
        return self._home

    async def _admit(self, home: _Home, header: bytes | None, mark: Mark) -> None:
        """Pass if the token is good for asking; looked up once for each mark.

        Raises:
            Denied: ``sign_in_needed``, ``credentials_refused``, ``scope_missing``.
        """
        if header is None:
            hint = "send Authorization: Bearer and a token; volens token issue makes one"
            raise Denied("sign_in_needed", "this takes an API token", hint=hint)
        text = header.decode("latin-1")
        known = self._programs.get(text)
        if known is None or known.mark != mark or home.clock.now() >= known.ends:
            known = await self._look_up(text, mark)
        if TokenScope.CHOICES_READ not in known.principal.scopes:
            wanted = TokenScope.CHOICES_READ.value
            raise Denied("scope_missing", f"the token lacks the scope {wanted}")

    async def _look_up(self, header: str, mark: Mark) -> _Program:
        principal = await program_of(self._doorway, header)
        token = None if principal is None else principal.token
        if principal is None or token is None:
            hint = "send Authorization: Bearer and a token that has not ended"
            raise Denied("credentials_refused", "the credentials are not good here", hint=hint)
        ends = await self._doorway.run(lambda home: tokens_of(home).by_id(token).ends)
        if len(self._programs) >= _MOST_TOKENS:
            self._programs.clear()
        found = self._programs[header] = _Program(principal=principal, mark=mark, ends=ends)
        return found

    async def _answer(self, home: _Home, question: Question, mark: Mark) -> bytes:
        at, snapshots = home.clock.now(), []
        for purpose in question.purposes:
            snapshot = self._snapshots.get(purpose)
            if snapshot is None or snapshot.mark != mark or at >= snapshot.ends:
                snapshot = await self._take(purpose, mark)
                at = max(at, home.clock.now())
            snapshots.append(snapshot)
        if any(at >= snapshot.ends for snapshot in snapshots):
            raise Unavailable("table_expired", "the answer ended while it was made")
        known = self._names.known(mark)
        names = question.subjects
        numbers = [known.get(name, _NOT_KNOWN) for name in names]
        if _NOT_KNOWN in numbers:  # else ids, all of them: nothing has to be escaped
            numbers = await self._numbers(question.subjects, mark)
            names = tuple(canonical_json(name).decode("utf-8")[1:-1] for name in names)
        answers = [_written(home, one, numbers, names, at, sign=question.sign) for one in snapshots]
        return b'{"answers":[%b]}' % b",".join(answers) if question.several else answers[0]

    async def _take(self, purpose: str, mark: Mark) -> Snapshot:
        """Take a snapshot; marks of the home are compared again at the next question."""

        def act(home: Home) -> Snapshot:
            require_policy(home, history(home.main)[-1].sha256)
            return take(home, purpose, mark, home.clock.now())

        snapshot = await self._doorway.run(act)
        self.taken += 1
        self._snapshots[purpose] = snapshot
        return snapshot

    async def _numbers(self, subjects: tuple[str, ...], mark: Mark) -> list[int]:
        names = self._names
        known = names.known(mark)
        missing = [name for name in subjects if name not in known and not names.refers(name)]
        if missing:
            await self._doorway.run(lambda home: names.learn(home, missing))
            known = names.known(mark)
        return [known.get(name, names.reference(name)) for name in subjects]


def _written(
    home: _Home,
    snapshot: Snapshot,
    numbers: list[int],
    names: tuple[str, ...],
    at: datetime,
    *,
    sign: bool,
) -> bytes:
    """Write one purpose's answer in canonical form; a signature is over exactly these bytes.

    Args:
        home: whose key signs.
        snapshot: the verdicts.
        numbers: of the people asked about.
        names: what they were asked about as, as it stands in JSON between quotes.
        at: when it is decided.
        sign: whether it is signed.
    """
    classes, size, heads = snapshot.classes, len(snapshot.classes), snapshot.heads
    kinds = [classes[one] if 0 <= one < size else UNKNOWN for one in numbers]
    told = [f'{heads[kind]}"{name}"}}' for kind, name in zip(kinds, names, strict=True)]
    until = min(snapshot.untils[kind] for kind in set(kinds))
    before = f'{{"at":"{format_moment(at)}","decisions":[{",".join(told)}],{snapshot.rest}'
    after = f',"valid_until":"{until}"}}'
    if not sign:
        return (before + after).encode()
    envelope = sign_envelope(PAYLOAD_TYPE, (before + after).encode(), home.signer)
    return f'{before},"signature":{envelope.decode("ascii")}{after}'.encode()


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """Return the body, within its limit.

    Raises:
        InvalidInput: ``media_type``, ``too_large``.
        Unavailable: ``gone`` if the program went away.
    """
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != _JSON:
        raise InvalidInput("media_type", "a check is JSON", hint="send it as application/json")
    message = await receive()
    data: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(data) <= MOST_BYTES:
        message = await receive()
        data += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise Unavailable("gone", "whoever asked has gone")
    if len(data) > MOST_BYTES:
        hint = f"ask about at most {MOST_SUBJECTS} at once"
        raise InvalidInput("too_large", f"more than {MOST_BYTES:,} bytes", hint=hint)
    return data
