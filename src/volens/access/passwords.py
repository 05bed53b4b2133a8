"""Passwords: argon2id hashes, and the few rules that help (NIST SP 800-63B-4, 3.1.1.2).

Length counts and known passwords are refused; nobody is told to mix kinds of letters or to change
a password that is not known to be stolen.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret

from volens.core.errors import InvalidInput
from volens.core.ports import Entropy

LEAST_CHARACTERS: Final = 12
MOST_CHARACTERS: Final = 256
_SALT_BYTES: Final = 16
_TIME, _MEMORY_KIB, _LANES = 3, 65536, 4  # RFC 9106, 4: the second recommended option
_HASHER: Final = PasswordHasher(time_cost=_TIME, memory_cost=_MEMORY_KIB, parallelism=_LANES)
_KNOWN: Final = (
    "password passwort contraseña motdepasse welcome willkommen bienvenido letmein changeme "
    "iloveyou ichliebedich teamo sunshine princess football baseball superman batman trustno "
    "dragon monkey master shadow michael jordan charlie starwars whatever qwerty qwertz azerty "
    "qwertyuiop qwertzuiop asdfghjkl yxcvbnm zxcvbnm abcdefghijklmnopqrstuvwxyz abcdef abcabc "
    "administrator admin root user guest test testing secret geheim login volens default "
    "correcthorsebatterystaple 1q2w3e4r5t 1qaz2wsx3edc zaq12wsx a1b2c3d4 passw0rd p@ssword p@ssw0rd"
)
"""What the most common long passwords are made of."""


def hash_password(password: str, *, entropy: Entropy) -> str:
    """Return the argon2id hash of a password; it takes some 50 ms and 64 MiB.

    Raises:
        InvalidInput: ``password_form`` if it is too short, too long, or one that everybody tries.
    """
    check_password(password)
    made = hash_secret(
        _plain(password),
        entropy.draw(_SALT_BYTES),
        time_cost=_TIME,
        memory_cost=_MEMORY_KIB,
        parallelism=_LANES,
        hash_len=32,
        type=Type.ID,
    )
    return made.decode("ascii")


def fits(password: str, hashed: str | None) -> bool:
    """Say whether a password has this hash.

    With no hash the same work is done for a hash that nothing fits, so that the time taken does not
    tell whether there is an account.
    """
    too_long = len(password) > MOST_CHARACTERS
    try:
        good = _HASHER.verify(hashed or _nothing(), _plain(password[:MOST_CHARACTERS]))
    except (VerificationError, InvalidHashError):
        return False
    return good and hashed is not None and not too_long


def is_old(hashed: str) -> bool:
    """Say whether a hash was made with lesser costs than new ones are."""
    return _HASHER.check_needs_rehash(hashed)


def check_password(password: str) -> None:
    """Pass if a password may be chosen.

    Raises:
        InvalidInput: ``password_form``.
    """
    length = len(unicodedata.normalize("NFKC", password))
    if not LEAST_CHARACTERS <= length <= MOST_CHARACTERS:
        hint = f"{LEAST_CHARACTERS} to {MOST_CHARACTERS} characters; a few words make a good one"
        raise InvalidInput("password_form", f"the password has {length} characters", hint=hint)
    if _is_common(unicodedata.normalize("NFKC", password).casefold()):
        hint = "a few words that do not belong together make a good one"
        raise InvalidInput("password_form", "the password is one that everybody tries", hint=hint)


def _is_common(password: str) -> bool:
    """Say whether nothing is left of a password without known words, digits and repeats."""
    if len(set(password)) <= 3:  # noqa: PLR2004 - such as "aaaaaaaaaaaa" or "121212121212"
        return True
    rest = password
    for word in sorted(_KNOWN.split(), key=len, reverse=True):
        rest = rest.replace(word, "")
    left = [letter for letter in rest if letter.isalpha()]
    return len(left) <= 2 or _repeats(password)  # noqa: PLR2004 - an ending such as "xy"


def _repeats(password: str) -> bool:
    """Say whether a password is one short piece again and again."""
    return any(
        password == (password[:size] * (len(password) // size + 1))[: len(password)]
        for size in range(1, 5)
    )


def _plain(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@cache
def _nothing() -> str:
    """Return a hash with the costs of all others that no password is known for."""
    made = hash_secret(
        b"\x00",
        bytes(_SALT_BYTES),
        time_cost=_TIME,
        memory_cost=_MEMORY_KIB,
        parallelism=_LANES,
        hash_len=32,
        type=Type.ID,
    )
    return made.decode("ascii")
