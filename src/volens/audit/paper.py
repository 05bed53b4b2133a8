"""A generated document: sections with tables, pictures and open questions, in three forms.

JSON for programs, one HTML file for people, Markdown for whoever goes on writing. An open question
is for a person to answer: nothing generated here fills it in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from volens.audit.page import bars, heading, page, paragraph, table
from volens.core.canonical import Json

ASK = "To be answered by a person: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section. The numbers of its picture stand in its table too."""

    title: str
    said: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """Names of the table's columns; ``#`` before a name: numbers."""
    rows: tuple[tuple[str, ...], ...] = ()
    picture: tuple[tuple[str, int], ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One generated document."""

    version: str
    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    @property
    def questions(self) -> int:
        """Count what a person still has to answer."""
        return sum(len(one.questions) for one in self.sections)

    def document(self) -> dict[str, Json]:
        """Write it as JSON values."""
        return {
            "version": self.version,
            "title": self.title,
            "facts": dict(self.facts),
            "open_questions": self.questions,
            "sections": [_section(one) for one in self.sections],
        }


def _section(one: Section) -> dict[str, Json]:
    names = [name.lstrip("#").replace(" ", "_") for name in one.columns]
    return {
        "title": one.title,
        "said": list(one.said),
        "rows": [dict(zip(names, row, strict=True)) for row in one.rows],
        "open_questions": list(one.questions),
    }


def paper_page(paper: Paper) -> str:
    """Return it as one HTML file."""
    body = [table(("what", "value"), paper.facts)]
    if paper.questions:
        text = f"A draft: {paper.questions} questions are for a person to answer; they are marked."
        body.append(paragraph(text, style="ask"))
    for one in paper.sections:
        body.append(heading(one.title))
        body += [paragraph(text) for text in one.said]
        if any(count for _, count in one.picture):
            body.append(bars(one.title, [(name, count, "bar") for name, count in one.picture]))
        if one.rows:
            body.append(table(one.columns, one.rows))
        body += [paragraph(ASK + question, style="ask") for question in one.questions]
    return page(paper.title, body)


def paper_markdown(paper: Paper) -> str:
    """Return it as Markdown."""
    lines = [f"# {paper.title}", "", *_table(("what", "value"), paper.facts)]
    for one in paper.sections:
        lines += ["", f"## {one.title}", ""]
        lines += [f"{text}\n" for text in one.said]
        lines += _table(one.columns, one.rows)
        lines += [f"\n> **{ASK.strip()}** {question}" for question in one.questions]
    return "\n".join(lines).rstrip() + "\n"


def _table(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    if not rows:
        return
    names = [name.lstrip("#") for name in columns]
    sides = ["--:" if name.startswith("#") else "---" for name in columns]
    for cells in (names, sides, *rows):
        told = [cell.replace("|", "\\|").replace("\n", " ") for cell in cells]
        yield f"| {' | '.join(told)} |"
