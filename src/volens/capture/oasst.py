"""Open Assistant trees: one tree a record, or one message a record, grouped here by tree.

The path in view follows the best-ranked reply, or the first where nothing is ranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from volens.capture.model import Limits, Skipped
from volens.capture.threads import Context, Draft, Node, Piece, assemble, conversation
from volens.capture.values import (
    account_id,
    elements,
    first_string,
    identifier,
    language,
    members,
    moment,
    string,
)
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.purposes import Signal
from volens.vault.model import Role, TurnFlag

SOURCE = "oasst"
_ROLES = {"prompter": Role.USER, "assistant": Role.ASSISTANT}
_READY = "ready_for_export"
_UNRANKED = 2**31


def read_messages(records: Sequence[Mapping[str, Json]], context: Context, limits: Limits) -> Draft:
    """Read one tree from its records: `{"message_tree_id", "prompt"}`, or messages.

    A message may hold its answers in `replies`, or each answer may name its `parent_id`.

    Raises:
        InvalidInput: ``split_tree``, ``source_id``, ``no_turns`` or as `threads.assemble`.
    """
    if records[0].get("parent_id"):
        hint = "sort the file by tree, first message first"
        raise InvalidInput("split_tree", "the tree's first message is elsewhere", hint=hint)
    messages: list[tuple[Mapping[str, Json], str | None]] = []
    waiting = [
        (members(record.get("prompt")) or record, string(record.get("parent_id")) or None)
        for record in reversed(records)
    ]
    while waiting:
        message, parent = waiting.pop()
        messages.append((message, parent))
        own = identifier(message, "message_id")
        replies = reversed(elements(message.get("replies")))
        waiting.extend((members(reply), own) for reply in replies)
    return _draft(messages, records[0], context, limits)


def _draft(
    messages: Sequence[tuple[Mapping[str, Json], str | None]],
    record: Mapping[str, Json],
    context: Context,
    limits: Limits,
) -> Draft:
    first = messages[0][0]
    account = account_id(first.get("user_id")) or context.account
    nodes = [
        Node(
            key=identifier(message, "message_id"),
            parent=parent,
            pieces=(_piece(message, account),),
        )
        for message, parent in messages
    ]
    state = record.get("tree_state")
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=first_string(record, "message_tree_id") or identifier(first, "message_id"),
            turns=assemble(nodes, None, limits, path=_best(messages)),
            created=moment(first.get("created_date")),
            language=language(first.get("lang")),
            signal=Signal.NONE if state is None or state == _READY else Signal.EXCLUDED,
        ),
        account=account,
    )


def _piece(message: Mapping[str, Json], account: str | None) -> Piece:
    role = _ROLES.get(string(message.get("role")))
    flags = TurnFlag.NONE
    speaker = account_id(message.get("user_id"))
    if role is None or (role is Role.USER and speaker is not None and speaker != account):
        flags |= TurnFlag.THIRD_PARTY
    if message.get("review_result") is False:
        flags |= TurnFlag.INCOMPLETE
    # a deleted message keeps its place in the tree and loses its words
    is_deleted = message.get("deleted") is not None and message.get("deleted") is not False
    return Piece(
        role=Role.TOOL if role is None else role,
        text="" if is_deleted else string(message.get("text")),
        flags=flags,
        at=moment(message.get("created_date")),
    )


def _best(messages: Sequence[tuple[Mapping[str, Json], str | None]]) -> frozenset[str]:
    chosen: dict[str | None, tuple[int, str]] = {}
    for message, parent in messages:
        rank = message.get("rank")
        order = rank if isinstance(rank, int) else _UNRANKED
        key = string(message.get("message_id"))
        if parent not in chosen or order < chosen[parent][0]:
            chosen[parent] = (order, key)
    path: set[str] = set()
    here = chosen.get(None)
    while here is not None and here[1] not in path:
        path.add(here[1])
        here = chosen.get(here[1])
    return frozenset(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """One record with its number in the file and its size in bytes."""

    index: int
    size: int
    value: Json


def group_messages(
    items: Iterable[Numbered | Skipped], limits: Limits
) -> Iterator[list[Numbered] | Skipped]:
    """Yield runs of neighbouring records of the same tree; a first message starts a new one.

    Memory stays bounded: a run beyond the limit on one conversation ends in an empty record of
    size -1, so that reading it is refused. What is skipped is passed on at once.
    """
    run: list[Numbered] = []
    tree, size = "", 0
    for item in items:
        if isinstance(item, Skipped):
            yield item
            continue
        record = members(item.value)
        own = first_string(record, "message_tree_id")
        own = own or (tree if record.get("parent_id") else string(record.get("message_id")))
        if run and (own != tree or not record.get("parent_id")):
            yield run
            run = []
        if not run:
            tree, size = own, 0
        size += item.size
        if size <= limits.record_bytes:
            run.append(item)
        elif run[-1].size >= 0:
            run.append(Numbered(index=item.index, size=-1, value=None))
    if run:
        yield run
