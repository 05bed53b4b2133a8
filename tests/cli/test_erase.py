"""Asking for data to go, on the command line: what is said, when it holds, what can go wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.driving import HELLO, Shell
from volens.core.ids import IdKind, format_id
from volens.holds.erasure import COOL_OFF, PROMISE
from volens.storage.lock import HomeLock


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_dry_run_says_what_would_go_by_when_and_which_datasets_left(
    shell: Shell, tmp_path: Path
) -> None:
    shell.chats("ann", 12)
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    plain = shell.json(
        "build",
        "batch_training",
        "--out",
        tmp_path / "a",
        "--format",
        "openai",
        "--recipient",
        "Trainers",
    )
    sealed = shell.json("build", "batch_training", "--out", tmp_path / "b")
    before = shell.bytes()
    told = shell.json("erase", "subject", "ann", "--dry-run")
    assert shell.bytes() == before
    assert told["dry_run"] is True
    assert told["conversations"] == 12
    assert moment(told["cool_off_ends"]) - moment(told["requested"]) == COOL_OFF
    assert moment(told["promised_by"]) - moment(told["requested"]) == PROMISE
    left = {one["dataset"]: one["in_the_clear"] for one in told["datasets"]}
    assert left == {plain["dataset"]: True, sealed["dataset"]: False}
    said = shell.ok("erase", "subject", "ann", "--dry-run")
    assert "12 chats" in said.out
    assert "its holders must remove it" in " ".join(said.out.split())
    assert all(len(text) <= 80 for text in said.lines())
    assert HELLO not in said.out


def test_the_answer_gives_a_reference_number_that_stays_the_same(shell: Shell) -> None:
    shell.chats("ann")
    first = shell.json("erase", "subject", "ann", "--yes")
    assert first["reference"].startswith("era_")
    assert (first["new"], first["logged"], first["state"]) == (True, True, "access_ended")
    again = shell.json("erase", "subject", "ann", "--yes")
    assert (again["reference"], again["new"]) == (first["reference"], False)
    said = shell.ok("erase", "subject", "ann", "--yes")
    assert first["reference"] in said.out
    assert "asked for before" in said.out
    kinds = [entry["kind"] for entry in shell.json("log", "show")["entries"]]
    assert kinds.count("erasure.requested") == 1


def test_a_closed_account_is_used_for_nothing_and_is_as_before_when_taken_back(
    shell: Shell,
) -> None:
    shell.chats("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    asked = shell.json("erase", "subject", "ann", "--yes")
    assert shell.json("ask", "ann", "batch_training", code=3)["reasons"][0].startswith("blocked_")
    assert shell.json("erase", "subject", "ann", "--cancel", "--dry-run")["dry_run"]
    taken = shell.json("erase", "subject", "ann", "--cancel")
    assert taken == {"cancelled": [asked["reference"]]}
    assert shell.json("ask", "ann", "batch_training")["permit"] is True
    again = shell.json("erase", "subject", "ann", "--cancel", code=2)
    assert again["error"]["code"] == "erasure_unknown"


def test_no_other_command_opens_an_account_that_is_being_erased(shell: Shell) -> None:
    shell.chats("ann")
    shell.ok("erase", "subject", "ann", "--yes")
    said = shell.run("subject", "set", "ann", "--status", "active")
    assert (said.code, "--cancel" in said.err) == (3, True)
    shell.ok("subject", "set", "ann", "--plan", "pro")
    shell.ok("erase", "subject", "ann", "--cancel")
    shell.ok("subject", "set", "ann", "--status", "restricted")


def test_without_a_cool_off_it_is_due_at_once_and_nothing_is_taken_back(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    asked = shell.json("erase", "conversation", first, second, "--yes", "--no-cool-off")
    assert asked["conversations"] == 2
    assert asked["cool_off_ends"] == asked["requested"]
    refused = shell.json("erase", "conversation", first, "--cancel", code=3)
    assert refused["error"]["code"] == "cool_off_over"


def test_chats_are_taken_back_by_themselves(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    one = shell.json("erase", "conversation", first, "--yes")
    history = shell.json("erase", "history", "ann", "--yes")
    assert one["reference"] != history["reference"]
    refused = shell.json("erase", "conversation", second, "--cancel", code=2)
    assert refused["error"]["code"] == "erasure_unknown"
    taken = shell.json("erase", "conversation", first, "--cancel")
    assert taken == {"cancelled": [one["reference"]]}
    taken = shell.json("erase", "history", "ann", "--cancel")
    assert taken == {"cancelled": [history["reference"]]}


@pytest.mark.parametrize("first", ["history", "subject"])
def test_whatever_is_taken_back_first_all_is_as_before_when_all_is(
    shell: Shell, first: str
) -> None:
    chats = shell.chats("ann")
    second = "subject" if first == "history" else "history"
    for what in ("history", "subject"):
        shell.ok("erase", what, "ann", "--yes")
    shell.ok("erase", first, "ann", "--cancel")
    assert shell.run("conversation", "show", chats[0], "--show-content").code != 0
    shell.ok("erase", second, "ann", "--cancel")
    found = shell.json("conversation", "list", "ann")["conversations"]
    assert [one["id"] for one in found] == chats
    assert HELLO in shell.ok("conversation", "show", chats[0], "--show-content").out


def test_chats_of_two_people_are_two_requests(shell: Shell) -> None:
    first, second = shell.chats("ann", 1) + shell.chats("bob", 1)
    refused = shell.json("erase", "conversation", first, second, "--yes", code=2)
    assert refused["error"]["code"] == "not_theirs"
    assert shell.json("log", "show")["journal"] == 0


@pytest.mark.parametrize("option", ["--yes", "--dry-run", "--cancel"])
def test_what_is_not_here_is_not_found_whoever_asks_for_what(shell: Shell, option: str) -> None:
    missing = "cnv_" + "a" * 26
    said = shell.json("erase", "conversation", missing, option, code=2)
    assert said["error"]["code"] == "conversation_unknown"
    said = shell.json("erase", "subject", "nobody", option, code=2)
    assert said["error"]["code"] == "subject_unknown"
    said = shell.json("erase", "history", "sub_" + "a" * 26, option, code=2)
    assert said["error"]["code"] == "subject_unknown"


def test_nothing_goes_without_a_yes(shell: Shell) -> None:
    shell.chats("ann")
    before = shell.bytes()
    refused = shell.json("erase", "subject", "ann", code=2)
    assert refused["error"]["code"] == "not_confirmed"
    assert shell.bytes() == before


def test_erasing_works_while_somebody_else_owns_the_home(shell: Shell) -> None:
    shell.chats("ann")
    lock = HomeLock(shell.folder / "lock")
    with lock:
        lock.acquire()
        asked = shell.json("erase", "subject", "ann", "--yes")
        assert (asked["new"], asked["logged"]) == (True, False)
        again = shell.json("erase", "subject", "ann", "--yes")
        assert (again["reference"], again["new"]) == (asked["reference"], False)
        (listed,) = shell.json("receipt", "list")["erasures"]
        assert listed["reference"] == asked["reference"]
        refused = shell.json("erase", "subject", "ann", "--cancel", code=5)
        assert refused["error"]["code"] == "home_in_use"
    shell.ok("subject", "add", "bob")  # any owner takes it in
    assert shell.json("subject", "show", "ann")["status"] == "closed"
    kinds = [entry["kind"] for entry in shell.json("log", "show")["entries"]]
    assert kinds.count("erasure.requested") == 1


def test_the_probe_finds_somebody_who_is_here_and_nobody_who_is_not(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    person = shell.json("subject", "show", "ann")["id"]
    for words, there in (
        (("subject", person), "main.db subject.id"),
        (("conversation", first), "main.db conversation.id"),
    ):
        found = shell.json("erase", *words, "--probe", code=4)["found"]
        assert any(one["place"].endswith(there) for one in found)
    for kind, name in ((IdKind.SUBJECT, "subject"), (IdKind.CONVERSATION, "conversation")):
        words = (name, format_id(kind, bytes(range(16))))
        assert shell.json("erase", *words, "--probe") == {"found": []}
    assert shell.run("erase", "subject", "ann", "--probe").code == 2  # a name is not an id


def test_promises_are_in_words_and_in_utc(shell: Shell) -> None:
    shell.chats("ann", 1)
    asked = shell.json("erase", "history", "ann", "--yes")
    said = " ".join(shell.ok("erase", "history", "ann", "--dry-run").out.split())
    assert "1 chat." in said
    assert "Times are UTC." in said
    day = moment(asked["promised_by"]).strftime("by %Y-%m-%d")
    later = (moment(asked["promised_by"]) + timedelta(days=1)).strftime("by %Y-%m-%d")
    assert day in said or later in said  # the second call may be past midnight


def test_who_must_be_answered_soon_has_no_days_to_think_again_and_is_told(shell: Shell) -> None:
    shell.add("mei", "--region", "cn")
    said = " ".join(shell.ok("erase", "subject", "mei", "--yes").out.split())
    assert "it is due: it can't be taken back" in said
    assert "--cancel" not in said
    shell.add("lin", "--region", "cn")
    asked = shell.ok("rights", "open", "lin", "erasure", "--verified-by", "signed_in").out
    words = " ".join(asked.split())
    assert "It can't be taken back: it is due at once." in words
    assert "That can be after the answer is due: tell the person so in time." in words
    shell.add("eve")
    asked = shell.ok("rights", "open", "eve", "erasure", "--verified-by", "signed_in").out
    assert "it can be taken back." in asked
    assert "after the answer is due" not in asked


def test_an_address_for_receipts_is_kept_sealed_and_refused_where_no_mail_can_go(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.add("ada")
    words = ("erase", "subject", "ada", "--yes", "--mail")
    refused = shell.run(*words, "ada@example.net")
    assert (refused.code, "mail" in refused.err) == (5, True)
    assert shell.json("receipt", "list")["total"] == 0
    monkeypatch.setenv("VOLENS_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("VOLENS_SMTP_FROM", "privacy@example.org")
    monkeypatch.setenv("VOLENS_SMTP_SECURITY", "none")
    monkeypatch.setenv("VOLENS_CONTACT", "Privacy office, privacy@example.org")
    assert shell.run(*words, "ada").code == 2
    told = shell.ok(*words, "ada@example.net")
    assert "ada@example.net" not in told.out
    [kept] = (shell.folder / "addresses").iterdir()
    assert b"ada" not in kept.read_bytes()
    assert kept.name in told.out
