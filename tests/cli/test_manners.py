"""How the program behaves whatever it is asked: form of answers, exit codes, no side effects."""

import contextlib
import errno
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.driving import HELLO, Said, Shell, write_chats
from volens.cli.failures import failure_of
from volens.cli.main import COMMANDS, main
from volens.cli.output import safe
from volens.cli.witness import WitnessOptions, load_witness
from volens.cli.words import REASONS
from volens.core.errors import (
    Denied,
    InvalidInput,
    NotFound,
    Unavailable,
    VerificationFailed,
)
from volens.datasets.fitting import UNFIT
from volens.datasets.screening import Exclusion
from volens.datasets.sources import DUPLICATE
from volens.log.witness_http import witness_server
from volens.policy.model import ReasonCode
from volens.storage.lock import HomeLock

GROUPS = {
    "subject": ("add", "list", "show", "set"),
    "organisation": ("list", "instruct"),
    "account": ("add", "list", "end", "password"),
    "staff": ("add", "list", "role", "end"),
    "token": ("issue", "list", "revoke"),
    "case": (
        "open",
        "approve",
        "refuse",
        "close",
        "show",
        "list",
        "queue",
        "view",
        "notices",
        "answer",
        "run",
    ),
    "flag": ("raise", "list"),
    "conversation": ("list", "show", "exclude", "include"),
    "consent": ("show", "grant", "withdraw", "object", "receipt"),
    "rights": (
        "open",
        "list",
        "show",
        "confirm",
        "start",
        "close",
        "withdraw",
        "extend",
        "queue",
        "settle",
        "hand-over",
        "law",
    ),
    "erase": ("conversation", "history", "subject"),
    "hold": ("place", "list", "show", "extend", "review", "release"),
    "receipt": ("list", "show", "send"),
    "retention": ("preview", "run", "confirm-clock"),
    "policy": (
        "check",
        "show",
        "list",
        "diff",
        "compare",
        "explain",
        "stages",
        "protections",
        "activate",
    ),
    "log": ("show", "checkpoint", "prove", "witness"),
    "keys": ("status", "rotate", "destroy-expired"),
    "records": ("processing", "impact", "inventory", "transparency"),
    "impact": ("list", "show", "look", "certificate"),
    "model": ("list", "show", "uses", "export"),
    "principles": ("check", "generate"),
    "webhook": ("list", "add", "remove", "rotate", "enable", "test"),
}
CALLS = [
    *((name,) for name in COMMANDS if name not in GROUPS),
    *((group, name) for group, names in GROUPS.items() for name in names),
    ("rights", "drp", "receive"),
    ("rights", "drp", "status"),
]


def script(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "volens.cli.main", *words],
        env={**os.environ, "PYTHONPATH": "src", "COLUMNS": "80", **environ},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_each_option_says_what_it_does(
    call: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*call, "--help"]) == 0
    told = capsys.readouterr().out
    assert "--json" in told
    assert all(len(text) <= 80 for text in told.splitlines())
    head, _, options = told.partition("Options:\n")
    assert head.count("\n") >= 3  # usage, and what it is for
    entries = [text for text in options.splitlines() if text.startswith(("  -", "      --"))]
    for number, text in enumerate(options.splitlines()):
        if text.startswith("  -"):
            following = options.splitlines()[number + 1] if "  " not in text.strip() else text
            assert len(following.strip().split("  ", 1)[-1]) > 8, text
    assert entries


@pytest.mark.parametrize("call", [call for call in CALLS if call[-1] != "checkpoint"])
def test_what_changes_something_can_be_tried_first(
    call: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*call, "--help"])
    writes = {
        "init", "import", "build", "revise", "prove", "train", "unlearn",
        "add", "set", "instruct", "exclude", "include",
        "grant", "withdraw", "object", "receipt", "activate", "witness",
        "open", "confirm", "start", "close", "extend", "settle", "receive", "hand-over",
        "conversation", "history", "subject",
        "place", "review", "release",
        "export", "report", "represent",
        "send",
        "rotate", "destroy-expired", "backup", "restore",
        "audit", "processing", "impact", "inventory", "transparency",
        "run", "confirm-clock",
        "remove", "enable", "issue", "revoke", "password", "role", "end",
        "approve", "refuse", "answer", "raise", "generate",
        "look", "certificate",
    }  # fmt: skip
    assert ("--dry-run" in capsys.readouterr().out) == (call[-1] in writes)


