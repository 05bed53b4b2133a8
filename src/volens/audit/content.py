"""How ciphertext is kept: the only place of this room that knows of blocks."""

from __future__ import annotations

from dataclasses import dataclass

from volens.audit.survey import Survey, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Ciphertext:
    """Which ciphertext there is, and what it belongs to."""

    missing: list[int]
    """Conversations that no ciphertext of their person is there for."""
    nobodys: list[int]
    """Blocks of people who are not here, and blocks that no conversation is in."""
    blocks: dict[int, set[bytes]]
    """Ids of each person's blocks: each has a key of its own."""
    obsolete: dict[int, set[bytes]]
    """Keys of each person that are to be dropped at the next start."""


def ciphertext(survey: Survey) -> Ciphertext:
    """Look at the blocks without opening one."""
    main = survey.evidence.main
    owners: dict[int, int] = {}
    blocks: dict[int, set[bytes]] = {}
    for number, subject_no, raw in rows(main, "SELECT no, subject_no, id FROM block"):
        owners[number] = subject_no
        blocks.setdefault(subject_no, set()).add(raw)
    obsolete: dict[int, set[bytes]] = {}
    for subject_no, raw in rows(main, "SELECT subject_no, key_id FROM obsolete_key"):
        obsolete.setdefault(subject_no, set()).add(raw)
    used = {one.block_no for one in survey.chats.values()}
    return Ciphertext(
        missing=[
            one.number
            for one in survey.chats.values()
            if owners.get(one.block_no) != one.subject_no
        ],
        nobodys=[
            number
            for number, subject_no in owners.items()
            if subject_no not in survey.people or number not in used
        ],
        blocks=blocks,
        obsolete=obsolete,
    )
