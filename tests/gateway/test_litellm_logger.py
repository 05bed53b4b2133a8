"""LiteLLM's events become conversations for the client, and never an error for the chat."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.gateway.world import answer
from volens.client.model import Conversation
from volens.core.purposes import Signal
from volens.gateway.litellm_logger import ChatLogger, litellm_logger

MESSAGES = [{"role": "user", "content": "Capital of France?"}]


@dataclass
class Taker:
    """A client that remembers what it was handed."""

    room: bool = True
    got: list[tuple[str, Conversation]] = field(default_factory=list)

    def capture(self, subject: str, conversation: Conversation) -> bool:
        if self.room:
            self.got.append((subject, conversation))
        return self.room


class Dumped:
    """An answer as LiteLLM's objects give it."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    def model_dump(self) -> Mapping[str, Any]:
        return self._body


def event(metadata: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as LiteLLM gives it
    return {
        "model": "m",
        "messages": MESSAGES,
        "litellm_params": {"metadata": {"volens_subject": "ada", **(metadata or {})}},
        **more,
    }


def log(kwargs: Mapping[str, Any], response: object = None) -> tuple[Taker, ChatLogger]:
    taker = Taker()
    logger = litellm_logger(taker)
    logger.log_success_event(kwargs, response or answer("Paris"), None, None)
    return taker, logger


@pytest.mark.parametrize("response", [answer("Paris"), Dumped(answer("Paris"))])
def test_a_chat_is_handed_on_whole(response: object) -> None:
    taker, logger = log(event({"volens_conversation": "c-1"}), response)
    ((subject, got),) = taker.got
    assert (subject, got.source_id, logger.handed, logger.left_out) == ("ada", "c-1", 1, 0)
    assert [(turn.role, turn.text) for turn in got.turns] == [
        ("user", "Capital of France?"),
        ("assistant", "Paris"),
    ]
    got.document()


def test_the_answer_of_a_stream_is_the_whole_one() -> None:
    taker, _ = log(event(complete_streaming_response=Dumped(answer("all"))), answer("a piece"))
    assert taker.got[0][1].turns[-1].text == "all"


def test_from_an_event_loop_it_is_the_same() -> None:
    taker = Taker()
    logger = ChatLogger(taker)
    asyncio.run(logger.async_log_success_event(event(), answer("Paris"), None, None))
    assert len(taker.got) == 1


@pytest.mark.parametrize(
    ("kwargs", "subject"),
    [
        ({"messages": MESSAGES, "user": "ada"}, "ada"),
        ({"messages": MESSAGES, "optional_params": {"user": "ada"}}, "ada"),
        (
            {
                "messages": MESSAGES,
                "user": "bo",
                "litellm_params": {"metadata": {"user_api_key_end_user_id": "ada"}},
            },
            "ada",
        ),
    ],
)
def test_the_person_is_who_litellm_knows_as_the_end_user(
    kwargs: dict[str, Any], subject: str
) -> None:
    taker, _ = log(kwargs)
    assert taker.got[0][0] == subject


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"messages": MESSAGES},
        event({"volens_temporary": True}),
        event({"volens_temporary": "perhaps"}),
        event({"temporary": "true"}),
        event(messages=[]) | {"complete_streaming_response": {"choices": []}},
        event(messages=3, complete_streaming_response={"choices": [3]}),
        event(litellm_params=3),
    ],
)
def test_what_may_not_or_cant_be_handed_on_is_counted_and_breaks_nothing(
    kwargs: dict[str, Any],
) -> None:
    taker, logger = log(kwargs)
    assert (taker.got, logger.handed, logger.left_out) == ([], 0, 1)


def test_a_client_without_room_is_counted() -> None:
    logger = ChatLogger(Taker(room=False))
    logger.log_success_event(event(), answer("Paris"), None, None)
    assert (logger.handed, logger.left_out) == (0, 1)


def test_reasoning_is_left_out_tools_are_marked_and_a_no_goes_along() -> None:
    messages = [*MESSAGES, {"role": "tool", "content": "a page"}]
    body = answer("<think>hm</think>Paris")
    taker, _ = log(event({"do_not_train": True}, messages=messages), body)
    got = taker.got[0][1]
    assert [(turn.text, turn.third_party) for turn in got.turns] == [
        ("Capital of France?", False),
        ("a page", True),
        ("Paris", False),
    ]
    assert got.signal is Signal.EXCLUDED


def test_nothing_is_said_of_it_in_a_repr() -> None:
    taker, _ = log(event())
    assert "Paris" not in repr(taker.got[0][1])
