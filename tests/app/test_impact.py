"""Impact cases: opened by themselves, honest at every state, and proven to the person."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.test_training import desk, kinds, train, trained
from tests.docs.pages import vectors
from tests.support.homes import place
from tests.support.leased import LeasedHome, leased_home
from tests.support.stores import act
from volens.app.auditing import evidence_of
from volens.app.erasing import eraser_of
from volens.app.impact import certificates_for, impact_register, look
from volens.app.runs import runs_of
from volens.app.unlearning import unlearn
from volens.audit.model import Outcome
from volens.audit.run import run_audit
from volens.consent.model import Act
from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import DatasetId, IdKind, ImpactId, RunId, format_id
from volens.holds.erasure import new_erasure
from volens.log.kinds import EntryKind, ErasureScope, ImpactCause, ImpactState
from volens.log.note import Verifier
from volens.training.certificate import make_certificate, verify_certificate
from volens.training.impact import Case, Touched, case_parts
from volens.training.runner import Stage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> LeasedHome:
    where = place(tmp_path_factory.mktemp("impact"))
    where.create()
    return leased_home(where, people=9, chats=2)


@pytest.fixture
def there(made: LeasedHome, tmp_path: Path) -> LeasedHome:
    return replace(made, where=made.where.copy(tmp_path))


def looked(there: LeasedHome) -> list[Case]:
    with there.where.open() as home:
        look(home)
        return impact_register(home).all()


def states(case: Case) -> list[ImpactState]:
    return [one.stands.state for one in case.touches]


class TestOpening:
    def test_a_home_where_nobody_took_back_has_no_case(self, there: LeasedHome) -> None:
        trained(there)
        assert looked(there) == []

    def test_a_withdrawal_opens_one_that_names_all_that_was_touched(
        self, there: LeasedHome
    ) -> None:
        done = trained(there)
        lease = there.lease()
        raw = there.people[2].holder.raw
        theirs = sorted(lease.leaf(row) for row in range(18) if lease.owner(row) == raw)
        there.withdraw(100, there.people[2])
        (case,) = looked(there)
        assert (case.cause, case.subject_no) == (ImpactCause.WITHDRAWAL, there.people[2].number)
        (touch,) = case.touches
        assert (touch.family, touch.dataset) == (done.kept.family, done.result.plan.dataset)
        assert len(theirs) == 2
        assert list(touch.leaves) == theirs
        plan = done.result.plan
        assert touch.shards == tuple(
            sorted({part.shard for part in plan.parts if set(part.leaves) & set(theirs)})
        )
        assert states(case) == [ImpactState.BLOCKED]

    def test_looking_again_opens_nothing_more(self, there: LeasedHome) -> None:
        trained(there)
        there.withdraw(100, there.people[2])
        assert looked(there) == looked(there)

    def test_each_person_has_a_case_of_their_own(self, there: LeasedHome) -> None:
        trained(there)
        there.withdraw(100, there.people[2])
        there.withdraw(200, there.people[5])
        found = looked(there)
        assert sorted(one.subject_no or 0 for one in found) == sorted(
            there.people[number].number for number in (2, 5)
        )

    def test_all_models_of_a_person_are_in_one_case(self, there: LeasedHome) -> None:
        families = sorted(trained(there).kept.family for _ in range(2))
        there.withdraw(100, there.people[2])
        (case,) = looked(there)
        assert sorted(one.family for one in case.touches) == families

    def test_the_log_has_the_case_and_its_state_and_nobodys_name(self, there: LeasedHome) -> None:
        trained(there)
        there.withdraw(100, there.people[2])
        (case,) = looked(there)
        found = kinds(there)
        kind, fields = found[case.log_index]
        assert kind is EntryKind.IMPACT_OPENED
        assert fields["cause"] is ImpactCause.WITHDRAWAL
        kind, fields = found[case.touches[0].log_index]
        assert kind is EntryKind.IMPACT_MOVED
        assert fields == {"opened": case.log_index, "state": ImpactState.BLOCKED}

    def test_other_causes_are_told_apart(self, there: LeasedHome) -> None:
        trained(there)
        with there.where.open() as home:
            home.subjects.change(there.people[1], {"tier": "restricted"})
            asked = new_erasure(
                b"e" * 16, ErasureScope.ACCOUNT, there.people[3].id, home.clock.now()
            )
            home.erasures.request(asked)
        causes = {one.subject_no: one.cause for one in looked(there)}
        assert causes == {
            there.people[1].number: ImpactCause.CHANGE,
            there.people[3].number: ImpactCause.ERASURE,
        }


class TestMoving:
    def test_a_repair_moves_it_to_retrained_with_its_proof(self, there: LeasedHome) -> None:
        done = trained(there)
        there.withdraw(100, there.people[2])
        assert states(looked(there)[0]) == [ImpactState.BLOCKED]
        after = unlearn(desk(there), done.kept.run, [], train).after
        with there.where.open(writing=False) as home:
            (case,) = impact_register(home).all()
        assert states(case) == [ImpactState.RETRAINED]
        assert case.done
        proven = case.touches[0].stands.proven
        assert proven == after.proven
        kind, fields = kinds(there)[proven or 0]
        assert kind is EntryKind.UNLEARNING_DONE
        assert fields["after"] == after.planned

    def test_who_withdraws_while_it_trains_was_left_out(self, there: LeasedHome) -> None:
        def told(stage: Stage) -> bytes:
            there.withdraw(100, there.people[2])
            return train(stage)

        trained(there, told)
        assert [states(one) for one in looked(there)] == [[ImpactState.LEFT_OUT]]

    def test_a_stopped_repair_is_blocked_and_not_more(self, there: LeasedHome) -> None:
        def dying(stage: Stage) -> bytes:
            del stage
            raise KeyboardInterrupt

        done = trained(there)
        there.withdraw(100, there.people[2])
        with pytest.raises(KeyboardInterrupt):
            unlearn(desk(there), done.kept.run, [], dying)
        assert [states(one) for one in looked(there)] == [[ImpactState.BLOCKED]]
        unlearn(desk(there), done.kept.run, [], train)
        assert [states(one) for one in looked(there)] == [[ImpactState.RETRAINED]]

    def test_who_says_yes_again_is_told_so_and_may_withdraw_again(self, there: LeasedHome) -> None:
        trained(there)
        there.withdraw(100, there.people[2])
        looked(there)
        with there.where.open() as home:
            home.ledger.record([act(200, there.people[2], Act.GRANT)])
        assert [states(one) for one in looked(there)] == [[ImpactState.ALLOWED_AGAIN]]
        there.withdraw(300, there.people[2])
        assert [states(one) for one in looked(there)] == [
            [ImpactState.ALLOWED_AGAIN],
            [ImpactState.BLOCKED],
        ]


class TestAuditing:
    def found(self, there: LeasedHome, *, writing: bool) -> list[str]:
        with there.where.open(writing=writing) as home:
            report = run_audit(evidence_of(home), clock=home.clock)
        return [one.id for one in report.results if one.outcome is not Outcome.HELD]

    def test_a_record_without_a_case_is_found_until_somebody_looked(
        self, there: LeasedHome
    ) -> None:
        trained(there)
        assert self.found(there, writing=False) == []
        there.withdraw(100, there.people[2])
        with there.where.open():  # takes the withdrawal in, and does not look
            pass
        assert self.found(there, writing=False) == ["models.cases_open"]
        assert self.found(there, writing=True) == []
        assert self.found(there, writing=False) == []

    def test_a_copy_that_left_after_a_case_had_stopped_it_is_found(self, there: LeasedHome) -> None:
        done = trained(there)
        there.withdraw(100, there.people[2])
        looked(there)
        assert self.found(there, writing=True) == []
        with there.where.open() as home:
            runs_of(home).give(done.kept, b"m" * 32, b"a" * 32, home.clock.now())
        assert self.found(there, writing=True) == ["models.cases_open"]


class TestErasing:
    def erase(self, there: LeasedHome, person: int) -> None:
        with there.where.open() as home:
            now = home.clock.now()
            asked = new_erasure(b"e" * 16, ErasureScope.ACCOUNT, there.people[person].id, now)
            home.erasures.request(asked)
            there.where.clock.step(timedelta(days=8))
            home.erasures.drain()
            eraser_of(home).run(home.clock.now())

    def test_the_case_stays_and_says_no_longer_whose_it_is(self, there: LeasedHome) -> None:
        done = trained(there)
        self.erase(there, 3)
        (case,) = looked(there)
        assert (case.cause, case.subject_no, case.salt) == (ImpactCause.ERASURE, None, b"")
        assert len(case.touches[0].leaves) == 2
        unlearn(desk(there), done.kept.run, [], train)
        assert [states(one) for one in looked(there)] == [[ImpactState.RETRAINED]]
        with there.where.open() as home:
            assert certificates_for(home, impact_register(home).all()[0]) == []


class TestCopies:
    def test_a_copy_that_left_is_told_as_what_cannot_be_undone(self, there: LeasedHome) -> None:
        done = trained(there)
        with there.where.open() as home:
            kept = runs_of(home).give(done.kept, b"m" * 32, b"a" * 32, home.clock.now())
        kind, fields = kinds(there)[kept.given[0].published]
        assert (kind, fields["planned"]) == (EntryKind.MODEL_PUBLISHED, kept.planned)
        there.withdraw(100, there.people[2])
        (case,) = looked(there)
        assert states(case) == [ImpactState.BLOCKED, ImpactState.NOT_POSSIBLE]
        assert [one.copy for one in case.touches] == [b"", b"a" * 32]
        unlearn(desk(there), done.kept.run, [], train)
        (case,) = looked(there)
        assert states(case) == [ImpactState.RETRAINED, ImpactState.NOT_POSSIBLE]
        with there.where.open() as home:
            data, bundle = (data for _, data in certificates_for(home, case))
            assert verify_certificate(data, home.signer.verifier, bundle=bundle).checked

    def test_a_copy_from_before_the_run_that_had_them_is_not_theirs(
        self, there: LeasedHome
    ) -> None:
        done = trained(there)
        there.withdraw(100, there.people[2])
        repaired = unlearn(desk(there), done.kept.run, [], train).after
        with there.where.open() as home:
            runs_of(home).give(repaired, b"m" * 32, b"a" * 32, home.clock.now())
        there.withdraw(200, there.people[5])
        first, second = looked(there)
        assert states(first) == [ImpactState.RETRAINED]
        assert states(second) == [ImpactState.BLOCKED, ImpactState.NOT_POSSIBLE]


@pytest.fixture(scope="module")
def papers(
    made: LeasedHome, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, bytes, Verifier]:
    """A certificate, the proof beside it, and the key."""
    there = replace(made, where=made.where.copy(tmp_path_factory.mktemp("papers")))
    done = trained(there)
    there.withdraw(100, there.people[2])
    looked(there)
    unlearn(desk(there), done.kept.run, [], train)
    with there.where.open() as home:
        (case,) = impact_register(home).all()
        certificate, bundle = (data for _, data in certificates_for(home, case))
        return certificate, bundle, home.signer.verifier


class TestCertificate:
    def test_it_verifies_alone_and_more_with_the_proof(
        self, papers: tuple[bytes, bytes, Verifier]
    ) -> None:
        certificate, bundle, key = papers
        alone = verify_certificate(certificate, key)
        assert (alone.records, alone.checked) == (2, False)
        assert verify_certificate(certificate, key, bundle=bundle).checked

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("subject", "sub_aaaaaaaaaaaaaaaaaaaaaaaaae"),
            ("case", "imp_aaaaaaaaaaaaaaaaaaaaaaaaae"),
            ("family", "run_aaaaaaaaaaaaaaaaaaaaaaaaae"),
            ("salt", "00" * 32),
            ("limits", []),
            ("version", "volens-forgotten/v2"),
        ],
    )
    def test_what_it_tells_can_not_be_changed(
        self, papers: tuple[bytes, bytes, Verifier], member: str, value: object
    ) -> None:
        document = json.loads(papers[0])
        document[member] = value
        with pytest.raises(VerificationFailed):
            verify_certificate(canonical_json(document), papers[2])

    def test_a_record_can_not_be_left_out_of_it(
        self, papers: tuple[bytes, bytes, Verifier]
    ) -> None:
        document = json.loads(papers[0])
        document["touched"][0]["leaves"].pop()
        with pytest.raises(VerificationFailed) as refusal:
            verify_certificate(canonical_json(document), papers[2])
        assert refusal.value.code == "other_case"

    def test_every_changed_byte_is_found(self, papers: tuple[bytes, bytes, Verifier]) -> None:
        data = papers[0]
        for at in range(0, len(data), 37):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with pytest.raises(VerificationFailed):
                verify_certificate(changed, papers[2])

    def test_another_proof_is_refused(self, papers: tuple[bytes, bytes, Verifier]) -> None:
        with pytest.raises(VerificationFailed) as refusal:
            verify_certificate(papers[0], papers[2], bundle=papers[1] + b" ")
        assert refusal.value.code == "other_bundle"

    def test_before_a_repair_there_is_none(self, there: LeasedHome) -> None:
        trained(there)
        there.withdraw(100, there.people[2])
        (case,) = looked(there)
        with there.where.open() as home:
            assert certificates_for(home, case) == []
            with pytest.raises(InvalidInput) as refusal:
                make_certificate(case, case.touches[0], there.people[2].id, home.owned_log())
        assert refusal.value.code == "not_forgotten_yet"


def test_the_page_of_formats_says_what_a_case_commits_to() -> None:
    page = vectors("impact")
    family = RunId(format_id(IdKind.RUN, bytes.fromhex(page["family"])))
    touched = Touched(
        family=family,
        dataset=DatasetId(format_id(IdKind.DATASET, bytes(16))),
        copy=b"",
        leaves=(bytes.fromhex(page["leaf"]),),
        shards=(0,),
    )
    case = ImpactId(format_id(IdKind.IMPACT, bytes.fromhex(page["case"])))
    subject = bytes.fromhex(page["subject"])
    parts = case_parts(subject, case, [touched])
    assert [one.hex() for one in parts] == [page["subject"], page["case"], page["digest"]]
