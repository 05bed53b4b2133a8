"""docs/api.md: its examples are sent, and every code that the door says has its line."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx2 import Response

from tests.api.asking import SAME_SITE
from tests.docs.pages import ROOT, blocks, rows
from tests.support.doors import Doors
from volens.door.problems import CODE_STATUS

PAGE = "docs/api.md"
_ERRORS = {"InvalidInput", "NotFound", "Denied", "Unavailable", "VerificationFailed"}
_ROOMS = ("api", "door")


def _codes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            if node.func.id in _ERRORS and isinstance(first, ast.Constant):
                yield str(first.value)


def _told() -> set[str]:
    return set(re.findall(r'<a id="(\w+)"></a>`\1`', (ROOT / PAGE).read_text(encoding="utf-8")))


def test_every_code_has_its_line() -> None:
    used = {
        code
        for room in _ROOMS
        for path in (ROOT / "src/volens" / room).glob("*.py")
        for code in _codes(path)
    }
    assert len(used) > 30
    assert used | set(CODE_STATUS) <= _told(), (used | set(CODE_STATUS)) - _told()


def test_every_line_is_about_a_code_that_is_there() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src/volens").rglob("*.py")
    )
    assert [code for code in sorted(_told()) if f'"{code}"' not in source] == []
    lines = [row for row in rows(PAGE, 2) if row[0].startswith("<a id=")]
    assert [row[0] for row in lines] == sorted(row[0] for row in lines)


class _Sent:
    """What the examples before have shown, by name."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def fill(self, text: str) -> str:
        return re.sub(r"<([\w.]+)>", lambda found: self.known[found[1]], text)

    def keep(self, answer: Response) -> None:
        if "etag" in answer.headers:
            self.known["etag"] = answer.headers["etag"]
        for notice in answer.json().get("notices", []):
            if "batch_training" in notice["purposes"]:
                self.known |= {f"notice.{name}": notice[name] for name in ("id", "sha256")}


def test_the_examples_answer_as_they_say(doors: Doors, app: FastAPI) -> None:
    person = doors.client(app, doors.person)
    program = doors.client(app, doors.service)
    sent, examples = _Sent(), blocks(PAGE, "http")
    assert len(examples) >= 9
    for example in examples:
        asked, _, answered = example.strip().partition("\n\n")
        first, *rest = asked.splitlines()
        method, path = first.split()
        headers = dict(line.split(": ", 1) for line in rest if not line.startswith("{"))
        body = next((line for line in rest if line.startswith("{")), None)
        client = person if path.startswith("/v1/me") else program
        answer = client.request(
            method,
            path.removeprefix("/v1"),
            content=None if body is None else sent.fill(body),
            headers={
                **SAME_SITE,
                "Content-Type": "application/json",
                **{name: sent.fill(value) for name, value in headers.items()},
            },
        )
        status, _, members = answered.partition(" ")
        assert answer.status_code == int(status), (example, answer.text)
        wanted = json.loads(members)
        assert {name: answer.json()[name] for name in wanted} == wanted, answer.text
        sent.keep(answer)


@pytest.mark.parametrize("path", ["/me", "/subjects/ada", "/nothing"])
def test_a_problem_s_type_leads_to_its_line(doors: Doors, app: FastAPI, path: str) -> None:
    problem = doors.client(app).get(path).json()
    page, _, anchor = problem["type"].partition("#")
    assert page.endswith(PAGE)
    assert anchor == problem["code"] in _told()
