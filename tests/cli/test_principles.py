"""From principles and prompts to files that training reads: the command line, a real endpoint."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.driving import Shell
from tests.principles.models import ModelServer, always_first, prompt_lines, served

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def server() -> ModelServer:
    return ModelServer()


@pytest.fixture
def url(server: ModelServer) -> Iterator[str]:
    with served(server) as found:
        yield found


@pytest.fixture
def words(url: str, tmp_path: Path) -> list[object]:
    (tmp_path / "prompts.jsonl").write_bytes(prompt_lines(24))
    return [
        "principles", "generate", "--prompts", "prompts.jsonl", "--writer", url,
        "--model", "m-1", "--out", "set",
    ]  # fmt: skip


def test_from_principles_to_files_that_training_reads(
    nowhere: Shell, server: ModelServer, url: str, words: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("VOLENS_WRITER_KEY", "key-1")
    made = nowhere.json(*words, "--judge", url, "--judge-model", "j-1")
    assert made["measures"]["pairs"] == 24
    assert made["judge"]["right"] == made["judge"]["pairs"] == 40
    keys = {body["model"]: headers.get("authorization") for headers, body in server.requests}
    assert keys == {"m-1": "Bearer key-1", "j-1": None}
    checked = nowhere.json("principles", "check", "set")
    assert checked["verified"] is True
    named = hashlib.sha256(Path("set/constitution.json").read_bytes()).hexdigest()
    assert checked["constitution"] == named
    sft = [json.loads(one) for one in Path("set/sft.jsonl").read_text("utf-8").splitlines()]
    pairs = [
        json.loads(one) for one in Path("set/preference.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(sft) == len(pairs) == 24
    for one, pair in zip(sft, pairs, strict=True):
        assert one["completion"] == pair["chosen"] != pair["rejected"]
        assert [message["role"] for message in pair["prompt"] + pair["chosen"]] == [
            "user",
            "assistant",
        ]
        assert one["provenance"] == pair["provenance"] == "synthetic"
        assert one["constitution"] == pair["constitution"] == named
        assert one["writer"], one["judge"] == ("m-1", "j-1")
        assert "Trust me" in pair["rejected"][0]["content"]
        assert "Trust me" not in pair["chosen"][0]["content"]
        assert one["principles"] == ["honest"]
    assert "OK" not in nowhere.ok("principles", "check", "set").err
    again = nowhere.run(*words)
    assert (again.code, "exists already" in again.err) == (2, True)
    assert not nowhere.folder.exists()


def test_a_judge_that_leans_is_refused_with_its_numbers(
    nowhere: Shell, server: ModelServer, url: str, words: list[object]
) -> None:
    server.brain = always_first
    refused = nowhere.run(*words, "--judge", url, "--judge-model", "j-1")
    assert refused.code == 3
    assert "right about 0 of 40" in refused.err
    assert not Path("set").exists()
    assert {body["model"] for _, body in server.requests} == {"j-1"}


def test_a_set_below_a_floor_is_refused_with_its_numbers(
    nowhere: Shell, words: list[object]
) -> None:
    Path("prompts.jsonl").write_bytes(prompt_lines(9))
    refused = nowhere.run(*words)
    assert refused.code == 3
    assert "9 pairs, at least 10" in refused.err
    assert not Path("set").exists()


def test_what_stopped_is_gone_on_with(
    nowhere: Shell, server: ModelServer, words: list[object]
) -> None:
    enough = iter(range(31))  # three questions a prompt: it stops in the eleventh
    able = server.brain

    def tiring(messages: object, sampling: object) -> str:
        if next(enough, None) is None:
            server.status = [401]
            return ""
        return able(messages, sampling)  # type: ignore[arg-type]  # as it was given

    server.brain = tiring
    stopped = nowhere.run(*words)
    assert stopped.code == 5
    assert "VOLENS_WRITER_KEY" in stopped.err
    asked = len(server.requests)
    server.brain, server.status = able, []
    done = nowhere.run(*words)
    assert done.code == 0, done
    assert "going on" in done.err
    assert len(server.requests) - asked < 3 * 24


def test_a_dry_run_asks_nobody_and_writes_nothing(
    nowhere: Shell, server: ModelServer, words: list[object], tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert nowhere.json(*words, "--dry-run")["prompts"] == 24
    assert sorted(tmp_path.rglob("*")) == before
    assert server.requests == []


def test_whatever_people_said_is_refused_in_every_form_it_leaves_a_home_in(
    shell: Shell, server: ModelServer, words: list[object]
) -> None:
    """The attack that the row is about: somebody feeds in what was captured."""
    shell.chats("ann", 12)
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    shell.ok("export", "ann", "--out", "ann.zip")
    for form in ("trl", "openai", "sharegpt", "sealed"):
        named = () if form == "sealed" else ("--recipient", "us")
        shell.ok("build", "batch_training", "--format", form, "--out", form, *named)
    fed = [Path("ann.jsonl"), Path("ann.zip")]
    for folder in ("trl", "openai", "sharegpt", "sealed"):
        fed += [Path(folder), *(one for one in Path(folder).rglob("*") if one.is_file())]
    fed += [one for one in shell.folder.rglob("*") if one.is_file()]
    assert len(fed) > 40
    before = shell.bytes()
    for path in fed:
        at = words.index("--prompts") + 1
        refused = shell.run(*words[:at], path, *words[at + 1 :])
        assert refused.code in {2, 3}, path
        assert "passport" not in refused.err
    for path in fed:
        if path.is_file() and path.stat().st_size:
            Path("outside").write_bytes(path.read_bytes())  # taken away from its marks
            refused = shell.run(*words[:at], "outside", *words[at + 1 :])
            assert refused.code in {2, 3}, path
    assert server.requests == []  # no word of it went to the writer
    assert shell.bytes() == before
    assert not Path("set").exists()


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("http://models.example/v1", 2, "not safe"),
        ("https://ann:pw@models.example/v1", 2, "holds a user"),
        ("https://", 2, "address"),
        ("nowhere.gguf", 2, "no base model"),
    ],
)
def test_a_writer_that_can_not_be_is_refused(
    nowhere: Shell, words: list[object], address: str, code: int, told: str
) -> None:
    named = words.index("--writer") + 1
    rest = words[named + 1 :]
    if not address.startswith("http"):
        del rest[rest.index("--model") : rest.index("--model") + 2]
    refused = nowhere.run(*words[:named], address, *rest)
    assert (refused.code, told in refused.err) == (code, True), refused


def test_an_endpoint_that_is_not_there_is_said_and_can_be_gone_on_with(
    nowhere: Shell, words: list[object]
) -> None:
    named = words.index("--writer") + 1
    refused = nowhere.run(*words[:named], "http://127.0.0.1:9/v1", *words[named + 1 :])
    assert refused.code == 5
    assert "it goes on" in refused.err
    assert nowhere.run(*words).code == 0


@pytest.mark.skipif(find_spec("torch") is None, reason="training is not installed")
def test_a_model_in_the_program_writes_too_and_random_weights_give_no_set(
    nowhere: Shell, tmp_path: Path
) -> None:
    (tmp_path / "prompts.jsonl").write_bytes(prompt_lines(2))
    refused = nowhere.run(
        "principles", "generate", "--prompts", "prompts.jsonl", "--writer", "tiny:1", "--out",
        "set", "--most-tokens", "8",
    )  # fmt: skip
    assert (refused.code, "0 pairs" in refused.err) == (3, True), refused
    named = nowhere.run(
        "principles", "generate", "--prompts", "prompts.jsonl", "--writer", "tiny:1", "--out",
        "other", "--model", "m",
    )  # fmt: skip
    assert (named.code, "no models to name" in named.err) == (2, True), named


def test_a_constitution_is_shown_with_its_digest(nowhere: Shell) -> None:
    shown = nowhere.json("principles", "check", "neutral")
    assert len(shown["constitution"]) == 64
    told = nowhere.ok("principles", "check", "neutral").out
    assert shown["constitution"] in told
    Path("bad.toml").write_text("version = 1", encoding="utf-8")
    assert nowhere.run("principles", "check", "bad.toml").code == 2
    assert nowhere.run("principles", "check", "none.toml").code == 2


def test_a_changed_folder_does_not_verify(nowhere: Shell, words: list[object]) -> None:
    nowhere.ok(*words)
    path = Path("set/sft.jsonl")
    path.write_bytes(path.read_bytes() + b"\n")
    assert nowhere.run("principles", "check", "set").code == 4


def test_the_command_loads_no_way_to_a_home() -> None:
    code = (
        "import sys; import volens.cli.principles; print([name for name in sys.modules if "
        "name.startswith(('volens.app', 'volens.gate', 'volens.vault', 'volens.capture'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": "src"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[]"
