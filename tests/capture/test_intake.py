"""From files to the vault: whose, how often, and that nothing is ever granted by coming in."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import Place, place
from volens.app.home import Home
from volens.capture.intake import Intake, IntakeReport, NewAccounts
from volens.capture.model import Captured, FileReport, Format
from volens.capture.reader import read_paths
from volens.core.errors import NotFound
from volens.core.purposes import CONSENT_PURPOSES
from volens.core.regions import Region
from volens.gate.facts import Use
from volens.vault.model import Conversation, Role, Turn


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    where = place(tmp_path_factory.mktemp("made"))
    where.create()
    return where


@pytest.fixture
def home(made: Place, tmp_path: Path) -> Iterator[Home]:
    with made.copy(tmp_path).open() as opened:
        yield opened


def intake(home: Home, **options: object) -> Intake:
    accounts = NewAccounts(region=Region.EU)
    return Intake(home.subjects, home.vault, accounts=accounts, **options)  # type: ignore[arg-type]


def chat(number: int, *, text: str = "May I?", turns: int = 2) -> Conversation:
    said = tuple(
        Turn(role=Role.ASSISTANT if at % 2 else Role.USER, text=f"{text} {number}", parent=at - 1)
        for at in range(turns)
    )
    return Conversation(source="test", source_id=str(number), turns=said)


def captured(number: int, account: str | None, **options: object) -> Captured:
    return Captured(
        conversation=chat(number, **options),  # type: ignore[arg-type]
        account=account,
        place=f"file[{number}]",
    )


END = FileReport(path="file", format=Format.OPENAI_CHAT)


def run(home: Home, *items: Captured, **options: object) -> IntakeReport:
    (report,) = intake(home, **options).run([*items, END])
    return report


def test_each_account_of_an_export_gets_its_own(home: Home) -> None:
    report = run(home, captured(1, "ann"), captured(2, "bob"), captured(3, "ann"))
    assert (report.added, report.accounts_created, report.captured) == (3, 2, 3)
    counts = home.vault.counts_by_subject()
    assert counts[home.subjects.find("ann").number] == 2
    assert counts[home.subjects.find("bob").number] == 1


def test_a_named_person_gets_everything_whatever_the_file_says(home: Home) -> None:
    report = run(home, captured(1, "ann"), captured(2, None), reference="eve")
    assert (report.added, report.refused) == (2, {})
    assert home.subjects.count() == 1


def test_a_conversation_of_nobody_is_refused_and_the_option_named(home: Home) -> None:
    report = run(home, captured(1, None), captured(2, "ann"))
    assert (report.added, report.refused) == (1, {"no_account": 1})
    assert "--subject" in report.examples[0].message


def test_a_file_cannot_name_somebody_by_their_id(home: Home) -> None:
    run(home, captured(1, "ann"))
    victim = home.subjects.find("ann")
    report = run(home, captured(2, victim.id))
    assert (report.added, report.refused) == (0, {"account_form": 1})
    assert home.vault.counts_by_subject() == {victim.number: 1}


def test_an_id_that_nobody_has_is_a_mistake_and_no_new_person(home: Home) -> None:
    with pytest.raises(NotFound):
        run(home, captured(1, None), reference="sub_" + "a" * 26)
    assert home.subjects.count() == 0


def test_an_account_that_is_no_usable_name_costs_its_own_chats_only(home: Home) -> None:
    report = run(home, captured(1, "a\x00b"), captured(2, "ann"))
    assert (report.added, report.refused) == (1, {"reference_form": 1})


def test_a_chat_over_a_limit_costs_itself_only(home: Home) -> None:
    bad = Conversation(
        source="test",
        source_id="bad",
        turns=(Turn(role=Role.USER, text="x", parent=5),),  # answers a turn to come
    )
    items = [captured(1, "ann"), Captured(conversation=bad, account="ann", place="file[2]")]
    report = run(home, *items, captured(3, "ann"))
    assert (report.added, report.refused) == (2, {"turn_order": 1})


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_batches_of_any_size_capture_the_same(home: Home, batch: int) -> None:
    items = [captured(number, f"p{number % 3}") for number in range(7)]
    report = run(home, *items, batch_conversations=batch)
    assert (report.added, report.accounts_created) == (7, 3)


def test_a_batch_is_closed_by_its_bytes_too(home: Home) -> None:
    before = home.owned_log().size
    run(home, *(captured(n, "ann", text="x" * 600) for n in range(4)), batch_bytes=1000)
    log = home.owned_log()
    kinds = [json.loads(log.entry(index))["kind"] for index in range(before, log.size)]
    assert kinds.count("capture.done") == 4


def test_doing_it_again_is_doing_nothing_and_a_longer_chat_is_an_update(home: Home) -> None:
    run(home, captured(1, "ann"), captured(2, "ann"))
    size = home.owned_log().size
    again = run(home, captured(1, "ann"), captured(2, "ann"))
    assert (again.added, again.updated, again.known) == (0, 0, 2)
    assert home.owned_log().size == size
    longer = run(home, captured(1, "ann", turns=4), captured(2, "ann"))
    assert (longer.added, longer.updated, longer.known) == (0, 1, 1)


def test_going_on_after_a_stop_captures_the_rest(home: Home) -> None:
    items = [captured(number, "ann") for number in range(6)]

    def broken() -> Iterator[Captured | FileReport]:
        yield from items[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(intake(home, batch_conversations=2).run(broken()))
    report = run(home, *items)
    assert (report.added, report.known) == (2, 4)


def test_each_file_has_its_own_counts(home: Home) -> None:
    items = [captured(1, "ann"), captured(2, "ann"), END, captured(1, "ann"), captured(3, "ann")]
    first, second = intake(home).run([*items, END])
    assert (first.added, first.known) == (2, 0)
    assert (second.added, second.known) == (1, 1)


def test_after_any_import_everything_is_denied_for_everybody(home: Home, tmp_path: Path) -> None:
    claims = {
        "id": "1",
        "consent": {"batch_training": "granted"},
        "training_allowed": True,
        "messages": [
            {"role": "user", "content": "hello", "consent": True},
            {"role": "assistant", "content": "hello"},
        ],
    }
    (tmp_path / "claims.jsonl").write_text(json.dumps(claims) + "\n", "utf-8")
    reports = list(intake(home, reference="ann").run(read_paths([tmp_path / "claims.jsonl"])))
    assert sum(report.added for report in reports) == 1
    ann = home.subjects.find("ann")
    for purpose in CONSENT_PURPOSES:
        assert not home.gate.decide(ann, Use(purpose=purpose.value)).permit
        assert home.gate.preview(Use(purpose=purpose.value))[0] == 0
    assert home.ledger.history(ann.id) == []
