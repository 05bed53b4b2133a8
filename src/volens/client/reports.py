"""What is reported to the server, and what became of it, in words that both clients share. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from volens.core.canonical import Json
from volens.core.errors import InvalidInput, Unavailable
from volens.log.kinds import FlagCategory, FlagSeverity


def flag_body(
    conversation: str, turns: Sequence[int], category: str, severity: str, classifier: str
) -> dict[str, Json]:
    """Return what is sent of a flag.

    Raises:
        InvalidInput: ``flag_form`` if a word is not known or no turn is named.
    """
    try:
        words = FlagCategory(category).value, FlagSeverity(severity).value
    except ValueError:
        known = ", ".join([*FlagCategory, *FlagSeverity])
        raise InvalidInput("flag_form", "a word of the flag is unknown", hint=known) from None
    if not turns:
        raise InvalidInput("flag_form", "no turn is named", hint="name turns by index, from 0")
    return {
        "conversation": conversation,
        "turns": [*turns],
        "category": words[0],
        "severity": words[1],
        "classifier": classifier,
    }


def settled_as(error: Exception) -> str:
    """Return the word for what became of a conversation that could not be handed over."""
    return "failed" if isinstance(error, Unavailable) else "refused"
