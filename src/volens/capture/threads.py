"""From a source's nodes to ordered turns: parents first, the current path known, others flagged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from volens.capture.model import Limits
from volens.core.errors import InvalidInput
from volens.core.purposes import Signal
from volens.vault.model import ROOT, Conversation, Role, Turn, TurnFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A conversation and the account it claims to be of."""

    conversation: Conversation
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the files beside a conversation file say about it."""

    account: str | None = None
    ratings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(conversation id, message id) to -1 or 1."""
    group: bool = False
    """The records are known to be chats of several people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One stretch of a message with one author and one nature."""

    role: Role
    text: str = field(repr=False)
    flags: TurnFlag = TurnFlag.NONE
    at: datetime | None = None
    rating: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One message of the source: its id, what it answers, and its pieces in order."""

    key: str
    parent: str | None
    pieces: tuple[Piece, ...] = field(repr=False)


def chain(pieces: Iterable[Piece], limits: Limits) -> tuple[Turn, ...]:
    """Return turns that each answer the one before.

    Raises:
        InvalidInput: ``too_many_turns`` or ``turn_size``.
    """
    turns: list[Turn] = []
    _append(turns, pieces, ROOT, TurnFlag.NONE, limits)
    return tuple(turns)


def assemble(
    nodes: Sequence[Node],
    current: str | None,
    limits: Limits,
    *,
    path: frozenset[str] | None = None,
) -> tuple[Turn, ...]:
    """Return the turns of a tree, parents first, siblings in the source's order.

    Args:
        nodes: all messages. A parent that is not among them makes the node a broken-off root.
        current: the last message of the path in view. Unknown or none: the path is what all
            branches share, so that nothing is on it by guess.
        limits: how many turns of what size.
        path: the keys on the path, where the source says it in another way.

    Raises:
        InvalidInput: ``duplicate_node``, ``tree_cycle``, ``too_many_turns`` or ``turn_size``.
    """
    by_key = {node.key: node for node in nodes}
    if len(by_key) != len(nodes):
        raise InvalidInput("duplicate_node", "two messages have the same id")
    roots = [node for node in nodes if node.parent not in by_key]
    children: dict[str, list[Node]] = {}
    for node in nodes:
        if node.parent in by_key:
            children.setdefault(str(node.parent), []).append(node)
    order = _parents_first(roots, children)
    if len(order) != len(nodes):
        raise InvalidInput("tree_cycle", "messages answer each other in a circle")
    if path is None:
        path = _path_to(current, by_key) if current in by_key else _shared(roots, children)
    turns: list[Turn] = []
    last: dict[str, int] = {}
    for node in order:
        above = last.get(str(node.parent), ROOT) if node.parent in by_key else ROOT
        flags = TurnFlag.NONE if node.key in path else TurnFlag.OFF_PATH
        if node.parent is not None and node.parent not in by_key:
            flags |= TurnFlag.INCOMPLETE
        last[node.key] = _append(turns, node.pieces, above, flags, limits)
    return tuple(turns)


def _parents_first(roots: Sequence[Node], children: Mapping[str, list[Node]]) -> list[Node]:
    order: list[Node] = []
    waiting = list(reversed(roots))
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting.extend(reversed(children.get(node.key, ())))
    return order


def _path_to(current: str | None, by_key: Mapping[str, Node]) -> frozenset[str]:
    path: set[str] = set()
    while current is not None and current in by_key and current not in path:
        path.add(current)
        current = by_key[current].parent
    return frozenset(path)


def _shared(roots: Sequence[Node], children: Mapping[str, list[Node]]) -> frozenset[str]:
    path: set[str] = set()
    level = list(roots)
    while len(level) == 1:
        path.add(level[0].key)
        level = children.get(level[0].key, [])
    return frozenset(path)


def _append(
    turns: list[Turn], pieces: Iterable[Piece], parent: int, flags: TurnFlag, limits: Limits
) -> int:
    """Add a message's pieces, each answering the one before; return the last index."""
    for piece in pieces:
        if not piece.text.strip():
            continue
        if len(turns) >= limits.turns:
            raise InvalidInput("too_many_turns", f"more than {limits.turns} turns")
        size = len(piece.text)
        if size * 4 > limits.text_bytes and len(piece.text.encode()) > limits.text_bytes:
            raise InvalidInput("turn_size", f"a turn of more than {limits.text_bytes} bytes")
        turns.append(
            Turn(
                role=piece.role,
                text=piece.text,
                flags=piece.flags | flags,
                parent=parent,
                at=piece.at,
                rating=piece.rating,
            )
        )
        parent = len(turns) - 1
    return parent


def rate(pieces: Sequence[Piece], rating: int) -> tuple[Piece, ...]:
    """Put a message's rating on its last plain piece, or on its last one."""
    if not rating or not pieces:
        return tuple(pieces)
    plain = [index for index, piece in enumerate(pieces) if not piece.flags and piece.text.strip()]
    target = plain[-1] if plain else len(pieces) - 1
    return tuple(
        replace(piece, rating=rating) if index == target else piece
        for index, piece in enumerate(pieces)
    )


def conversation(  # noqa: PLR0913 - these are a conversation's fields
    *,
    source: str,
    source_id: str,
    turns: tuple[Turn, ...],
    title: str = "",
    created: datetime | None = None,
    updated: datetime | None = None,
    signal: Signal = Signal.NONE,
    language: str = "",
    attachments: Iterable[str] = (),
) -> Conversation:
    """Return the conversation.

    Raises:
        InvalidInput: ``no_turns`` if nothing was said in it.
    """
    if not turns:
        raise InvalidInput("no_turns", "no message in it has text")
    return Conversation(
        source=source,
        source_id=source_id,
        turns=turns,
        title=title,
        created=created,
        updated=updated,
        signal=signal,
        language=language,
        attachments=tuple(dict.fromkeys(name for name in attachments if name)),
    )


def content_id(turns: Sequence[Turn], own: str = "") -> str:
    """Return an id for a record whose format has none that is unique beyond its file.

    The same turns give the same id, so a second import is a no-op.
    """
    digest = hashlib.sha256()
    for turn in turns:
        text = turn.text.encode()
        digest.update(f"{turn.role.value}:{turn.parent}:{len(text)}:".encode())
        digest.update(text)
    return f"{own}~{digest.hexdigest()[:32]}" if own else digest.hexdigest()[:32]
