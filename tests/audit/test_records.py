"""Generated documents: complete against the schema, counted from the log, never finished."""

import re
from datetime import datetime, timedelta

import pytest

from tests.audit.looking import PEOPLE
from tests.docs.pages import ROOT
from tests.support.homes import Place
from tests.support.stores import START
from volens.app.auditing import evidence_of
from volens.audit.checks import CHECKS
from volens.audit.impact import RISKS, impact_draft
from volens.audit.inventory import TABLES, compare, file_class_of, held_of
from volens.audit.inventory_files import FILES
from volens.audit.inventory_paper import inventory_paper, person_paper
from volens.audit.paper import ASK, Paper, paper_markdown, paper_page
from volens.audit.processing import LastAudit, processing_records
from volens.audit.survey import columns
from volens.audit.trail import Trail
from volens.audit.transparency import Period, transparency_report
from volens.core.purposes import PROHIBITED
from volens.core.time import EPOCH
from volens.log.checkpoint import Checkpoint
from volens.log.entries import Entry, encode_entry, parse_entry
from volens.log.fields import Value
from volens.log.kinds import (
    EntryKind,
    ErasureCause,
    ErasureScope,
    HoldClass,
    RequestKind,
    RequestOutcome,
)
from volens.log.verify import LogReport

DAY = timedelta(days=1)
ALL = Period(since=EPOCH, until=START + 400 * DAY)
COMMITMENT = b"\x01" * 32


def schema_of(where: Place) -> dict[str, tuple[str, ...]]:
    with where.open(writing=False) as home:
        return {**columns(home.main), **columns(home.keys_database)}


def test_every_column_of_a_home_has_its_row(here: Place) -> None:
    schema = schema_of(here)
    gaps = compare(schema)
    assert gaps.untold == ()
    assert set(schema) <= {one.name for one in TABLES}


def test_a_new_column_and_a_new_table_are_told_apart_from_the_known() -> None:
    gaps = compare({"subject": ("no", "shoe_size"), "pets": ("name",)})
    assert gaps.untold == ("subject.shoe_size", "pets.name")
    assert "subject.plan" in gaps.gone


def test_every_row_of_the_inventory_answers_every_question() -> None:
    rows = [one for table in TABLES for one in table.held] + [one.held for one in FILES]
    for one in rows:
        told = (one.what, one.why, one.basis, one.kept, one.seen_by, one.form)
        assert all(text.strip() for text in told), one


def test_every_place_of_the_page_of_the_home_has_a_file_class() -> None:
    text = (ROOT / "docs/formats/home.md").read_text(encoding="utf-8")
    block = text.split("HOME/", 1)[1].split("CUSTODY/", 1)[0]
    names = re.findall(r"^ {6}(\S+)", block, re.MULTILINE)
    assert len(names) > 8
    known = {one.name.split("/")[0] for one in FILES}
    assert {name.split("/")[0] for name in names} == known


def test_what_a_gag_covers_is_never_counted_for_a_person() -> None:
    quiet = {one.name for one in TABLES if one.quiet}
    assert quiet == {
        *("hold", "hold_scope", "hold_act"),
        *("flag", "exception_case", "exception_turns", "exception_act", "lease"),
    }
    assert not [one.name for one in TABLES if one.quiet and one.counted_by]
    assert all(one.about_people for one in TABLES if one.quiet)


def test_every_file_of_a_home_has_a_class_and_a_stranger_has_none(here: Place) -> None:
    names = [
        path.relative_to(here.folder).as_posix()
        for path in here.folder.rglob("*")
        if path.is_file()
    ]
    assert len(names) > 10
    assert [name for name in names if file_class_of(name) is None] == []
    for name in ("main.db.bak", "x", "datasets/dst_x/manifest.json", "log", "audits/1.json"):
        assert file_class_of(name) is None


def test_what_is_held_of_one_person_is_theirs_alone(here: Place) -> None:
    with here.open(writing=False) as home:
        counts = {}
        for name in PEOPLE:
            holder = home.subjects.find(name).holder
            shares = held_of(home.main, home.keys_database, number=holder.number, raw=holder.raw)
            counts[name] = {one.table: one.count for one in shares}
        nobody = held_of(home.main, home.keys_database, number=999, raw=bytes(16))
    assert {table: count for table, count in counts["ada"].items() if count} == {
        "subject": 1,
        "leaf": 1,
        "bulk_access": 1,
        "conversation": 2,
        "block": 1,
        "consent_event": 1,
        "consent_state": 1,
        "key_page": 1,
    }
    assert (counts["bo"]["consent_event"], counts["bo"]["leaf"]) == (0, 2)
    assert (counts["dee"]["consent_event"], counts["dee"]["leaf"]) == (2, 2)
    assert {one.count for one in nobody} == {0}
    paper = person_paper(shares, [("account", "x")])
    assert "conversation: 2 rows about you" in {one.title for one in paper.sections}


