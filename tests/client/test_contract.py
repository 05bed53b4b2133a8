"""What the client promises holds with the server in memory and with the real one."""

import asyncio
from datetime import timedelta

import pytest

from tests.client.servers import PURPOSE, Server, say_yes
from volens.client.model import Conversation, Turn
from volens.core.errors import Denied, NotFound
from volens.core.purposes import Signal

CHAT = Conversation(
    source_id="chat-1",
    turns=[Turn(role="user", text="a secret"), Turn(role="assistant", text="kept")],
)


def test_whoever_said_nothing_is_a_deny_and_so_is_whoever_is_unknown(server: Server) -> None:
    with server.client() as client:
        checked = client.check(["ada", "nobody"], PURPOSE)
    assert checked.permitted() == ()
    assert checked.of("ada").reasons == ("no_grant",)
    assert checked.of("nobody").reasons == ("subject_unknown",)
    assert checked.failure is None
    assert checked.policy is not None


def test_a_yes_permits_the_one_who_gave_it_for_the_one_purpose(server: Server) -> None:
    with server.client() as client:
        say_yes(server, client, "ada")
        assert client.check(["bob", "ada"], PURPOSE).permitted() == ("ada",)
        assert client.check(["ada"], "human_feedback").permitted() == ()
        assert client.require("ada", PURPOSE).reasons == ("granted",)
        with pytest.raises(Denied, match="no_grant") as raised:
            client.require("bob", PURPOSE)
    assert raised.value.code == "no_grant"


def test_several_purposes_are_asked_for_at_once(server: Server) -> None:
    with server.client() as client:
        say_yes(server, client, "ada")
        found = client.check_each(["ada", "bob"], [PURPOSE, "human_feedback", "sale"])
        assert list(found) == [PURPOSE, "human_feedback", "sale"]
        assert {purpose: one.purpose for purpose, one in found.items()} == {
            purpose: purpose for purpose in found
        }
        assert found[PURPOSE].permitted() == ("ada",)
        assert found["human_feedback"].of("ada").reasons == ("no_grant",)
        assert found["sale"].of("bob").reasons[0] == "prohibited"
        assert len({one.at for one in found.values()}) == 1

    async def story() -> None:
        async with server.async_client() as client:
            found = await client.check_each(["ada"], ["human_feedback", PURPOSE])
            assert [one.permitted() for one in found.values()] == [(), ("ada",)]

    asyncio.run(story())


def test_a_prohibited_purpose_is_denied_and_says_so(server: Server) -> None:
    with server.client() as client:
        assert client.check(["ada"], "sale").of("ada").reasons[0] == "prohibited"
        with pytest.raises(Denied):
            client.grant("ada", "sale", server.notice(), etag='"x"')


def test_a_yes_to_a_choice_that_has_changed_is_refused(server: Server) -> None:
    with server.client() as client:
        old = next(one for one in client.choices("ada") if one.purpose == PURPOSE)
        say_yes(server, client, "ada")
        with pytest.raises(Denied) as raised:
            client.grant("ada", PURPOSE, server.notice(), etag=old.etag)
    assert raised.value.code == "choice_changed"


def test_a_withdrawal_holds_at_once_even_where_an_answer_may_be_used_again(server: Server) -> None:
    with server.client(max_age=timedelta(minutes=10)) as client:
        say_yes(server, client, "ada")
        assert client.check(["ada"], PURPOSE).permitted() == ("ada",)
        assert client.check(["ada"], PURPOSE).reused
        recorded = client.withdraw("ada", PURPOSE)
        assert recorded.status == "withdrawn"
        checked = client.check(["ada"], PURPOSE)
    assert checked.of("ada").reasons == ("grant_withdrawn",)
    assert not checked.reused


def test_somebody_unknown_has_no_choices(server: Server) -> None:
    with server.client() as client, pytest.raises(NotFound) as raised:
        client.choices("nobody")
    assert raised.value.code == "subject_unknown"


def test_a_conversation_is_kept_in_the_background(server: Server) -> None:
    client = server.client()
    assert client.capture("ada", CHAT)
    assert client.capture(
        "ada", Conversation(source_id="t", turns=CHAT.turns, signal=Signal.TEMPORARY)
    )
    assert client.flush(timedelta(seconds=20))
    counts = client.close()
    assert (counts.kept, counts.not_kept, counts.waiting) == (1, 1, 0)


def test_a_token_for_a_browser_is_new_each_time_and_never_shown(server: Server) -> None:
    with server.client() as client:
        one, two = client.embed_token("ada"), client.embed_token("ada")
    assert one.token != two.token
    assert one.token not in repr(one)


def test_the_asynchronous_client_does_the_same(server: Server) -> None:
    async def story() -> None:
        async with server.async_client(max_age=timedelta(minutes=10)) as client:
            (choice,) = [one for one in await client.choices("ada") if one.purpose == PURPOSE]
            await client.grant("ada", PURPOSE, server.notice(), etag=choice.etag)
            assert (await client.check(["ada", "bob"], PURPOSE)).permitted() == ("ada",)
            assert (await client.check(["ada"], PURPOSE)).reused
            await client.withdraw("ada", PURPOSE)
            with pytest.raises(Denied) as raised:
                await client.require("ada", PURPOSE)
            assert raised.value.code == "grant_withdrawn"
            assert client.capture("ada", CHAT)
            assert await client.flush(timedelta(seconds=20))
            assert client.captured().kept == 1
            assert (await client.embed_token("ada")).token

    asyncio.run(story())
