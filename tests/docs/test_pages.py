"""What the pages point at exists; what they list is complete."""

import ast
import json
import re
import tomllib
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.docs.pages import LINK, ROOT, pages, rows
from volens.app.creation import create_home
from volens.app.home import open_home
from volens.cli.main import COMMANDS

TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
PLACE = re.compile(r"`((?:src/volens/|tests/|tools/|docs/|requirements/)[\w./-]+)`")
ROOMS = "|".join(sorted(one.name for one in (ROOT / "src/volens").iterdir() if one.is_dir()))
IN_ROOM = re.compile(rf"`((?:{ROOMS})/[\w./-]*)`")
VECTORS = ROOT / "tests/datasets/vectors"
STATES = ("done", "partly", "not yet")
ROWS = tuple(f"R{number:02}" for number in range(1, 98))


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets when the page is shown."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests in one file, as pytest writes them."""
    if not (ROOT / path).exists():
        return frozenset()
    found = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef))
            found |= {f"{node.name}::{one.name}" for one in methods}
    return frozenset(found)


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, part = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        assert place.exists(), f"{page} links to {target}"
        if part:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in {anchor(one) for one in headings}, f"{page} links to {target}"


@pytest.mark.parametrize("page", ["docs/guarantees.md", "docs/requirements.md"])
def test_every_named_test_exists(page: str) -> None:
    named = TEST_NAME.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 20
    missing = [f"{path}::{name}" for path, name in named if name not in names_in(path)]
    assert missing == []


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_named_file_exists(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = PLACE.findall(text)
    assert [place for place in named if not (ROOT / place).exists()] == []
    own_folders = {"log/", "policy/", "datasets/"}  # also folders of a home
    in_rooms = set(IN_ROOM.findall(text)) - own_folders
    assert [place for place in in_rooms if not (ROOT / "src/volens" / place).exists()] == []


def test_every_guarantee_has_a_mechanism_a_test_and_a_check() -> None:
    table = [row for row in rows("docs/guarantees.md", 4) if row[0] != "promise"]
    table = [row for row in table if not set(row[0]) <= {"-", " "}]
    assert len(table) > 15
    for promise, mechanism, test, check in table:
        assert mechanism, promise
        assert TEST_NAME.search(test), promise
        assert check, promise


def test_every_requirement_is_answered_once_and_done_ones_name_a_test() -> None:
    found: dict[str, list[str]] = {}
    for row, state, *rest in rows("docs/requirements.md", 4):
        if re.fullmatch(r"R\d\d", row):
            assert row not in found, row
            assert state in STATES, row
            found[row] = [state, *rest]
    assert tuple(sorted(found)) == ROWS
    for row, (state, where, rest) in found.items():
        if state != "not yet":
            assert TEST_NAME.search(where), f"{row} is {state} and names no test"
        if state != "done":
            assert rest != "-", f"{row} is {state} and says not what is missing"
    counted = Counter(state for state, *_ in found.values())
    told = ", ".join(f"{counted[state]} {state}" for state in ("done", "partly", "not yet"))
    assert told in (ROOT / "docs/requirements.md").read_text(encoding="utf-8")


def test_every_dependency_has_its_line() -> None:
    text = (ROOT / "docs/decisions/dependencies.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    told = set(re.findall(r"`([a-z][a-z0-9-]*)`", "\n".join(first_cells)))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    for file in sorted((ROOT / "requirements").glob("*.in")):
        lines = file.read_text(encoding="utf-8").splitlines()
        wanted += [line for line in lines if line and not line.startswith(("#", "-"))]
    names = {re.split(r"[<>=\[ ]", one)[0].lower() for one in wanted}
    assert names - told == set()
    assert told - names == set()


def test_no_page_names_a_place_of_one_machine() -> None:
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(work|root|home/\w+|tmp)/", text), page


def test_every_named_command_exists() -> None:
    known = {name: entry.group for name, entry in COMMANDS.items()}
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        for name, second in re.findall(r"`volens ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?", text):
            assert name in known, f"{page}: volens {name}"
            if known[name] and second:
                module = import_module(f"volens.cli.{COMMANDS[name].module}")
                commands = {one.name for one in module.GROUP.registered_commands}
                assert second in commands, f"{page}: volens {name} {second}"


def test_the_page_of_the_manifest_names_every_member() -> None:
    told = [
        names.strip("`").split("`, `")
        for names, _ in rows("docs/formats/manifest.md", 2)
        if re.fullmatch(r"`[a-z_0-9]+`(, `[a-z_0-9]+`)*", names)
    ]
    manifest = json.loads((VECTORS / "hf" / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest) <= {name for names in told for name in names}


def test_the_page_of_the_home_names_every_place_of_a_new_home(tmp_path: Path) -> None:
    create_home(tmp_path / "home", environment={"VOLENS_KEK_DIR": str(tmp_path / "keys")})
    with open_home(
        tmp_path / "home", writing=True, environment={"VOLENS_KEK_DIR": str(tmp_path / "keys")}
    ) as home:
        home.sealer.open_scope("civilian-eu")
    text = (ROOT / "docs/formats/home.md").read_text(encoding="utf-8")
    for top in (tmp_path / "home").iterdir():
        assert f"\n      {top.name}" in text, top.name
    (custody,) = (tmp_path / "keys").iterdir()
    for file in custody.iterdir():
        assert f"\n      {re.sub('^civilian-eu.000001', 'SCOPE.EPOCH', file.name)}" in text
