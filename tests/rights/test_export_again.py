"""What is exported can be taken in again, and is the same."""

import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rights.exporting import (
    ANN,
    BRANCHING,
    QUOTING,
    captured,
    export,
    lines,
    plain,
    read_again,
)
from tests.support.homes import Place, add, place
from volens.app.home import Home
from volens.capture.intake import Intake, NewAccounts
from volens.capture.model import DEFAULT
from volens.capture.reader import read_paths
from volens.capture.threads import Context
from volens.capture.values import members, read_value
from volens.capture.volens_jsonl import read_record
from volens.core.ids import ConversationId, IdKind, format_id
from volens.core.purposes import Purpose, Signal
from volens.gate.facts import Use
from volens.gate.own_copy import OwnConversation
from volens.rights.export_tables import conversation_line
from volens.vault.model import Conversation, Payload, Role, Turn, TurnFlag
from volens.vault.store import Held

PLACE = ConversationId(format_id(IdKind.CONVERSATION, b"c" * 16))
MOMENTS = st.none() | st.integers(-(10**12), 10**13).map(
    lambda ms: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FLAGS = st.integers(0, 31).map(TurnFlag)


@st.composite
def payloads(draw: st.DrawFn) -> Payload:
    count = draw(st.integers(1, 6))
    turns = [
        Turn(
            role=draw(st.sampled_from(Role)),
            text=draw(TEXTS),
            flags=draw(FLAGS),
            parent=draw(st.integers(-1, index - 1)),
            at=draw(MOMENTS),
            rating=draw(st.integers(-1, 1)),
        )
        for index in range(count)
    ]
    return Payload(
        turns=tuple(turns),
        title=draw(TEXTS),
        language=draw(st.sampled_from(["", "en", "pt-BR", "zh-Hans-CN"])),
        attachments=tuple(draw(st.lists(TEXTS.filter(bool), unique=True, max_size=3))),
    )


def held(created: datetime | None, signal: Signal) -> Held:
    return Held(
        number=1,
        id=PLACE,
        subject_no=1,
        source="api",
        created=created,
        updated=None,
        captured=datetime(2026, 1, 1, tzinfo=UTC),
        signal=signal,
        turns=1,
        size_bytes=1,
        sequence=0,
        batch_no=1,
        position=0,
        block_no=1,
        ended=None,
    )


def without_others(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return the turns as they should come back: other people's words are left out."""
    return tuple(
        replace(turn, text="") if TurnFlag.THIRD_PARTY in turn.flags else turn for turn in turns
    )


@given(payloads(), MOMENTS, MOMENTS, st.sampled_from(Signal))
def test_a_line_read_again_is_the_same_conversation(
    payload: Payload, created: datetime | None, updated: datetime | None, signal: Signal
) -> None:
    one = OwnConversation(held=held(created, signal), updated=updated, payload=payload)
    line, left = conversation_line(one, ANN)
    assert line.count(b"\n") == 1
    draft = read_record(members(read_value(line, DEFAULT)), Context(), DEFAULT)
    assert draft.account == ANN
    assert draft.conversation == Conversation(
        source="volens-jsonl",
        source_id=PLACE,
        turns=without_others(payload.turns),
        title=payload.title,
        created=created,
        updated=updated,
        signal=signal,
        language=payload.language,
        attachments=payload.attachments,
    )
    assert left == sum(TurnFlag.THIRD_PARTY in turn.flags for turn in payload.turns)


def test_a_language_that_is_no_tag_is_left_out_rather_than_costing_the_conversation() -> None:
    payload = Payload(
        turns=(Turn(role=Role.USER, text="hi"),), title="", language="?!", attachments=()
    )
    one = OwnConversation(held=held(None, Signal.NONE), updated=None, payload=payload)
    line, _ = conversation_line(one, "x" * 201)
    draft = read_record(members(read_value(line, DEFAULT)), Context(), DEFAULT)
    assert (draft.conversation.language, draft.account) == ("", None)


@pytest.fixture
def fresh(tmp_path: Path) -> Place:
    found = place(tmp_path / "fresh")
    found.folder.parent.mkdir()
    found.create(seed=7)
    return found


def taken_in(home: Home, path: Path) -> dict[str, int]:
    accounts = NewAccounts(region=home.identity.region)
    reports = list(Intake(home.subjects, home.vault, accounts=accounts).run(read_paths([path])))
    return {
        name: sum(getattr(report, name) for report in reports)
        for name in ("added", "updated", "known")
    }


def test_an_export_imported_into_a_fresh_home_gives_the_same_conversations(
    here: Place, fresh: Place, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    with here.open() as home:
        export(home, captured(home, [BRANCHING, plain(1), plain(2)]), first)
    with fresh.open() as home:
        assert taken_in(home, first) == {"added": 3, "updated": 0, "known": 0}
        assert taken_in(home, first) == {"added": 0, "updated": 0, "known": 3}
        subject = home.subjects.find(ANN)
        assert not any(state.grants for state in home.ledger.states(subject.id).values())
        assert not home.gate.preview(Use(purpose=Purpose.BATCH_TRAINING.value))[0]
        export(home, subject, second)
    known = ("id",)
    one, other = (
        [{name: value for name, value in line.items() if name not in known} for line in lines(path)]
        for path in (first, second)
    )
    assert one == other


def test_taken_in_where_it_came_from_a_copy_makes_no_second_ones(
    here: Place, tmp_path: Path
) -> None:
    with here.open() as home:
        export(home, captured(home, [BRANCHING, plain(1)]), tmp_path / "a.zip")
        assert taken_in(home, tmp_path / "a.zip") == {"added": 0, "updated": 0, "known": 2}
        assert home.vault.count() == 2


def test_a_copy_that_names_somebody_elses_conversation_takes_nothing_from_them(
    here: Place, tmp_path: Path
) -> None:
    with here.open() as home:
        export(home, captured(home, [plain(1)]), tmp_path / "a.zip")
        (bob,) = add(home, "bob")
        accounts = NewAccounts(region=home.identity.region)
        intake = Intake(home.subjects, home.vault, accounts=accounts, reference="bob")
        reports = list(intake.run(read_paths([tmp_path / "a.zip"])))
        assert sum(report.added for report in reports) == 1
        assert len(list(home.vault.of_subject(bob))) == 1
        assert len(list(home.vault.of_subject(home.subjects.find(ANN)))) == 1


def test_flags_branches_ratings_signals_and_moments_are_kept(here: Place, tmp_path: Path) -> None:
    with here.open() as home:
        export(home, captured(home, [BRANCHING]), tmp_path / "a.zip")
    (item,) = read_again(tmp_path / "a.zip")
    assert replace(item.conversation, source="api", source_id="branching") == BRANCHING
    assert item.account == ANN


def test_other_peoples_words_are_left_out_and_counted_and_keep_their_place(
    here: Place, tmp_path: Path
) -> None:
    out = tmp_path / "a.zip"
    with here.open() as home:
        result = export(home, captured(home, [QUOTING]), out)
    assert result.manifest.facts.left_out == {"third_party_turns": 1}
    (item,) = read_again(out)
    turns = item.conversation.turns
    assert [turn.parent for turn in turns] == [-1, 0, 1]
    assert turns[1] == replace(QUOTING.turns[1], text="")
    with zipfile.ZipFile(out) as archive:
        for name in archive.namelist():
            assert b"Elm Street" not in archive.read(name), name


def test_what_is_beside_the_conversations_is_known_for_what_it_is(
    here: Place, tmp_path: Path
) -> None:
    out = tmp_path / "a.zip"
    with here.open() as home:
        export(home, captured(home, [plain(1)]), out)
    reports = [item for item in read_paths([out]) if hasattr(item, "format")]
    kinds = {report.path.rpartition("!")[2]: report.format.value for report in reports}
    assert kinds["conversations.jsonl"] == "volens-jsonl"
    assert kinds["manifest.json"] == "volens-export"
    for name in ("README.txt", "index.html", "chats/00001.html", "accesses.csv", "account.json"):
        assert kinds[name] == "volens-export-part", name


def test_a_manifest_that_names_a_conversation_file_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    manifest = {
        "version": "volens-export/1",
        "controller": "x",
        "signature": "",
        "parts": [{"name": "chats.json"}, {"name": "bad.json"}, 7],
    }
    chat = {"id": "1", "turns": [{"role": "user", "text": "hello"}]}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("chats.json", json.dumps(chat))
        archive.writestr("other.txt", "not listed")
    items = list(read_paths([tmp_path / "x.zip"]))
    assert sum(hasattr(item, "conversation") for item in items) == 1
    assert [item.reason for item in items if hasattr(item, "reason")] == ["not_json"]
