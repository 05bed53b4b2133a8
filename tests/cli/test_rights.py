"""The commands of rights requests: what people read, what programs read, and what changes."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cli.driving import Shell
from volens.storage.lock import HomeLock
from volens.storage.system import SystemClock

KEY = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
SHOWN = ("--verified-by", "signed_in")


@pytest.fixture
def ann(shell: Shell) -> str:
    return shell.add("ann@example.org")


def open_request(shell: Shell, who: str, kind: str, *options: str) -> dict[str, Any]:
    return {**shell.json("rights", "open", who, kind, *options)}


def words_of(text: str) -> str:
    """Return the text without its line breaks."""
    return " ".join(text.split())


def test_a_request_goes_from_open_to_closed_and_says_by_when_and_why(
    shell: Shell, ann: str
) -> None:
    told = words_of(shell.ok("rights", "open", ann, "access").out)
    assert "An answer is due before" in told
    assert "The rules of European Union (eu) apply" in told
    assert "it is the account's region" in told
    (found,) = shell.json("rights", "list", ann)["requests"]
    assert (found["state"], found["late"]) == ("open", False)
    name = found["id"]
    assert f"volens rights confirm {name}" in told
    refused = shell.run("rights", "close", name, "--outcome", "fulfilled", "--reason", "done")
    assert refused.code == 2
    shell.ok("rights", "confirm", name, "--by", "documents")
    shell.ok("rights", "start", name)
    (place,) = shell.json("rights", "queue")["queue"]
    assert (place["request"], place["late"]) == (name, False)
    done = shell.json("rights", "close", name, "--outcome", "fulfilled", "--reason", "done")
    assert (done["state"], done["outcome"]) == ("closed", "fulfilled")
    assert shell.json("rights", "list")["requests"] == []
    assert len(shell.json("rights", "list", "--closed")["requests"]) == 1
    assert "Nobody waits." in shell.ok("rights", "queue").out


def test_the_deadline_names_every_region_that_counts(shell: Shell) -> None:
    who = shell.add("bob", "--region", "us")
    until = open_request(shell, who, "portability")["deadline"]
    assert until["decided_by"] == "eu"
    assert {one["region"] for one in until["applies"]} == {"eu", "us"}
    text = words_of(shell.ok("rights", "open", who, "portability").out)
    assert "the data lies there" in text
    assert "What counts too and allows more time: us." in text


def test_an_erasure_ends_access_at_once_and_can_be_taken_back(shell: Shell, ann: str) -> None:
    found = open_request(shell, ann, "erasure", *SHOWN)
    assert found["erasure"].startswith("era_")
    text = shell.ok("rights", "show", found["id"]).out
    assert found["erasure"] in text
    assert "closes by itself" in text
    early = shell.run("rights", "close", found["id"], "--outcome", "fulfilled", "--reason", "done")
    assert (early.code, "erasure_runs" in early.err or "led to the erasure" in early.err) == (
        2,
        True,
    )
    assert shell.json("rights", "settle")["closed"] == []
    back = shell.json("rights", "withdraw", found["id"])
    assert (back["outcome"], back["reason"]) == ("withdrawn", "taken_back")


def test_chats_are_erased_one_by_one_or_all_at_once(shell: Shell) -> None:
    first, second, _ = shell.chats("ann")
    named = ("--conversation", first, "--conversation", second)
    found = open_request(shell, "ann", "erasure", *named, *SHOWN)
    assert found["scope"] == "conversation"
    assert open_request(shell, "ann", "erasure", "--history", *SHOWN)["scope"] == "history"
    for wrong in (
        ("erasure", "--history", "--conversation", first, *SHOWN),
        ("erasure", "--conversation", first),
        ("access", "--history"),
    ):
        assert shell.run("rights", "open", "ann", *wrong).code == 2


def test_objections_and_do_not_sell_hold_at_once(shell: Shell, ann: str) -> None:
    found = open_request(shell, ann, "objection", "--purpose", "safety_monitoring")
    assert (found["outcome"], found["reason"]) == ("fulfilled", "done")
    assert shell.run("ask", ann, "safety_monitoring").code == 3
    text = words_of(shell.ok("rights", "open", ann, "do_not_sell").out)
    assert "nobody's data is ever sold or shared here anyway" in text
    wrong = shell.run("rights", "open", ann, "objection", "--purpose", "batch_training")
    assert wrong.code == 2
    assert "a yes is withdrawn instead" in wrong.err


def test_a_rectification_says_what_it_is_about_and_nothing_more(shell: Shell, ann: str) -> None:
    assert shell.run("rights", "open", ann, "rectification").code == 2
    found = open_request(shell, ann, "rectification", "--about", "age_band", *SHOWN)
    assert (found["about"], found["state"]) == ("age_band", "verified")


def test_more_time_needs_that_the_person_is_told(shell: Shell, ann: str) -> None:
    name = open_request(shell, ann, "access")["id"]
    untold = shell.run("rights", "extend", name, "--reason", "complex")
    assert untold.code == 2
    assert "--told" in untold.err
    found = shell.json("rights", "extend", name, "--reason", "complex", "--told")
    assert found["due"] > found["first_due"]
    assert "Extended to" in shell.ok("rights", "show", name).out
    again = shell.run("rights", "extend", name, "--reason", "complex", "--told")
    assert again.code == 2


def test_somebody_elses_or_no_request_reads_the_same(shell: Shell) -> None:
    nobodys = "req_" + "7" * 25 + "4"
    for command in (("show",), ("confirm", "--by", "documents"), ("start",), ("withdraw",)):
        said = shell.run("rights", command[0], nobodys, *command[1:])
        assert (said.code, "no rights request" in said.err) == (2, True)


def message(where: Path, email: str = "ann@example.org") -> tuple[Path, tuple[str, ...]]:
    """Write a signed message and a directory; return the message and the options."""
    now = SystemClock().now()
    body = {
        "agent-id": "AGENT_ONE",
        "business-id": "US",
        "issued-at": (now - timedelta(minutes=1)).isoformat(),
        "expires-at": (now + timedelta(minutes=9)).isoformat(),
        "drp.version": "1.0",
        "exercise": "deletion",
        "email": email,
        "email_verified": True,
    }
    data = json.dumps(body).encode()
    (where / "message").write_bytes(base64.b64encode(KEY.sign(data) + data))
    key = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
    directory = [{"id": "AGENT_ONE", "verify_key": key}]
    (where / "agents.json").write_text(json.dumps(directory), "utf-8")
    return where / "message", ("--agents", str(where / "agents.json"))


def test_an_agents_message_is_taken_up_once_and_its_agent_sees_how_far_it_is(
    shell: Shell, ann: str, tmp_path: Path
) -> None:
    file, agents = message(tmp_path)
    call = ("rights", "drp", "receive", file, *agents, "--business", "US")
    told = shell.json(*call)
    assert told["status"] == "in_progress"
    assert shell.json(*call) == told
    (found,) = shell.json("rights", "list", ann)["requests"]
    assert (found["channel"], found["agent"]) == ("agent", "AGENT_ONE")
    asked = ("rights", "drp", "status", told["request_id"], *agents, "--agent")
    assert shell.json(*asked, "AGENT_ONE") == told
    assert shell.run(*asked, "AGENT_TWO").code == 2
    other = ("rights", "drp", "receive", file, *agents, "--business", "THEM")
    assert shell.run(*other).code == 4
    file.write_bytes(file.read_bytes()[::-1])
    assert shell.run(*call).code == 4
    file.unlink()
    assert shell.run(*call).code == 2


def test_a_dry_run_of_each_command_changes_no_byte(shell: Shell, ann: str, tmp_path: Path) -> None:
    name = open_request(shell, ann, "access")["id"]
    ready = open_request(shell, ann, "portability", *SHOWN)["id"]
    file, agents = message(tmp_path)
    before = shell.bytes()
    for words in (
        ("open", ann, "erasure", *SHOWN),
        ("open", ann, "do_not_sell"),
        ("confirm", name, "--by", "documents"),
        ("start", ready),
        ("close", ready, "--outcome", "fulfilled", "--reason", "done"),
        ("withdraw", name),
        ("extend", name, "--reason", "complex"),
        ("settle",),
        ("drp", "receive", str(file), *agents, "--business", "US"),
    ):
        said = shell.json("rights", *words, "--dry-run")
        assert said["dry_run"] is True
        shell.ok("rights", *words, "--dry-run")
    assert shell.bytes() == before


def test_every_answer_fits_80_columns(shell: Shell, ann: str) -> None:
    name = open_request(shell, ann, "erasure", *SHOWN)["id"]
    late = shell.add("bob", "--region", "other", "--plan", "pro")
    open_request(shell, late, "rectification", "--about", "conversation")
    for words in (
        ("open", ann, "access"),
        ("list",),
        ("list", ann),
        ("show", name),
        ("queue",),
        ("law", late),
        ("settle",),
        ("open", ann, "restriction", *SHOWN),
    ):
        for text in shell.ok("rights", *words).lines():
            assert len(text) <= 80, text


def test_a_person_sees_whose_rules_apply_and_that_nobody_has_signed_them(shell: Shell) -> None:
    who = shell.add("bob", "--region", "ca")
    found = shell.json("rights", "law", who)
    assert {one["region"] for one in found["profiles"]} == {"ca", "eu"}
    assert found["request"]["due"] <= found["request"]["extendable_to"]
    assert all(one["requirements"] for one in found["profiles"])
    text = words_of(shell.ok("rights", "law", who).out)
    assert "Canada (ca) It counts because it is the account's region." in text
    assert "Not reviewed yet by local privacy counsel" in text
    unknown = shell.add("eve", "--region", "other")
    text = words_of(shell.ok("rights", "law", unknown).out)
    assert "Where no law is known, every profile counts." in text
    assert "More time can't be taken." in text


def test_what_takes_away_holds_while_somebody_else_owns_the_home(shell: Shell, ann: str) -> None:
    with HomeLock(shell.folder / "lock") as lock:
        lock.acquire()
        unshown = shell.run("rights", "open", ann, "erasure", "--verified-by", "not_needed")
        assert unshown.code == 2
        erasing = open_request(shell, ann, "erasure", *SHOWN)
        assert (erasing["holds"], erasing["recorded"]) == (True, False)
        text = words_of(shell.ok("rights", "open", ann, "objection").out)
        assert "It holds from now on" in text
        assert "call this again later" in text
        assert shell.run("ask", ann, "safety_monitoring").code == 3
    later = open_request(shell, ann, "erasure", *SHOWN)
    assert later["erasure"] == erasing["erasure"]
    assert open_request(shell, ann, "objection")["reason"] == "already_so"


@pytest.mark.parametrize("kind", ["access", "portability"])
def test_a_request_for_a_copy_goes_from_the_first_word_to_a_file_that_verifies(
    shell: Shell, tmp_path: Path, kind: str
) -> None:
    shell.chats("ann", 3)
    key = shell.json("log", "show")["verifier_key"]
    request = shell.json("rights", "open", "ann", kind)["id"]
    words = ("rights", "hand-over", request, "--out", "ann.zip")
    assert shell.json(*words, code=2)["error"]["code"] == "request_state"
    assert not (tmp_path / "ann.zip").exists()
    confirmed = shell.ok("rights", "confirm", request, "--by", "documents").out
    assert f"volens rights hand-over {request} --out" in " ".join(confirmed.split())
    would = shell.json(*words, "--dry-run")
    assert (would["conversations"], (tmp_path / "ann.zip").exists()) == (3, False)
    done = shell.json(*words)
    assert (done["state"], done["conversations"], done["left_out"]) == ("closed", 3, {})
    checked = shell.json("verify", "ann.zip", "--key", key)["items"][0]
    assert (checked["kind"], checked["facts"]["whose"]) == ("export", done["subject"])
    assert shell.json("rights", "list", "ann")["requests"][0]["state"] == "closed"
    assert shell.json(*words, code=2)["error"]["code"] == "out_exists"
    again = ("rights", "hand-over", request, "--out", "again.zip")
    assert shell.json(*again, code=2)["error"]["code"] == "request_state"
    assert not (tmp_path / "again.zip").exists()


def test_what_is_no_request_for_a_copy_is_not_answered_with_one(
    shell: Shell, tmp_path: Path
) -> None:
    shell.add("ann")
    wanted = ("rectification", "--about", "region", "--verified-by", "signed_in")
    request = shell.json("rights", "open", "ann", *wanted)
    words = ("rights", "hand-over", request["id"], "--out", "ann.zip")
    assert shell.json(*words, code=2)["error"]["code"] == "request_kind"
    assert not (tmp_path / "ann.zip").exists()
