"""Train, withdraw, forget, verify: from the command line, with a tiny model."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("torch") is None:
    pytest.skip(
        "training is not installed: pip install 'volens[training]'", allow_module_level=True
    )

from tests.cli.driving import Shell

SHAPE = ("--shards", "2", "--slices", "2", "--length", "32")


@pytest.fixture
def willing(shell: Shell) -> Shell:
    """Two people who say yes, and a sealed dataset."""
    for name in ("ann", "ben"):
        shell.chats(name)
        shell.ok("consent", "grant", name, "batch_training", "--yes")
    shell.ok("build", "batch_training", "--out", "set")
    return shell


def test_from_a_dataset_to_a_proof_that_a_model_forgot(willing: Shell) -> None:
    done = willing.json("train", "set", "--base", "tiny:1", *SHAPE)
    run = done["run"]
    assert done["withdrawn"] == 0
    assert willing.json("model", "uses", "ann")["models"][0]["standing"] == "in_use"
    willing.ok("model", "export", run, "--out", "first")
    willing.ok("consent", "withdraw", "ann", "batch_training")
    refused = willing.run("model", "export", run, "--out", "second")
    assert refused.code != 0
    assert "volens unlearn" in refused.err
    forgot = willing.json("unlearn", run, "--out", "proof.json")
    assert forgot["forgotten"] > 0
    told = willing.ok("verify", "proof.json").out
    assert "exact unlearning" in told
    willing.ok("model", "export", run, "--out", "second")
    assert willing.json("model", "uses", "ann")["models"][0]["standing"] == "retrained"
    shown = willing.json("model", "show", forgot["after"])
    assert shown["revises"] == run
    bom = json.loads(Path("second/bom.cdx.json").read_text("utf-8"))
    assert bom["metadata"]["component"]["bom-ref"] == forgot["after"]
    assert (Path("second") / "adapter.safetensors").stat().st_size > 0
    assert "24 held, 0 broken" in willing.ok("audit").out


def test_a_case_opens_by_itself_and_ends_in_a_certificate(willing: Shell) -> None:
    run = willing.json("train", "set", "--base", "tiny:1", *SHAPE)["run"]
    assert "No impact case" in willing.ok("impact", "list").out
    willing.ok("model", "export", run, "--out", "first")
    assert "impact list" in willing.ok("consent", "withdraw", "ann", "batch_training").err
    (case,) = willing.json("impact", "list", "--open")["cases"]
    assert [one["state"] for one in case["touched"]] == ["blocked", "not_possible"]
    refused = willing.run("impact", "certificate", case["case"], "--out", "papers")
    assert "volens unlearn" in refused.err
    willing.ok("unlearn", run)
    (case,) = willing.json("impact", "list", "--subject", "ann")["cases"]
    assert [one["state"] for one in case["touched"]] == ["retrained", "not_possible"]
    assert "can't be taken back" in willing.ok("impact", "show", case["case"]).out
    willing.ok("impact", "certificate", case["case"], "--out", "papers")
    papers = [str(path) for path in sorted(Path("papers").iterdir())]
    told = " ".join(willing.ok("verify", *papers).out.split())
    assert "none of the records is in the model now" in told
    alone = next(one for one in papers if "imp_" in one)
    assert "not given" in willing.ok("verify", alone).out


def test_what_can_not_be_trained_is_said(willing: Shell) -> None:
    for words, told in (
        (("train",), "dataset or a run"),
        (("train", "set"), "no base model"),
        (("train", "set", "--base", "nowhere"), "nowhere"),
        (("train", "none", "--base", "tiny:1"), "none"),
        (("train", "--resume", "run_aaaaaaaaaaaaaaaaaaaaaaaaaa"), "no run"),
        (("unlearn", "run_aaaaaaaaaaaaaaaaaaaaaaaaaa"), "no run"),
        (("model", "show", "nothing"), "nothing"),
    ):
        refused = willing.run(*words)
        assert refused.code != 0
        assert told in refused.err


def test_a_dry_run_trains_and_forgets_nothing(willing: Shell) -> None:
    before = willing.bytes()
    willing.ok("train", "set", "--base", "tiny:1", "--dry-run")
    assert willing.bytes() == before
