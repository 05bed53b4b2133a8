"""Erasing all of a conversation but its held turns: what stays, and who rewrites it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from volens.core.ids import ConversationId, SubjectId
from volens.vault.model import Payload, Role, Turn

EMPTY_TURN = Turn(role=Role.SYSTEM, text="")
"""What stands in the place of a turn that is gone: nothing of it, but its place."""


class Carver(Protocol):
    """Rewrites conversations of which only some turns are held. Implemented in the vault."""

    def carve(self, subject: SubjectId, conversation: ConversationId, kept: Sequence[int]) -> None:
        """Leave of a conversation only the turns `kept`, sealed under a key of its own.

        When it returns, durably:

        1. Nobody was handed content: it is rewritten where it is sealed, by a pure function. The
           log names the erasure that it belongs to.
        2. What is stored is `carve_payload` of what was: no byte of another turn, of the title or
           of the names of attachments is left, in no table, file, journal or temporary file.
        3. The key that opened it before is gone, so that a copy of the ciphertext opens as little
           as that of any other erased conversation; the promise about key epochs counts from here.
        4. Turns have the index that they had. So holds that name them stay true, and it may be
           carved again, down to fewer turns, when one of several holds ends.

        Carving to the same turns again changes nothing. If it stops half-way, the conversation is
        whole under its old key or carved under its new one, and a second call finishes it.

        Args:
            subject: whose it is.
            conversation: one whose access has ended, and that a hold in force keeps in part.
            kept: indexes, rising, at least one; never one that was carved away before.

        Raises:
            NotFound: if it is not here (any more).
            Unavailable: if log, keys or database can't be had; nothing is gone then.
        """
        ...


def carve_payload(payload: Payload, kept: Sequence[int]) -> Payload:
    """Return a conversation with only the turns `kept`; the others are `EMPTY_TURN`.

    Title, language and attachments go: they say what the other turns were about. The number of
    turns stays, and which turn a kept one answers.
    """
    stay = frozenset(kept)
    turns = tuple(turn if index in stay else EMPTY_TURN for index, turn in enumerate(payload.turns))
    return Payload(turns=turns, title="", language="", attachments=())
