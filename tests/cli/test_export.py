"""A person's copy and their report control, as a shell sees them."""

import zipfile
from pathlib import Path

import pytest

from tests.cli.driving import Shell
from volens.holds.reports import ReportReason


def test_a_copy_is_written_checked_and_taken_in_again(shell: Shell) -> None:
    shell.chats("ann", 3)
    key = shell.json("log", "show")["verifier_key"]
    made = shell.json("export", "ann", "--out", "ann.zip")
    assert (made["conversations"], made["turns"], made["left_out"]) == (3, 6, {})
    assert made["parts"][0] == "README.txt"
    checked = shell.json("verify", "ann.zip", "--key", key)
    assert checked["items"][0]["kind"] == "export"
    assert checked["items"][0]["facts"]["whose"] == made["subject"]
    again = shell.json("import", "ann.zip", "--subject", "somebody else")
    assert (again["added"], again["left_out"]) == (3, {})


def test_the_answer_says_what_was_left_out_and_how_to_check(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id": "1", "turns": [{"role": "user", "text": "hi"}, '
        '{"role": "tool", "text": "(the page)", "third_party": true}]}\n',
        "utf-8",
    )
    shell.ok("import", "a.jsonl", "--subject", "ann")
    said = shell.ok("export", "ann", "--out", "ann.zip")
    assert "Wrote 1 conversations" in said.out
    assert "1: turns of other people's words" in said.out
    assert "volens verify ann.zip" in said.out
    assert all(len(text) <= 80 for text in said.lines())
    shown = shell.ok("import", "ann.zip", "--subject", "bob").out
    assert "README" not in shown
    assert "1 new" in shown
    assert "README" not in shell.ok("import", "--dry-run", "ann.zip").out


def test_a_copy_needs_a_person_and_a_new_file(shell: Shell, tmp_path: Path) -> None:
    shell.add("ann")
    assert shell.run("export", "nobody", "--out", "x.zip").code == 2
    assert shell.run("export", "ann").code == 2
    (tmp_path / "there.zip").write_bytes(b"")
    said = shell.run("export", "ann", "--out", "there.zip")
    assert (said.code, "there already" in said.err) == (2, True)
    assert shell.run("export", "ann", "--out", "no/where.zip").code == 2
    assert not (tmp_path / "x.zip").exists()


def test_a_dry_run_says_how_much_and_opens_nothing(shell: Shell, tmp_path: Path) -> None:
    shell.chats("ann", 2)
    size = shell.json("log", "show")["size"]
    said = shell.json("export", "ann", "--out", "ann.zip", "--dry-run")
    assert (said["dry_run"], said["conversations"]) == (True, 2)
    assert shell.json("log", "show")["size"] == size
    assert not (tmp_path / "ann.zip").exists()


def test_an_account_without_chats_gets_a_copy_too(shell: Shell, tmp_path: Path) -> None:
    shell.add("ann")
    assert shell.json("export", "ann", "--out", "ann.zip")["conversations"] == 0
    with zipfile.ZipFile(tmp_path / "ann.zip") as archive:
        assert b"There are no chats in this copy." in archive.read("index.html")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_chats_that_wait_to_be_erased_are_left_out_and_counted(
    shell: Shell, tmp_path: Path, which: int
) -> None:
    chat = shell.chats("ann", 3)[which]
    shell.ok("erase", "conversation", chat, "--yes")
    made = shell.json("export", "ann", "--out", "ann.zip")
    assert (made["conversations"], made["left_out"]) == (2, {"blocked_erasing": 1})
    with zipfile.ZipFile(tmp_path / "ann.zip") as archive:
        assert chat.encode() not in archive.read("conversations.jsonl")
    shell.ok("erase", "history", "ann", "--yes")
    assert shell.json("export", "ann", "--out", "none.zip")["conversations"] == 0