def test_the_inventory_shows_each_column_that_is_there(here: Place) -> None:
    schema = schema_of(here)
    paper = inventory_paper(schema, [("home", "here")])
    shown = {
        (one.title.split(": ")[1], row[0])
        for one in paper.sections
        if ".db: " in one.title
        for row in one.rows
    }
    assert shown == {(table, column) for table, names in schema.items() for column in names}


def papers(here: Place, last: LastAudit | None = None) -> tuple[Paper, Paper]:
    with here.open(writing=False) as home:
        evidence = evidence_of(home)
        return (
            processing_records(evidence, last, language="en"),
            impact_draft(evidence, last, language="en"),
        )


def test_the_records_of_processing_follow_the_article_and_the_live_policy(here: Place) -> None:
    paper, _ = papers(here, LastAudit(at="2026-01-02T00:00:00.000Z", checks=23, failed=1))
    titles = " ".join(one.title for one in paper.sections)
    for letter in "abcdefg":
        assert f"30(1)({letter})" in titles
    told = paper_markdown(paper)
    with here.open(writing=False) as home:
        for purpose in home.policy.pack.matrix:
            assert f"({purpose.value})" in told
        for days in ("30", "90", "365"):
            assert f"| {days} |" in told
    assert all(purpose.value in told for purpose in PROHIBITED)
    assert "22 of 23 checks held" in told
    assert "4 people, 8 conversations" in told
    assert "holders of 1 readable datasets" in told
    assert all(one.promise in told for one in CHECKS)


def test_what_only_a_person_knows_is_asked_and_never_guessed(here: Place) -> None:
    processing, impact = papers(here)
    for paper in (processing, impact):
        assert paper.questions > 5
        marked = paper_markdown(paper).count(f"> **{ASK.strip()}**")
        assert marked == paper.questions == paper.document()["open_questions"]
        assert paper_page(paper).count(ASK) == paper.questions
    assert "controller" in " ".join(processing.sections[0].questions)
    assert processing.sections[0].rows == ()


def test_the_impact_draft_never_says_that_it_is_finished(here: Place) -> None:
    _, impact = papers(here)
    assert "DRAFT" in impact.title
    assert dict(impact.facts)["state"].startswith("draft")
    asked = " ".join(question for one in impact.sections for question in one.questions)
    for risk in RISKS:
        assert f"how likely and how grave for people: {risk.what}" in asked
    assert "nobody has signed them" in asked
    last = impact.sections[-1]
    assert last.rows == ()
    assert len(last.questions) == 4


def test_every_measure_of_a_risk_names_a_check_that_there_is() -> None:
    known = {one.id for one in CHECKS}
    assert all(set(risk.checks) <= known and risk.checks for risk in RISKS)


def trail(*told: tuple[float, EntryKind, dict[str, Value]]) -> Trail:
    entries = [
        parse_entry(encode_entry(Entry(kind=kind, at=START + day * DAY, fields=fields)))
        for day, kind, fields in told
    ]
    point = Checkpoint(origin="log.example", size=len(entries), root=b"\x02" * 32)
    report = LogReport(checkpoint=point, cosigned=(), unknown=(), pending=0, files=3)
    return Trail(entries=entries, hashes=[b""] * len(entries), report=report)


def rows_of(paper: Paper, title: str) -> dict[str, tuple[str, ...]]:
    (found,) = [one for one in paper.sections if one.title == title]
    return {row[0]: row[1:] for row in found.rows}


def asked(kind: RequestKind) -> dict[str, Value]:
    return {"commitment": COMMITMENT, "request": kind, "due": START}


def ended(kind: RequestKind, outcome: RequestOutcome) -> dict[str, Value]:
    return {"commitment": COMMITMENT, "request": kind, "outcome": outcome}


