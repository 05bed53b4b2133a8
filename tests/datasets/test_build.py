"""Datasets are built through the gate: the willing only, logged first, provable afterwards."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.homes import Place
from tests.support.homes import place as place_at
from tests.support.stores import BATCH, BUILDER, TRAINING, act, policy
from volens.app.home import Home
from volens.consent.model import Act, Scope, ScopeKind
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable, VerificationFailed
from volens.core.ids import IdKind, parse_id
from volens.core.purposes import CONSENT_PURPOSES, PROHIBITED, Purpose, Signal
from volens.core.regions import Region
from volens.crypto.opening import open_record
from volens.datasets.leaves import LeafTree, capture_commitment
from volens.datasets.manifest import LEAVES_FILE
from volens.datasets.model import Format
from volens.datasets.proofs import ProofKind, verify_proof
from volens.datasets.redaction.profiles import NONE, STANDARD, STRICT
from volens.datasets.sealed import SealedReader
from volens.datasets.verify import verify_dataset
from volens.gate.facts import Use
from volens.gate.reading import OpenedBatch
from volens.log.entries import parse_entry
from volens.log.kinds import AccessOutcome, CaptureSource, EntryKind
from volens.vault.model import Conversation, Role, Turn, TurnFlag
from volens.vault.subjects import NewSubject, Subject

PEOPLE = ("ada", "ben", "cem", "dan")


def new_home(under: Path, *, seed: int = 0) -> Place:
    made = place_at(under)
    made.create(seed=seed)
    return made


def dialogue(name: str, number: int, signal: Signal = Signal.NONE) -> Conversation:
    mail = f"{name}{number}@example.org"
    return Conversation(
        source="test",
        source_id=str(number),
        signal=signal,
        turns=(
            Turn(role=Role.USER, text=f"My mail is {mail}, question {number} of {name}."),
            Turn(role=Role.TOOL, text="SOMEBODY ELSE", flags=TurnFlag.THIRD_PARTY, parent=0),
            Turn(role=Role.ASSISTANT, text=f"Answer {number} for {name}.", parent=1),
        ),
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Four people with three conversations each; ada and ben said yes, ben took it back."""
    made = new_home(tmp_path)
    with made.open() as home:
        people = home.subjects.add(
            [NewSubject(reference=name, plan="free", region=Region.EU) for name in PEOPLE]
        )
        home.vault.capture(
            {
                person: [dialogue(name, n) for n in range(3)]
                for person, name in zip(people, PEOPLE, strict=True)
            },
            source=CaptureSource.IMPORT,
        )
        ada, ben = people[:2]
        home.ledger.record([act(1, ada, Act.GRANT), act(2, ben, Act.GRANT)])
        home.ledger.record([act(3, ben, Act.WITHDRAW)])
    return made


def person(home: Home, name: str) -> Subject:
    return home.subjects.find(name)


def messages(folder: Path) -> list[str]:
    (path,) = (folder / "data").glob("*.jsonl")
    return path.read_text("utf-8").splitlines()


