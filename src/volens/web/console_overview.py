"""The privacy officer's overview: coverage of consent, deadlines, what is late, audits, holds.

Counts and moments only; nobody is named and nothing is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from volens.access.exceptions import Case
from volens.access.model import Role
from volens.app.home import Home
from volens.app.retention import clock_of, late_in
from volens.app.rights import rights_desk
from volens.app.safety import safety_of
from volens.audit.register import Audited, overdue_since
from volens.audit.run import every_days
from volens.consent.coverage import Coverage, coverage
from volens.core.purposes import CONSENT_PURPOSES, Purpose
from volens.core.time import parse_moment
from volens.holds.promises import Promise
from volens.lifecycle.trusted_time import Pause
from volens.log.kinds import ExceptionClass
from volens.policy.pack import Pack
from volens.policy.wording import say
from volens.rights.queue import Ages, Place, Speed, ages
from volens.web.charts import Bar, Chart, Span, Stack, bar_chart, span_chart, stack_chart
from volens.web.console_frame import StaffPage, Visit
from volens.web.words import Words

_ROLES: Final = frozenset({Role.PRIVACY_OFFICER})
_MOST_SPANS: Final = 12
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """How people answered one version of a notice."""

    file: str
    version: str
    """Of the policy that it came with; empty if the policy in force does not have it."""
    language: str
    purposes: tuple[Purpose, ...]
    yes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the officer sees first."""

    people: int
    coverage: Coverage
    labels: dict[Purpose, str]
    notices: tuple[Notice, ...]
    queue: tuple[Place, ...]
    ages: dict[Speed, Ages]
    late: tuple[Promise, ...]
    paused: Pause | None
    witness_ahead: bool
    audits: tuple[Audited, ...]
    audit_overdue: datetime | None
    audit_days: int
    holds: int
    holds_to_review: int
    policy: str


def overview(home: Home, language: str) -> Overview:
    """Return it as of now; what waits in the journals is taken in first."""
    home.ledger.drain()
    home.erasures.drain()
    now = home.clock.now()
    pack = home.policy.pack
    judged = clock_of(home).look(now)
    queue = rights_desk(home).queue()
    audits = home.audits.latest(5)
    days = every_days(home.policy, home.identity.region)
    found = coverage(home.main, now)
    holds = home.holds
    return Overview(
        people=home.subjects.count(),
        coverage=found,
        labels={purpose: say(info.label, language) for purpose, info in pack.purposes.items()},
        notices=_notices(pack, found),
        queue=queue,
        ages=ages(queue),
        late=late_in(home, judged),
        paused=judged.paused,
        witness_ahead=judged.witness_ahead,
        audits=tuple(audits),
        audit_overdue=overdue_since(
            audits[0].at if audits else None, parse_moment(home.identity.created), days, now
        ),
        audit_days=days,
        holds=len(holds.active(now)),
        holds_to_review=len(holds.review_due(now)),
        policy=f"{home.policy.ref.name} {home.policy.ref.version}",
    )


def _notices(pack: Pack, found: Coverage) -> tuple[Notice, ...]:
    known = {notice.hash: notice for notice in pack.notices}
    made = []
    for digest, yes in found.by_notice.items():
        notice = known.get(digest)
        made.append(
            Notice(
                file=digest[:12] if notice is None else _short(notice.file),
                version="" if notice is None else pack.version,
                language="" if notice is None else notice.language,
                purposes=() if notice is None else tuple(sorted(notice.purposes)),
                yes=yes,
            )
        )
    return tuple(sorted(made, key=lambda one: (-one.yes, one.file)))


def _short(file: str) -> str:
    """Return what a notice's file is called: ``notices/human-feedback.en.txt`` without the rest."""
    return file.rpartition("/")[2].partition(".")[0].replace("-", " ")


def coverage_chart(found: Overview, words: Words) -> Chart:
    """Draw how many people say yes to each purpose, took it back, or said nothing."""
    wanted = [purpose for purpose in Purpose if purpose in CONSENT_PURPOSES]
    stacks, numbers = [], []
    for purpose in wanted:
        yes = found.coverage.yes.get(purpose, 0)
        ended = found.coverage.ended.get(purpose, 0)
        rest = max(0, found.people - yes - ended)
        name = found.labels.get(purpose, purpose.value)
        said = words("console.of_people", count=yes, share=_percent(yes, found.people))
        stacks.append(Stack(name=name, parts=(yes, ended, rest), said=said))
        objected = found.coverage.objected.get(purpose, 0)
        numbers.append(
            (*(words.number(one) for one in (yes, ended, rest, objected)), _share(yes, found))
        )
    return stack_chart(
        words("console.overview.coverage"),
        stacks,
        [words(f"console.coverage.{key}") for key in ("yes", "ended", "silent")],
        (
            words("console.purpose"),
            *(
                f"#{words(f'console.coverage.{key}')}"
                for key in ("yes", "ended", "silent", "objected", "share")
            ),
        ),
        numbers=numbers,
    )


