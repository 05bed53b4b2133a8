"""Carving in the vault: of a held conversation only its held turns stay."""

from __future__ import annotations

from collections.abc import Sequence

from volens.core.ids import ConversationId, SubjectId
from volens.holds.carving import carve_payload
from volens.vault.model import Conversation, pack_payload, unpack_payload
from volens.vault.removal import Removal
from volens.vault.subjects import SubjectStore


class VaultCarver:
    """Rewrites conversations inside the vault; see `holds.carving.Carver` for the contract."""

    def __init__(self, subjects: SubjectStore, removal: Removal) -> None:
        """Let `removal` do it."""
        self._subjects = subjects
        self._removal = removal

    def carve(self, subject: SubjectId, conversation: ConversationId, kept: Sequence[int]) -> None:
        """Leave of a conversation only the turns `kept`."""
        person = self._subjects.find(subject)
        self._removal.carve(person, conversation, kept, lambda data: carved(data, kept))


def carved(payload: bytes, kept: Sequence[int]) -> bytes:
    """Return a payload with only the turns `kept`; pure."""
    left = carve_payload(unpack_payload(payload), kept)
    return pack_payload(
        Conversation(
            source="",
            source_id="",
            turns=left.turns,
            title=left.title,
            language=left.language,
            attachments=left.attachments,
        )
    )
