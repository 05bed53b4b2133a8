"""From a served chat to the vault: behind the chat, never in its way.

What waits here lies in memory only. A process that is killed loses it; one that is stopped in order
finishes it first. What could not be kept is counted, never said with its content.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from volens.app.history import history_on
from volens.app.home import Home
from volens.capture import openai_chat
from volens.capture.model import DEFAULT
from volens.capture.threads import Context, content_id
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound, VolensError
from volens.core.purposes import Signal
from volens.door.doorway import Doorway
from volens.gateway.answers import read_answer
from volens.gateway.counters import Counters, Outcome
from volens.log.kinds import CaptureSource
from volens.vault.model import Conversation, Role, TurnFlag

SOURCE = "gateway"
MOST_WAITING = 1024
MOST_WAITING_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One chat as it went by: what was asked, and the bytes that were answered."""

    subject: str = field(repr=False)
    conversation: str = field(repr=False)
    asked: Mapping[str, Json] = field(repr=False)
    answered: bytes = field(repr=False)
    media_type: str
    cut_off: bool
    """Whether the reader left, or the upstream broke off, before the end."""
    size_bytes: int


class Captures:
    """A bounded queue in front of the vault, worked off by one task that lives while it must."""

    def __init__(
        self,
        counters: Counters,
        *,
        most: int = MOST_WAITING,
        most_bytes: int = MOST_WAITING_BYTES,
    ) -> None:
        """Count in `counters`; hold at most so many chats and bytes."""
        self._counters = counters
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[Doorway, Served]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._settling: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many chats wait."""
        return len(self._waiting)

    def offer(self, doorway: Doorway, served: Served) -> bool:
        """Take a chat in, without waiting; say whether there was room."""
        if len(self._waiting) >= self._most or self._bytes + served.size_bytes > self._most_bytes:
            self._counters.chats[Outcome.OVERFLOW] += 1
            return False
        self._waiting.append((doorway, served))
        self._bytes += served.size_bytes
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work_off())
        return True

    def settle(self, last: Coroutine[None, None, None]) -> None:
        """Let a served call come to its end here, after its answer is out."""
        task = asyncio.create_task(last)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Finish what waits, within so many seconds; what is left then is lost, and counted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*self._settling, return_exceptions=True)
                if self._task is not None:
                    await self._task
        if self._waiting:
            self._counters.chats[Outcome.FAILED] += len(self._waiting)
            self._waiting.clear()
        self._bytes = 0

    async def _work_off(self) -> None:
        while self._waiting:
            doorway, served = self._waiting[0]
            outcome = Outcome.FAILED
            try:
                outcome = await _keep(doorway, served)
            except VolensError:
                pass  # counted; an error's words could hold a name
            finally:
                self._counters.chats[outcome] += 1
                if self._waiting:
                    self._waiting.popleft()
                    self._bytes -= served.size_bytes


async def _keep(doorway: Doorway, served: Served) -> Outcome:
    try:
        found = await asyncio.to_thread(conversation_of, served)
    except InvalidInput:
        return Outcome.MALFORMED
    if found is None:
        return Outcome.NOT_ANSWERED
    if found.signal is Signal.TEMPORARY:
        return Outcome.TEMPORARY
    return await doorway.run(lambda home: keep(home, served.subject, found))


def conversation_of(served: Served) -> Conversation | None:
    """Return a served chat as a conversation, or None if nothing was answered.

    It is read as an import of the same form would be: words of tools and files are marked as
    others' words, instructions and reasoning as such; pictures and recordings are left out.

    Raises:
        InvalidInput: over a limit, or nothing in it that can be read.
    """
    answer = read_answer(served.answered, served.media_type)
    if answer is None:
        return None
    messages = served.asked.get("messages")
    assert isinstance(messages, list)  # `read_chat` has seen to it
    record: dict[str, Json] = {
        "messages": [*messages, {**answer.message, "role": "assistant"}],
        "metadata": served.asked.get("metadata"),
    }
    try:
        read = openai_chat.read_record(record, Context(), DEFAULT).conversation
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise InvalidInput("body_form", "the chat is not of a known form") from None
    turns = list(read.turns)
    if (served.cut_off or not answer.complete) and turns[-1].role is Role.ASSISTANT:
        turns[-1] = replace(turns[-1], flags=turns[-1].flags | TurnFlag.INCOMPLETE)
    asked = [turn for turn in turns if turn.role is not Role.ASSISTANT]
    return replace(
        read,
        source=SOURCE,
        # without an id from the product, the same question is the same chat
        source_id=served.conversation or content_id(asked, "asked"),
        turns=tuple(turns),
    )


def may_keep(home: Home, name: str) -> Outcome | None:
    """Return why a person's chat may not be kept now, or None if it may."""
    try:
        subject = home.subjects.find(name)
    except (NotFound, InvalidInput):
        return Outcome.UNKNOWN_PERSON
    return None if history_on(home, subject) else Outcome.HISTORY_OFF


def keep(
    home: Home,
    name: str,
    conversation: Conversation,
    source: CaptureSource = CaptureSource.GATEWAY,
) -> Outcome:
    """Capture one conversation if its person's settings allow it now; say what became of it.

    A later state of a chat takes the place of the former one; a hold keeps what it names.

    Raises:
        InvalidInput: if it is over a limit.
        Unavailable: if the home can't take it.
    """
    why_not = may_keep(home, name)
    if why_not is not None:
        return why_not
    if conversation.signal is Signal.TEMPORARY:
        return Outcome.TEMPORARY
    result = home.vault.capture({home.subjects.find(name): [conversation]}, source=source)
    if result.held:
        return Outcome.HELD
    return Outcome.CAPTURED if result.added or result.updated else Outcome.KNOWN