def notice_chart(found: Overview, words: Words) -> Chart:
    """Draw the opt-in rate by version of the notice: yes in force, of all people."""
    bars = [
        Bar(
            name=", ".join(part for part in (one.file, one.language, one.version) if part),
            value=one.yes,
            said=words("console.of_people", count=one.yes, share=_percent(one.yes, found.people)),
        )
        for one in found.notices
    ]
    columns = (words("console.notice"), f"#{words('console.coverage.yes')}")
    return bar_chart(words("console.overview.notices"), bars, columns, most=found.people)


def queue_chart(found: Overview, words: Words, now: datetime) -> Chart:
    """Draw the first requests of the queue, from when they came to when they are due."""
    spans = [
        Span(
            name=f"{one.number}. {words(f'console.request.kind.{one.kind.value}')}",
            start=one.opened,
            end=one.due,
            said=left(words, one.due, now),
            style="bad" if one.late else "s1" if one.speed is Speed.PRIORITY else "s2",
        )
        for one in found.queue[:_MOST_SPANS]
    ]
    columns = (words("console.request"), words("console.due"))
    return span_chart(words("console.overview.queue"), spans, now, columns, words("console.now"))


def speed_chart(found: Overview, words: Words) -> Chart:
    """Draw the age of the oldest open request of each speed."""
    bars = [
        Bar(
            name=words(f"console.speed.{speed.value}"),
            value=max(1, age.oldest // timedelta(hours=1)) if age.waiting else 0,
            said=words(
                "console.speed.said", count=age.waiting, age=days(words, age.oldest), late=age.late
            ),
            style="bad" if age.late else "s1",
        )
        for speed, age in found.ages.items()
    ]
    columns = (words("console.speed"), words("console.oldest"))
    return bar_chart(words("console.overview.ages"), bars, columns)


def exception_chart(cases: Sequence[Case], words: Words) -> Chart:
    """Draw how many cases there are of each class."""
    bars = [
        Bar(
            name=words(f"console.class.{one.value}"),
            value=sum(case.exception is one for case in cases),
            said=words.number(sum(case.exception is one for case in cases)),
        )
        for one in ExceptionClass
    ]
    columns = (words("console.case.class"), f"#{words('console.count')}")
    return bar_chart(words("console.overview.exceptions"), bars, columns)


def left(words: Words, due: datetime, now: datetime) -> str:
    """Say how much time there is until `due`, or how late it is."""
    key = "console.left" if due > now else "console.late_by"
    return words(key, time=days(words, abs(due - now)))


def days(words: Words, time: timedelta) -> str:
    """Say a time in days, or in hours below two days."""
    if time < 2 * _DAY:
        return words("console.hours", count=time // timedelta(hours=1))
    return words("console.days", count=time // _DAY)


def by_kind(found: Overview) -> list[tuple[str, int]]:
    """Return how many open requests there are of each kind."""
    return Counter(one.kind.value for one in found.queue).most_common()


def _percent(part: int, whole: int) -> str:
    return "0" if not whole else f"{100 * part / whole:.0f}"


def _share(part: int, found: Overview) -> str:
    return f"{_percent(part, found.people)} %"


async def _show(visit: Visit) -> Response:
    words = visit.words
    found = await visit.run(lambda home: overview(home, visit.language))
    cases = await visit.run(lambda home: safety_of(home).cases.listed(visit.principal))
    values = {
        "found": found,
        "kinds": by_kind(found),
        "exceptions": exception_chart(cases, words),
        "charts": {
            "coverage": coverage_chart(found, words),
            "notices": notice_chart(found, words),
            "queue": queue_chart(found, words, visit.now),
            "ages": speed_chart(found, words),
        },
    }
    return visit.page("overview", values, here="overview")


PAGES: Final = (
    StaffPage(path="/overview", roles=_ROLES, handler=_show, key="overview", group="privacy"),
)
