"""One contract for every writer: the fake, a real server on this machine, a model in here."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import pytest
from starlette.responses import RedirectResponse, Response

from tests.principles.models import FakeWriter, ModelServer, able, served
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.principles.asking import ask_draft
from volens.principles.constitution import open_constitution
from volens.principles.embedded import Embedded
from volens.principles.endpoint import MOST_REPLY_BYTES, Endpoint, Place, check_address
from volens.principles.writer import Message, Sampling, Speaker, Writer, WriterKind

pytestmark = pytest.mark.enable_socket
SAMPLING = Sampling(seed=7, thousandths=700, most_tokens=24)
ASKED = ask_draft(open_constitution("neutral"), "How do I fold a map?")
KINDS = ["fake", "endpoint", *(["embedded"] if find_spec("torch") else [])]


@pytest.fixture
def server() -> ModelServer:
    return ModelServer()


@pytest.fixture
def endpoint(server: ModelServer) -> Iterator[Endpoint]:
    with served(server) as url:
        found = Endpoint(Place(url=url, model="m-1"), wait=lambda _: None)
        yield found
        found.close()


@pytest.fixture(params=KINDS)
def writer(request: pytest.FixtureRequest) -> Writer:
    if request.param == "fake":
        return FakeWriter(able)
    if request.param == "endpoint":
        found: Writer = request.getfixturevalue("endpoint")
        return found
    return Embedded.open("tiny:1")


class TestContract:
    def test_equal_questions_and_seeds_give_equal_answers(self, writer: Writer) -> None:
        assert writer.complete(ASKED, SAMPLING) == writer.complete(ASKED, SAMPLING)

    def test_what_is_cut_off_says_so(self, writer: Writer) -> None:
        assert not writer.complete(ASKED, replace(SAMPLING, most_tokens=1)).finished

    def test_it_keeps_its_label(self, writer: Writer) -> None:
        before = writer.label
        writer.complete(ASKED, SAMPLING)
        assert writer.label == before
        assert (before.kind is WriterKind.EMBEDDED) == (len(before.digest) == 64)

    @pytest.mark.parametrize(
        ("asked", "sampling"),
        [
            ((), SAMPLING),
            (ASKED * 9, SAMPLING),
            ((Message(speaker=Speaker.ASKING, text=" "),), SAMPLING),
            ((Message(speaker=Speaker.ASKING, text="x" * 200_001),), SAMPLING),
            ((*ASKED, Message(speaker=Speaker.ASSISTANT, text="x")), SAMPLING),
            (ASKED, replace(SAMPLING, seed=-1)),
            (ASKED, replace(SAMPLING, seed=2**31)),
            (ASKED, replace(SAMPLING, thousandths=2_001)),
            (ASKED, replace(SAMPLING, most_tokens=0)),
            (ASKED, replace(SAMPLING, most_tokens=8_193)),
        ],
    )
    def test_what_can_not_be_asked_is_refused(
        self, writer: Writer, asked: tuple[Message, ...], sampling: Sampling
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            writer.complete(asked, sampling)
        assert refused.value.code == "asked_form"


def reply(content: object = "hello", reason: object = "stop", role: object = "assistant") -> bytes:
    message = {"role": role, "content": content}
    return json.dumps({"choices": [{"message": message, "finish_reason": reason}]}).encode()


class TestReplies:
    def test_a_reply_is_read(self, server: ModelServer, endpoint: Endpoint) -> None:
        server.raw = Response(reply(" hello\n"))
        found = endpoint.complete(ASKED, SAMPLING)
        assert (found.text, found.finished) == ("hello", True)
        server.raw = Response(reply(reason="content_filter"))
        assert not endpoint.complete(ASKED, SAMPLING).finished

    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"hello",
            b"[]",
            b"{}",
            b'{"choices": []}',
            reply(content=None),
            reply(content=["hello"]),
            reply(role="user"),
            reply(reason=None),
            reply().replace(b'"content"', b'"content": "x", "content"'),
            reply().replace(b'"choices": [', b'"choices": [{}, '),
            b"[" * 5_000,
        ],
    )
    def test_what_is_no_completion_is_refused(
        self, server: ModelServer, endpoint: Endpoint, sent: bytes
    ) -> None:
        server.raw = Response(sent)
        with pytest.raises(VerificationFailed) as refused:
            endpoint.complete(ASKED, SAMPLING)
        assert refused.value.code == "writer_reply"

    def test_a_reply_without_an_end_is_not_read_on(
        self, server: ModelServer, endpoint: Endpoint
    ) -> None:
        server.raw = Response(b" " * (MOST_REPLY_BYTES + 1))
        with pytest.raises(VerificationFailed, match="more than"):
            endpoint.complete(ASKED, SAMPLING)

    def test_a_packed_reply_is_not_unpacked(self, server: ModelServer, endpoint: Endpoint) -> None:
        server.raw = Response(gzip.compress(reply()), headers={"content-encoding": "gzip"})
        with pytest.raises(VerificationFailed, match="packed"):
            endpoint.complete(ASKED, SAMPLING)

    def test_a_redirect_is_not_followed(self, server: ModelServer, endpoint: Endpoint) -> None:
        server.raw = RedirectResponse("http://127.0.0.1:9/elsewhere", 307)
        with pytest.raises(Unavailable, match="307"):
            endpoint.complete(ASKED, SAMPLING)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_busy_endpoint_is_asked_again_and_given_up_after_four_times(
        self, server: ModelServer, endpoint: Endpoint, status: int
    ) -> None:
        server.status = [status] * 3
        assert endpoint.complete(ASKED, SAMPLING).text
        assert len(server.requests) == 4
        server.status = [status] * 9
        with pytest.raises(Unavailable, match="4 times"):
            endpoint.complete(ASKED, SAMPLING)
        assert len(server.requests) == 8

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_a_refusal_is_not_repeated(
        self, server: ModelServer, endpoint: Endpoint, status: int
    ) -> None:
        server.status = [status]
        with pytest.raises(Unavailable, match=str(status)):
            endpoint.complete(ASKED, SAMPLING)
        assert len(server.requests) == 1


def test_a_reply_that_trickles_for_too_long_is_given_up() -> None:
    ticks = iter(range(0, 10**6, 500))
    with served(ModelServer()) as url:
        found = Endpoint(Place(url=url, model="m"), clock=lambda: float(next(ticks)) * 2)
        with pytest.raises(Unavailable, match="too long"):
            found.complete(ASKED, SAMPLING)
        found.close()


def test_the_key_is_sent_and_never_shown() -> None:
    server = ModelServer()
    with served(server) as url:
        place = Place(url=url, model="m", key="key-1")
        found = Endpoint(place)
        found.complete(ASKED, SAMPLING)
        found.close()
    assert server.requests[0][0]["authorization"] == "Bearer key-1"
    assert "key-1" not in repr(place)


@pytest.mark.parametrize(
    "address",
    [
        "http://models.example/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example/v1",
        "http://127.0.0.1.example/v1",
        "https://ann@models.example/v1",
        "https://models.example/v1?key=x",
        "https://models.example/v1#x",
        "ftp://models.example",
        "file:///etc/passwd",
        "https://",
        "",
    ],
)
def test_an_address_that_is_not_safe_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_address(address)
    assert refused.value.code == "writer_address"


@pytest.mark.parametrize(
    "address",
    [
        "https://models.example/v1/",
        "http://127.0.0.1:8080/v1",
        "http://[::1]:1/v1",
        "http://localhost",
    ],
)
def test_https_and_this_machine_are_fine(address: str) -> None:
    assert check_address(address) == f"{address.rstrip('/')}/chat/completions"
