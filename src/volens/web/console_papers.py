"""Generated documents: audits, records of processing, the transparency report; with downloads.

All of them are made from the log and from what is configured; no conversation is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.auditing import evidence_of
from volens.app.home import Home
from volens.audit.impact import impact_draft
from volens.audit.model import Outcome
from volens.audit.paper import Paper, paper_markdown
from volens.audit.processing import LastAudit, processing_records
from volens.audit.register import Audited
from volens.audit.report import verify_report
from volens.audit.transparency import Period, transparency_report
from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput, NotFound
from volens.core.time import EPOCH, format_moment
from volens.web.charts import Bar, Chart, bar_chart
from volens.web.console_frame import StaffPage, Visit, chosen

_READERS: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR, Role.LEGAL_COUNSEL})
_AUDITS: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})
_MOST_AUDITS: Final = 50


class PaperKind(StrEnum):
    """Which document."""

    PROCESSING = "processing"
    IMPACT = "impact"
    TRANSPARENCY = "transparency"


class Span(StrEnum):
    """Which time a transparency report covers."""

    ALL = "all"
    YEAR = "year"
    QUARTER = "quarter"
    MONTH = "month"


_DAYS: Final = {Span.YEAR: 365, Span.QUARTER: 91, Span.MONTH: 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneAudit:
    """One audit, its signature checked."""

    audit: Audited
    document: Mapping[str, Any]
    envelope: bytes


def period_of(span: Span, now: datetime) -> Period:
    """Return the time up to `now` that a word stands for; it begins at midnight UTC."""
    if span is Span.ALL:
        return Period(since=EPOCH, until=now)
    day = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), tzinfo=UTC)
    return Period(since=day - timedelta(days=_DAYS[span]), until=now)


def make_paper(home: Home, kind: PaperKind, language: str, span: Span) -> Paper:
    """Make one document from what is live."""
    if kind is PaperKind.TRANSPARENCY:
        return transparency_report(evidence_of(home).log(), period_of(span, home.clock.now()))
    last = home.audits.last()
    known = None
    if last is not None:
        known = LastAudit(at=format_moment(last.at), checks=last.checks, failed=last.failed)
    make = processing_records if kind is PaperKind.PROCESSING else impact_draft
    return make(evidence_of(home), known, language=language)


def one_audit(home: Home, number: int) -> OneAudit:
    """Return one kept audit, once its signature was checked.

    Raises:
        NotFound: ``audit_missing``.
        VerificationFailed: if the signature does not hold.
    """
    audit = home.audits.find(number)
    envelope = home.audits.read(audit)
    document = verify_report(envelope, home.signer.verifier)
    return OneAudit(audit=audit, document=document, envelope=envelope)


def paper_charts(paper: Paper, columns: tuple[str, str]) -> dict[str, Chart]:
    """Draw the picture of each section that has one; its table stands beside it already."""
    return {
        one.title: bar_chart(
            one.title,
            [Bar(name=name, value=count, said=f"{count:,}") for name, count in one.picture],
            columns,
        )
        for one in paper.sections
        if any(count for _, count in one.picture)
    }


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004 - row numbers
        raise NotFound("audit_missing", "there is no such audit")
    return int(text)


def _download(data: bytes, name: str, kind: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(data, media_type=kind, headers=headers)


async def _audits(visit: Visit) -> Response:
    found = await visit.run(lambda home: home.audits.latest(_MOST_AUDITS))
    return visit.page("audits", {"audits": found}, here="audits")


async def _audit(visit: Visit) -> Response:
    number = _number(visit.part("number"))
    found = await visit.run(lambda home: one_audit(home, number))
    counts = found.document["counts"]
    styles = {Outcome.HELD: "good", Outcome.VIOLATED: "bad", Outcome.NOT_CHECKED: "warn"}
    bars = [
        Bar(
            name=visit.words(f"console.audit.{outcome.value}"),
            value=counts[outcome.value],
            said=visit.words.number(counts[outcome.value]),
            style=styles[outcome],
        )
        for outcome in Outcome
    ]
    columns = (visit.words("console.audit.outcome"), f"#{visit.words('console.audit.checks')}")
    chart = bar_chart(visit.words("console.audit.chart"), bars, columns)
    return visit.page("audit", {"found": found, "chart_of_checks": chart}, here="audits")


async def _audit_file(visit: Visit) -> Response:
    number = _number(visit.part("number"))
    found = await visit.run(lambda home: one_audit(home, number))
    return _download(found.envelope, f"audit-{number}.json", "application/json")


def _paper_page(kind: PaperKind) -> Callable[[Visit], Any]:
    async def show(visit: Visit) -> Response:
        span = chosen(Span, visit.query("span", Span.ALL.value), "time")
        paper = await visit.run(lambda home: make_paper(home, kind, visit.language, span))
        columns = (visit.words("console.what"), f"#{visit.words('console.count')}")
        values = {
            "paper": paper,
            "charts": paper_charts(paper, columns),
            "kind": kind.value,
            "span": span.value,
            "spans": [one.value for one in Span] if kind is PaperKind.TRANSPARENCY else [],
        }
        return visit.page("paper", values, here=kind.value)

    return show


async def _paper_file(visit: Visit) -> Response:
    name, _, ending = visit.part("file").partition(".")
    span = chosen(Span, visit.query("span", Span.ALL.value), "time")
    try:
        kind = chosen(PaperKind, name, "document")
    except InvalidInput:
        raise NotFound("page_missing", "there is no such document") from None
    paper = await visit.run(lambda home: make_paper(home, kind, visit.language, span))
    if ending == "json":
        data = canonical_json(paper.document())
        return _download(data, f"{name}.json", "application/json")
    if ending == "md":
        data = paper_markdown(paper).encode("utf-8")
        return _download(data, f"{name}.md", "text/markdown; charset=utf-8")
    raise NotFound("page_missing", "there is no such document")


PAGES: Final = (
    StaffPage(path="/audits", roles=_AUDITS, handler=_audits, key="audits", group="privacy"),
    StaffPage(path="/audits/{number}", roles=_AUDITS, handler=_audit),
    StaffPage(path="/audits/{number}/audit.json", roles=_AUDITS, handler=_audit_file),
    *(
        StaffPage(
            path=f"/papers/{kind.value}",
            roles=_READERS,
            handler=_paper_page(kind),
            key=kind.value,
            group="papers",
        )
        for kind in PaperKind
    ),
    StaffPage(path="/papers/download/{file}", roles=_READERS, handler=_paper_file),
)
