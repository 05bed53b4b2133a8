"""``volens records``: documents generated from what is live; no conversation is opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.auditing import evidence_of
from volens.app.home import Home
from volens.audit.impact import impact_draft
from volens.audit.inventory import held_of
from volens.audit.inventory_paper import inventory_paper, person_paper
from volens.audit.paper import ASK, Paper, paper_markdown, paper_page
from volens.audit.processing import LastAudit, processing_records
from volens.audit.survey import columns
from volens.audit.transparency import Period, transparency_report
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home
from volens.cli.output import DIM, GOOD, WARN, Answer, fields, heading, indented, line, table
from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput
from volens.core.time import EPOCH, format_moment
from volens.storage.files import make_folder, storage_errors, write_durable

GROUP = new_group("Documents made from what is live.")

OutOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write it there: JSON, a page, and Markdown."),
]
LanguageOption = Annotated[str, typer.Option(help="Of the policy's own texts, such as en or de.")]


@command(GROUP, "processing", writes=True)
def processing(session: Session, out: OutOption = None, language: LanguageOption = "en") -> Answer:
    """Records of processing activities (Art. 30), from the policy and the stores in use.

    Questions that only a person can answer are marked.
    """
    with read_home(session) as home:
        paper = processing_records(evidence_of(home), _last(home), language=language)
    return _answer(session, paper, "processing", out)


@command(GROUP, "impact", writes=True)
def impact(session: Session, out: OutOption = None, language: LanguageOption = "en") -> Answer:
    """A draft of an impact assessment (Art. 35): what is known, and what a person must weigh.

    It is never finished: the questions in it are for a person.
    """
    with read_home(session) as home:
        paper = impact_draft(evidence_of(home), _last(home), language=language)
    return _answer(session, paper, "impact", out)


@command(GROUP, "inventory", writes=True)
def inventory(
    session: Session,
    subject: Annotated[
        str | None,
        typer.Option(metavar="SUBJECT", help="Only what is held of one person, with counts."),
    ] = None,
    out: OutOption = None,
) -> Answer:
    """Every field: what is held, why, on what basis, how long, who may see it.

    --json and --out have all of it; a terminal shows what and why.
    """
    with read_home(session) as home:
        facts = [("home", home.identity.origin), ("made at", format_moment(home.clock.now()))]
        if subject is None:
            schema = {**columns(home.main), **columns(home.keys_database)}
            paper = inventory_paper(schema, facts)
        else:
            found = home.subjects.find(subject)
            holder = found.holder
            shares = held_of(home.main, home.keys_database, number=holder.number, raw=holder.raw)
            paper = person_paper(shares, [*facts, ("account", found.id)])
    return _answer(session, paper, "inventory", out)


@command(GROUP, "transparency", writes=True)
def transparency(
    session: Session,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="From this day on (UTC).  [default: all]")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Before this day (UTC).  [default: now]")
    ] = None,
    out: OutOption = None,
) -> Answer:
    """Counts from the public log: accesses, requests, erasures, courts and authorities."""
    with read_home(session) as home:
        now = home.clock.now()
        period = Period(
            since=EPOCH if since is None else _day(since),
            until=now if until is None else _day(until),
        )
        if period.since >= period.until:
            hint = "--since must be before --until"
            raise InvalidInput("period_empty", "the period has no time in it", hint=hint)
        paper = transparency_report(evidence_of(home).log(), period)
    return _answer(session, paper, "transparency", out)


def _day(text: str) -> datetime:
    try:
        day = datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - a day of UTC, set below
    except ValueError:
        hint = "write it like 2027-01-31"
        raise InvalidInput("date_form", f"not a date: {text[:40]!r}", hint=hint) from None
    return day.replace(tzinfo=UTC)


def _last(home: Home) -> LastAudit | None:
    found = home.audits.last()
    if found is None:
        return None
    return LastAudit(at=format_moment(found.at), checks=found.checks, failed=found.failed)


def _answer(session: Session, paper: Paper, name: str, out: Path | None) -> Answer:
    shown: list[RenderableType] = [heading(paper.title), fields(paper.facts)]
    for one in paper.sections:
        shown += [line(""), heading(one.title), *(line(text) for text in one.said)]
        if one.rows:
            shown.append(_rows(one.columns, one.rows))
        shown += [indented(line(f"{ASK}{question}", WARN)) for question in one.questions]
    if paper.questions:
        text = f"{paper.questions} questions are for a person to answer."
        shown.append(line(text, WARN))
    if out is not None:
        shown += _write(session, paper, name, out)
    return Answer(document=paper.document(), shown=tuple(shown))


_NARROW, _WIDE = 4, 6


def _rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """Return a table, or cards where it would be too narrow to read."""
    if len(names) <= _NARROW or all(name.startswith("#") for name in names[1:]):
        return table(names, rows)
    if len(names) > _WIDE and not any(name.startswith("#") for name in names):
        return table(names[:3], [row[:3] for row in rows])  # --out and --json have the rest
    told = [name.lstrip("#") for name in names[1:]]
    cards: list[RenderableType] = []
    for row in rows:
        cards += [line(row[0]), indented(fields(list(zip(told, row[1:], strict=True))))]
    return indented(*cards)


def _write(session: Session, paper: Paper, name: str, out: Path) -> list[RenderableType]:
    texts = {
        f"{name}.json": canonical_json(paper.document()),
        f"{name}.html": paper_page(paper).encode("utf-8"),
        f"{name}.md": paper_markdown(paper).encode("utf-8"),
    }
    for file in texts:
        if (out / file).exists():
            hint = "choose another --out"
            raise InvalidInput("out_exists", f"{out / file} is there already", hint=hint)
    if session.dry_run:
        return [line(f"would write {', '.join(texts)} to {out}", DIM)]
    with storage_errors(out):
        make_folder(out.absolute())
        for file, data in texts.items():
            write_durable(out / file, data)
    return [line(f"Wrote {', '.join(texts)} to {out}.", GOOD)]