def test_a_dry_run_changes_no_byte(shell: Shell, tmp_path: Path) -> None:
    first, *_ = shell.chats("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    write_chats(tmp_path / "more.jsonl", 2)
    shell.ok("build", "batch_training", "--out", "set")
    before = shell.bytes()
    there = sorted(tmp_path.iterdir())
    for words in (
        ("import", "more.jsonl", "--subject", "bob"),
        ("subject", "add", "bob"),
        ("export", "ann", "--out", "ann.zip"),
        ("report", first, "--because", "wrong"),
        ("subject", "set", "ann", "--plan", "pro"),
        ("organisation", "instruct", "acme", "safety_training"),
        ("conversation", "exclude", first),
        ("conversation", "include", first),
        ("consent", "grant", "ann", "safety_training"),
        ("consent", "withdraw", "ann"),
        ("consent", "object", "ann", "safety_monitoring"),
        ("consent", "object", "ann", "safety_monitoring", "--lift"),
        ("consent", "receipt", "ann"),
        ("build", "batch_training"),
        ("prove", "set", first, "--out", "proof"),
        ("erase", "conversation", first),
        ("erase", "history", "ann"),
        ("erase", "subject", "ann"),
        ("policy", "activate", "consent-first@usage-policy-2024"),
        ("log", "checkpoint", "--out", "point"),
        ("log", "prove", "1", "--out", "e.tlog-proof"),
        ("log", "witness", "http://127.0.0.1:1", "--key", "x"),
        ("audit", "--out", "report"),
        ("records", "processing", "--out", "papers"),
    ):
        shell.ok(*words, "--dry-run")
    assert shell.bytes() == before
    assert sorted(tmp_path.iterdir()) == there


def test_every_answer_fits_a_narrow_terminal_and_is_one_document_for_programs(
    shell: Shell,
) -> None:
    first, *_ = shell.chats("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    whole = shell.json("log", "show")["verifier_key"]
    for words in (
        ("subject", "list"),
        ("subject", "show", "ann"),
        ("organisation", "list"),
        ("conversation", "list", "ann"),
        ("conversation", "show", first),
        ("consent", "show", "ann"),
        ("ask", "ann", "batch_training"),
        ("build", "batch_training", "--dry-run"),
        ("policy", "list"),
        ("policy", "show"),
        ("policy", "compare"),
        ("policy", "explain", "pro"),
        ("policy", "stages"),
        ("policy", "protections"),
        ("policy", "diff", "usage-policy-2024", "tiers-2025-05"),
        ("log", "show"),
        ("doctor",),
        ("bench",),
        ("erase", "conversation", first, "--dry-run"),
        ("erase", "subject", "ann", "--yes"),
        ("receipt", "list"),
    ):
        said = shell.ok(*words)
        wide = [text for text in said.out.splitlines() if len(text) > 80 and text != whole]
        assert not wide, words
        assert said.out.strip()
        assert isinstance(shell.json(*words), dict)


def test_no_answer_but_an_opened_chat_holds_what_was_said(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    for words in (
        ("subject", "show", "ann"),
        ("conversation", "list", "ann"),
        ("conversation", "show", first),
        ("ask", first, "batch_training"),
        ("log", "show"),
        ("doctor",),
    ):
        for said in (shell.ok(*words) if words[0] != "ask" else shell.run(*words),):
            assert "passport" not in said.out + said.err


def test_names_and_chats_cannot_steer_the_terminal(shell: Shell, tmp_path: Path) -> None:
    evil = f"{HELLO}\x1b]0;owned\x07\x9b31m\u202eknalb"
    write_chats(tmp_path / "evil.jsonl", 1, text=evil)
    shell.ok("import", tmp_path / "evil.jsonl", "--subject", "ann")
    (held,) = shell.json("conversation", "list", "ann")["conversations"]
    said = shell.ok("conversation", "show", held["id"], "--show-content")
    assert not set(said.out) & set("\x1b\x07\x9b\u202e")
    assert "\\x1b" in said.out
    bad = shell.run("subject", "show", "\x1b[2Jann")
    assert "\x1b" not in bad.err
    assert bad.code == 2


def test_every_reason_is_said_in_words() -> None:
    codes = {*ReasonCode, *Exclusion, DUPLICATE, UNFIT}
    assert {str(code) for code in codes} == {str(code) for code in REASONS}


def test_ids_are_never_broken(shell: Shell) -> None:
    first, *_ = shell.chats("a" * 60 + "@example.org")
    for words in (("subject", "list"), ("conversation", "list", "a" * 60 + "@example.org")):
        found = [word for text in shell.ok(*words).out.splitlines() for word in text.split()]
        assert any(len(word) == len(first) and word[3] == "_" for word in found)


def test_escaping_leaves_every_language_alone() -> None:
    for text in ("Grüße", "こんにちは", "नमस्ते", "مرحبا", "👩‍👩‍👧"):
        assert safe(text) == text
    assert safe("a\nb") == "a\\x0ab"
    assert safe("a\nb", lines=True) == "a\nb"


@pytest.mark.parametrize(
    ("error", "code"),
    [(InvalidInput, 2), (NotFound, 2), (Denied, 3), (VerificationFailed, 4), (Unavailable, 5)],
)
def test_each_kind_of_error_has_its_exit_code(error: type[InvalidInput], code: int) -> None:
    found = failure_of(error("x", "y", hint="z"))
    assert found is not None
    assert (found.exit_code, found.code, found.message, found.hint) == (code, "x", "y", "z")


def test_a_full_disk_is_said_as_such_and_a_mistake_of_ours_is_not_hidden() -> None:
    full = failure_of(OSError(errno.ENOSPC, "No space left on device"))
    assert full is not None
    assert (full.exit_code, full.code) == (5, "disk_full")
    assert failure_of(AssertionError("a bug")) is None


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("ask",),
        ("ask", "ann"),
        ("subject", "nonsense"),
        ("init", "--region", "mars"),
    ],
)
def test_what_is_not_understood_is_exit_code_two_without_a_traceback(
    shell: Shell, words: tuple[str, ...]
) -> None:
    said = shell.run(*words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert "hint: see volens" in said.err
    document = shell.run(*words, "--json").document
    assert document["error"]["code"] == "usage"


def test_an_error_for_programs_is_a_document_too(shell: Shell) -> None:
    said = shell.run("subject", "show", "nobody", "--json")
    assert (said.code, said.document["error"]["code"]) == (2, "subject_unknown")
    assert "error: no subject 'nobody' here" in said.err


def test_a_missing_key_folder_is_said_plainly(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLENS_KEK_DIR", str(shell.folder.parent / "elsewhere"))
    said = shell.run("subject", "list")
    assert said.code == 5
    assert "VOLENS_KEK_DIR" in said.err


def test_withdrawing_works_while_somebody_else_owns_the_home(shell: Shell) -> None:
    shell.add("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    lock = HomeLock(shell.folder / "lock")
    with lock:
        lock.acquire()
        said = shell.json("consent", "withdraw", "ann", "batch_training")
        assert said["logged"] is False
        assert shell.json("ask", "ann", "batch_training", code=3)["reasons"] == ["grant_withdrawn"]
        refused = shell.json("consent", "grant", "ann", "safety_training", "--yes", code=5)
        assert refused["error"]["code"] == "home_in_use"
        assert shell.json("log", "show")["journal"] == 1
    before = shell.json("log", "show")["size"]
    shell.ok("subject", "set", "ann", "--plan", "pro")
    after = shell.json("log", "show")
    assert after["journal"] == 0
    kinds = [entry["kind"] for entry in after["entries"]]
    assert kinds[before - after["size"] :] == ["consent.withdrawn", "subject.changed"]


def test_the_home_can_be_read_by_many_while_one_writes(shell: Shell) -> None:
    shell.add("ann")
    lock = HomeLock(shell.folder / "lock")
    answers: list[Said] = []
    with lock:
        lock.acquire()
        calls = (("subject", "list"), ("log", "show"), ("consent", "show", "ann"))
        answers.extend(shell.run(*words) for words in calls)
    assert [said.code for said in answers] == [0, 0, 0]


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        ("--help", "numpy sqlalchemy cryptography pyarrow ijson phonenumbers yaml"),
        ("ask nobody sale", "pyarrow ijson phonenumbers yaml"),
        ("subject list", "pyarrow phonenumbers yaml"),
    ],
)
def test_starting_loads_nothing_that_is_not_needed(words: str, heavy: str) -> None:
    code = (
        "import sys; from volens.cli.main import main; "
        f"main({words.split()!r}); print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": "src", "VOLENS_HOME": "/nonexistent"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_as_a_process_it_answers_and_exits_as_a_shell_expects(shell: Shell) -> None:
    home = str(shell.folder)
    shell.add("ann")
    keys = {"VOLENS_KEK_DIR": str(shell.keys), "VOLENS_HOME": home}
    denied = script("ask", "ann", "batch_training", "--json", **keys)
    assert denied.returncode == 3
    assert json.loads(denied.stdout)["permit"] is False
    missing = script("subject", "show", "bob", **keys)
    assert missing.returncode == 2
    assert "Traceback" not in missing.stderr
    assert script("--version").stdout.startswith("volens ")


def test_a_closed_pipe_is_no_error_message() -> None:
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f"{sys.executable} -m volens.cli.main policy show | head -1",
        ],
        env={**os.environ, "PYTHONPATH": "src", "VOLENS_HOME": "/nonexistent"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stderr == ""


@pytest.mark.enable_socket
def test_a_witness_cosigns_and_the_doctor_sees_it(shell: Shell, tmp_path: Path) -> None:
    vkey = shell.json("log", "show")["verifier_key"]
    options = WitnessOptions(folder=tmp_path / "w", name="witness.example", log_keys=(vkey,))
    witness, key = load_witness(options)
    server = witness_server(witness)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        said = shell.json("log", "witness", url, "--key", key)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert said["cosigned"] == ["witness.example"]
    checked = shell.json(
        "verify", shell.folder / "log", "--key", vkey, "--key", key, "--witnesses", 1
    )
    assert checked["items"][0]["facts"]["witnesses"] == "witness.example"
    found = {one["check"]: one for one in shell.json("doctor")["findings"]}
    assert found["witness"]["level"] == "look"
    assert "runs on this machine" in found["witness"]["text"]


def spoil_log(folder: Path) -> None:
    victim = next(path for path in (folder / "log" / "tile").rglob("*") if path.is_file())
    data = bytearray(victim.read_bytes())
    data[0] ^= 1
    victim.write_bytes(data)


def spoil_journal(folder: Path) -> None:
    (folder / "journal" / "choices").unlink()


def spoil_policy(folder: Path) -> None:
    (pack,) = (folder / "policy").glob("*/pack.toml")
    pack.write_bytes(pack.read_bytes() + b"# other rules\n")


@pytest.mark.parametrize(
    ("spoil", "check"), [(spoil_log, "log"), (spoil_journal, "journal")], ids=["log", "journal"]
)
def test_the_doctor_finds_what_is_broken(
    shell: Shell, spoil: Callable[[Path], None], check: str
) -> None:
    shell.add("ann")
    spoil(shell.folder)
    said = shell.run("doctor", "--json")
    assert said.code == 4
    assert [one["check"] for one in said.document["findings"] if one["level"] == "BAD"] == [check]


def test_keys_that_others_may_read_are_called_broken(shell: Shell) -> None:
    seed = next(shell.keys.rglob("log.seed"))
    seed.chmod(0o644)
    found = {one["check"]: one for one in shell.json("doctor", code=4)["findings"]}
    assert (found["key access"]["level"], "log.seed" in found["key access"]["text"]) == (
        "BAD",
        True,
    )


def test_a_home_whose_policy_files_were_changed_answers_nothing(shell: Shell) -> None:
    shell.add("ann")
    spoil_policy(shell.folder)
    said = shell.json("ask", "ann", "batch_training", code=2)
    assert said["error"]["code"] == "policy_changed"


def test_a_terminal_gets_bars_and_a_pipe_gets_none(shell: Shell, tmp_path: Path) -> None:
    write_chats(tmp_path / "a.jsonl", 3)
    words = ("import", tmp_path / "a.jsonl", "--subject", "ann")
    assert "%" not in shell.ok(*words).err
    leader, follower = pty.openpty()
    keys = {"VOLENS_KEK_DIR": str(shell.keys), "VOLENS_HOME": str(shell.folder)}
    done = subprocess.Popen(
        [sys.executable, "-m", "volens.cli.main", *map(str, words)],
        env={**os.environ, "PYTHONPATH": "src", "TERM": "xterm", **keys},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=follower,
    )
    os.close(follower)
    seen = b""
    with contextlib.suppress(OSError):  # the far end closes when the process is done
        while data := os.read(leader, 4096):
            seen += data
    os.close(leader)
    assert done.wait(timeout=60) == 0
    assert b"importing" in seen