def test_requests_are_counted_by_kind_and_outcome_with_their_median_time() -> None:
    access = RequestKind.ACCESS
    log = trail(
        (0, EntryKind.REQUEST_OPENED, asked(access)),
        (1, EntryKind.REQUEST_OPENED, asked(access)),
        (2, EntryKind.REQUEST_CLOSED, ended(access, RequestOutcome.FULFILLED)),
        (2, EntryKind.REQUEST_OPENED, asked(RequestKind.ERASURE)),
        (7, EntryKind.REQUEST_CLOSED, ended(access, RequestOutcome.REFUSED)),
    )
    rows = rows_of(transparency_report(log, ALL), "Rights requests")
    assert rows["access"] == ("2", "1", "0", "1", "0", "4.0")
    assert rows["erasure"] == ("1", "0", "0", "0", "0", "-")
    assert rows["portability"] == ("0", "0", "0", "0", "0", "-")


def test_a_period_takes_its_first_moment_and_not_its_last() -> None:
    log = trail(
        (0, EntryKind.REQUEST_OPENED, asked(RequestKind.ACCESS)),
        (1, EntryKind.REQUEST_OPENED, asked(RequestKind.ACCESS)),
        (2, EntryKind.REQUEST_OPENED, asked(RequestKind.ACCESS)),
    )
    period = Period(since=START, until=START + 2 * DAY)
    assert rows_of(transparency_report(log, period), "Rights requests")["access"][0] == "2"


def test_erasures_and_holds_are_counted() -> None:
    request = {
        "commitment": COMMITMENT,
        "scope": ErasureScope.ACCOUNT,
        "cause": ErasureCause.REQUEST,
        "due": START,
    }
    bulk: dict[str, Value] = {"count": 2, "root": COMMITMENT}
    log = trail(
        (0, EntryKind.ERASURE_REQUESTED, request),
        (4, EntryKind.ERASURE_REQUESTED, request),
        (8, EntryKind.ERASURE_STARTED, bulk),
        (8, EntryKind.ERASURE_KEYS_REMOVED, {"started": 2, **bulk}),
        (20, EntryKind.ERASURE_IRRECOVERABLE, bulk),
        (
            21,
            EntryKind.HOLD_PLACED,
            {
                "commitment": COMMITMENT,
                "class": HoldClass.LEGAL,
                "until": START,
                "gag_until": START,
            },
        ),
    )
    paper = transparency_report(log, ALL)
    erasures = rows_of(paper, "Erasures")
    assert erasures["requested: account, request"] == ("2",)
    assert (erasures["keys removed"], erasures["irrecoverable"]) == (("2",), ("2",))
    assert erasures["median days from request to irrecoverable, in order"] == ("18.0",)
    holds = rows_of(paper, "Courts, authorities and governments")
    assert holds["legal holds placed"] == ("1",)
    assert holds["of these, with a time in which the person is not told"] == ("1",)


def test_a_lived_in_home_is_counted_from_its_log_alone(here: Place) -> None:
    with here.open(writing=False) as home:
        paper = transparency_report(evidence_of(home).log(), ALL)
    accesses = rows_of(paper, "Accesses to what people said")
    assert accesses["batch_training"][:3] == ("service", "build", "dataset_build")
    assert accesses["batch_training"][3:6] == ("1", "4", "4")
    assert rows_of(paper, "Choices people made")["batch_training"] == ("3", "1", "0", "0")
    assert rows_of(paper, "Datasets")["batch_training"] == ("1", "4", "1")


def test_the_three_forms_say_the_same_and_escape_what_they_are_given(here: Place) -> None:
    with here.open(writing=False) as home:
        paper = transparency_report(evidence_of(home).log(), ALL)
    page, text = paper_page(paper), paper_markdown(paper)
    assert "<script" not in page
    document = paper.document()
    sections = document["sections"]
    assert isinstance(sections, list)
    for one in sections:
        assert one["title"] in text
        assert f"<h2>{one['title']}</h2>" in page
        for row in one["rows"]:
            for cell in row.values():
                assert cell in text
    strange = Paper(version="x/v1", title="<i>a|b</i>", facts=(("a|b", "c\nd"),), sections=())
    assert "<i>" not in paper_page(strange)
    assert "| a\\|b | c d |" in paper_markdown(strange)


@pytest.mark.parametrize("moment", [START, START + DAY])
def test_a_log_without_entries_is_a_report_of_zeros(moment: datetime) -> None:
    paper = transparency_report(trail(), Period(since=EPOCH, until=moment))
    assert rows_of(paper, "Erasures")["cancelled"] == ("0",)
