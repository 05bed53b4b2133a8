"""The house rules find what they are for, and the tree keeps them."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_shape", ROOT / "tools/check_shape.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tree_keeps_the_house_rules(rules: ModuleType) -> None:
    assert rules.findings(ROOT) == []


def test_the_glossary_bans_words(rules: ModuleType) -> None:
    banned = rules.banned_words((ROOT / "docs/glossary.md").read_text(encoding="utf-8"))
    assert banned["user",] == "data subject"
    assert banned["master", "key"] == "KEK"
    assert len(banned) > 40


@pytest.mark.parametrize(
    "source",
    [
        "def purge_all(): ...",
        "class UserStore: ...",
        "def f(user_id): ...",
        "class A:\n    opt_in_flag: bool",
        "T = Table('t', M, Column('users', String))",
        "class A:\n    def f(self):\n        self.ticket = 1",
    ],
)
def test_a_banned_word_in_a_name_is_found(rules: ModuleType, source: str) -> None:
    banned = {("purge",): "e", ("user",): "s", ("users",): "s", ("ticket",): "r"}
    banned["opt", "in"] = "g"
    assert len(list(rules.wrong_words(ast.parse(source), banned))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "roles = {'user': Role.USER}",
        "user = 1",
        "class Role(IntEnum):\n    USER = 1",
        "def user_info_at(): ...",
        "def abuser(): ...",
    ],
)
def test_the_words_of_other_formats_are_free(rules: ModuleType, source: str) -> None:
    assert list(rules.wrong_words(ast.parse(source), {("user",): "data subject"})) == []


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("x = 1  # noqa: S311 - an order, no secret", True),
        ("x = 1  # noqa: S311, A002 - two of them", True),
        ("x = 1  # noqa: S311", False),
        ("x = 1  # noqa", False),
        ("x = 1  # type: ignore[arg-type]  # the stub knows no Mapping", True),
        ("x = 1  # type: ignore[arg-type]", False),
        ("x = 1  # type: ignore", False),
        ("x = 1  # pragma: no cover - by hand", True),
        ("x = 1  # pragma: no cover", False),
    ],
)
def test_a_waiver_carries_rule_and_reason(rules: ModuleType, line: str, fine: bool) -> None:
    assert (list(rules.bare_waivers(line, types_checked=True)) == []) is fine


@pytest.mark.parametrize(
    ("source", "fails"),
    [
        ("def test_a():\n    assert f() == 1", True),
        ("def test_a():\n    with pytest.raises(E):\n        f()", True),
        ("def test_a():\n    verify_log(x)", True),
        ("def agree(x):\n    assert x\ndef test_a():\n    agree(1)", True),
        ("def test_a():\n    f()", False),
        ("def test_a():\n    assert True", False),
        ("def quiet(x):\n    return x\ndef test_a():\n    quiet(1)", False),
    ],
)
def test_a_test_that_can_not_fail_is_found(rules: ModuleType, source: str, fails: bool) -> None:
    found = list(rules.cannot_fail({"t.py": ast.parse(source)}))
    assert (found == []) is fails
