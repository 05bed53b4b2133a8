"""Which chats are past their time, as the database finds them: the same as the rule says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from tests.support.stores import Stores
from volens.core.purposes import SubjectStatus
from volens.core.regions import Region
from volens.core.time import to_millis
from volens.lifecycle.register import Account, VaultRegister
from volens.lifecycle.schedule import Cutoffs
from volens.vault.aging import last_message
from volens.vault.subjects import NewSubject, Subject
from volens.vault.tables import CONVERSATION

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
NOW = T0 + 100 * HOUR


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def person(stores: Stores, name: str, organisation: str | None = None) -> Subject:
    wanted = NewSubject(
        reference=name, plan="business", region=Region.EU, organisation=organisation
    )
    return stores.subjects.add([wanted])[0]


def chat(
    stores: Stores,
    owner: Subject,
    *,
    captured: datetime = T0,
    created: datetime | None = None,
    updated: datetime | None = None,
    sequence: int = 0,
) -> bytes:
    raw = stores.entropy.draw(16)
    columns = {
        "id": raw,
        "subject_no": owner.number,
        "source": "test",
        "source_digest": raw,
        "content_digest": raw,
        "created_ms": None if created is None else to_millis(created),
        "updated_ms": None if updated is None else to_millis(updated),
        "captured_ms": to_millis(captured),
        "signal": "none",
        "turns": 2,
        "size_bytes": 9,
        "sequence": sequence,
        "batch_no": 1,
        "position": 0,
        "block_no": 1,
    }
    with stores.main.begin() as db:
        db.execute(insert(CONVERSATION).values(columns))
    return raw


MOMENTS = st.none() | st.integers(-50, 150).map(lambda hours: T0 + hours * HOUR)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    created=MOMENTS,
    updated=MOMENTS,
    sequence=st.integers(0, 2),
    cutoff=st.integers(-60, 160).map(lambda hours: T0 + hours * HOUR),
)
def test_the_database_finds_what_the_rule_says(
    stores: Stores,
    created: datetime | None,
    updated: datetime | None,
    sequence: int,
    cutoff: datetime,
) -> None:
    owner = person(stores, str(stores.entropy.draw(8).hex()), "acme")
    chat(stores, owner, created=created, updated=updated, sequence=sequence)
    last = last_message(told=updated or created, captured=T0, recaptured=sequence > 0, at=NOW)
    cutoffs = Cutoffs(of_organisation={"acme": cutoff})
    found = [
        one for one in VaultRegister(stores.main).aged(cutoffs, NOW) if one.subject == owner.id
    ]
    assert [one.last for one in found] == ([last] if last <= cutoff else [])


def test_the_border_is_the_last_message_itself(stores: Stores) -> None:
    chat(stores, person(stores, "ada", "acme"))
    register = VaultRegister(stores.main)
    for cutoff, count in ((T0 - TICK, 0), (T0, 1)):
        found = list(register.aged(Cutoffs(of_organisation={"acme": cutoff}), NOW))
        assert len(found) == count


def test_each_account_goes_by_its_own_organisation_and_others_by_everyones(stores: Stores) -> None:
    people = {
        name: person(stores, name, organisation)
        for name, organisation in (("a", "acme"), ("z", "zeta"), ("o", "other"), ("n", None))
    }
    for one in people.values():
        chat(stores, one)
    register = VaultRegister(stores.main)

    def found(cutoffs: Cutoffs) -> set[str]:
        ids = {one.subject for one in register.aged(cutoffs, NOW)}
        return {name for name, one in people.items() if one.id in ids}

    early = T0 - HOUR
    assert found(Cutoffs()) == set()
    assert found(Cutoffs(of_organisation={"acme": T0, "zeta": early})) == {"a"}
    assert found(Cutoffs(everyone=T0, of_organisation={"acme": early})) == {"z", "o", "n"}
    assert found(Cutoffs(everyone=T0)) == {"a", "z", "o", "n"}


def test_it_tells_accounts_closed_ones_and_how_many_chats(stores: Stores) -> None:
    ada, ben = person(stores, "ada", "acme"), person(stores, "ben")
    chat(stores, ada)
    chat(stores, ada)
    stores.subjects.change(ben, {"status": SubjectStatus.CLOSED.value})
    register = VaultRegister(stores.main)
    assert list(register.closed()) == [(ben.id, None)]
    assert register.accounts({ada.id, ben.id}) == {
        ada.id: Account(organisation="acme", chats=2),
        ben.id: Account(organisation=None, chats=0),
    }
    assert register.accounts([]) == {}
