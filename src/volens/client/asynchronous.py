"""The client for asynchronous programs: what `client.Client` does, without ever blocking the loop.

    async with AsyncClient(Settings(url=..., token=..., verifier_key=...)) as volens:
        checked = await volens.check(["ann", "bob"], "batch_training")

`check` never raises for what goes wrong on the way: any error is a deny with a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import httpx2

from volens.client import calls
from volens.client.answer import Decided
from volens.client.asking import Judge, Ports, Settings
from volens.client.calls import Call, Reply
from volens.client.judging import Asked, denied, read_question, read_questions
from volens.client.model import (
    CaptureCounts,
    Checked,
    Choice,
    Conversation,
    EmbedToken,
    Failure,
    Limit,
    Notice,
    Recorded,
)
from volens.client.outbox import Outbox
from volens.client.reports import flag_body, settled_as
from volens.core.errors import Unavailable
from volens.core.purposes import Signal


class AsyncClient:
    """Asks, waits, and denies when in doubt. For one event loop.

    `capture` hands conversations to a task of its own; `close` sends what waits and ends it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        ports: Ports | None = None,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Ask as `settings` say; nothing is sent yet.

        Args:
            settings: where, with which token, and whose answers count.
            transport: how requests travel; the network by default.
            ports: the time and random bytes; the system's by default.
            wait: waits between repeats, in seconds.
        """
        self._settings = settings
        self._ports = ports or Ports()
        self._judge = Judge(settings, self._ports)
        self._wait = wait
        self._http = httpx2.AsyncClient(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {settings.token}", "Accept": "application/json"},
            timeout=settings.timeout.total_seconds(),
            transport=transport,
            trust_env=False,  # no variable of the environment sends a question elsewhere
        )
        self._outbox = Outbox(settings.queue)
        self._sender: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def check(self, subjects: Sequence[str], purpose: str) -> Checked:
        """Return what may be done with these people's data, for one purpose.

        Any error on the way is a deny for everybody asked about, with the reason.

        Args:
            subjects: 1 to 1,000 people, each once: ids, or the program's own names for them.
            purpose: such as ``batch_training``.

        Raises:
            InvalidInput: ``check_form`` if that is no question.
        """
        asked = read_question(subjects, purpose)
        if self._closed:
            return denied(asked, Failure.CLIENT_CLOSED)
        try:
            return self._judge.known(asked) or await self._ask(asked)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is a deny
            return self._judge.refuse(asked, error)

    async def check_each(
        self, subjects: Sequence[str], purposes: Sequence[str]
    ) -> dict[str, Checked]:
        """Return what may be done with these people's data for each of several purposes.

        It is one question, and one answer for each purpose, as of one moment. Any error on the way
        is a deny for everybody and every purpose, with the reason.

        Args:
            subjects: 1 to 1,000 people, each once: ids, or the program's own names for them.
            purposes: 1 to 16 purposes, each once.

        Raises:
            InvalidInput: ``check_form`` if that is no question.
        """
        several = read_questions(subjects, purposes)
        if self._closed:
            return {one.purpose: denied(one, Failure.CLIENT_CLOSED) for one in several}
        try:
            return await self._ask_each(several)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is a deny
            return {one.purpose: self._judge.refuse(one, error) for one in several}

    async def require(self, subject: str, purpose: str) -> Decided:
        """Return the decision if one person's data may be used.

        Raises:
            Denied: with the deciding reason as its code.
            InvalidInput: ``check_form``.
        """
        checked = await self.check([subject], purpose)
        checked.require()
        return checked.of(subject)

    async def choices(self, subject: str) -> tuple[Choice, ...]:
        """Return every choice of a person, as the server has it now.

        Raises:
            VolensError: if no answer can be had, or the server refuses.
        """
        return calls.read_choices(await self._send(calls.list_choices(subject)))

    async def withdraw(self, subject: str, purpose: str, *, limit: Limit | None = None) -> Recorded:
        """Take a person's yes back. From this call on, this client denies.

        If it fails, this client goes on denying until a repeat is confirmed; call it again.

        Raises:
            VolensError: if the server did not confirm it.
        """
        call = calls.withdraw(subject, purpose, limit)
        self._judge.memory.begin_withdrawal(subject, purpose)
        recorded = calls.read_recorded(await self._send(call))
        self._judge.memory.confirm_withdrawal(subject, purpose)
        return recorded

    async def grant(
        self,
        subject: str,
        purpose: str,
        notice: Notice,
        *,
        etag: str,
        limit: Limit | None = None,
        expires: datetime | None = None,
    ) -> Recorded:
        """Record a yes that the person gave just now, on the notice that was shown. Sent once.

        Args:
            subject: who said yes.
            purpose: to what.
            notice: what was shown.
            etag: of the `Choice` that it was shown with.
            limit: one dataset, run or partner; everything by default.
            expires: when it ends by itself.

        Raises:
            VolensError: if the server did not confirm it; then look at `choices`.
        """
        call = calls.grant(subject, purpose, notice, etag=etag, limit=limit, expires=expires)
        try:
            return calls.read_recorded(await self._send(call))
        finally:
            self._judge.memory.change(purpose)

    async def embed_token(self, subject: str) -> EmbedToken:
        """Return a token with which this person's browser opens their pages, once.

        Raises:
            VolensError: if none can be had.
        """
        return calls.read_embed_token(await self._send(calls.embed_token(subject)))

    async def raise_flag(
        self,
        conversation: str,
        turns: Sequence[int],
        *,
        category: str,
        severity: str,
        classifier: str,
    ) -> str:
        """Report what a safety classifier saw in turns of a conversation; return the flag's id.

        Raises:
            VolensError: if the server did not take it.
        """
        body = flag_body(conversation, turns, category, severity, classifier)
        return calls.read_flag(await self._send(calls.raise_flag(body, self._ports.draw_key())))

    def capture(self, subject: str, conversation: Conversation) -> bool:
        """Hand a conversation over to be kept as its person's settings allow; return at once.

        It is sent in the background. False: it was dropped, for want of room or after `close`;
        `captured` counts that. Nothing of it is ever logged.

        Raises:
            InvalidInput: if it can't be written down.
        """
        if conversation.signal is Signal.TEMPORARY:
            self._outbox.count("not_kept")
            return True
        taken = self._outbox.put(calls.capture(subject, conversation, self._ports.draw_key()))
        if taken and (self._sender is None or self._sender.done()):
            self._sender = asyncio.get_running_loop().create_task(self._run(), name="volens")
        return taken

    def captured(self) -> CaptureCounts:
        """Return what became of everything that was handed to `capture`."""
        return self._outbox.counts()

    async def flush(self, at_most: timedelta) -> bool:
        """Wait until nothing waits to be sent, at most for `at_most`; say whether that is so."""
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=at_most.total_seconds())
        return self._outbox.waiting == 0

    async def close(self, at_most: timedelta = timedelta(seconds=5)) -> CaptureCounts:
        """Send what waits, at most for `at_most`; drop the rest; end. A repeat changes nothing."""
        self._outbox.close()
        await self.flush(at_most)
        self._outbox.drop_rest()
        if self._sender is not None and not self._sender.done():
            self._sender.cancel()
            await asyncio.wait([self._sender])
        self._closed = True
        await self._http.aclose()
        return self._outbox.counts()

    async def _ask(self, asked: Asked) -> Checked:
        for _ in range(2):
            changes = self._judge.memory.changes(asked.purpose)
            found = self._judge.take(asked, await self._send(calls.check(asked)), changes)
            if found is not None:
                return found
        return denied(asked, Failure.WITHDRAWN_HERE)

    async def _ask_each(self, several: Sequence[Asked]) -> dict[str, Checked]:
        found = self._judge.known_each(several)
        for _ in range(2):
            missing = [one for one in several if one.purpose not in found]
            if not missing:
                break
            changes = [self._judge.memory.changes(one.purpose) for one in missing]
            data = await self._send(calls.check_each(missing))
            found |= self._judge.take_each(missing, data, changes)
        return {
            one.purpose: found.get(one.purpose) or denied(one, Failure.WITHDRAWN_HERE)
            for one in several
        }

    async def _send(self, call: Call) -> bytes:
        """Send a call, again if that is worth it; return what it answers."""
        if self._closed:
            raise Unavailable(Failure.CLIENT_CLOSED.value, "the client is closed")
        attempt = 0
        while True:
            attempt += 1
            last = attempt > self._settings.retries or not call.repeatable
            try:
                reply = await self._send_once(call)
            except Unavailable:
                if last:
                    raise
                await self._wait(calls.wait_before(attempt, ""))
                continue
            if last or not calls.is_worth_repeating(call, reply):
                return calls.read_reply(reply)
            await self._wait(calls.wait_before(attempt, reply.retry_after))

    async def _send_once(self, call: Call) -> Reply:
        try:
            got = await self._http.request(
                call.method, call.path, content=call.body, headers=dict(call.headers)
            )
        except httpx2.TimeoutException:  # the chain could show what was sent
            raise Unavailable(Failure.TIMED_OUT.value, "no answer came in time") from None
        except httpx2.HTTPError as error:
            said = f"no answer: {type(error).__name__}"
            raise Unavailable(Failure.UNREACHABLE.value, said) from None
        return Reply(
            status=got.status_code,
            content=got.content,
            retry_after=got.headers.get("Retry-After", ""),
        )

    async def _run(self) -> None:
        while (call := self._outbox.take()) is not None:
            await self._hand_over(call)

    async def _hand_over(self, call: Call) -> None:
        settled = "failed"
        try:
            kept = calls.read_kept(await self._send(call))
            settled = "kept" if kept else "not_kept"
        except Exception as error:  # noqa: BLE001 - counted, never logged: it could show content
            settled = settled_as(error)
        finally:  # a cancelled one counts as failed
            self._outbox.settle(settled)
