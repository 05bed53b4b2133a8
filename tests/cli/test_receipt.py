"""Receipts on the command line: listed, shown, written, sent, and checked by anybody."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.driving import Said, Shell
from volens.app.erasing import eraser_of
from volens.app.home import Home, open_home
from volens.core.ids import ErasureId
from volens.holds.erasure import StoreStep, new_erasure
from volens.holds.evidence import log_group
from volens.holds.progress import ErasureProgress, Plan, Removed
from volens.lifecycle.erasure_map import stores_to_clear
from volens.lifecycle.receipt_words import STORE
from volens.log.kinds import EntryKind, ErasureScope

CONTACT = "Privacy office, privacy@example.org"
ADA = "ada@example.net"


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLENS_CONTACT", CONTACT)


def ask(
    shell: Shell, name: str, *, ago: timedelta = timedelta(days=8), apply: bool = True
) -> ErasureId:
    """Ask for an account's erasure some time ago."""
    with open_home(shell.folder, writing=apply) as home:
        subject = home.subjects.find(name)
        erasure = new_erasure(
            home.entropy.draw(16), ErasureScope.ACCOUNT, subject.id, home.clock.now() - ago
        )
        home.erasures.request(erasure)
        if apply:
            home.erasures.drain()
    return erasure.id


def remove_keys(shell: Shell, name: ErasureId) -> None:
    """Log and mark what an eraser would have done."""
    with open_home(shell.folder, writing=True) as home:
        progress = ErasureProgress(home.main, home.recorder)
        started = log_group(home.recorder, EntryKind.ERASURE_STARTED, [name])
        progress.mark_started(started, {name: plan(home)})
        fields = {"started": started[name].index}
        logged = log_group(home.recorder, EntryKind.ERASURE_KEYS_REMOVED, [name], fields)
        steps = (StoreStep(store="keys", method="key_removed", at=home.clock.now()),)
        removed = Removed(erasure=name, steps=steps, evidence=logged[name])
        progress.mark_keys_removed([removed], home.clock.now())


def plan(home: Home) -> Plan:
    del home
    return Plan(subject_number=None, conversations=(), numbers=())


def finish(shell: Shell, name: ErasureId) -> None:
    with open_home(shell.folder, writing=True) as home:
        ErasureProgress(home.main, home.recorder).mark_irrecoverable([name], home.clock.now())


def fits(said: Said) -> None:
    """All but what is copied whole fits a terminal of 80 columns."""
    for text in said.lines():
        assert len(text) <= 80 or "volens" in text or text.startswith(("—", "\N{EM DASH}")), text


def test_an_erasure_is_shown_from_request_to_receipt(shell: Shell) -> None:
    shell.add("ada")
    name = ask(shell, "ada")
    said = shell.ok("receipt", "show", name)
    fits(said)
    assert "Nobody can use it any more. It is not gone yet." in said.out
    assert said.out.count("not yet") == 2
    assert shell.json("receipt", "show", name)["receipt"]["state"] == "access_ended"
    remove_keys(shell, name)
    assert "Its keys are removed" in shell.ok("receipt", "show", name).out
    finish(shell, name)
    said = shell.ok("receipt", "show", name)
    fits(said)
    assert "It is gone for good." in said.out
    assert CONTACT in said.out
    assert "not yet" not in said.out
    body = shell.json("receipt", "show", name)["receipt"]
    assert (body["document"], body["done"], body["reference"]) == ("receipt", True, name)


def test_the_list_says_how_far_each_is_and_what_was_sent(shell: Shell) -> None:
    said = shell.ok("receipt", "list")
    assert "Nothing was asked to be erased." in said.out
    shell.add("ada")
    shell.add("bob")
    first = ask(shell, "ada")
    second = ask(shell, "bob", ago=timedelta(days=31))
    remove_keys(shell, first)
    finish(shell, first)
    said = shell.ok("receipt", "list")
    fits(said)
    rows = {text.split()[0]: text.split() for text in said.out.splitlines() if "era_" in text}
    assert rows[first][1:3] == ["account", "gone"]
    assert rows[second][1:4] == ["account", "access", "ended"]
    document = shell.json("receipt", "list")
    assert [item["late"] for item in document["erasures"]] == [False, True]
    assert [item["sent"] for item in document["erasures"]] == [None, None]
    one = shell.json("receipt", "list", "bob")
    assert [item["reference"] for item in one["erasures"]] == [second]
    assert shell.json("receipt", "list", "--limit", 1)["total"] == 2
    assert "1 more: --skip 1" in shell.ok("receipt", "list", "--limit", 1).out
    assert shell.run("receipt", "list", "eve").code == 2


