"""The gateway serves every chat alike, and keeps what its person's settings allow."""

import gc
import json
from collections.abc import Iterator

import httpx2
import openai
import pytest

from tests.gateway.world import KEY, FakeUpstream, World, serving, wait_for
from tests.support.stores import talk
from volens.access.model import Scope
from volens.app.access import tokens_of
from volens.app.history import set_history
from volens.core.canonical import Json
from volens.core.purposes import Signal
from volens.gateway.capturing import keep
from volens.gateway.counters import Outcome
from volens.log.kinds import CaptureSource
from volens.vault.model import Role, TurnFlag

pytestmark = pytest.mark.enable_socket
CANARY = "zebra-canary-9071"
QUESTION: list[Json] = [{"role": "user", "content": "Capital of France?"}]


@pytest.fixture
def upstream() -> FakeUpstream:
    return FakeUpstream()


@pytest.fixture
def url(world: World, upstream: FakeUpstream) -> Iterator[str]:
    with serving(upstream.app()) as behind, serving(world.app) as front:
        world.environment |= {"VOLENS_UPSTREAM_URL": f"{behind}/base", "VOLENS_UPSTREAM_KEY": KEY}
        yield front


@pytest.fixture
def client(world: World, url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=world.token, base_url=f"{url}/v1", max_retries=0) as client:
        yield client


