"""A small home with a person's chats, some of it flagged, and staff in every role."""

from datetime import timedelta

from tests.support.homes import Place, add
from volens.access.exception_records import (
    Abuse,
    AbuseKind,
    Danger,
    Finding,
    Horizon,
    Immediacy,
    OrderForm,
    Record,
    Sign,
    Validity,
)
from volens.access.exceptions import Case, CaseReason, Gag
from volens.access.model import Principal, PrincipalKind, Role
from volens.app.home import Home
from volens.app.retention import clock_of
from volens.app.safety import Safety, safety_of
from volens.core.ids import AccountId, ConversationId, IdKind, format_id
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import (
    CaptureSource,
    EntryKind,
    ExceptionClass,
    FlagCategory,
    FlagSeverity,
)
from volens.vault import model as vault
from volens.vault.store import Held
from volens.vault.subjects import Subject

TICK = timedelta(milliseconds=1)
DAY = timedelta(days=1)
SECRET = "the words in turn"


def member(number: int, *roles: Role) -> Principal:
    account = AccountId(format_id(IdKind.ACCOUNT, bytes([number]) * 16))
    return Principal(kind=PrincipalKind.STAFF, account=account, roles=frozenset(roles))


EVE = member(1, Role.TRUST_AND_SAFETY)
BOB = member(2, Role.TRUST_AND_SAFETY)
LEA = member(3, Role.LEGAL_COUNSEL)
OLE = member(4, Role.PRIVACY_OFFICER)
RAY = member(5, Role.RATER)
SUE = member(6, Role.SUPPORT)
STAFF = {
    "support": SUE,
    "rater": RAY,
    "research": member(7, Role.RESEARCH),
    "engineering": member(8, Role.ENGINEERING),
    "auditor": member(9, Role.AUDITOR),
    "organisation_admin": member(10, Role.ORGANISATION_ADMIN),
    "privacy_officer": OLE,
}
ABUSE = Abuse(kind=AbuseKind.JAILBREAK)
IMMEDIATE = Immediacy(danger=Danger.SELF, horizon=Horizon.NOW, sign=Sign.STATED_INTENT)
LAW = Finding(law="DE:StGB-184b")


def order(**changes: object) -> Validity:
    given: dict[str, object] = {
        "form": OrderForm.COURT_ORDER,
        "issuer": "DE:AG-Berlin",
        "jurisdiction": "DE",
        "docket": "17-C-4/26",
        "reviewer": LEA.account,
        "has_jurisdiction": True,
        "signed": True,
        "names_turns": True,
    }
    return Validity(**{**given, **changes})  # type: ignore[arg-type]  # a test's own words


RECORDS: dict[ExceptionClass, Record] = {
    ExceptionClass.ILLEGAL_CONTENT: LAW,
    ExceptionClass.PHYSICAL_HARM: IMMEDIATE,
    ExceptionClass.SYSTEM_ABUSE: ABUSE,
    ExceptionClass.LEGAL_ORDER: order(),
    ExceptionClass.CHILD_PROTECTION: IMMEDIATE,
    ExceptionClass.SUPERVISORY_ACCESS: order(),
}


class World:
    """The home, and short ways to act on it."""

    def __init__(self, where: Place, home: Home) -> None:
        self.where = where
        self.home = home
        self.clock = where.clock
        self.ann, self.max = add(home, "ann", "max")
        self.chat, self.other = self.talk(self.ann, 2)
        (self.foreign,) = self.talk(self.max, 1)

    @property
    def safety(self) -> Safety:
        return safety_of(self.home)

    def pass_time(self, by: timedelta) -> None:
        """Step the clock, and have an officer confirm it: what destroys trusts no bare leap."""
        self.clock.step(by)
        clock_of(self.home).confirm(self.clock.now(), stated=self.clock.now())

    def talk(self, subject: Subject, count: int) -> list[Held]:
        chats = [
            vault.Conversation(
                source="test",
                source_id=f"{subject.number}-{number}",
                title="a title that says much",
                turns=tuple(
                    vault.Turn(
                        role=vault.Role.USER if turn % 2 == 0 else vault.Role.ASSISTANT,
                        text=f"{SECRET} {turn}",
                        parent=turn - 1,
                    )
                    for turn in range(6)
                ),
            )
            for number in range(count)
        ]
        self.home.vault.capture({subject: chats}, source=CaptureSource.API)
        return list(self.home.vault.of_subject(subject))

    def flag(self, held: Held, *turns: int, **words: object) -> None:
        given: dict[str, object] = {
            "category": FlagCategory.ABUSE,
            "severity": FlagSeverity.HIGH,
            "classifier": "guard-v1",
        }
        self.safety.flags.raise_flag(held, turns=turns, **{**given, **words})  # type: ignore[arg-type]  # as above

    def open(
        self,
        who: Principal = EVE,
        exception: ExceptionClass = ExceptionClass.SYSTEM_ABUSE,
        *,
        turns: dict[ConversationId, tuple[int, ...]] | None = None,
        record: Record | None = None,
        days: int | None = None,
        gag: Gag | None = None,
    ) -> Case:
        """Open a case on turns 2 and 3 of the first chat."""
        return self.safety.cases.open(
            who,
            exception=exception,
            turns={self.chat.id: (2, 3)} if turns is None else turns,
            reason=CaseReason.CLASSIFIER_FLAG,
            record=record or RECORDS[exception],
            days=days,
            gag=gag,
        )

    def texts(self, case: Case, who: Principal = EVE, held: Held | None = None) -> list[str]:
        look = self.safety.cases.look(who, case.id, (held or self.chat).id)
        return [turn.text for turn in look.turns]

    def entries(self, *kinds: EntryKind) -> list[Entry]:
        log = self.home.owned_log()
        found = [parse_entry(log.entry(index)) for index in range(log.size)]
        return [entry for entry in found if entry.kind in kinds]