def test_a_real_erasure_ends_in_a_receipt_with_every_store(shell: Shell, tmp_path: Path) -> None:
    """Asked for, done and settled by the parts that do it in a home."""
    shell.chats("ada")
    shell.ok("consent", "grant", "ada", "batch_training", "--yes")
    asked = shell.json("erase", "subject", "ada", "--yes", "--no-cool-off")
    name = ErasureId(asked["reference"])
    with open_home(shell.folder, writing=True) as home:
        eraser = eraser_of(home, home.removal)
        assert eraser.run(home.clock.now()).erased == 1
    status = shell.json("receipt", "show", name)["receipt"]
    assert (status["state"], status["document"]) == ("keys_removed", "status")
    with open_home(shell.folder, writing=True) as home:
        later = home.clock.now() + timedelta(seconds=1)
        assert eraser_of(home, home.removal).settle(home.clock.now(), later) == 1
    shell.ok("receipt", "show", name, "--out", tmp_path / "r.json")
    said = shell.json("verify", tmp_path / "r.json")
    assert said["items"][0]["kind"] == "erasure receipt"
    body = json.loads((tmp_path / "r.json").read_bytes())
    assert {step["store"] for step in body["steps"]} == stores_to_clear()
    told = shell.ok("receipt", "show", name, "--language", "de")
    fits(told)
    for step in body["steps"]:
        assert STORE[step["store"]]["de"] in told.out
        assert step["method"] not in told.out


@pytest.mark.parametrize("language", ["en", "de"])
def test_it_is_written_and_anybody_can_check_it(
    shell: Shell, tmp_path: Path, language: str
) -> None:
    shell.add("ada")
    name = ask(shell, "ada")
    remove_keys(shell, name)
    finish(shell, name)
    key = shell.json("log", "show")["verifier_key"]
    paths = [tmp_path / f"r.{suffix}" for suffix in ("json", "html")]
    for path in paths:
        document = shell.json("receipt", "show", name, "--out", path, "--language", language)
        assert (document["document"], document["path"]) == ("receipt", str(path))
    assert f'lang="{language}"' in paths[1].read_text("utf-8")
    shutil.rmtree(shell.folder)
    shutil.rmtree(shell.keys)
    said = shell.json("verify", paths[0], "--key", key)
    (item,) = said["items"]
    assert (said["verified"], item["kind"]) == (True, "erasure receipt")
    assert item["facts"]["reference"] == name
    assert item["facts"]["contact"] == CONTACT
    fits(shell.ok("verify", paths[0], "--key", key))
    changed = paths[0].read_bytes().replace(b'"account"', b'"history"', 1)
    paths[0].write_bytes(changed)
    assert shell.run("verify", paths[0], "--key", key).code == 4


def test_a_status_is_not_taken_for_a_receipt(shell: Shell, tmp_path: Path) -> None:
    shell.add("ada")
    name = ask(shell, "ada")
    shell.ok("receipt", "show", name, "--out", tmp_path / "s.json")
    said = shell.json("verify", tmp_path / "s.json")
    assert said["items"][0]["kind"] == "erasure status, not done"
    assert "gone for good" not in said["items"][0]["facts"]
    body = json.loads((tmp_path / "s.json").read_bytes())
    dressed = {**body, "done": True, "document": "receipt", "state": "irrecoverable"}
    (tmp_path / "d.json").write_text(json.dumps(dressed, separators=(",", ":"), sort_keys=True))
    assert shell.run("verify", tmp_path / "d.json").code == 4


def test_a_paper_is_written_or_it_is_said_what_is_missing(shell: Shell, tmp_path: Path) -> None:
    shell.add("ada")
    name = ask(shell, "ada")
    said = shell.run("receipt", "show", name, "--out", tmp_path / "s.pdf")
    if said.code:
        assert (said.code, "pydyf" in said.err) == (5, True)
        assert not (tmp_path / "s.pdf").exists()
    else:
        assert (tmp_path / "s.pdf").read_bytes().startswith(b"%PDF-1.7")


def test_nothing_is_shown_of_what_only_the_journal_has(shell: Shell) -> None:
    shell.add("ada")
    name = ask(shell, "ada", apply=False)
    said = shell.run("receipt", "show", name)
    assert (said.code, "not in the log yet" in said.err) == (5, True)
    assert shell.json("receipt", "list")["total"] == 1


