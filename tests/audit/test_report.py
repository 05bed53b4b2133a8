"""The report is signed, kept, shown as a page; the next audit is due in time."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.looking import look
from tests.support.homes import Place
from tests.support.stores import policy
from volens.app.auditing import evidence_of
from volens.audit.model import MAX_NUMBERS, Finding, Look, Outcome, Report, Result, found
from volens.audit.register import overdue_since
from volens.audit.report import sign_report, verify_report
from volens.audit.report_page import report_page
from volens.audit.run import EVERY_DAYS, every_days, run_audit
from volens.core.errors import NotFound, VerificationFailed
from volens.core.regions import Region
from volens.log.entries import commit, parse_entry
from volens.log.kinds import EntryKind
from volens.log.note import Signer
from volens.policy.decision import Policy

SIGNER = Signer(name="log.example", seed=bytes(range(32)))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def report_of(*looks: Look) -> Report:
    results = tuple(
        Result(
            id=f"check.{number}",
            promise="It holds.",
            rows=("R47",),
            how="by looking",
            look=one,
            duration_ms=1,
        )
        for number, one in enumerate(looks)
    )
    return Report(
        origin="log.example",
        region="eu",
        realm="civilian",
        software="volens 0",
        policy={"name": "house", "version": "1", "sha256": "ab" * 32},
        log_size=7,
        log_root="cd" * 32,
        at=NOW,
        every_days=30,
        results=results,
    )


HELD, BROKEN, UNSEEN = (
    Look(looked_at=3),
    Look(looked_at=3, violations=[Finding(text="<b>one</b> & more", count=40, numbers=(1, 2))]),
    Look(looked_at=0, not_checked="the disk is gone"),
)


def test_only_a_check_that_looked_and_found_nothing_holds() -> None:
    outcomes = [one.outcome for one in report_of(HELD, BROKEN, UNSEEN).results]
    assert outcomes == [Outcome.HELD, Outcome.VIOLATED, Outcome.NOT_CHECKED]
    assert report_of(HELD, BROKEN, UNSEEN).failed == 2
    both = Look(looked_at=1, violations=BROKEN.violations, not_checked="half of it")
    assert report_of(both).results[0].outcome is Outcome.VIOLATED


@given(st.lists(st.integers(min_value=0, max_value=10**6), max_size=60))
def test_a_finding_counts_all_and_lists_the_first(numbers: list[int]) -> None:
    findings = found("x", numbers)
    assert bool(findings) == bool(numbers)
    for one in findings:
        assert one.count == len(numbers)
        assert list(one.numbers) == sorted(filter(None, numbers))[:MAX_NUMBERS]


def test_a_signed_report_reads_back_as_it_was() -> None:
    report = report_of(HELD, BROKEN, UNSEEN)
    envelope = sign_report(report, SIGNER)
    assert verify_report(envelope, SIGNER.verifier) == json.loads(json.dumps(report.document()))
    assert sign_report(report, SIGNER) == envelope


def test_every_changed_byte_of_a_report_is_found() -> None:
    envelope = sign_report(report_of(HELD), SIGNER)
    for place in range(len(envelope)):
        changed = bytearray(envelope)
        changed[place] ^= 1
        with pytest.raises(VerificationFailed):
            verify_report(bytes(changed), SIGNER.verifier)


def test_another_key_or_another_home_is_refused() -> None:
    envelope = sign_report(report_of(HELD), SIGNER)
    other = Signer(name="log.example", seed=bytes(32))
    with pytest.raises(VerificationFailed):
        verify_report(envelope, other.verifier)
    renamed = Signer(name="other.example", seed=bytes(32))
    foreign = sign_report(report_of(HELD), renamed)
    with pytest.raises(VerificationFailed, match=r"report\.origin"):
        verify_report(foreign, renamed.verifier)


def test_a_report_is_kept_logged_and_read_again(here: Place) -> None:
    with here.open() as home:
        assert home.audits.last() is None
        report = run_audit(evidence_of(home), clock=here.clock)
        envelope = sign_report(report, home.signer)
        kept = home.audits.keep(report, envelope)
        entry = parse_entry(home.owned_log().entry(kept.log_index))
        again = home.audits.last()
        assert again == kept
        assert home.audits.read(kept) == envelope
        path = home.audits.path(kept.number)
        assert path.stat().st_mode & 0o777 == 0o600
        second = home.audits.keep(report, envelope)
        path.unlink()
        with pytest.raises(NotFound):
            home.audits.read(kept)
    assert (entry.kind, entry.fields["checks"], entry.fields["failed"]) == (
        EntryKind.AUDIT_DONE,
        len(report.results),
        0,
    )
    assert (kept.number, second.number) == (1, 2)
    assert entry.fields["commitment"] != commit(bytes(32), envelope)


def test_a_second_audit_looks_at_the_first(here: Place) -> None:
    with here.open() as home:
        report = run_audit(evidence_of(home), clock=here.clock)
        home.audits.keep(report, sign_report(report, home.signer))
    later = look(here)
    assert later.failed == 0
    assert [one.look.looked_at for one in later.results if one.id == "audits.kept"] == [1]


@pytest.mark.parametrize(
    ("last", "after", "late"),
    [
        (None, timedelta(days=30) - timedelta(milliseconds=1), False),
        (None, timedelta(days=30), True),
        (timedelta(days=5), timedelta(days=35) - timedelta(milliseconds=1), False),
        (timedelta(days=5), timedelta(days=35), True),
    ],
)
def test_an_audit_is_overdue_from_its_border_on(
    last: timedelta | None, after: timedelta, late: bool
) -> None:
    before = None if last is None else NOW + last
    since = overdue_since(before, NOW, 30, NOW + after)
    assert since == ((before or NOW) + timedelta(days=30) if late else None)


def test_each_region_has_its_own_rhythm_or_the_common_one() -> None:
    pack = policy().pack
    own = replace(pack.regions[Region.EU], deadlines_days={"audit": 7})
    other = Policy(replace(pack, regions={**pack.regions, Region.EU: own}))
    assert every_days(other, Region.EU) == 7
    assert every_days(other, Region.US) == every_days(policy(), Region.EU) == EVERY_DAYS == 30


def test_the_page_is_one_file_without_script_and_escapes_what_it_is_given() -> None:
    told = report_page(report_of(HELD, BROKEN, UNSEEN).document())
    tags = set(re.findall(r"<([a-z0-9]+)", told))
    text = unescape(re.sub(r"<[^>]+>", "", told))
    assert not {"script", "link", "img", "iframe", "object", "a"} & tags
    assert not re.search(r"""\s(href|src|on[a-z]+)=""", told)
    assert "<b>one</b>" not in told
    assert "<b>one</b> & more: 40 (no. 1, 2, and more)" in text
    assert "the disk is gone" in text
    assert "2 of 3 checks did not hold" in text
    assert {"svg", "title", "desc", "table", "h1"} <= tags
    assert "default-src 'none'" in told
    for wanted in ("prefers-color-scheme: dark", "@media print", "max-width: 40rem"):
        assert wanted in told


def test_the_picture_says_in_words_what_it_shows() -> None:
    told = report_page(report_of(HELD, HELD, BROKEN).document())
    (picture,) = re.findall(r"<svg.*?</svg>", told, re.DOTALL)
    assert "<desc>held 2; broken 1; not looked at 0</desc>" in picture
    assert 'role="img"' in picture
    widths = [
        int(width) for width in re.findall(r'class="(?:good|bad|warn)".*? width="(\d+)"', picture)
    ]
    assert widths[0] > widths[1] > widths[2] == 0


def test_the_payload_is_canonical_and_names_its_type() -> None:
    envelope = json.loads(sign_report(report_of(HELD), SIGNER))
    assert envelope["payloadType"] == "application/vnd.volens.audit+json"
    payload = base64.b64decode(envelope["payload"])
    assert (
        payload == json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":")).encode()
    )
