"""A home with something to see on every page of the staff console."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from tests.support.doors import Doors
from volens.app.auditing import evidence_of
from volens.app.home import Home
from volens.app.rights import rights_desk
from volens.app.safety import safety_of
from volens.audit.report import sign_report
from volens.audit.run import run_audit
from volens.consent.model import Act, ConsentEvent, NoticeRef
from volens.core.ids import ConversationId, EventId, IdKind, SubjectId, format_id
from volens.core.purposes import Purpose
from volens.core.regions import Region
from volens.log.kinds import CaptureSource, FlagCategory, FlagSeverity, RequestKind
from volens.rights.effects import Wish
from volens.rights.requests import About, Channel, VerifiedBy
from volens.vault.model import Conversation, Turn
from volens.vault.model import Role as Speaker
from volens.vault.subjects import NewSubject

ATTACKS: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea></div></details><h1>Approved</h1>",
    "{{ 7*7 }} {% raw %} ${7*7}",
    "left \u202egnp.exe\u202c right \u2066isolated\u2069",
    "hidden \u200b\u2060\ufeff\u00ad letters and tags \U000e0041\U000e0042",
    "bell \x07 escape \x1b[31mred\x1b[0m null-like \x01 line\u2028separator",
    "z" + "\u0301" * 40 + " stacked marks",
    "javascript:alert(1) data:text/html,<b>x</b>",
    "&lt;b&gt; already escaped &amp;",
)
"""What somebody may write to trouble whoever reviews it."""
ASKED: Final = (
    Purpose.SERVICE_IMPROVEMENT,
    Purpose.BATCH_TRAINING,
    Purpose.SAFETY_TRAINING,
    Purpose.HUMAN_FEEDBACK,
)
"""What people are asked for."""


def talk(*said: str, source_id: str = "one") -> Conversation:
    """Return a conversation of a person and an assistant in turn."""
    turns = tuple(
        Turn(role=Speaker.USER if place % 2 == 0 else Speaker.ASSISTANT, text=text)
        for place, text in enumerate(said)
    )
    return Conversation(source="test", source_id=source_id, turns=turns, title=ATTACKS[0])


def grant(home: Home, subject: SubjectId, purpose: Purpose) -> None:
    """Record a yes on the notice of the policy in force."""
    notice = next(
        one for one in home.policy.pack.notices if purpose in one.purposes and one.language == "en"
    )
    home.ledger.record(
        [
            ConsentEvent(
                id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
                subject=subject,
                purpose=purpose,
                act=Act.GRANT,
                at=home.clock.now(),
                notice=NoticeRef(id=notice.id, language=notice.language, sha256=notice.hash),
            )
        ]
    )


def fill(doors: Doors) -> Mapping[str, ConversationId]:
    """Fill the home: chats, choices, requests, flags, a report, an audit; return the chats."""
    person = doors.person.subject
    assert person is not None

    def people(home: Home) -> None:
        plans = ("free", "pro", "business", "free", "pro", "free")
        made = home.subjects.add(
            [
                NewSubject(reference=f"extra-{n}", plan=plan, region=Region.EU)
                for n, plan in enumerate(plans)
            ]
        )
        for number, subject in enumerate(made):
            for purpose in ASKED[: 1 + number]:
                grant(home, subject.id, purpose)

    def chats(home: Home) -> dict[str, ConversationId]:
        home.vault.capture(
            {
                person: [
                    talk(*ATTACKS, source_id="attacks"),
                    talk("How do I bake bread?", "With flour.", source_id="plain"),
                ]
            },
            source=CaptureSource.DEMO,
        )
        found = list(home.vault.of_subject(person))
        desk = safety_of(home)
        desk.flags.raise_flag(
            found[0],
            turns=tuple(range(len(ATTACKS))),
            category=FlagCategory.ABUSE,
            severity=FlagSeverity.HIGH,
            classifier="filter-v1",
        )
        grant(home, person.id, Purpose.HUMAN_FEEDBACK)
        grant(home, person.id, Purpose.BATCH_TRAINING)
        return {"attacks": found[0].id, "plain": found[1].id}

    def requests(home: Home) -> None:
        desk = rights_desk(home)
        desk.open(person, Wish(kind=RequestKind.ACCESS), channel=Channel.WEB)
        desk.open(
            person,
            Wish(kind=RequestKind.RECTIFICATION, about=About.REGION),
            channel=Channel.WEB,
            verified_by=VerifiedBy.SIGNED_IN,
        )

    def audit(home: Home) -> None:
        report = run_audit(evidence_of(home), clock=home.clock)
        home.audits.keep(report, sign_report(report, home.signer))

    doors.run(people)
    made = doors.run(chats)
    doors.run(requests)
    doors.run(audit)
    doors.where.clock.step(timedelta(hours=3))
    return made