def test_it_can_be_shown_while_another_process_owns_the_home(shell: Shell) -> None:
    shell.add("ada")
    name = ask(shell, "ada")
    with open_home(shell.folder, writing=True):
        assert shell.json("receipt", "show", name)["receipt"]["reference"] == name


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "era_aaaaaaaaaaaaaaaaaaaaaaaaaa"), 2),
        (("show", "ada"), 2),
        (("show", "REFERENCE", "--out", "r.txt"), 2),
        (("show", "REFERENCE", "--out", "there.json"), 2),
        (("show", "REFERENCE", "--language", "tlh"), 2),
        (("show", "REFERENCE", "--contact", "a\nb"), 2),
        (("send", "REFERENCE", "--to", ADA), 5),
        (("send", "REFERENCE"), 2),
    ],
)
def test_what_makes_no_sense_is_refused(
    shell: Shell, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    (tmp_path / "there.json").write_text("mine")
    shell.add("ada")
    name = ask(shell, "ada")
    before = shell.bytes()
    said = shell.run("receipt", *(name if word == "REFERENCE" else word for word in words))
    assert (said.code, said.err.startswith("error: "), said.out) == (code, True, "")
    assert shell.bytes() == before
    assert (tmp_path / "there.json").read_text() == "mine"


def test_a_file_says_whom_to_ask_or_is_not_written(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOLENS_CONTACT")
    shell.add("ada")
    name = ask(shell, "ada")
    assert "VOLENS_CONTACT" in shell.ok("receipt", "show", name).out
    said = shell.run("receipt", "show", name, "--out", tmp_path / "r.json")
    assert (said.code, "whom to ask" in said.err) == (2, True)
    shell.ok("receipt", "show", name, "--out", tmp_path / "r.json", "--contact", "call us")
    assert json.loads((tmp_path / "r.json").read_bytes())["contact"] == "call us"


def test_a_dry_run_sends_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    set_mail(monkeypatch, 9)
    shell.add("ada")
    name = ask(shell, "ada")
    before = shell.bytes()
    said = shell.ok("receipt", "send", name, "--to", ADA, "--no-pdf", "--dry-run")
    assert "would send the status" in said.out
    assert shell.bytes() == before


def set_mail(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SECURITY": "none",
        "FROM": "privacy@example.org",
    }.items():
        monkeypatch.setenv(f"VOLENS_SMTP_{name}", value)


@pytest.mark.enable_socket
def test_it_is_sent_and_when_is_kept_but_not_to_whom(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")
    from tests.lifecycle.mail import Box, serving  # noqa: PLC0415 - only if it is installed

    shell.add("ada")
    name = ask(shell, "ada")
    started = datetime.now(UTC)  # noqa: TID251 - compared with the system's clock
    with serving(Box()) as box:
        set_mail(monkeypatch, box.port)
        said = shell.json("receipt", "send", name, "--to", ADA, "--no-pdf", "--language", "de")
    assert (said["document"], said["sent"], said["recorded"]) == ("status", True, True)
    assert said["pdf"] is False
    ((_, recipients, content),) = box.taken
    assert recipients == [ADA]
    assert name.encode() in content
    (item,) = shell.json("receipt", "list")["erasures"]
    assert item["sent_state"] == "access_ended"
    assert datetime.fromisoformat(item["sent"]) >= started.replace(microsecond=0)
    assert not [path for path, data in shell.bytes().items() if ADA.encode() in data]
    last = shell.json("log", "show")["entries"][-1]
    assert re.search(r"receipt.issued", json.dumps(last))


@pytest.mark.enable_socket
def test_what_is_refused_stays_not_sent(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")
    from tests.lifecycle.mail import Box, serving  # noqa: PLC0415 - only if it is installed

    shell.add("ada")
    name = ask(shell, "ada")
    before = shell.bytes()
    with serving(Box(at_recipient="550")) as box:
        set_mail(monkeypatch, box.port)
        said = shell.run("receipt", "send", name, "--to", ADA, "--no-pdf")
    assert (said.code, "code 550" in said.err) == (5, True)
    assert ADA not in said.err + said.out
    said = shell.run("receipt", "send", name, "--to", ADA, "--no-pdf")  # nobody answers any more
    assert said.code == 5
    assert shell.bytes() == before
    assert shell.json("receipt", "list")["erasures"][0]["sent"] is None


@pytest.mark.enable_socket
def test_what_went_out_while_the_home_was_in_use_is_said_to_be_out(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")
    from tests.lifecycle.mail import Box, serving  # noqa: PLC0415 - only if it is installed

    shell.add("ada")
    name = ask(shell, "ada")
    with serving(Box()) as box, open_home(shell.folder, writing=True):
        set_mail(monkeypatch, box.port)
        said = shell.json("receipt", "send", name, "--to", ADA, "--no-pdf")
    assert (said["sent"], said["recorded"]) == (True, False)
    assert len(box.taken) == 1
    assert shell.json("receipt", "list")["erasures"][0]["sent"] is None
