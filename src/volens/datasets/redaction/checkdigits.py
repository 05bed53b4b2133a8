"""Check digits, each from its published definition.

All functions take the bare characters (no separators) and return whether the check holds. They are
filters against chance hits: a number that passes may still belong to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Check the last digit after ISO/IEC 7812-1, annex B (mod 10, every second digit doubled)."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        total += _DOUBLED[value] if index & 1 else value
    return total % 10 == 0


def mod97_10(text: str) -> bool:
    """Check ISO/IEC 7064 MOD 97-10 over digits and letters (A = 10 ... Z = 35)."""
    try:
        return int("".join(str(int(char, 36)) for char in text)) % 97 == 1
    except ValueError:
        return False


def mod11_10(digits: str) -> bool:
    """Check ISO/IEC 7064 MOD 11,10 (the hybrid system)."""
    rest = 10
    for digit in digits[:-1]:
        rest = (rest + int(digit)) % 10 or 10
        rest = rest * 2 % 11
    return (rest + int(digits[-1])) % 10 == 1


def mod11_2(text: str) -> bool:
    """Check ISO/IEC 7064 MOD 11-2: the last character is a digit or X for ten."""
    rest = 0
    for digit in text[:-1]:
        rest = (rest + int(digit)) * 2 % 11
    last = 10 if text[-1] in "Xx" else int(text[-1])
    return (rest + last) % 11 == 1


# J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group D5 and a permutation of it.
_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTED = [tuple(range(10)), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)]
for _ in range(6):
    _PERMUTED.append(tuple(_PERMUTED[-1][value] for value in _PERMUTED[1]))


def verhoeff(digits: str) -> bool:
    """Check the last digit after Verhoeff's scheme."""
    rest = 0
    for index, digit in enumerate(reversed(digits)):
        rest = _D5[rest][_PERMUTED[index % 8][int(digit)]]
    return rest == 0


def weighted(digits: str, weights: Sequence[int], modulus: int) -> int:
    """Return the sum of digit times weight, modulo `modulus`; both have the same length."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % modulus


_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def month_and_day(month: str, day: str) -> bool:
    """Tell whether a two-digit month and day exist in some year."""
    return 1 <= int(month) <= 12 and 1 <= int(day) <= _MONTH_DAYS[int(month) - 1]  # noqa: PLR2004 - months in a year
