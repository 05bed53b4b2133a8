"""The client for programs that wait for their answers.

    with Client(Settings(url=..., token=..., verifier_key=...)) as volens:
        for subject in volens.check(["ann", "bob"], "batch_training").permitted():
            ...

`check` never raises for what goes wrong on the way: any error is a deny with a reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
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

_IDLE_SECONDS = 0.5


class Client:
    """Asks, waits, and denies when in doubt. Safe to use from several threads.

    `capture` hands conversations to a thread of its own; `close` sends what waits and ends it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx2.BaseTransport | None = None,
        ports: Ports | None = None,
        wait: Callable[[float], None] = time.sleep,
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
        self._http = httpx2.Client(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {settings.token}", "Accept": "application/json"},
            timeout=settings.timeout.total_seconds(),
            transport=transport,
            trust_env=False,  # no variable of the environment sends a question elsewhere
        )
        self._outbox = Outbox(settings.queue)
        self._work = threading.Condition()
        self._sender: threading.Thread | None = None
        self._closing = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def check(self, subjects: Sequence[str], purpose: str) -> Checked:
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
            return self._judge.known(asked) or self._ask(asked)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is a deny
            return self._judge.refuse(asked, error)

    def check_each(self, subjects: Sequence[str], purposes: Sequence[str]) -> dict[str, Checked]:
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
            return self._ask_each(several)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is a deny
            return {one.purpose: self._judge.refuse(one, error) for one in several}

    def require(self, subject: str, purpose: str) -> Decided:
        """Return the decision if one person's data may be used.

        Raises:
            Denied: with the deciding reason as its code.
            InvalidInput: ``check_form``.
        """
        checked = self.check([subject], purpose)
        checked.require()
        return checked.of(subject)

    def choices(self, subject: str) -> tuple[Choice, ...]:
        """Return every choice of a person, as the server has it now.

        Raises:
            VolensError: if no answer can be had, or the server refuses.
        """
        return calls.read_choices(self._send(calls.list_choices(subject)))

    def withdraw(self, subject: str, purpose: str, *, limit: Limit | None = None) -> Recorded:
        """Take a person's yes back. From this call on, this client denies.

        If it fails, this client goes on denying until a repeat is confirmed; call it again.

        Raises:
            VolensError: if the server did not confirm it.
        """
        call = calls.withdraw(subject, purpose, limit)
        self._judge.memory.begin_withdrawal(subject, purpose)
        recorded = calls.read_recorded(self._send(call))
        self._judge.memory.confirm_withdrawal(subject, purpose)
        return recorded

    def grant(
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
            return calls.read_recorded(self._send(call))
        finally:
            self._judge.memory.change(purpose)

    def embed_token(self, subject: str) -> EmbedToken:
        """Return a token with which this person's browser opens their pages, once.

        Raises:
            VolensError: if none can be had.
        """
        return calls.read_embed_token(self._send(calls.embed_token(subject)))

    def raise_flag(
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
        return calls.read_flag(self._send(calls.raise_flag(body, self._ports.draw_key())))

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
        with self._work:
            if self._sender is None and not self._closing:
                self._sender = threading.Thread(target=self._run, name="volens", daemon=True)
                self._sender.start()
            self._work.notify_all()
        return taken

    def captured(self) -> CaptureCounts:
        """Return what became of everything that was handed to `capture`."""
        return self._outbox.counts()

    def flush(self, at_most: timedelta) -> bool:
        """Wait until nothing waits to be sent, at most for `at_most`; say whether that is so."""
        with self._work:
            return self._work.wait_for(
                lambda: self._outbox.waiting == 0, timeout=at_most.total_seconds()
            )

    def close(self, at_most: timedelta = timedelta(seconds=5)) -> CaptureCounts:
        """Send what waits, at most for `at_most`; drop the rest; end. A repeat changes nothing."""
        self._outbox.close()
        self.flush(at_most)
        self._outbox.drop_rest()
        with self._work:
            self._closing = True
            self._work.notify_all()
        if self._sender is not None:
            self._sender.join(at_most.total_seconds())
        self._closed = True
        self._http.close()
        return self._outbox.counts()

    def _ask(self, asked: Asked) -> Checked:
        for _ in range(2):
            changes = self._judge.memory.changes(asked.purpose)
            found = self._judge.take(asked, self._send(calls.check(asked)), changes)
            if found is not None:
                return found
        return denied(asked, Failure.WITHDRAWN_HERE)

    def _ask_each(self, several: Sequence[Asked]) -> dict[str, Checked]:
        found = self._judge.known_each(several)
        for _ in range(2):
            missing = [one for one in several if one.purpose not in found]
            if not missing:
                break
            changes = [self._judge.memory.changes(one.purpose) for one in missing]
            data = self._send(calls.check_each(missing))
            found |= self._judge.take_each(missing, data, changes)
        return {
            one.purpose: found.get(one.purpose) or denied(one, Failure.WITHDRAWN_HERE)
            for one in several
        }

    def _send(self, call: Call) -> bytes:
        """Send a call, again if that is worth it; return what it answers."""
        if self._closed:
            raise Unavailable(Failure.CLIENT_CLOSED.value, "the client is closed")
        attempt = 0
        while True:
            attempt += 1
            last = attempt > self._settings.retries or not call.repeatable
            try:
                reply = self._send_once(call)
            except Unavailable:
                if last:
                    raise
                self._wait(calls.wait_before(attempt, ""))
                continue
            if last or not calls.is_worth_repeating(call, reply):
                return calls.read_reply(reply)
            self._wait(calls.wait_before(attempt, reply.retry_after))

    def _send_once(self, call: Call) -> Reply:
        try:
            got = self._http.request(
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

    def _run(self) -> None:
        while True:
            call = self._outbox.take()
            if call is not None:
                self._hand_over(call)
                continue
            with self._work:
                self._work.notify_all()
                if self._closing:
                    return
                if self._outbox.waiting == 0:
                    self._work.wait(_IDLE_SECONDS)

    def _hand_over(self, call: Call) -> None:
        try:
            kept = calls.read_kept(self._send(call))
        except Exception as error:  # noqa: BLE001 - counted, never logged: it could show content
            self._outbox.settle(settled_as(error))
        else:
            self._outbox.settle("kept" if kept else "not_kept")
