"""``volens audit`` and ``volens records``, as somebody at a shell has them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.driving import HELLO, Shell
from volens.core.time import format_moment

DOCUMENTS = ("processing", "impact", "inventory", "transparency")


@pytest.fixture
def lived_in(shell: Shell) -> Shell:
    shell.chats("ann")
    shell.chats("bob")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    shell.ok("build", "batch_training", "--out", "set")
    return shell


def test_a_home_in_order_passes_and_the_report_verifies(lived_in: Shell, tmp_path: Path) -> None:
    said = lived_in.ok("audit", "--out", "report")
    assert "0 broken, 0 could not be looked at" in said.out
    assert all(len(text) <= 80 for text in said.lines())
    report = tmp_path / "report" / "audit.json"
    facts = lived_in.json("verify", report)["items"][0]
    assert (facts["kind"], facts["verified"]) == ("audit report", True)
    key = lived_in.json("log", "show")["verifier_key"]
    assert lived_in.ok("verify", report, "--key", key)
    assert (tmp_path / "report" / "audit.html").read_text("utf-8").startswith("<!doctype html>")
    assert lived_in.run("audit", "--out", "report").code == 2


def test_a_changed_report_does_not_verify(lived_in: Shell, tmp_path: Path) -> None:
    lived_in.ok("audit", "--out", "report")
    report = tmp_path / "report" / "audit.json"
    report.write_bytes(report.read_bytes().replace(b"A", b"B", 1))
    assert lived_in.run("verify", report).code == 4


def test_a_home_out_of_order_fails_and_says_where(lived_in: Shell) -> None:
    (lived_in.folder / "notes.txt").write_text("remember", "utf-8")
    said = lived_in.run("audit")
    assert said.code == 4
    assert "BROKEN home.files_known" in said.out
    assert "1 broken" in said.out
    document = lived_in.json("audit", code=4)
    assert document["counts"] == {"held": 23, "not_checked": 0, "violated": 1}


def test_an_audit_is_logged_and_can_be_shown_again(lived_in: Shell) -> None:
    assert lived_in.json("audit", "--last", code=2)["error"]["code"] == "audit_none"
    first = lived_in.json("audit")
    assert first["number"] == 1
    size = lived_in.json("log", "show")["size"]
    latest = lived_in.json("log", "show", "--last", "1")["entries"][0]
    assert (latest["kind"], latest["checks"], latest["failed"]) == ("audit.done", 24, 0)
    assert lived_in.json("audit", "--last") == first
    assert lived_in.json("log", "show")["size"] == size
    assert lived_in.ok("audit", "--last", "--out", "again")


def test_a_dry_run_audits_and_keeps_nothing(lived_in: Shell) -> None:
    before = lived_in.bytes()
    document = lived_in.json("audit", "--dry-run", "--out", "report")
    assert (document["number"], document["counts"]["violated"]) == (None, 0)
    assert lived_in.bytes() == before
    assert not Path("report").exists()


def test_a_log_that_was_changed_is_audited_all_the_same(lived_in: Shell, tmp_path: Path) -> None:
    bundle = max(
        (lived_in.folder / "log" / "tile" / "entries").rglob("*"), key=lambda one: one.name
    )
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    before = lived_in.bytes()
    document = lived_in.json("audit", "--out", "report", code=4)
    assert document["number"] is None
    assert document["counts"]["violated"] == 1
    assert lived_in.bytes() == before
    assert (tmp_path / "report" / "audit.json").exists()


def test_as_many_witnesses_as_are_asked_for(lived_in: Shell) -> None:
    assert lived_in.run("audit", "--witnesses", "1").code == 4


def move_back(shell: Shell, days: int) -> None:
    """Make the home as old as this; nothing else in it says how old it is."""
    path = shell.folder / "volens.json"
    identity = json.loads(path.read_bytes())
    identity["created"] = format_moment(datetime.now(UTC) - timedelta(days=days))  # noqa: TID251 - the program itself looks at the real clock
    path.write_text(json.dumps(identity, sort_keys=True, separators=(",", ":")), "utf-8")


def test_the_doctor_alarms_when_an_audit_is_overdue(lived_in: Shell) -> None:
    assert any(
        "none yet; one is due every 30 days" in text for text in lived_in.ok("doctor").lines()
    )
    move_back(lived_in, 29)
    assert lived_in.run("doctor").code == 0
    move_back(lived_in, 31)
    said = lived_in.run("doctor")
    assert said.code == 4
    assert "BAD   audit: overdue since" in said.out
    lived_in.ok("audit")
    assert lived_in.ok("doctor")


def test_the_doctor_tells_of_a_last_audit_that_failed(lived_in: Shell) -> None:
    (lived_in.folder / "notes.txt").write_text("remember", "utf-8")
    assert lived_in.run("audit").code == 4
    (lived_in.folder / "notes.txt").unlink()
    said = lived_in.run("doctor")
    assert said.code == 4
    assert "1 of 24 checks of the last one did not hold" in said.out


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_shown_and_written_in_three_forms(lived_in: Shell, name: str) -> None:
    said = lived_in.ok("records", name, "--out", "papers")
    assert all(len(text) <= 80 for text in said.lines())
    document = json.loads(Path("papers", f"{name}.json").read_bytes())
    assert document["version"].startswith("volens-")
    assert (
        lived_in.json("records", name)["sections"][0]["title"] == document["sections"][0]["title"]
    )
    assert Path("papers", f"{name}.html").read_text("utf-8").startswith("<!doctype html>")
    assert Path("papers", f"{name}.md").read_text("utf-8").startswith("# ")
    assert lived_in.run("records", name, "--out", "papers").code == 2


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_dry_run_writes_no_document(lived_in: Shell, name: str) -> None:
    before = lived_in.bytes()
    lived_in.ok("records", name, "--out", "papers", "--dry-run")
    assert not Path("papers").exists()
    assert lived_in.bytes() == before


def test_no_document_and_no_report_holds_a_word_of_a_chat_or_a_name(lived_in: Shell) -> None:
    lived_in.ok("audit", "--out", "papers")
    for name in DOCUMENTS:
        lived_in.ok("records", name, "--out", "papers")
    for path in Path("papers").iterdir():
        text = path.read_text("utf-8")
        assert HELLO.split(",", maxsplit=1)[0] not in text
        assert '"ann"' not in text
        assert " ann " not in text


def test_what_is_held_of_a_person_is_counted(lived_in: Shell) -> None:
    document = lived_in.json("records", "inventory", "--subject", "ann")
    assert document["facts"]["conversation"] == "3"
    assert lived_in.json("records", "inventory", "--subject", "nobody", code=2)["error"][
        "code"
    ] == ("subject_unknown")


def test_a_period_of_the_transparency_report_is_checked(lived_in: Shell) -> None:
    words = ("records", "transparency")
    assert lived_in.json(*words, "--since", "yesterday", code=2)["error"]["code"] == "date_form"
    backwards = ("--since", "2026-02-01", "--until", "2026-02-01")
    assert lived_in.json(*words, *backwards, code=2)["error"]["code"] == "period_empty"
    assert lived_in.json(*words, "--until", "2020-01-01")["facts"]["to"].startswith("2020-01-01")
