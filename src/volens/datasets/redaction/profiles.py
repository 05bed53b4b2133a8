"""What a profile looks for, and the words that stand in place of what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from volens.core.errors import InvalidInput


class Entity(StrEnum):
    """A kind of personal data; the placeholder of `EMAIL` is ``[EMAIL]``."""

    SECRET = "SECRET"  # noqa: S105 - the name of a kind, not a secret
    """Keys, tokens, passwords, and the user part of a web address with a password."""
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    NATIONAL_ID = "NATIONAL_ID"
    """Numbers that a state gives to one person, passports and driving licences included."""
    MAC = "MAC"
    IP = "IP"
    PHONE = "PHONE"
    BIRTH_DATE = "BIRTH_DATE"
    ACCOUNT = "ACCOUNT"
    """Bank account numbers other than an IBAN, where the text names them so."""
    NAME = "NAME"
    ADDRESS = "ADDRESS"
    NUMBER = "NUMBER"
    """Any long run of digits (profile `strict` only)."""
    TEXT = "TEXT"
    """A whole text that would not come to rest (see `Redactor`)."""

    @property
    def placeholder(self) -> str:
        """Return the word put in place of what was found."""
        return f"[{self.value}]"


PRIORITY = {entity: 100 - index for index, entity in enumerate(Entity)}
"""Where findings overlap, the highest number names the placeholder: the order of `Entity`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named set of kinds to look for.

    Redaction lowers harm when a text is used that may be used; it never makes a text usable (R93).
    """

    name: str
    entities: frozenset[Entity]


_CONTACT = frozenset({Entity.EMAIL, Entity.PHONE, Entity.IP})
_STANDARD = frozenset(Entity) - {Entity.NAME, Entity.ADDRESS, Entity.NUMBER, Entity.TEXT}
_STRICT = frozenset(Entity) - {Entity.TEXT}

NONE = Profile(name="none", entities=frozenset())
CONTACT = Profile(name="contact", entities=_CONTACT)
STANDARD = Profile(name="standard", entities=_STANDARD)
STRICT = Profile(name="strict", entities=_STRICT)

PROFILES = {profile.name: profile for profile in (NONE, CONTACT, STANDARD, STRICT)}
DEFAULT_PROFILE = STANDARD


def profile_named(name: str) -> Profile:
    """Return the profile of that name.

    Raises:
        InvalidInput: ``unknown_profile``.
    """
    if name not in PROFILES:
        raise InvalidInput(
            "unknown_profile",
            f"no redaction profile {name!r}",
            hint=f"one of {', '.join(PROFILES)}",
        )
    return PROFILES[name]
