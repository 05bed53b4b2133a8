"""What each role may open content for at all (R22): a bound that no decision and no case widens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from volens.core.errors import Denied
from volens.core.purposes import Purpose
from volens.log.kinds import Actor
from volens.policy.reference import EXCEPTIONAL

_NOTHING: Final[frozenset[Purpose]] = frozenset()
STAFF: Final[Mapping[Actor, frozenset[Purpose]]] = {
    Actor.SUPPORT: _NOTHING,
    Actor.ENGINEERING: _NOTHING,
    Actor.RESEARCH: _NOTHING,
    Actor.PRIVACY_OFFICER: _NOTHING,
    Actor.AUDITOR: _NOTHING,
    Actor.ORGANISATION: _NOTHING,
    Actor.PARTNER: _NOTHING,
    Actor.TRUST_AND_SAFETY: frozenset({Purpose.SAFETY_REVIEW, Purpose.EMERGENCY}),
    Actor.LEGAL_COUNSEL: frozenset({Purpose.LEGAL_ORDER}),
    Actor.RATER: frozenset({Purpose.HUMAN_FEEDBACK}),
}
"""For what members of staff may look at one conversation. Research gets aggregates, engineering
system logs, support basic account data: none of them opens one. Nobody's list has everything."""


def check_scope(actor: Actor, purpose: Purpose) -> None:
    """Pass if somebody in the role of `actor` may look at a conversation for `purpose` at all.

    The person, and the service that answers them, look for anything but what takes a case.

    Raises:
        Denied: ``role_scope``.
    """
    allowed = STAFF.get(actor, frozenset(Purpose) - EXCEPTIONAL)
    if purpose not in allowed:
        message = f"nobody looks at a conversation as {actor.value} for {purpose.value}"
        hint = "trust and safety takes a case: volens case open" if actor in STAFF else ""
        raise Denied("role_scope", message, hint=hint)
