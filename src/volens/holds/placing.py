"""What has to be true of the vault, and of earlier holds, for a hold to be placed."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, parse_id
from volens.holds.model import Hold
from volens.holds.rows import load_on
from volens.holds.tables import HOLD
from volens.log.kinds import HoldClass
from volens.storage.engine import in_runs
from volens.vault.tables import CONVERSATION, SUBJECT


def check_scope(db: Connection, hold: Hold) -> None:
    """Pass if the hold's conversations are here, are its person's, and have the turns it names.

    Raises:
        NotFound: ``conversation_unknown``.
        InvalidInput: ``hold_owner`` or ``hold_turns``.
    """
    there: dict[bytes, tuple[bytes, int]] = {}
    columns = select(CONVERSATION.c.id, SUBJECT.c.id, CONVERSATION.c.turns).join(
        SUBJECT, SUBJECT.c.no == CONVERSATION.c.subject_no
    )
    for some in in_runs([parse_id(IdKind.CONVERSATION, name) for name in hold.conversations]):
        rows = db.execute(columns.where(CONVERSATION.c.id.in_(some)))
        there.update({raw: (owner, turns) for raw, owner, turns in rows})
    for name, turns in hold.conversations.items():
        owner, count = there.get(parse_id(IdKind.CONVERSATION, name), (b"", 0))
        if not owner:
            raise NotFound("conversation_unknown", f"no conversation {name} here")
        if owner != parse_id(IdKind.SUBJECT, hold.subject):
            hint = "place one hold for each person"
            raise InvalidInput("hold_owner", f"{name} is another person's", hint=hint)
        if turns and turns[-1] >= count:
            hint = f"it has {count}, counted from 0"
            raise InvalidInput("hold_turns", f"{name} has no turn {turns[-1]}", hint=hint)


def counted(db: Connection, hold: Hold) -> Hold:
    """Return a new hold with the moment from which its days count.

    The days of a safety hold count from the first of an unbroken row of safety holds on the same
    turns, so that a second one does not keep them for longer (R35). The row is broken once what
    waited for the earlier ones was seen to.

    Raises:
        InvalidInput: ``hold_too_long`` if it ends too late, so counted.
    """
    if hold.hold_class is not HoldClass.SAFETY:
        return hold
    raws = [parse_id(IdKind.CONVERSATION, name) for name in hold.conversations]
    safety = HOLD.c.hold_class == HoldClass.SAFETY.value
    others = load_on(db, raws, HOLD.c.settled_ms.is_(None), safety).values()
    first = min([hold.placed, *(other.first_day for other in others if _meet(hold, other))])
    return replace(hold, counted_from=first) if first < hold.placed else hold


def _meet(one: Hold, other: Hold) -> bool:
    for name in one.conversations.keys() & other.conversations.keys():
        turns, others = set(one.conversations[name]), set(other.conversations[name])
        if not turns or not others or turns & others:
            return True
    return False
