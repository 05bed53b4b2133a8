"""What the pages hold for the tests: vectors, code blocks, links."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(?P<kind>[\w-]+)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def pages() -> list[Path]:
    """Return every page of the project, by path from the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(ROOT) for path in found)


def blocks(page: str | Path, kind: str) -> list[str]:
    """Return the bodies of the fenced blocks of one kind, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block["body"] for block in FENCE.finditer(text) if block["kind"] == kind]


def vectors(page: str) -> dict[str, str]:
    """Return the values of a page's vector blocks by name."""
    found: dict[str, str] = {}
    for body in blocks(f"docs/formats/{page}.md", "vector"):
        for line in body.splitlines():
            name, _, value = line.partition(" ")
            found[name] = value.strip()
    return found


def rows(page: str, columns: int) -> list[list[str]]:
    """Return the rows of all tables with so many columns, without head and rule."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == columns:
            found.append(cells)
    return found
