"""An exception from the first report to the last word, as people do it at a shell."""

from typing import Any

import pytest

from tests.cli.driving import HELLO, Shell


def staff(shell: Shell, name: str, *roles: str) -> str:
    words = [word for role in roles for word in ("--role", role)]
    return str(shell.json("staff", "add", name, *words)["account"])


@pytest.fixture
def chat(shell: Shell) -> str:
    """Return a chat of which turn 0 is flagged; eve and bob review, lea and ole decide."""
    first, *_ = shell.chats("ann")
    staff(shell, "eve", "trust_and_safety")
    staff(shell, "bob", "trust_and_safety")
    staff(shell, "lea", "legal_counsel")
    staff(shell, "ole", "privacy_officer")
    shell.ok(
        *("flag", "raise", first, "--turns", 0, "--category", "self_harm"),
        *("--severity", "urgent", "--classifier", "guard-v1"),
    )
    return first


def open_case(shell: Shell, chat: str, *words: object, code: int = 0) -> Any:  # noqa: ANN401 - whatever JSON holds
    return shell.json("case", "open", chat, "--turns", 0, *words, code=code)


ABUSE = ("--class", "system_abuse", "--reason", "classifier_flag", "--abuse", "jailbreak")


def test_from_a_flag_to_the_persons_answer(shell: Shell, chat: str) -> None:
    (item,) = shell.json("case", "queue", "--as", "eve")["items"]
    assert (item["conversation"], item["turns"], item["severity"]) == (chat, [0], "urgent")
    case = open_case(shell, chat, *ABUSE, "--as", "eve")
    assert case["state"] == "open"
    seen = shell.json("case", "view", case["id"], chat, "--as", "eve")
    assert [turn["index"] for turn in seen["turns"]] == [0]
    assert HELLO in seen["turns"][0]["text"]
    shown = shell.json("case", "show", case["id"], "--as", "ole")
    (view,) = shown["views"]
    assert (view["turns"], view["role"]) == ([0], "trust_and_safety")
    assert view["seconds"] is not None
    assert HELLO not in shell.ok("case", "show", case["id"], "--as", "ole").out
    assert shell.json("case", "notices", "ann")["notices"] == []
    assert shell.json("case", "close", case["id"], "--as", "eve")["state"] == "closed"
    assert shell.json("case", "view", case["id"], chat, "--as", "eve", code=3)["error"]
    assert shell.json("retention", "run")
    (notice,) = shell.json("case", "notices", "ann")["notices"]
    assert (notice["case"], notice["answer"], len(notice["looked"])) == (case["id"], None, 1)
    told = shell.ok("case", "notices", "ann").out
    assert "May it be kept?" in told
    assert "You can object" in told
    answered = shell.json("case", "answer", "ann", case["id"], "erase")
    assert answered["erased"] is not None
    assert shell.json("flag", "list")["flags"] == []
    assert shell.json("case", "list", "--ended", "--as", "ole")["cases"][0]["conversations"] == []
    assert "trust and safety" in shell.ok("case", "notices", "ann").out
    assert shell.ok("audit").code == 0


def test_two_persons_where_the_class_takes_two(shell: Shell, chat: str) -> None:
    words = ("--class", "illegal_content", "--reason", "classifier_flag", "--law", "DE:StGB-184b")
    case = open_case(shell, chat, *words, "--as", "eve")
    assert case["state"] == "waiting"
    assert shell.json("case", "view", case["id"], chat, "--as", "eve", code=3)
    assert shell.json("case", "approve", case["id"], "--as", "eve", code=3)["error"]["code"] == (
        "exception_persons"
    )
    (waiting,) = shell.json("case", "list", "--as", "bob")["cases"]
    assert waiting["id"] == case["id"]
    assert shell.json("case", "approve", case["id"], "--as", "bob")["state"] == "open"
    assert shell.json("case", "view", case["id"], chat, "--as", "bob")["turns"]


def test_an_informal_request_opens_nothing(shell: Shell, chat: str) -> None:
    words = (
        *("--class", "legal_order", "--reason", "authority_order", "--as", "lea"),
        *("--issuer", "DE:Police", "--jurisdiction", "DE", "--docket", "17", "--reviewer", "ole"),
    )
    error = open_case(shell, chat, *words, "--form", "informal", code=3)["error"]
    assert error["code"] == "exception_informal"
    checked = ("--form", "court_order", "--has-jurisdiction", "--signed")
    assert open_case(shell, chat, *words, *checked, code=3)["error"]["code"] == (
        "exception_too_broad"
    )
    assert open_case(shell, chat, *words, *checked, "--names-turns")["state"] == "waiting"


def test_what_was_not_flagged_and_who_has_no_part_in_it(shell: Shell, chat: str) -> None:
    error = shell.json("case", "open", chat, "--turns", 1, *ABUSE, "--as", "eve", code=3)["error"]
    assert error["code"] == "exception_not_flagged"
    assert open_case(shell, chat, *ABUSE, "--as", "ole", code=3)["error"]["code"] == (
        "exception_role"
    )
    assert open_case(shell, chat, *ABUSE, "--as", "nobody", code=2)
    assert shell.json("case", "queue", "--as", "lea", code=3)
    case = open_case(shell, chat, *ABUSE, "--as", "eve")
    assert shell.json("case", "show", case["id"], "--as", "bob", code=2)


def test_a_dry_run_opens_and_changes_nothing(shell: Shell, chat: str) -> None:
    open_case(shell, chat, *ABUSE, "--as", "eve", "--dry-run")
    assert shell.json("case", "list", "--as", "ole")["cases"] == []
    before = shell.bytes()
    shell.ok("case", "run", "--dry-run")
    assert shell.bytes() == before


def test_a_record_that_is_missing_is_asked_for(shell: Shell, chat: str) -> None:
    words = ("--class", "physical_harm", "--reason", "person_report", "--as", "eve")
    said = shell.run("case", "open", chat, "--turns", 0, *words)
    assert said.code == 2
    assert "--danger, --horizon, --sign" in said.err
    given = ("--danger", "self", "--horizon", "hours", "--sign", "stated_intent")
    assert open_case(shell, chat, *words, *given)["state"] == "open"
