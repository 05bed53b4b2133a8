"""What the consent commands are made of: scopes, notices, events, and the way into the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from volens.app.home import Home
from volens.cli.commands import Session
from volens.cli.homes import write_home
from volens.consent.model import (
    GENERAL,
    Act,
    ConsentEvent,
    NoticeRef,
    PurposeState,
    Scope,
    ScopeKind,
)
from volens.consent.store import Recorded
from volens.core.errors import Denied, InvalidInput, NotFound, VolensError
from volens.core.ids import EventId, IdKind, format_id, parse_id
from volens.core.purposes import Purpose
from volens.gate.facts import Use
from volens.policy.model import ReasonCode
from volens.vault.subjects import Subject

BUSY_WAIT_SECONDS = 0.5
TOLD = {
    Act.GRANT: "says yes to",
    Act.WITHDRAW: "takes the yes back for",
    Act.REVOKE: "has the yes revoked for",
    Act.OBJECT: "objects to",
    Act.LIFT_OBJECTION: "lifts the objection to",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The dataset, run or partner that a choice is limited to; at most one."""

    dataset: str = ""
    run: str = ""
    partner: str = ""

    def scope(self) -> Scope:
        """Return the scope it names.

        Raises:
            InvalidInput: ``scope_form`` if it names two.
        """
        given = [
            (kind, target)
            for kind, target in (
                (ScopeKind.DATASET, self.dataset),
                (ScopeKind.RUN, self.run),
                (ScopeKind.PARTNER, self.partner),
            )
            if target
        ]
        if len(given) > 1:
            hint = "record one choice for each"
            raise InvalidInput("scope_form", "a choice names one thing, not two", hint=hint)
        return Scope(kind=given[0][0], target=given[0][1]) if given else GENERAL


def notice_for(
    home: Home, subject: Subject, purpose: Purpose, language: str
) -> tuple[NoticeRef, str]:
    """Return the notice that people are shown about a purpose, and its text.

    Raises:
        Denied: ``prohibited`` if nobody may be asked for this at all.
        NotFound: ``notice_missing`` if there is none, or none in this language.
    """
    about = [notice for notice in home.policy.pack.notices if purpose in notice.purposes]
    for notice in about:
        if notice.language == language:
            ref = NoticeRef(id=notice.id, language=notice.language, sha256=notice.hash)
            return ref, notice.text
    if about:
        known = ", ".join(sorted(notice.language for notice in about))
        hint = f"there is one in: {known}"
        raise NotFound("notice_missing", f"no notice for {purpose} in {language!r}", hint=hint)
    reasons = home.gate.decide(subject, Use(purpose=purpose.value)).reasons
    if ReasonCode.PROHIBITED in reasons:
        raise Denied("prohibited", f"{purpose} is prohibited: nobody can grant it")
    hint = "volens policy show lists what can be asked for"
    raise NotFound("notice_missing", f"there is no notice about {purpose}", hint=hint)


def new_event(
    home: Home,
    subject: Subject,
    purpose: Purpose,
    act: Act,
    *,
    scope: Scope = GENERAL,
    event_id: str | None = None,
    notice: NoticeRef | None = None,
    expires: datetime | None = None,
) -> ConsentEvent:
    """Make the event of a choice that is made now."""
    if event_id is None:
        event_id = format_id(IdKind.EVENT, home.entropy.draw(16))
    parse_id(IdKind.EVENT, event_id)
    return ConsentEvent(
        id=EventId(event_id),
        subject=subject.id,
        purpose=purpose,
        act=act,
        at=home.clock.now(),
        scope=scope,
        notice=notice,
        expires=expires,
        channel="cli",
    )


def known_event(home: Home, event: ConsentEvent) -> ConsentEvent | None:
    """Return the event that was recorded, or journaled, under this event's id before.

    Raises:
        InvalidInput: ``event_conflict`` if that one is another choice.
    """
    waiting = {item.id: item for item in home.ledger.pending()}
    found = waiting.get(event.id)
    if found is None:
        try:
            found = home.ledger.find(event.id).event
        except NotFound:
            return None
    same = (event.subject, event.purpose, event.act, event.scope)
    if (found.subject, found.purpose, found.act, found.scope) != same:
        hint = "give every choice an id of its own"
        raise InvalidInput("event_conflict", f"{event.id} is another choice", hint=hint)
    return found


def record_as_owner(home: Home, event: ConsentEvent) -> tuple[Recorded, bool]:
    """Record a choice, or return the one of the same id; and whether it is new."""
    if known_event(home, event) is not None:
        return home.ledger.find(event.id), False
    return home.ledger.record([event])[0], True


def apply_journal(session: Session) -> str:
    """Try to have the journal applied now; return why not, or nothing.

    What is journaled holds either way: this only puts it in the log sooner.
    """
    try:
        with write_home(session, wait_seconds=BUSY_WAIT_SECONDS):
            return ""  # opening takes the journal in
    except VolensError as error:
        return error.message
    except OSError as error:
        return (error.strerror or "the system refused").lower()
    except SQLAlchemyError:
        return "the database can't be written"


def chosen_purposes(states: Mapping[Purpose, PurposeState]) -> list[Purpose]:
    """Return the purposes about which a person has ever recorded a yes."""
    return [purpose for purpose, state in states.items() if state.grants]