def test_only_the_willing_are_in_it(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        result = home.datasets().build(TRAINING, tmp_path / "out", form=Format.TRL, profile=NONE)
        report = verify_dataset(tmp_path / "out", home.signer.verifier)
    assert result.manifest.counts.records == report.counts.records == 3
    assert result.excluded == {"no_grant": 6, "grant_withdrawn": 3}
    text = "\n".join(messages(tmp_path / "out"))
    assert "ada0@example.org" in text
    assert not any(name in text for name in ("ben", "cem", "dan"))
    assert "SOMEBODY ELSE" not in text


@pytest.mark.parametrize("form", [Format.SEALED, Format.HF, Format.TRL, Format.SHAREGPT])
def test_every_form_verifies_with_the_public_key_alone(
    place: Place, tmp_path: Path, form: Format
) -> None:
    out = tmp_path / "out"
    with place.open() as home:
        result = home.datasets().build(TRAINING, out, form=form)
        verifier = home.signer.verifier
    assert verify_dataset(out, verifier).merkle_root == result.manifest.merkle_root
    assert result.manifest.discloses is (form is not Format.SEALED)
    with new_home(tmp_path / "other", seed=5).open() as stranger, pytest.raises(VerificationFailed):
        verify_dataset(out, stranger.signer.verifier)


def test_redaction_is_part_of_the_build(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        result = home.datasets().build(
            TRAINING, tmp_path / "out", form=Format.TRL, profile=STANDARD
        )
    assert result.redacted == {"EMAIL": 3}
    assert "example.org" not in "\n".join(messages(tmp_path / "out"))
    assert result.manifest.redaction == "standard"


class AnswersNames:
    """A name model that knows one name."""

    label = "one name"

    def find(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        return [
            [(at, at + 3) for at in (text.find("ada"),) if at >= 0 and text[at : at + 4] != "ada0"]
            for text in texts
        ]


def test_names_are_redacted_where_a_model_finds_them_and_the_profile_asks(
    place: Place, tmp_path: Path
) -> None:
    with place.open() as home:
        builder = home.datasets()
        for profile, expected in ((STRICT, True), (STANDARD, False)):
            out = tmp_path / profile.name
            result = builder.build(
                TRAINING, out, form=Format.TRL, profile=profile, names=AnswersNames()
            )
            assert ("NAME" in result.redacted) is expected
            assert ("[NAME]" in "".join(messages(out))) is expected


def test_a_persons_duplicate_is_left_out_and_anothers_is_not(place: Place, tmp_path: Path) -> None:
    same = replace(dialogue("ada", 0), source_id="again")
    with place.open() as home:
        ada, cem = person(home, "ada"), person(home, "cem")
        home.vault.capture({ada: [same], cem: [same]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(4, cem, Act.GRANT)])
        result = home.datasets().build(TRAINING, tmp_path / "out", form=Format.TRL)
    assert result.excluded["duplicate"] == 1
    assert result.manifest.counts.records == 3 + 4


def test_a_signal_keeps_a_conversation_out(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        ada = person(home, "ada")
        home.vault.capture(
            {ada: [dialogue("ada", 9, Signal.TEMPORARY)]}, source=CaptureSource.IMPORT
        )
        home.vault.set_signal(next(home.vault.of_subject(ada)), Signal.EXCLUDED, ada.holder)
        result = home.datasets().build(TRAINING, tmp_path / "out", form=Format.TRL)
    assert result.manifest.counts.records == 2
    assert result.excluded["signal_temporary"] == result.excluded["signal_excluded"] == 1


def test_the_intent_is_in_the_log_before_anything_is_opened_and_the_end_after(
    place: Place, tmp_path: Path
) -> None:
    with place.open() as home:
        before = home.owned_log().size
        result = home.datasets().build(TRAINING, tmp_path / "out")
        log = home.owned_log()
        entries = [parse_entry(entry) for entry in log.entries(before, log.size)]
    intent, done, dataset = entries
    assert [entry.kind for entry in entries] == [
        EntryKind.ACCESS_INTENT,
        EntryKind.ACCESS_DONE,
        EntryKind.DATASET_DONE,
    ]
    assert intent.fields["count"] == done.fields["count"] == dataset.fields["records"] == 3
    assert done.fields["outcome"] is AccessOutcome.COMPLETED
    assert done.fields["intent"] == dataset.fields["intent"] == result.manifest.log.intent == before


def test_a_named_grant_permits_the_dataset_it_names_and_no_other(
    place: Place, tmp_path: Path
) -> None:
    with place.open() as home:
        home.subjects.change(person(home, "cem"), {"plan": "pro"})
        named = Scope(kind=ScopeKind.DATASET, target="letters")
        home.ledger.record([act(4, person(home, "cem"), Act.GRANT, scope=named)])
        builder = home.datasets()
        other = builder.build(Use(purpose=BATCH.value, dataset="poems"), tmp_path / "poems")
        letters = builder.build(Use(purpose=BATCH.value, dataset="letters"), tmp_path / "letters")
    assert (other.manifest.counts.records, letters.manifest.counts.records) == (3, 6)


def test_a_grant_that_has_run_out_counts_no_more(place: Place, tmp_path: Path) -> None:
    end = place.clock.now() + timedelta(days=1)
    with place.open() as home:
        home.ledger.record([act(4, person(home, "cem"), Act.GRANT, expires=end)])
        place.clock.step(timedelta(days=1) - timedelta(milliseconds=1))
        before = home.datasets().build(TRAINING, tmp_path / "before")
        place.clock.step(timedelta(milliseconds=1))
        after = home.datasets().build(TRAINING, tmp_path / "after")
    assert (before.manifest.counts.records, after.manifest.counts.records) == (6, 3)


def withdrawing(home: Home, number: int, name: str) -> Callable[[int, int], None]:
    """Return a progress callback that withdraws once, as another process would."""
    event = act(number, person(home, name), Act.WITHDRAW)
    waiting = [event]

    def step(_done: int, _total: int) -> None:
        if waiting:
            home.ledger.journal(waiting.pop())

    return step


def test_who_withdraws_while_it_is_built_is_not_in_it(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        home.ledger.record([act(4, person(home, "cem"), Act.GRANT)])
        result = home.datasets().build(
            TRAINING,
            tmp_path / "out",
            form=Format.TRL,
            profile=NONE,
            on_progress=withdrawing(home, 5, "ada"),
        )
    assert result.attempts == 2
    assert "of ada" not in "\n".join(messages(tmp_path / "out"))
    assert result.excluded["grant_withdrawn"] == 6


def test_a_withdrawal_of_somebody_who_is_not_in_it_disturbs_nobody(
    place: Place, tmp_path: Path
) -> None:
    with place.open() as home:
        result = home.datasets().build(
            TRAINING, tmp_path / "out", on_progress=withdrawing(home, 5, "dan")
        )
    assert (result.attempts, result.manifest.counts.records) == (1, 3)


def test_a_prohibited_purpose_builds_nothing(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        before = home.owned_log().size
        with pytest.raises(Denied) as refusal:
            home.datasets().build(Use(purpose="sale"), tmp_path / "out")
        assert refusal.value.code == "prohibited"
        with pytest.raises(Denied) as unknown:
            home.datasets().build(Use(purpose="world_domination"), tmp_path / "out")
        assert unknown.value.code == "purpose_unknown"
        assert home.owned_log().size == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - CONSENT_PURPOSES - PROHIBITED))
def test_no_dataset_is_built_for_a_purpose_that_rests_on_no_grant(
    place: Place, tmp_path: Path, purpose: Purpose
) -> None:
    with place.open() as home, pytest.raises(Denied) as refusal:
        home.datasets().build(Use(purpose=purpose.value), tmp_path / "out")
    assert refusal.value.code == "not_for_datasets"
    assert not (tmp_path / "out").exists()


def test_a_purpose_that_nobody_granted_builds_an_empty_dataset(
    place: Place, tmp_path: Path
) -> None:
    with place.open() as home:
        result = home.datasets().build(Use(purpose="human_feedback"), tmp_path / "out")
    assert result.manifest.counts.records == 0


def test_a_reader_can_build_nothing(place: Place, tmp_path: Path) -> None:
    with place.open(writing=False) as home, pytest.raises(Unavailable):
        home.datasets()
    assert not (tmp_path / "out").exists()


def test_an_out_that_exists_is_left_alone(place: Place, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with place.open() as home, pytest.raises(InvalidInput):
        home.datasets().build(TRAINING, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


# --- proofs ---------------------------------------------------------------


def test_membership_and_absence_are_proven_to_whoever_has_the_key(
    place: Place, tmp_path: Path
) -> None:
    with place.open() as home:
        builder = home.datasets()
        result = builder.build(TRAINING, tmp_path / "out")
        verifier = home.signer.verifier
        found = {}
        for name in PEOPLE:
            held = next(home.vault.of_subject(person(home, name)))
            for dataset in (tmp_path / "out", result.dataset):
                proof = builder.prove(dataset, held, person(home, name))
                verdict = verify_proof(proof, verifier)
                assert verdict.conversation == held.id
                found[name] = verdict.kind
    assert found == {
        "ada": ProofKind.MEMBER,
        "ben": ProofKind.ABSENT,
        "cem": ProofKind.ABSENT,
        "dan": ProofKind.ABSENT,
    }


def test_the_person_recognises_their_own_capture(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        builder = home.datasets()
        builder.build(TRAINING, tmp_path / "out")
        ben = person(home, "ben")
        held = next(home.vault.of_subject(ben))
        secret = home.gate.capture_secret(held, ben)
        own = capture_commitment(secret, parse_id(IdKind.CONVERSATION, held.id))
        proof = builder.prove(tmp_path / "out", held, ben)
        assert verify_proof(proof, home.signer.verifier, expected_capture=own).compared
        with pytest.raises(VerificationFailed):
            verify_proof(proof, home.signer.verifier, expected_capture=bytes(32))


def test_absence_can_not_be_faked_with_another_secret(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        builder = home.datasets()
        builder.build(TRAINING, tmp_path / "out")
        ada, ben = person(home, "ada"), person(home, "ben")
        mine, other = next(home.vault.of_subject(ada)), next(home.vault.of_subject(ben))
        absent = json.loads(builder.prove(tmp_path / "out", other, ben))
        for forged in (
            bytes(32),
            home.gate.capture_secret(other, ben),
        ):
            document = json.loads(json.dumps(absent))
            document["capture"]["conversation"] = mine.id
            document["capture"]["secret"] = forged.hex()
            data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
            with pytest.raises(VerificationFailed):
                verify_proof(data, home.signer.verifier)


def test_what_was_captured_later_has_no_proof(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        builder = home.datasets()
        builder.build(TRAINING, tmp_path / "out")
        ada = person(home, "ada")
        home.vault.capture({ada: [dialogue("ada", 7)]}, source=CaptureSource.IMPORT)
        *_, later = home.vault.of_subject(ada)
        with pytest.raises(InvalidInput) as refusal:
            builder.prove(tmp_path / "out", later, ada)
    assert refusal.value.code == "captured_later"


def test_a_dataset_of_another_home_is_not_known(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        home.datasets().build(TRAINING, tmp_path / "out")
    with new_home(tmp_path / "other", seed=9).open() as other:
        (ada,) = other.subjects.add([NewSubject(reference="ada", plan="free", region=Region.EU)])
        other.vault.capture({ada: [dialogue("ada", 1)]}, source=CaptureSource.IMPORT)
        held = next(other.vault.of_subject(ada))
        for dataset in (tmp_path / "out", tmp_path / "none"):
            with pytest.raises(NotFound):
                other.datasets().prove(dataset, held, ada)


# --- sealed records ---------------------------------------------------------


def test_a_sealed_record_opens_with_its_conversations_key_only(
    place: Place, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with place.open() as home:
        builder = home.datasets()
        result = builder.build(TRAINING, out, profile=NONE)
        kept = place.folder / "datasets" / result.dataset
        rows = (kept / "rows.bin").read_bytes()
        numbers = [int.from_bytes(rows[at : at + 8], "little") for at in range(0, len(rows), 8)]
        reader = SealedReader(out / "data")
        opened = opened_batch(home)
        texts = []
        for row, number in enumerate(numbers):
            at = opened.numbers.tolist().index(number) * 56
            key = opened._keys[0].of(opened._members[at : at + 16])
            plain = open_record(
                key,
                reader.envelope(row),
                dataset=parse_id(IdKind.DATASET, result.dataset),
                leaf=reader.leaf(row),
            )
            texts.append(json.loads(plain)["messages"][1]["content"])
            with pytest.raises(VerificationFailed):
                open_record(
                    key,
                    reader.envelope((row + 1) % 3),
                    dataset=parse_id(IdKind.DATASET, result.dataset),
                    leaf=reader.leaf((row + 1) % 3),
                )
    assert sorted(texts) == [f"Answer {n} for ada." for n in range(3)]
    assert b"ada" not in (out / "data" / "records.vsd").read_bytes()


def opened_batch(home: Home) -> OpenedBatch:
    """Open ada's conversations as the gate does for a build."""
    (batch,) = home.gate.open(home.gate.select(TRAINING, BUILDER))
    return batch


def test_the_home_keeps_what_proofs_need(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        result = home.datasets().build(TRAINING, tmp_path / "out")
        (known,) = home.datasets().known()
    kept = place.folder / "datasets" / result.dataset
    assert known == result.manifest
    assert LeafTree((kept / LEAVES_FILE).read_bytes()).root() == result.manifest.merkle_root
    assert result.manifest.policy.version == policy().ref.version


def test_a_build_past_its_policy_is_denied(place: Place, tmp_path: Path) -> None:
    with place.open() as home:
        home.gate.policy = type(home.gate.policy)(
            home.gate.policy.pack, next_version_from=place.clock.now()
        )
        with pytest.raises(Denied) as refusal:
            home.datasets().build(TRAINING, tmp_path / "out")
    assert refusal.value.code == "table_expired"
    assert not (tmp_path / "out").exists()
