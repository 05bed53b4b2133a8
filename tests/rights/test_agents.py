"""Agents ask for people: the same rights, once for each message, and nothing about anybody else."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rights.test_drp import AGENT, OTHER, OTHER_SEED, sign, signed
from tests.rights.world import World
from volens.core.errors import InvalidInput, NotFound, VerificationFailed
from volens.core.ids import IdKind, RequestId, format_id
from volens.core.purposes import Purpose
from volens.holds.erasure import ErasureState
from volens.log.kinds import EntryKind, RequestKind
from volens.rights.drp import request_of, wire_id
from volens.rights.requests import Channel, VerifiedBy
from volens.vault.subjects import Subject

MINUTE = timedelta(minutes=1)
ANA = "ana@example.org"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.stores.clock.step(MINUTE)
    return made


@pytest.fixture
def ana(world: World) -> Subject:
    (found,) = world.stores.add(ANA)
    return found


def receive(world: World, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    return {**world.door.receive(signed(**changes), AGENT)}


def test_a_deletion_starts_the_persons_own_erasure(world: World, ana: Subject) -> None:
    told = receive(world)
    assert told["status"] == "in_progress"
    (request,) = world.requests.of_subject(ana)
    assert wire_id(request.id) == told["request_id"]
    assert (request.channel, request.verified_by) == (Channel.AGENT, VerifiedBy.AGENT)
    (erasure,) = world.erasures.of_subject(ana.id)
    assert erasure.id == request.erasure
    world.finish(erasure.id)
    world.desk.settle()
    assert world.door.status(told["request_id"], AGENT)["status"] == "fulfilled"


def test_the_same_message_again_is_the_same_request(world: World, ana: Subject) -> None:
    first = receive(world)
    size = len(world.stores.log.entries)
    world.stores.clock.step(MINUTE)
    assert receive(world) == first
    assert len(world.requests.of_subject(ana)) == 1
    assert len(world.stores.log.entries) == size
    assert receive(world, agent__request__id="a-2")["request_id"] != first["request_id"]


def test_nothing_of_a_message_that_fails_is_kept(world: World, ana: Subject) -> None:
    size = len(world.stores.log.entries)
    forged = sign(b"{}", OTHER_SEED)
    with pytest.raises(VerificationFailed):
        world.door.receive(forged, AGENT)
    with pytest.raises(InvalidInput):
        receive(world, exercise="everything")
    assert world.requests.all() == []
    assert len(world.stores.log.entries) == size
    assert world.requests.of_subject(ana) == []


def test_a_person_who_is_not_here_is_no_match_and_can_be_asked_about_later(world: World) -> None:
    told = receive(world)
    assert (told["status"], told["reason"]) == ("denied", "no_match")
    assert world.door.status(told["request_id"], AGENT) == told
    (kept,) = world.requests.all()
    assert kept.subject is None
    kinds = world.stores.log.kinds()
    assert kinds[-2:] == [EntryKind.REQUEST_OPENED, EntryKind.REQUEST_CLOSED]


@pytest.mark.parametrize("exercise", ["deletion", "access"])
def test_without_a_verified_name_the_answer_does_not_depend_on_who_is_here(
    world: World, exercise: str
) -> None:
    before = receive(world, exercise=exercise, email_verified=False)
    world.stores.add(ANA)
    after = receive(world, exercise=exercise, email_verified=False, agent__request__id="a-2")
    for told in (before, after):
        assert (told["status"], told["reason"]) == ("denied", "insuf_verification")
    assert world.erasures.all() == []


def test_do_not_sell_needs_no_verified_name(world: World, ana: Subject) -> None:
    told = receive(world, exercise="sale:opt-out", email_verified=False)
    assert told["status"] == "fulfilled"
    assert "never sold" in told["processing_details"]
    assert world.stores.ledger.states(ana.id)[Purpose.SALE].objected


def test_nobody_can_allow_a_sale(world: World, ana: Subject) -> None:
    receive(world, exercise="sale:opt-out")
    told = receive(world, exercise="sale:opt-in")
    assert (told["status"], told["reason"]) == ("denied", "claim_not_covered")
    assert world.stores.ledger.states(ana.id)[Purpose.SALE].objected


def test_names_of_two_people_are_no_match(world: World, ana: Subject) -> None:
    world.stores.add("+15550100")
    both = {"phone_number": "+15550100", "phone_number_verified": True}
    told = receive(world, exercise="access", **both)
    assert told["reason"] == "no_match"
    assert world.requests.of_subject(ana) == []


@pytest.mark.parametrize("exercise", ["access", "access:categories", "access:specific"])
def test_who_asks_for_some_of_it_gets_all_of_it(world: World, ana: Subject, exercise: str) -> None:
    assert receive(world, exercise=exercise)["status"] == "in_progress"
    (request,) = world.requests.of_subject(ana)
    assert request.kind is RequestKind.ACCESS


def test_an_agent_sees_its_own_requests_only_and_of_others_not_even_that_they_exist(
    world: World, ana: Subject
) -> None:
    told = receive(world)
    (ours,) = world.requests.of_subject(ana)
    nobodys = wire_id(RequestId(format_id(IdKind.REQUEST, b"\xff" * 16)))
    errors = []
    for wire in (told["request_id"], nobodys):
        for deed in (
            lambda wire=wire: world.door.status(wire, OTHER),
            lambda wire=wire: world.door.revoke(wire, sign(b"{}", OTHER_SEED), OTHER),
        ):
            with pytest.raises(NotFound) as error:
                deed()
            name = request_of(wire)
            errors.append((error.value.message.replace(name, ""), error.value.hint))
    assert errors == [errors[0]] * len(errors)
    assert world.requests.find(ours.id).closing is None


def test_an_agent_can_take_a_request_back_and_with_it_the_erasure(
    world: World, ana: Subject
) -> None:
    told = receive(world)
    reason = sign(b'{"reason":"I don\'t want my account deleted"}')
    with pytest.raises(VerificationFailed):
        world.door.revoke(told["request_id"], sign(b"{}", OTHER_SEED), AGENT)
    assert world.door.revoke(told["request_id"], reason, AGENT)["status"] == "revoked"
    assert world.door.revoke(told["request_id"], reason, AGENT)["status"] == "revoked"
    (erasure,) = world.erasures.of_subject(ana.id)
    assert erasure.state is ErasureState.CANCELLED


def test_what_the_agent_said_of_the_person_is_kept_nowhere(
    world: World, ana: Subject, tmp_path: Path
) -> None:
    receive(world, name="Ana Unusualname", power_of_attorney="attorney-of-ana")
    receive(world, email="somebody-unknown@example.org", agent__request__id="a-2")
    world.stores.main.dispose()
    for path in tmp_path.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for word in (b"Unusualname", b"attorney-of", b"somebody-unknown", ANA.encode()):
            assert word not in data, path
    assert world.requests.of_subject(ana)


def test_the_agents_own_words_go_with_the_account(world: World, ana: Subject) -> None:
    told = receive(world, status_callback="https://agent.example/s?t=secret")
    (request,) = world.requests.of_subject(ana)
    assert request.agent is not None
    assert request.agent.callback == "https://agent.example/s?t=secret"
    world.requests.erase_subjects([ana.number])
    left = world.requests.find(request.id).agent
    assert left is not None
    assert (left.agent, left.number, left.callback) == ("AGENT_ONE", "", "")
    assert world.door.status(told["request_id"], AGENT)["status"] == "in_progress"