def post(url: str, world: World, body: object, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"authorization": f"Bearer {world.token}", "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx2.Client(trust_env=False) as client:
        return client.post(f"{url}/v1/chat/completions", content=content, headers=given)


def asked(text: str = "Capital of France?", **more: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


class TestServing:
    def test_the_openai_client_talks_through_it_and_the_chat_is_kept(
        self, world: World, client: openai.OpenAI
    ) -> None:
        got = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Capital of France?"}],
            safety_identifier="ada",
        )
        assert got.choices[0].message.content == "Paris"
        assert world.settled(1) == {Outcome.CAPTURED: 1}
        (chat,) = world.chats()
        assert [(turn.role, turn.text) for turn in chat.turns] == [
            (Role.USER, "Capital of France?"),
            (Role.ASSISTANT, "Paris"),
        ]
        assert all(turn.flags is TurnFlag.NONE for turn in chat.turns)

    def test_the_openai_client_streams_through_it_and_the_chat_is_kept(
        self, world: World, client: openai.OpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.reply = "Paris, on the Seine \N{WATER WAVE}"
        stream = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Capital of France?"}],
            stream=True,
            extra_headers={"Volens-Subject": "ada"},
        )
        assert "".join(one.choices[0].delta.content or "" for one in stream) == upstream.reply
        assert world.settled(1) == {Outcome.CAPTURED: 1}
        (chat,) = world.chats()
        assert chat.turns[-1].text == upstream.reply
        assert chat.turns[-1].flags is TurnFlag.NONE

    def test_models_come_from_the_upstream(
        self, client: openai.OpenAI, upstream: FakeUpstream, world: World
    ) -> None:
        assert [one.id for one in client.models.list()] == ["m"]
        assert client.models.retrieve("vendor/large").id == "vendor/large"
        assert upstream.requests[0][0]["authorization"] == f"Bearer {KEY}"
        assert world.counted() == {}

    def test_only_a_closed_list_of_headers_goes_either_way(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        got = post(
            url,
            world,
            asked(),
            volens_subject="ada",
            cookie="c=1",
            x_forwarded_for="1.2.3.4",
            connection="openai-beta, keep-alive",
            openai_beta="hop",
            openai_organization="org",
        )
        sent, body = upstream.requests[0]
        assert sent["authorization"] == f"Bearer {KEY}"
        assert sent["openai-organization"] == "org"
        gone = {"cookie", "x-forwarded-for", "openai-beta", "volens-subject"}
        assert not gone & set(sent)
        assert json.loads(body) == asked()
        assert got.headers["x-request-id"] == "up-1"
        assert got.headers["openai-version"] == "2020"
        assert not {"set-cookie", "openai-secret"} & set(got.headers)

    def test_the_body_goes_upstream_byte_for_byte(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        raw = b'{ "model":"m","temperature":1.0,\n"messages":[{"role":"user","content":"\\u00e9"}]}'
        assert post(url, world, raw).status_code == 200
        assert upstream.requests[0][1] == raw

    def test_errors_of_the_upstream_are_passed_on_and_nothing_is_kept(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        upstream.status = 429
        got = post(url, world, asked(), volens_subject="ada")
        assert (got.status_code, got.headers["retry-after"]) == (429, "7")
        assert got.json()["error"]["code"] == "rate"
        assert world.settled(1) == {Outcome.NOT_ANSWERED: 1}
        assert world.chats() == []

    def test_an_upstream_that_is_not_there_is_said(self, world: World, url: str) -> None:
        world.environment["VOLENS_UPSTREAM_URL"] = "http://127.0.0.1:9/base"
        got = post(url, world, asked(), volens_subject="ada")
        assert (got.status_code, got.json()["code"]) == (502, "upstream_unreachable")
        assert world.settled(1) == {Outcome.NOT_ANSWERED: 1}
        del world.environment["VOLENS_UPSTREAM_URL"]
        got = post(url, world, asked())
        assert (got.status_code, got.json()["code"]) == (503, "upstream_not_set")

    def test_an_upstream_that_says_nothing_in_time_is_said(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        upstream.silent = True
        world.environment["VOLENS_UPSTREAM_SECONDS"] = "0.2"
        got = post(url, world, asked(stream=True), volens_subject="ada")
        assert "broke off" in got.text
        assert world.settled(1) == {Outcome.NOT_ANSWERED: 1}
        for wrong in ("0", "-1", "soon", "inf", "nan"):
            world.environment["VOLENS_UPSTREAM_SECONDS"] = wrong
            assert post(url, world, asked()).json()["code"] == "upstream_form"
        for wrong in ("ftp://a.example", "https://u:p@a.example", "https://", "a"):
            world.environment["VOLENS_UPSTREAM_URL"] = wrong
            got = post(url, world, asked())
            assert got.json()["code"] == "upstream_form"
            assert "u:p" not in got.text

    def test_when_the_person_leaves_the_upstream_call_ends_and_the_piece_is_marked(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        upstream.hang = True
        headers = {"authorization": f"Bearer {world.token}", "volens-subject": "ada"}
        with (
            httpx2.Client(trust_env=False) as client,
            client.stream(
                "POST", f"{url}/v1/chat/completions", json=asked(stream=True), headers=headers
            ) as got,
        ):
            seen = b""
            for part in got.iter_raw():
                seen += part
                if seen.count(b"data:") >= 6:
                    break
        wait_for(upstream.left.is_set)
        assert world.settled(1) == {Outcome.CAPTURED: 1}
        assert world.gateway.counters.upstream["left"] == 1
        (chat,) = world.chats()
        assert chat.turns[-1].text == "Paris"
        assert TurnFlag.INCOMPLETE in chat.turns[-1].flags

    def test_a_stream_that_breaks_off_says_so_and_is_kept_as_broken_off(
        self, world: World, client: openai.OpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.break_off_after = 3
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "?"}], stream=True, user="ada"
        )
        with pytest.raises(openai.APIError, match="broke off"):
            list(stream)
        assert world.settled(1) == {Outcome.CAPTURED: 1}
        (chat,) = world.chats()
        assert chat.turns[-1].text == "Pa"
        assert TurnFlag.INCOMPLETE in chat.turns[-1].flags


class TestKeeping:
    def test_with_history_off_nothing_is_stored_and_the_answer_is_the_same(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        upstream.reply = f"reply {CANARY}"
        world.on(lambda home: set_history(home, home.subjects.find("ada"), on=False))
        size = world.on(lambda home: home.owned_log().size)
        given = {"volens_conversation": CANARY}
        off = post(url, world, asked(CANARY), volens_subject="ada", **given)
        streamed = post(url, world, asked(CANARY, stream=True), volens_subject="ada", **given)
        assert world.settled(2) == {Outcome.HISTORY_OFF: 2}
        assert world.on(lambda home: home.owned_log().size) == size
        assert world.bytes_holding(CANARY) == []
        on = post(url, world, asked(CANARY), volens_subject="bo", **given)
        assert (off.status_code, off.content) == (on.status_code, on.content)
        assert CANARY.encode() not in streamed.content  # it came letter by letter
        names = {"date", "content-length"}
        assert {k: v for k, v in off.headers.items() if k not in names} == {
            k: v for k, v in on.headers.items() if k not in names
        }
        world.settled(3)
        assert (len(world.chats("ada")), len(world.chats("bo"))) == (0, 1)
        assert world.bytes_holding(CANARY) == []  # what is kept is sealed

    def test_with_history_off_no_object_of_the_process_keeps_the_content(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        world.on(lambda home: set_history(home, home.subjects.find("ada"), on=False))
        upstream.reply = "x" * 10 + "quokka" + "-canary"
        assert post(url, world, asked(), volens_subject="ada").status_code == 200
        world.settled(1)
        needle = "quokka" + "-canary"
        upstream.reply = ""
        gc.collect()
        held = [
            one
            for one in gc.get_objects()
            if str(type(one).__module__).startswith("volens.")
            and needle in repr(getattr(one, "__dict__", ""))
        ]
        assert held == []

    @pytest.mark.parametrize("status", ["restricted", "erasing", "closed"])
    def test_an_account_that_is_not_active_is_served_and_nothing_is_kept(
        self, world: World, url: str, status: str
    ) -> None:
        world.on(lambda home: home.subjects.change(home.subjects.find("ada"), {"status": status}))
        assert post(url, world, asked(CANARY), volens_subject="ada").status_code == 200
        assert world.settled(1) == {Outcome.HISTORY_OFF: 1}
        assert world.on(lambda home: home.vault.count()) == 0

    def test_nobody_and_strangers_are_served_and_nothing_is_kept(
        self, world: World, url: str
    ) -> None:
        assert post(url, world, asked(CANARY)).status_code == 200
        assert post(url, world, asked(CANARY), volens_subject="stranger").status_code == 200
        assert world.settled(2) == {Outcome.ANONYMOUS: 1, Outcome.UNKNOWN_PERSON: 1}
        assert world.on(lambda home: (home.vault.count(), home.subjects.count())) == (0, 2)

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            ({}, {"volens_temporary": "true"}),
            ({"metadata": {"temporary": "true"}}, {}),
            ({"temporary": True}, {}),
        ],
    )
    def test_a_temporary_chat_is_not_stored_however_it_is_said(
        self, world: World, url: str, body: dict[str, object], headers: dict[str, str]
    ) -> None:
        got = post(url, world, asked(CANARY, **body), volens_subject="ada", **headers)
        assert got.status_code == 200
        assert world.settled(1) == {Outcome.TEMPORARY: 1}
        assert world.on(lambda home: home.vault.count()) == 0

    def test_a_no_to_training_that_comes_with_a_chat_stays_with_it(
        self, world: World, url: str
    ) -> None:
        more = {"metadata": {"do_not_train": "true"}}
        post(url, world, asked(**more), volens_subject="ada")
        world.settled(1)
        signals = world.on(
            lambda home: [one.signal for one in home.vault.of_subject(home.subjects.find("ada"))]
        )
        assert signals == [Signal.EXCLUDED]

    def test_a_growing_chat_is_one_chat(self, world: World, url: str) -> None:
        messages: list[Json] = []
        for number, text in enumerate(("one", "two", "three"), 1):
            messages.append({"role": "user", "content": text})
            body = {"model": "m", "messages": list(messages)}
            post(url, world, body, volens_subject="ada", volens_conversation="c-1")
            messages.append({"role": "assistant", "content": "Paris"})
            assert world.settled(number) == {Outcome.CAPTURED: number}
        (chat,) = world.chats()
        assert [turn.text for turn in chat.turns] == [
            "one", "Paris", "two", "Paris", "three", "Paris"
        ]  # fmt: skip
        post(url, world, body, volens_subject="ada", volens_conversation="c-1")
        assert world.settled(4) == {Outcome.CAPTURED: 3, Outcome.KNOWN: 1}

    def test_the_same_chat_id_of_two_people_is_two_chats(self, world: World, url: str) -> None:
        for name in ("ada", "bo"):
            post(url, world, asked(name), volens_subject=name, volens_conversation="c-1")
        world.settled(2)
        assert [chat.turns[0].text for chat in world.chats("ada")] == ["ada"]
        assert [chat.turns[0].text for chat in world.chats("bo")] == ["bo"]

    def test_what_tools_and_files_say_is_marked_and_pictures_are_not_kept(
        self, world: World, url: str
    ) -> None:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{CANARY}"}}
        audio = {"type": "input_audio", "input_audio": {"data": CANARY, "format": "wav"}}
        parts = [{"type": "text", "text": "What is this building?"}, picture, audio]
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "map"}}]},
            {"role": "tool", "content": "a page of somebody else"},
        ]
        body = {"model": "m", "messages": messages}
        assert post(url, world, body, volens_subject="ada").status_code == 200
        world.settled(1)
        (chat,) = world.chats()
        flags = {turn.text: turn.flags for turn in chat.turns}
        assert flags["a page of somebody else"] is TurnFlag.THIRD_PARTY
        assert flags["Be brief."] is TurnFlag.HIDDEN
        assert flags["Paris"] is TurnFlag.NONE
        assert CANARY not in repr(flags)
        assert chat.attachments == ()

    def test_a_choice_between_question_and_capture_counts(self, world: World) -> None:
        world.on(lambda home: set_history(home, home.subjects.find("ada"), on=False))
        assert world.on(lambda home: keep(home, "ada", talk("late"))) is Outcome.HISTORY_OFF
        assert world.on(lambda home: home.vault.count()) == 0

    def test_captures_come_through_the_gateways_door_in_the_log(
        self, world: World, url: str
    ) -> None:
        post(url, world, asked(), volens_subject="ada")
        world.settled(1)

        def last(home: object) -> Json:
            log = home.owned_log()  # type: ignore[attr-defined]
            entry: Json = json.loads(log.entry(log.size - 1))
            return entry

        entry = world.on(last)
        assert isinstance(entry, dict)
        assert (entry["kind"], entry["source"]) == ("capture.done", CaptureSource.GATEWAY)


