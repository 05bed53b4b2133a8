"""Holds as people place, see and end them at a shell."""

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.driving import Shell
from tests.holds.holding import DAY, new_hold
from tests.support.stores import START
from volens.cli.holding import parse_turns, state_words, turn_words
from volens.core.errors import InvalidInput
from volens.core.time import parse_moment
from volens.holds.model import end_hold
from volens.log.kinds import HoldClass

WORDS = ("--authority", "docket-17", "--reviewer", "officer-2")


def place(shell: Shell, *words: object, until: str = "2031-01-31", code: int = 0) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Place a legal hold unless the words say otherwise."""
    given = () if "--class" in words else ("--class", "legal")
    return shell.json("hold", "place", *words, *given, *WORDS, "--until", until, code=code)


def listed(shell: Shell, *words: str) -> list[str]:
    return [hold["id"] for hold in shell.json("hold", "list", *words)["holds"]]


def today(days: float = 0) -> datetime:
    # The program reads the system's clock; the test does so too.
    return datetime.now(UTC) + days * DAY  # noqa: TID251 - see above


def test_a_hold_is_placed_listed_shown_extended_reviewed_and_released(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    hold = place(shell, first, second)
    assert (hold["state"], hold["told"], hold["until"]) == (
        "in_force",
        True,
        "2031-01-31T23:59:59.000Z",
    )
    assert listed(shell) == [hold["id"]]
    longer = shell.json("hold", "extend", hold["id"], "--until", "2031-03-31")
    assert longer["until"] == "2031-03-31T23:59:59.000Z"
    reviewed = shell.json("hold", "review", hold["id"], "--reviewer", "officer-3")
    assert reviewed["reviewer"] == "officer-3"
    released = shell.json("hold", "release", hold["id"])
    assert released["state"] == "released"
    shown = shell.json("hold", "show", hold["id"])
    assert [act["act"] for act in shown["acts"]] == ["placed", "extended", "reviewed", "ended"]
    assert listed(shell) == []
    assert listed(shell, "--ended") == [hold["id"]]


def test_without_an_end_there_is_no_hold(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    said = shell.run("hold", "place", first, "--class", "legal", *WORDS)
    assert said.code == 2
    assert "--until" in said.err
    for until, code in (
        ("2001-01-01", "date_past"),
        ("never", "date_form"),
        ("9999-12-31", "hold_too_long"),
    ):
        assert place(shell, first, until=until, code=2)["error"]["code"] == code
    assert listed(shell, "--ended") == []


def test_a_safety_hold_lasts_a_year_at_most_and_the_answer_says_until_when(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    before = today(365)
    refused = place(shell, first, "--class", "safety", until="2031-01-31", code=2)["error"]
    assert refused["code"] == "hold_too_long"
    most = parse_moment(refused["hint"].split()[-1])
    assert before - timedelta(seconds=1) <= most <= today(365)
    hold = place(shell, first, "--class", "safety", until=f"{most - DAY:%Y-%m-%d}")
    assert parse_moment(hold["review_by"]) - parse_moment(hold["placed"]) == 90 * DAY
    words = ("hold", "extend", hold["id"], "--until", "2031-01-31")
    assert shell.json(*words, code=2)["error"]["code"] == "hold_too_long"


def test_turns_are_named_of_one_conversation_by_index_from_nought(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    hold = place(shell, first, "--turns", "1")
    assert hold["conversations"] == [{"id": first, "turns": [1]}]
    for words, code in (
        ((first, "--turns", "2"), "hold_turns"),
        ((first, "--turns", ""), "turns_form"),
        ((first, second, "--turns", "0"), "turns_form"),
    ):
        assert place(shell, *words, code=2)["error"]["code"] == code


@pytest.mark.parametrize(
    ("text", "turns", "written"),
    [
        ("0", (0,), "0"),
        ("1,2-4", (1, 2, 3, 4), "1-4"),
        ("4-4, 0,2", (0, 2, 4), "0,2,4"),
        ("99999", (99999,), "99999"),
    ],
)
def test_lists_of_turns_are_read_and_written(
    text: str, turns: tuple[int, ...], written: str
) -> None:
    assert parse_turns(text) == turns
    assert turn_words(turns) == written
    assert parse_turns(written) == turns


@pytest.mark.parametrize(
    "text", ["", ",", "-1", "2-1", "1-", "a", "1;2", "1,,2", "100000", "\u0661"]
)
def test_what_is_no_list_of_turns_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_turns(text)
    assert refused.value.code == "turns_form"


def test_what_is_named_wrongly_is_refused_and_nothing_is_held(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    other, *_ = shell.chats("bob")
    nobody = "cnv_" + "a" * 26
    for words, code in (
        ((nobody,), "conversation_unknown"),
        (("ann",), "id_form"),
        ((first, other), "hold_owner"),
        ((first, "--gag-until", "2031-02-01"), "hold_gag"),
        ((first, "--gag-until", "2001-02-01"), "date_past"),
        ((first, "--hold-id", first), "id_form"),
    ):
        assert place(shell, *words, code=2)["error"]["code"] == code, words
    named = shell.json(
        "hold", "place", first, "--class", "legal", "--authority", "Jane Doe",
        "--reviewer", "officer-2", "--until", "2031-01-31", code=2,
    )  # fmt: skip
    assert named["error"]["code"] == "hold_word"
    assert shell.run("hold", "place", first, "--class", "secret").code == 2
    assert listed(shell, "--ended") == []


def test_a_hold_of_ones_own_id_counts_once(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    own = "hld_" + "a" * 26
    hold = place(shell, first, "--hold-id", own)
    size = shell.json("log", "show")["size"]
    assert place(shell, first, "--hold-id", own) == hold
    assert shell.json("log", "show")["size"] == size
    assert place(shell, second, "--hold-id", own, code=2)["error"]["code"] == "hold_conflict"
    assert listed(shell) == [own]


def test_the_person_sees_a_hold_unless_it_is_under_a_gag(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    gagged = place(shell, first, "--gag-until", "2030-01-31")
    told = place(shell, second)
    view = ("--subject", "ann", "--as-subject")
    assert listed(shell, "--subject", "ann") == [gagged["id"], told["id"]]
    assert listed(shell, *view) == [told["id"]]
    said = shell.ok("hold", "list", *view)
    assert gagged["id"] not in said.out
    assert "gag" not in said.out
    shell.ok("hold", "release", gagged["id"])
    assert listed(shell, *view, "--ended") == [gagged["id"], told["id"]]


def test_what_the_person_sees_of_a_hold_is_not_the_reviewers_own(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    hold = place(shell, first)
    seen = shell.json("hold", "show", hold["id"], "--subject", "ann", "--as-subject")
    assert set(seen) == {
        "id", "class", "state", "subject", "conversations", "authority", "placed", "until",
        "released",
    }  # fmt: skip
    assert (seen["authority"], seen["until"]) == (hold["authority"], hold["until"])


def test_what_is_gagged_or_anothers_answers_as_if_it_were_not_there(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    shell.add("bob")
    gagged = place(shell, first, "--gag-until", "2030-01-31")["id"]
    told = place(shell, second)["id"]
    nowhere = "hld_" + "a" * 26
    for person, asked in (("ann", gagged), ("bob", told), ("bob", gagged), ("ann", nowhere)):
        said = shell.run("hold", "show", asked, "--subject", person, "--as-subject")
        assert said.code == 2
        assert said.err.replace(asked, "ID") == (
            "error: no hold ID here\nhint: volens hold list shows which there are\n"
        )


def test_a_list_says_how_each_hold_stands() -> None:
    hold = new_hold(hold_class=HoldClass.SAFETY, days=200, gag_until=START + 100 * DAY)
    assert state_words(hold, START) == "not told"
    assert state_words(hold, START + 90 * DAY) == "not told, to review"
    assert state_words(hold, START + 100 * DAY) == "to review"
    assert state_words(hold, START + 100 * DAY, to_subject=True) == "in force"
    assert state_words(hold, START + 200 * DAY) == "expired"
    assert state_words(end_hold(hold, START), START) == "released"
    assert state_words(new_hold(), START) == "in force"


def test_to_see_as_somebody_somebody_is_named(shell: Shell) -> None:
    refused = shell.json("hold", "list", "--as-subject", code=2)["error"]
    assert refused["code"] == "nothing_given"
    assert shell.json("hold", "list", "--subject", "eve", code=2)["error"]["code"] == (
        "subject_unknown"
    )


def test_a_gag_is_cut_short_and_never_put_on_later(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    gagged = place(shell, first, "--gag-until", "2030-01-31")["id"]
    told = place(shell, second)["id"]
    sooner = shell.json("hold", "extend", gagged, "--gag-until", "2029-01-31")
    assert sooner["gag_until"] == "2029-01-31T23:59:59.000Z"
    refused = shell.json("hold", "extend", told, "--gag-until", "2030-01-31", code=2)
    assert refused["error"]["code"] == "hold_gag"
    assert shell.json("hold", "extend", told, code=2)["error"]["code"] == "nothing_given"


def test_a_list_is_shown_page_by_page(shell: Shell) -> None:
    chats = shell.chats("ann")
    ids = [place(shell, chat)["id"] for chat in chats]
    assert shell.json("hold", "list", "--limit", "2")["total"] == 3
    said = shell.ok("hold", "list", "--limit", "2")
    assert "1 more: --skip 2" in said.out
    assert listed(shell, "--limit", "2", "--skip", "2") == ids[2:]
    assert listed(shell, "--review-due") == []
    assert "Nothing is held." in shell.ok("hold", "list", "--review-due").out


def test_every_answer_about_holds_fits_a_narrow_terminal(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    texts = [
        shell.ok(
            "hold", "place", first, "--class", "safety", "--turns", "0", *WORDS,
            "--until", f"{today(100):%Y-%m-%d}", "--gag-until", f"{today(50):%Y-%m-%d}",
        )
    ]  # fmt: skip
    hold = listed(shell)[0]
    place(shell, second, first)
    texts += [
        shell.ok("hold", *words)
        for words in (
            ("list",),
            ("list", "--subject", "ann", "--as-subject"),
            ("show", hold),
            ("extend", hold, "--until", f"{today(200):%Y-%m-%d}"),
            ("review", hold, "--reviewer", "officer-4"),
            ("release", hold, "--dry-run"),
            ("release", hold),
            ("release", hold),
            ("list", "--ended"),
        )
    ]
    for said in texts:
        assert all(len(text) <= 80 for text in said.lines()), said
        assert said.out
        assert said.err == ""


def test_trying_an_act_on_a_hold_changes_no_byte(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    hold = place(shell, first)["id"]
    before = shell.bytes()
    for words in (
        ("place", first, "--class", "legal", *WORDS, "--until", "2031-01-31"),
        ("extend", hold, "--until", "2032-01-31"),
        ("review", hold, "--reviewer", "officer-3"),
        ("release", hold),
    ):
        assert shell.json("hold", *words, "--dry-run")["dry_run"] is True
        assert shell.ok("hold", *words, "--dry-run").out.startswith("would ")
    assert shell.bytes() == before
    refused = shell.json("hold", "extend", hold, "--until", "2030-01-31", "--dry-run", code=2)
    assert refused["error"]["code"] == "hold_not_longer"


def test_what_waited_for_a_hold_goes_when_it_is_released(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    hold = place(shell, first)
    shell.ok("erase", "conversation", first, "--no-cool-off", "--yes")
    assert shell.json("retention", "run")["held"] == 1
    said = shell.ok("hold", "release", hold["id"])
    assert "1 erasure that waited for it or was due: done" in said.out
    assert shell.run("erase", "conversation", first, "--probe").code == 0
    other = place(shell, second)
    released = shell.json("hold", "release", other["id"])
    assert (released["erased"], released["held"]) == (0, 0)
    assert shell.json("conversation", "show", second)["id"] == second


def test_while_the_clock_is_not_trusted_a_released_hold_says_when_it_goes(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    hold = place(shell, first)
    shell.ok("erase", "conversation", first, "--no-cool-off", "--yes")
    shell.ok("retention", "run")
    with sqlite3.connect(shell.folder / "main.db") as db:
        db.execute("UPDATE clock SET seen_ms = seen_ms - ?", (40 * 3_600_000,))
    db.close()
    said = " ".join(shell.ok("hold", "release", hold["id"]).out.split())
    assert "goes with the first run that can trust the clock" in said
    now = f"{today():%Y-%m-%dT%H:%M}Z"
    shell.ok("retention", "confirm-clock", "--time", now, "--yes")
    assert shell.json("retention", "run")["erased"] == 1


def test_an_organisation_may_shorten_safety_holds(shell: Shell) -> None:
    shell.ok("organisation", "instruct", "acme", "--safety-days", 30)
    shell.add("ann", "--organisation", "acme")
    first, *_ = shell.chats("ann")
    late, soon = f"{today(40):%Y-%m-%d}", f"{today(20):%Y-%m-%d}"
    refused = place(shell, first, "--class", "safety", until=late, code=2)["error"]
    assert refused["code"] == "hold_too_long"
    assert abs(parse_moment(refused["hint"].split()[-1]) - today(30)) < timedelta(minutes=1)
    hold = place(shell, first, "--class", "safety", until=soon)
    words = ("hold", "extend", hold["id"], "--until", late)
    assert shell.json(*words, code=2)["error"]["code"] == "hold_too_long"
    place(shell, first, until=late)  # a legal hold is not the organisation's to shorten
    again = ("--class", "safety", "--hold-id", hold["id"])
    shell.ok("organisation", "instruct", "acme", "--safety-days", 10)
    assert place(shell, first, *again, until=soon)["placed"] == hold["placed"]


def test_an_import_leaves_what_is_held_as_it_is_and_says_so(shell: Shell) -> None:
    path = shell.folder.parent / "own.jsonl"
    text = '{"id": "1", "turns": [{"role": "user", "text": "hi"}]}\n'
    path.write_text(text + text.replace('"1"', '"2"'), "utf-8")
    shell.ok("import", path, "--subject", "ann")
    first, _ = shell.json("conversation", "list", "ann")["conversations"]
    hold = place(shell, first["id"])
    path.write_text(path.read_text("utf-8").replace("hi", "hi there"), "utf-8")
    said = " ".join(shell.ok("import", path, "--subject", "ann").out.split())
    assert "1 changed" in said
    assert "1 stayed as they are: a hold keeps them. Import them again later." in said
    shell.ok("hold", "release", hold["id"])
    again = shell.json("import", path, "--subject", "ann")
    assert (again["updated"], again["known"], again["held"]) == (1, 1, 0)


@pytest.mark.parametrize("gag", [(), ("--gag-until", "2030-12-31")])
def test_asking_to_erase_says_what_a_hold_keeps_unless_under_a_gag(
    shell: Shell, gag: tuple[str, ...]
) -> None:
    chat, *_ = shell.chats("ann", 2)
    words = ("--class", "legal", "--authority", "docket-7", "--reviewer", "legal-2")
    shell.ok("hold", "place", chat, *words, "--until", "2031-01-31", *gag)
    for said in (
        shell.ok("erase", "history", "ann", "--dry-run").out,
        shell.ok("erase", "history", "ann", "--yes").out,
    ):
        assert ("1 chat is kept under a hold until 2031-01-31 23:59 UTC" in said) is (not gag)
        assert ("hold" in said) is (not gag)
