"""Models that answer by rule: in this process, policing their caller, or behind a real server."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateway.world import serving
from volens.principles.judging import open_labelled
from volens.principles.writer import (
    MOST_ANSWER,
    Completion,
    Message,
    Sampling,
    Speaker,
    WriterKind,
    WriterLabel,
    check_asked,
    completed,
)

PART = re.compile(r"=== ([A-Z ]+) ===\n(.*?)(?=\n\n===|\Z)", re.DOTALL)
THINGS = [
    "bread",
    "kettle",
    "garden",
    "ladder",
    "bicycle",
    "window",
    "lantern",
    "basket",
    "river",
    "candle",
    "teapot",
    "bridge",
    "carpet",
    "helmet",
    "mirror",
    "pencil",
    "saddle",
    "turnip",
    "violin",
    "walnut",
    "anchor",
    "button",
    "copper",
    "feather",
    "hammer",
    "island",
    "jacket",
    "magnet",
    "needle",
    "orchard",
    "parcel",
    "quarry",
    "ribbon",
    "saucer",
    "thimble",
    "umbrella",
    "velvet",
    "whistle",
]
DOINGS = [
    "paint",
    "wash",
    "carry",
    "mend",
    "lift",
    "open",
    "measure",
    "polish",
    "store",
    "clean",
    "move",
    "fold",
    "fasten",
    "heat",
    "cool",
    "turn",
    "label",
    "weigh",
    "sharpen",
    "dry",
]

Brain = Callable[[Sequence[Message], Sampling], str]


def prompt_text(number: int) -> str:
    doing, thing = DOINGS[number % len(DOINGS)], THINGS[number % len(THINGS)]
    return f"How do I {doing} a {thing} of size {number + 3}?"


def prompt_lines(count: int, **changes: str) -> bytes:
    lines = [
        {
            "id": f"p{number}",
            "source": "public_text",
            "origin": "made up for a test",
            "text": prompt_text(number),
            **changes,
        }
        for number in range(count)
    ]
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def words_for(text: str, count: int) -> str:
    """Return words that depend on a text, different for each text."""
    drawn = hashlib.shake_256(text.encode()).digest(count)
    lists = [THINGS, DOINGS]
    return " ".join(lists[at % 2][byte % len(lists[at % 2])] for at, byte in enumerate(drawn))


def parts(messages: Sequence[Message]) -> dict[str, str]:
    return dict(PART.findall(messages[-1].text))


def able(messages: Sequence[Message], sampling: Sampling) -> str:
    """Answer as a good model would: drafts with a fault, critiques that quote, sound revisions."""
    del sampling
    system, asked = messages[0].text, messages[-1].text
    if system.startswith("You are a careful"):
        return f"Trust me, {asked.rstrip('?').lower()}: {words_for(asked, 14)}."
    told = parts(messages)
    if system.startswith("You check"):
        quoted = " ".join(told["ANSWER"].split()[-5:])
        return f"REVISE\nThe answer asks for trust and ends in '{quoted}', which nobody can follow."
    if system.startswith("You write"):
        request = told["REQUEST"].rstrip("?").lower()
        return f"To find out {request}, begin with {words_for(request + '!', 16)}."
    return judged(told)


def judged(told: dict[str, str]) -> str:
    """Judge as people did where they did, else against the answer that asks for trust."""
    better = {one.better for one in open_labelled(None).pairs}
    if told["ANSWER A"] in better or "Trust me" in told["ANSWER B"]:
        return "A"
    return "B"


def always_first(messages: Sequence[Message], sampling: Sampling) -> str:
    del messages, sampling
    return "A"


def tossing(messages: Sequence[Message], sampling: Sampling) -> str:
    del sampling
    return "AB"[hashlib.sha256(messages[-1].text.encode()).digest()[0] % 2]


@dataclass
class FakeWriter:
    """A model in this process that polices its caller as every adapter does."""

    brain: Brain = able
    model: str = "fake-1"
    asked: list[tuple[tuple[Message, ...], Sampling]] = field(default_factory=list)

    @property
    def label(self) -> WriterLabel:
        return WriterLabel(kind=WriterKind.ENDPOINT, model=self.model)

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        check_asked(messages, sampling)
        self.asked.append((tuple(messages), sampling))
        text = self.brain(messages, sampling)
        most = min(sampling.most_tokens, MOST_ANSWER)
        words = text.split(" ")
        return completed(" ".join(words[:most]), finished=len(words) <= most)


@dataclass
class ModelServer:
    """An OpenAI-compatible endpoint that answers as told, and remembers what it was asked."""

    brain: Brain = able
    status: list[int] = field(default_factory=list)
    """Status of the next replies; 200 when used up."""
    raw: Response | None = None
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/chat/completions", self._chat, methods=["POST"])])

    async def _chat(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.requests.append((dict(request.headers), body))
        if self.status:
            return JSONResponse({"error": {"message": "no"}}, self.status.pop(0))
        if self.raw is not None:
            return self.raw
        messages = [
            Message(speaker=Speaker(one["role"]), text=one["content"]) for one in body["messages"]
        ]
        sampling = Sampling(
            seed=body["seed"],
            thousandths=round(body["temperature"] * 1000),
            most_tokens=body["max_tokens"],
        )
        words = self.brain(messages, sampling).split(" ")
        cut = len(words) > sampling.most_tokens
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": " ".join(words[: sampling.most_tokens])},
            "finish_reason": "length" if cut else "stop",
            "logprobs": None,
        }
        return JSONResponse(
            {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice]}
        )


@contextmanager
def served(server: ModelServer) -> Iterator[str]:
    """Serve a model on a free port of this machine; yield the base of its address."""
    with serving(server.app()) as url:
        yield f"{url}/v1"
