"""What a row of the field inventory (R96) says, and the words that many rows share."""

from __future__ import annotations

import re
from dataclasses import dataclass

ACCOUNT = "while the account exists; erased with it"
CHAT = "while the chat exists; erased with it or with the account"
HOUSE = "as long as this home; it is about nobody"
PUBLIC = "for good: it holds nothing personal, and proofs rest on it"

CONTRACT = "contract (Art. 6(1)(b))"
DUTY = "legal obligation (Art. 6(1)(c)): showing that consent was given (Art. 7(1))"
NOBODY = "none needed: not personal data"

NO_PERSON = "nobody: the machine compares it"
SERVICE = "the service itself; the person in their export"
STAFF = "staff with access to accounts; the person"
EVERYBODY = "everybody"
OPERATOR = "whoever runs this home"

CLEAR, SEALED, DIGEST, RANDOM = "in the clear", "sealed", "keyed digest", "random bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One column, or one class of files: what, why, on what basis, how long, for whom."""

    column: str
    what: str
    why: str
    basis: str
    kept: str
    seen_by: str
    form: str = CLEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class TableClass:
    """The columns of one table."""

    name: str
    held: tuple[Held, ...]
    counted_by: str = ""
    """How rows about one person are found (`inventory.held_of`); empty: they are not counted."""
    database: str = "main.db"
    quiet: bool = False
    """It is about people, and counting its rows could tell somebody what a gag forbids to tell."""

    @property
    def about_people(self) -> bool:
        """Say whether it holds personal data."""
        return self.quiet or bool(self.counted_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClass:
    """Files of one kind in a home."""

    name: str
    pattern: re.Pattern[str]
    held: Held


def rows_of(
    told: dict[str, tuple[str, ...]], *, basis: str, kept: str, seen_by: str
) -> tuple[Held, ...]:
    """Make rows of ``column: (what, why[, form[, seen_by]])``; the rest is common to the table."""
    made = []
    for column, (what, why, *more) in told.items():
        form = more[0] if more else CLEAR
        made.append(
            Held(
                column=column,
                what=what,
                why=why,
                basis=basis,
                kept=kept,
                seen_by=more[1] if len(more) > 1 else seen_by,
                form=form,
            )
        )
    return tuple(made)


def file_of(
    name: str, pattern: str, told: tuple[str, str, str, str, str], form: str = CLEAR
) -> FileClass:
    """Make the row of a file class: what, why, basis, how long, who may see it; and its form."""
    what, why, basis, kept, seen_by = told
    held = Held(column=name, what=what, why=why, basis=basis, kept=kept, seen_by=seen_by, form=form)
    return FileClass(name=name, pattern=re.compile(pattern), held=held)


NUMBER = ("row number", "joins rows inside this home")
PLACE = ("place in the public log", "shows that it was logged, and when")
OPENS = ("salt of the entry's commitment", "opens the entry", RANDOM, NO_PERSON)
