"""Erasing an account leaves its requests as numbers, and nothing that leads back."""

from pathlib import Path

import pytest

from tests.rights.world import World, wish
from volens.core.ids import ErasureId, IdKind, format_id
from volens.lifecycle.targets import Item
from volens.log.kinds import ErasureScope, RequestKind
from volens.rights.erasing import RequestTarget
from volens.rights.requests import Channel
from volens.vault.subjects import Subject

PLACE = "main.db rights_request"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def item(subject: Subject, scope: ErasureScope, *, number: int | None) -> Item:
    return Item(
        erasure=ErasureId(format_id(IdKind.ERASURE, bytes(16))),
        scope=scope,
        subject=subject.holder.raw,
        subject_number=number,
        conversations=(),
        numbers=(),
    )


def test_an_accounts_requests_lose_their_person_and_another_ones_do_not(world: World) -> None:
    ana, ben = world.stores.add("ana", "ben")
    for person in (ana, ben):
        world.desk.open(person, wish(RequestKind.ACCESS), channel=Channel.WEB)
    target = RequestTarget(world.requests)
    gone = [item(ana, ErasureScope.ACCOUNT, number=ana.number)]
    assert target.probe(gone) == [PLACE]
    for _ in range(2):  # a run that was stopped is repeated
        target.erase(gone)
        assert target.probe(gone) == []
    assert world.requests.of_subject(ana) == []
    assert len(world.requests.of_subject(ben)) == 1
    assert len(world.requests.all()) == 2


@pytest.mark.parametrize("scope", [ErasureScope.CONVERSATION, ErasureScope.HISTORY])
def test_erasing_chats_leaves_requests_alone(world: World, scope: ErasureScope) -> None:
    (ana,) = world.stores.add("ana")
    world.desk.open(ana, wish(RequestKind.ACCESS), channel=Channel.WEB)
    target = RequestTarget(world.requests)
    for number in (ana.number, None):
        target.erase([item(ana, scope, number=number)])
        assert target.probe([item(ana, scope, number=number)]) == []
    assert len(world.requests.of_subject(ana)) == 1


def test_an_account_whose_row_is_gone_already_is_no_error(world: World) -> None:
    (ana,) = world.stores.add("ana")
    target = RequestTarget(world.requests)
    target.erase([item(ana, ErasureScope.ACCOUNT, number=None)])
    assert target.probe([item(ana, ErasureScope.ACCOUNT, number=None)]) == []


def test_many_accounts_go_at_once(world: World) -> None:
    people = world.stores.add(*(f"person-{number}" for number in range(5)))
    for person in people:
        world.desk.open(person, wish(RequestKind.ACCESS), channel=Channel.WEB)
    target = RequestTarget(world.requests)
    numbers = [*range(10_000, 10_950), *(person.number for person in people[1:])]
    gone = [item(people[0], ErasureScope.ACCOUNT, number=number) for number in numbers]
    assert target.probe(gone) == [PLACE]
    target.erase(gone)
    assert target.probe(gone) == []
    assert len(world.requests.of_subject(people[0])) == 1
    assert all(not world.requests.of_subject(person) for person in people[1:])
