"""Which accesses concerned whom: what opens their log entries to the person, and to nobody else.

An ``access.intent`` carries a salted commitment. Its salt is kept here, in the erasable table
`leaf`, beside the person's row: with it the person can be shown that an entry of the log is about
them; without it the entry says nothing about anybody. The row is there before a key is used, so
that no opening is left out of what the person is told; a stop in between leaves a row about an
access that opened nothing.

An access to many (a dataset that is built, a lease of one) has no commitment to each of them. Of
whom it may open something is kept in the table `bulk_access`, one bit for each person, before a key
is used; a person's bit goes with their account.

What a row's `opening` says, and what the entry's commitment commits to:

    cnv_...           one conversation: its 16 raw bytes
    own_copy DIGEST   the person's own copy: their 16 raw bytes, and the SHA-256 of the raw ids of
                      all conversations in it, in the order of capture
    account           what is known of the account (plan, region, status), and no conversation:
                      their 16 raw bytes and the word ``account``
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, func, insert, select

from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, parse_id
from volens.vault.people import any_of, pack_people
from volens.vault.tables import BULK_ACCESS, LEAF

OWN_COPY = "own_copy"
ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLeaf:
    """What opens one entry of the log to one person."""

    log_index: int
    salt: bytes = field(repr=False)
    opening: str


def own_copy_opening(digest: bytes) -> str:
    """Return the `opening` of a person's own copy whose conversations have this digest."""
    return f"{OWN_COPY} {digest.hex()}"


def opened_parts(subject: bytes, opening: str) -> tuple[bytes, ...]:
    """Return what an access entry's commitment commits to.

    Args:
        subject: the person's 16 raw bytes.
        opening: as kept.

    Raises:
        InvalidInput: ``opening_form`` if it is not about an access.
    """
    word, _, digest = opening.partition(" ")
    try:
        if word == OWN_COPY:
            return subject, bytes.fromhex(digest)
        if opening == ACCOUNT:
            return subject, ACCOUNT.encode()
        return (parse_id(IdKind.CONVERSATION, opening),)
    except (InvalidInput, ValueError):
        raise InvalidInput("opening_form", f"not about an access: {opening[:40]!r}") from None


class AccessLeaves:
    """Keeps and lists what opens access entries, in the vault's table `leaf`."""

    def __init__(self, engine: Engine) -> None:
        """Use the table in `engine`."""
        self._engine = engine

    def keep(self, subject_no: int, leaf: AccessLeaf) -> None:
        """Keep a leaf; when this returns, a power cut keeps it too."""
        with self._engine.begin() as db:
            db.execute(
                insert(LEAF).values(
                    subject_no=subject_no,
                    log_index=leaf.log_index,
                    salt=leaf.salt,
                    opening=leaf.opening,
                )
            )

    def keep_bulk(self, log_index: int, numbers: npt.NDArray[np.int64]) -> None:
        """Keep of whom an access to many may open something, before it does; durable on return.

        Args:
            log_index: of its ``access.intent``.
            numbers: rows of people.
        """
        with self._engine.begin() as db:
            row = {"log_index": log_index, "people": pack_people(numbers)}
            db.execute(insert(BULK_ACCESS).values(row))

    def bulk_of_subject(self, subject_no: int) -> list[int]:
        """Return the accesses to many that may have opened something of a person, oldest first."""
        one = func.substr(BULK_ACCESS.c.people, (subject_no >> 3) + 1, 1)
        query = select(BULK_ACCESS.c.log_index, one).order_by(BULK_ACCESS.c.log_index)
        with self._engine.connect() as db:
            found = db.execute(query).all()
        # Of an empty set SQLite takes no byte at all.
        return [index for index, byte in found if byte and any_of(byte, [subject_no & 7])]

    def of_subject(self, subject_no: int) -> list[AccessLeaf]:
        """Return what may open entries about a person, oldest first.

        Rows about their account come along; only the log tells which entries are accesses.
        """
        query = select(LEAF).where(LEAF.c.subject_no == subject_no).order_by(LEAF.c.log_index)
        with self._engine.connect() as db:
            return [
                AccessLeaf(log_index=row.log_index, salt=row.salt, opening=row.opening)
                for row in db.execute(query)
            ]