def test_a_changed_copy_fails_with_its_own_exit_code(shell: Shell, tmp_path: Path) -> None:
    shell.chats("ann", 1)
    shell.ok("export", "ann", "--out", "ann.zip")
    data = bytearray((tmp_path / "ann.zip").read_bytes())
    data[200] ^= 1
    (tmp_path / "ann.zip").write_bytes(data)
    said = shell.run("verify", "ann.zip")
    assert said.code == 4
    assert "FAILED" in said.out


def test_a_zip_that_is_no_copy_fails_verification(shell: Shell, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", "hello")
    assert shell.run("verify", "x.zip").code == 4


def test_who_looked_is_in_the_copy(shell: Shell, tmp_path: Path) -> None:
    (one,) = shell.chats("ann", 1)
    shell.ok("conversation", "show", one, "--show-content", "--actor", "service")
    shell.ok("export", "ann", "--out", "ann.zip")
    with zipfile.ZipFile(tmp_path / "ann.zip") as archive:
        table = archive.read("accesses.csv").decode("utf-8-sig").splitlines()
    assert len(table) == 3
    assert '"service","show","keep_history"' in table[1]
    assert f'"{one}","completed"' in table[1]


class TestReporting:
    def test_a_reply_is_reported_and_listed_without_its_words_or_its_person(
        self, shell: Shell
    ) -> None:
        first, *_ = shell.chats("ann", 2, text="Secret words")
        said = shell.ok("report", first, "--turn", "1", "--because", "hate")
        assert "Reported turn 1 of" in said.out
        shell.ok("report", first, "--because", "wrong")
        listed = shell.json("reports")
        assert listed["total"] == 2
        assert [(one["turn"], one["because"]) for one in listed["reports"]] == [
            (1, "hate"),
            (None, "wrong"),
        ]
        shown = shell.ok("reports").out
        assert first in shown
        assert "sub_" not in shown
        assert "Secret" not in shown
        assert all(len(text) <= 80 for text in shown.splitlines())

    def test_a_second_page_is_named(self, shell: Shell) -> None:
        (one,) = shell.chats("ann", 1)
        for word in list(ReportReason)[:3]:
            shell.ok("report", one, "--because", word)
        assert "1 more: --skip 2" in shell.ok("reports", "--limit", "2").out
        assert len(shell.json("reports", "--skip", "2")["reports"]) == 1

    def test_nobody_has_reported_at_first(self, shell: Shell) -> None:
        assert "Nobody has reported anything." in shell.ok("reports").out

    @pytest.mark.parametrize(
        "words", [("--because", "boring"), ("--because", "hate", "--turn", "9"), ()]
    )
    def test_an_odd_report_is_refused(self, shell: Shell, words: tuple[str, ...]) -> None:
        (one,) = shell.chats("ann", 1)
        assert shell.run("report", one, *words).code == 2
        assert shell.json("reports")["total"] == 0
        assert shell.run("report", one, *words, "--dry-run").code == 2

    def test_somebody_elses_chat_is_answered_as_if_it_were_not_there(self, shell: Shell) -> None:
        (one,) = shell.chats("ann", 1)
        shell.add("bob")
        words = ("--because", "hate", "--subject", "bob")
        theirs = shell.run("report", one, *words)
        nobodys = shell.run("report", f"cnv_{'a' * 26}", *words)
        assert theirs.code == nobodys.code == 2
        assert theirs.err.replace(one, "") == nobodys.err.replace(f"cnv_{'a' * 26}", "")
        assert shell.json("reports")["total"] == 0
        shell.ok("report", one, "--because", "hate", "--subject", "ann")

    def test_a_report_changes_no_choice(self, shell: Shell) -> None:
        (one,) = shell.chats("ann", 1)
        before = shell.json("consent", "show", "ann")
        shell.ok("report", one, "--because", "self_harm")
        assert shell.json("consent", "show", "ann") == before
        assert shell.run("ask", one, "batch_training").code == 3
