"""Terms are defined once, in the pack, and stand where they are used."""

import pytest

from tests.cli.driving import Shell
from volens.policy.decision import Policy
from volens.policy.explain import terms
from volens.policy.packs import load_pack


@pytest.mark.parametrize(
    "command",
    [("policy", "stages"), ("policy", "explain"), ("policy", "explain", "free")],
    ids=" ".join,
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_terms_stand_where_they_are_used(
    shell: Shell, command: tuple[str, ...], language: str
) -> None:
    defined = terms(Policy(load_pack("consent-first")), language)
    assert {"active_learning", "batch_training", "safety_training"} <= set(defined)
    answer = shell.json(*command, "--language", language)
    assert answer["terms"] == {
        key: {"name": name, "definition": said} for key, (name, said) in defined.items()
    }


def test_a_name_model_that_is_not_installed_or_not_asked_for_is_said(shell: Shell) -> None:
    words = ("build", "batch_training", "--out", "x", "--name-model", "no_such_pipeline")
    assert shell.json(*words, "--redact", "strict", code=5)["error"]["code"] == "name_model_missing"
    assert shell.json(*words, code=2)["error"]["code"] == "names_not_sought"
