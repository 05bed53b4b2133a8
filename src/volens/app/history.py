"""The switch for a person's history (R56, R57): off is an objection to ``keep_history``.

The switch is nothing but a choice in the consent ledger: switching off is a negative act, true once
the journal holds it; switching on again lifts the objection. What the switch allows is decided by
the policy in force, like every other use.
"""

from __future__ import annotations

from volens.app.home import Home
from volens.consent.model import NOTHING_SAID, Act, ConsentEvent
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.gate.facts import Use
from volens.vault.subjects import Subject

_KEEPING = Use(purpose=Purpose.KEEP_HISTORY.value)


def history_on(home: Home, subject: Subject) -> bool:
    """Say whether a person's new chats may be kept now.

    The gate decides: an objection, a restricted, closing or closed account, or any error is a no.
    """
    return home.gate.decide(subject, _KEEPING).permit


def history_switch(home: Home, subject: Subject) -> bool:
    """Say how the person's own switch stands, whatever else keeps chats from being kept."""
    state = home.ledger.states(subject.id).get(Purpose.KEEP_HISTORY, NOTHING_SAID)
    return not state.objected


def set_history(
    home: Home, subject: Subject, on: bool, *, channel: str = "web"
) -> ConsentEvent | None:
    """Switch a person's history on or off; return the choice, or None if it stood so already.

    Off holds as soon as the journal has it, on once log and database have it. Chats that are here
    stay as they are: what is to go is asked for as an erasure.

    Args:
        home: the home, opened for writing.
        subject: whose.
        on: the wanted state.
        channel: the door it comes through.

    Raises:
        Unavailable: if log or database can't be written; off holds all the same.
    """
    if history_switch(home, subject) is on:
        return None
    event = ConsentEvent(
        id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
        subject=subject.id,
        purpose=Purpose.KEEP_HISTORY,
        act=Act.LIFT_OBJECTION if on else Act.OBJECT,
        at=home.clock.now(),
        channel=channel,
    )
    return home.ledger.record([event])[0].event
