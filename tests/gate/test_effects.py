"""What another policy would do is counted for everybody at once, and agrees with single answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import fill, grant
from tests.support.doors import Doors, open_doors
from volens.app.home import Home
from volens.consent.coverage import coverage
from volens.consent.model import Act, ConsentEvent
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.gate.effects import USABLE, effects
from volens.gate.facts import Use
from volens.policy.decision import Policy
from volens.policy.packs import load_pack

BATCH = Purpose.BATCH_TRAINING


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder: Path = tmp_path_factory.mktemp("doors")
    with open_doors(folder) as found:
        fill(found)
        yield found


def test_the_same_policy_changes_nothing(doors: Doors) -> None:
    def act(home: Home) -> object:
        return effects(home.facts, home.policy, home.policy, home.clock.now())

    assert doors.run(act) == ()


@pytest.mark.parametrize("version", ["clarifications-2025-02", "usage-policy-2024"])
def test_the_counts_are_those_of_asking_for_each_conversation(doors: Doors, version: str) -> None:
    other = Policy(load_pack("consent-first", version))

    def act(home: Home) -> None:
        now = home.clock.now()
        found = {one.purpose: one for one in effects(home.facts, home.policy, other, now)}
        assert BATCH in found  # the notice is another one: an earlier yes no longer counts
        for purpose in USABLE:
            gained, lost = [], []
            for subject in list(home.subjects.all()):
                for held in list(home.vault.of_subject(subject)):
                    use = Use(purpose=purpose.value)
                    was = home.gate.decide(subject, use, held).permit
                    will = home.gate.decide(subject, use, held, other).permit
                    gained += [subject.number] * (will and not was)
                    lost += [subject.number] * (was and not will)
            one = found.get(purpose)
            if one is None:
                assert not gained
                assert not lost
            else:
                assert (one.conversations_gained, one.people_gained) == (
                    len(gained),
                    len(set(gained)),
                )
                assert (one.conversations_lost, one.people_lost) == (len(lost), len(set(lost)))

    doors.run(act)


def test_coverage_counts_people_by_purpose_and_by_the_notice_they_were_shown(
    doors: Doors,
) -> None:
    def act(home: Home) -> None:
        person = home.subjects.find("extra-0")
        before = coverage(home.main, home.clock.now())
        grant(home, person.id, Purpose.PARTNER_TRAINING)
        home.ledger.record(
            [
                ConsentEvent(
                    id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
                    subject=person.id,
                    purpose=Purpose.SERVICE_IMPROVEMENT,
                    act=Act.WITHDRAW,
                    at=home.clock.now(),
                )
            ]
        )
        after = coverage(home.main, home.clock.now())
        assert after.yes[Purpose.PARTNER_TRAINING] == before.yes[Purpose.PARTNER_TRAINING] + 1
        said = Purpose.SERVICE_IMPROVEMENT
        assert after.yes[said] == before.yes[said] - 1
        assert after.ended[said] == before.ended[said] + 1
        (notice,) = (
            one for one in home.policy.pack.notices if said in one.purposes and one.language == "en"
        )
        assert after.by_notice[notice.hash] == after.yes[said]

    doors.run(act)
