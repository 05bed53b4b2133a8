"""What has to be written down before an exception of each class opens, from closed lists.

A record holds no sentence and no name: words of lists, short references such as docket numbers, and
ids of staff accounts. An informal request makes no record and opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from volens.core.canonical import Json
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import AccountId, IdKind, parse_id
from volens.log.kinds import ExceptionClass, RefusalGround

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")


class Danger(StrEnum):
    """Who is in danger."""

    SELF = "self"
    OTHERS = "others"
    CHILD = "child"


class Horizon(StrEnum):
    """When the danger would come true: the test of immediacy."""

    NOW = "now"
    HOURS = "hours"
    DAYS = "days"
    UNKNOWN = "unknown"
    """Not immediate as far as anybody can tell: opens nothing."""


class Sign(StrEnum):
    """What the danger shows by."""

    STATED_INTENT = "stated_intent"
    MEANS_AT_HAND = "means_at_hand"
    PLAN_WITH_DETAILS = "plan_with_details"
    THIRD_PARTY_WARNING = "third_party_warning"


class AbuseKind(StrEnum):
    """How safety measures were attacked."""

    JAILBREAK = "jailbreak"
    AUTOMATED_ABUSE = "automated_abuse"
    FRAUD = "fraud"
    MALWARE = "malware"
    EXTRACTION = "extraction"


class OrderForm(StrEnum):
    """In what form an authority asked."""

    COURT_ORDER = "court_order"
    WARRANT = "warrant"
    STATUTORY_DEMAND = "statutory_demand"
    INFORMAL = "informal"
    """A letter, a call, a request without a legal basis: opens nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Immediacy:
    """The test of how immediate a danger is; for physical harm and for children."""

    danger: Danger
    horizon: Horizon
    sign: Sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, and which law it breaks; for illegal content."""

    law: str
    """A short reference such as ``DE:StGB-184b``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abuse:
    """How safety measures were attacked."""

    kind: AbuseKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """The check that a legal order, or a supervisory authority's demand, is valid."""

    form: OrderForm
    issuer: str
    """A short reference such as ``DE:AG-Berlin``."""
    jurisdiction: str
    """Such as ``DE``."""
    docket: str
    reviewer: AccountId
    """Who checked it."""
    has_jurisdiction: bool
    signed: bool
    names_turns: bool
    """Whether it asks for named material, not for whole accounts."""


Record = Immediacy | Finding | Abuse | Validity

RECORD_OF: Final[Mapping[ExceptionClass, type[Record]]] = {
    ExceptionClass.ILLEGAL_CONTENT: Finding,
    ExceptionClass.PHYSICAL_HARM: Immediacy,
    ExceptionClass.SYSTEM_ABUSE: Abuse,
    ExceptionClass.LEGAL_ORDER: Validity,
    ExceptionClass.CHILD_PROTECTION: Immediacy,
    ExceptionClass.SUPERVISORY_ACCESS: Validity,
}
"""Which record each class demands."""


class Refused(Denied):
    """A request that opens nothing; `ground` goes into the log."""

    def __init__(self, ground: RefusalGround, message: str, *, hint: str = "") -> None:
        """Refuse with the code ``exception_`` and the ground."""
        super().__init__(f"exception_{ground.value}", message, hint=hint)
        self.ground = ground


def check_record(exception: ExceptionClass, record: Record) -> None:
    """Pass if `record` is the one that the class demands, and lets it open.

    Raises:
        InvalidInput: ``exception_record`` if it is another class's, or not well-formed.
        Refused: ``exception_informal``, ``exception_no_jurisdiction``, ``exception_invalid``,
            ``exception_too_broad`` or ``exception_not_immediate``: nothing may be opened.
    """
    wanted = RECORD_OF[exception]
    if type(record) is not wanted:
        message = f"{exception.value} takes a record of the kind {wanted.__name__.lower()}"
        raise InvalidInput("exception_record", message)
    match record:
        case Validity():
            _check_validity(record)
        case Finding(law=law):
            check_reference("the law it breaks", law)
        case Immediacy(horizon=Horizon.UNKNOWN):
            raise Refused(
                RefusalGround.NOT_IMMEDIATE,
                "no immediate danger was found, so nothing is opened",
                hint="report it again when that changes",
            )
        case _:
            pass


def _check_validity(record: Validity) -> None:
    parse_id(IdKind.ACCOUNT, record.reviewer)
    if record.form is OrderForm.INFORMAL:
        raise Refused(
            RefusalGround.INFORMAL,
            "an informal request opens nothing",
            hint="ask the authority for a formal order",
        )
    check_reference("the issuer", record.issuer)
    check_reference("the jurisdiction", record.jurisdiction)
    check_reference("the docket number", record.docket)
    for holds, ground, words in (
        (record.has_jurisdiction, RefusalGround.NO_JURISDICTION, "has no jurisdiction here"),
        (record.signed, RefusalGround.INVALID, "did not sign the order"),
        (record.names_turns, RefusalGround.TOO_BROAD, "does not name what it asks for"),
    ):
        if not holds:
            raise Refused(ground, f"the issuer {record.issuer} {words}: nothing is opened")


def check_reference(what: str, word: str) -> None:
    """Pass if `word` is a short reference.

    Raises:
        InvalidInput: ``exception_word``.
    """
    if not _REFERENCE.fullmatch(word):
        hint = "letters, digits and . _ : / -, at most 64; never a person's name"
        raise InvalidInput("exception_word", f"not a word for {what}: {word[:40]!r}", hint=hint)


def record_document(record: Record) -> dict[str, Json]:
    """Write a record as it lies in the database and in what log entries commit to."""
    match record:
        case Immediacy():
            return {
                "kind": "immediacy",
                "danger": record.danger.value,
                "horizon": record.horizon.value,
                "sign": record.sign.value,
            }
        case Finding():
            return {"kind": "finding", "law": record.law}
        case Abuse():
            return {"kind": "abuse", "abuse": record.kind.value}
        case Validity():
            return {
                "kind": "validity",
                "form": record.form.value,
                "issuer": record.issuer,
                "jurisdiction": record.jurisdiction,
                "docket": record.docket,
                "reviewer": record.reviewer,
                "has_jurisdiction": record.has_jurisdiction,
                "signed": record.signed,
                "names_turns": record.names_turns,
            }


def read_record(document: Json) -> Record:
    """Read what `record_document` wrote.

    Raises:
        InvalidInput: ``exception_record`` on anything else.
    """
    members = document if isinstance(document, dict) else {}
    try:
        record = _READERS[str(members["kind"])](members)
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput("exception_record", "a stored record can't be read") from error
    if record_document(record) != document:
        raise InvalidInput("exception_record", "a stored record has other members")
    return record


_READERS: Final[Mapping[str, Callable[[dict[str, Json]], Record]]] = {
    "immediacy": lambda d: Immediacy(
        danger=Danger(str(d["danger"])),
        horizon=Horizon(str(d["horizon"])),
        sign=Sign(str(d["sign"])),
    ),
    "finding": lambda d: Finding(law=str(d["law"])),
    "abuse": lambda d: Abuse(kind=AbuseKind(str(d["abuse"]))),
    "validity": lambda d: Validity(
        form=OrderForm(str(d["form"])),
        issuer=str(d["issuer"]),
        jurisdiction=str(d["jurisdiction"]),
        docket=str(d["docket"]),
        reviewer=AccountId(str(d["reviewer"])),
        has_jurisdiction=d["has_jurisdiction"] is True,
        signed=d["signed"] is True,
        names_turns=d["names_turns"] is True,
    ),
}