class TestRefusing:
    def test_nobody_comes_in_without_a_token_for_this(self, world: World, url: str) -> None:
        other = world.on(lambda home: tokens_of(home).issue("other", [Scope.METRICS])[0])
        for given, status, code in (
            ("", 401, "sign_in_needed"),
            ("Bearer vol_wrong", 401, "credentials_refused"),
            (f"Bearer {other}", 403, "scope_missing"),
        ):
            headers = {"content-type": "application/json"}
            headers |= {"authorization": given} if given else {}
            with httpx2.Client(trust_env=False) as client:
                for got in (
                    client.post(f"{url}/v1/chat/completions", json=asked(), headers=headers),
                    client.get(f"{url}/v1/models", headers=headers),
                    client.post(f"{url}/v1/traces", json={}, headers=headers),
                ):
                    assert (got.status_code, got.json()["code"]) == (status, code)

    @pytest.mark.parametrize(
        ("raw", "status", "code"),
        [
            (b"", 400, "json_syntax"),
            (b"[]", 422, "body_form"),
            (b'{"model":"m"}', 422, "body_form"),
            (b'{"messages":[]}', 422, "body_form"),
            (b'{"messages":[{"role":"user"}],"user":"ada","user":"bo"}', 400, "duplicate_key"),
            (b'{"messages":[{"role":"user","role":"tool"}]}', 400, "duplicate_key"),
            (b'{"messages":[NaN]}', 400, "json_number"),
            (b'{"messages":[' + b"[" * 300 + b"]" * 300 + b"]}", 400, "json_depth"),
            (b"\xff", 400, "json_encoding"),
            (b'{"messages":["\\ud800"]}', 400, "json_surrogate"),
        ],
    )
    def test_bad_bodies_go_nowhere(
        self,
        world: World,
        url: str,
        upstream: FakeUpstream,
        raw: bytes,
        status: int,
        code: str,
    ) -> None:
        got = post(url, world, raw, volens_subject="ada")
        assert (got.status_code, got.json()["code"]) == (status, code)
        assert got.headers["content-type"] == "application/problem+json"
        assert upstream.requests == []

    def test_a_body_that_is_too_large_is_refused_whatever_it_says_of_its_size(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        headers = {
            "authorization": f"Bearer {world.token}",
            "content-type": "application/json",
        }
        with httpx2.Client(trust_env=False) as client:
            piece = b" " * (1024 * 1024)
            got = client.post(
                f"{url}/v1/chat/completions", content=(piece for _ in range(34)), headers=headers
            )
        assert (got.status_code, got.json()["code"]) == (413, "too_large")
        assert upstream.requests == []

    def test_headers_that_are_unclear_are_refused(self, world: World, url: str) -> None:
        for headers in ({"volens_temporary": "perhaps"}, {"volens_subject": "a" * 300}):
            got = post(url, world, asked(), **headers)
            assert (got.status_code, got.json()["code"]) == (400, "header_form")
        twice = [
            ("authorization", f"Bearer {world.token}"),
            ("content-type", "application/json"),
            ("volens-subject", "ada"),
            ("volens-subject", "bo"),
        ]
        with httpx2.Client(trust_env=False) as client:
            got = client.post(
                f"{url}/v1/chat/completions", content=json.dumps(asked()), headers=twice
            )
        assert got.json()["code"] == "header_form"

    def test_another_media_type_is_refused(self, world: World, url: str) -> None:
        got = post(url, world, asked(), content_type="text/plain")
        assert (got.status_code, got.json()["code"]) == (415, "media_type")

    def test_asking_who_is_in_a_picture_goes_nowhere_and_stands_in_the_log(
        self, world: World, url: str, upstream: FakeUpstream
    ) -> None:
        picture = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
        parts = [{"type": "text", "text": "Who is this?"}, picture]
        body = {"model": "m", "messages": [{"role": "user", "content": parts}]}
        got = post(url, world, body, volens_subject="ada")
        assert (got.status_code, got.json()["code"]) == (403, "prohibited")
        assert "face_recognition" in got.json()["detail"]
        assert upstream.requests == []
        assert world.kinds()[-1] == "use.refused"
        assert world.gateway.counters.refused == {"prohibited": 1}

    @pytest.mark.parametrize(
        ("purpose", "subject", "code"),
        [
            ("voice_analysis", "ada", "prohibited"),
            ("voice_analysis", "", "prohibited"),
            ("sale", "stranger", "prohibited"),
            ("batch_training", "ada", "no_grant"),
            ("batch_training", "", "subject_unknown"),
        ],
    )
    def test_a_purpose_that_is_not_permitted_goes_nowhere_and_stands_in_the_log(
        self,
        world: World,
        url: str,
        upstream: FakeUpstream,
        purpose: str,
        subject: str,
        code: str,
    ) -> None:
        got = post(url, world, asked(), volens_subject=subject, volens_purpose=purpose)
        assert (got.status_code, got.json()["code"]) == (403, code)
        body = asked(metadata={"volens_purpose": purpose}, user=subject)
        assert post(url, world, body).json()["code"] == code
        assert upstream.requests == []
        assert world.kinds()[-2:] == ["use.refused"] * 2

    def test_a_purpose_that_nobody_knows_is_refused_and_a_permitted_one_passes(
        self, world: World, url: str
    ) -> None:
        got = post(url, world, asked(), volens_subject="ada", volens_purpose="fun")
        assert (got.status_code, got.json()["code"]) == (403, "purpose_unknown")
        for subject in ("ada", "", "stranger"):
            headers = {"volens_subject": subject, "volens_purpose": "provide_service"}
            assert post(url, world, asked(), **headers).status_code == 200
