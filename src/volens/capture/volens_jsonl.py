"""The documented generic form, `volens-jsonl` version 1 (docs/formats/import.md), read strictly."""

from __future__ import annotations

from collections.abc import Mapping

from volens.capture.model import Limits
from volens.capture.threads import Context, Draft, conversation
from volens.capture.values import account_id, identifier, language, members, string
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.purposes import Signal
from volens.core.time import parse_moment
from volens.vault.model import ROOT, Role, Turn, TurnFlag

SOURCE = "volens-jsonl"
FORMAT = "volens-jsonl/1"
_RECORD = frozenset(
    {
        "format",
        "subject",
        "id",
        "created",
        "updated",
        "title",
        "language",
        "signal",
        "turns",
        "attachments",
    }
)
_FLAGS = {
    "third_party": TurnFlag.THIRD_PARTY,
    "hidden": TurnFlag.HIDDEN,
    "reasoning": TurnFlag.REASONING,
    "off_path": TurnFlag.OFF_PATH,
    "incomplete": TurnFlag.INCOMPLETE,
}
_TURN = frozenset({"role", "text", "at", "parent", "rating", *_FLAGS})
_ROLES = {role.name.lower(): role for role in Role}


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one line; a member that the format doesn't have refuses the record.

    Raises:
        InvalidInput: ``unknown_field``, ``field_type``, ``source_id``, ``time_form``,
            ``turn_order``, ``too_many_turns``, ``turn_size`` or ``no_turns``.
    """
    _known(record, _RECORD)
    if record.get("format", FORMAT) != FORMAT:
        raise InvalidInput("field_type", f"`format` is not {FORMAT}")
    listed = record.get("turns")
    if not isinstance(listed, list):
        raise InvalidInput("field_type", "`turns` is not a list")
    if len(listed) > limits.turns:
        raise InvalidInput("too_many_turns", f"more than {limits.turns} turns")
    tag = _optional(record, "language")
    if tag and not language(tag):
        raise InvalidInput("field_type", "`language` is no BCP 47 tag")
    names = record.get("attachments", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput("field_type", "`attachments` is not a list of strings")
    word = _optional(record, "signal") or Signal.NONE.value
    if word not in set(Signal):
        raise InvalidInput("field_type", f"`signal` is not one of {', '.join(Signal)}")
    subject = _optional(record, "subject")
    if subject and account_id(subject) is None:
        raise InvalidInput("field_type", "`subject` is too long or not printable")
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=identifier(record, "id"),
            turns=tuple(_turn(value, index, limits) for index, value in enumerate(listed)),
            title=_optional(record, "title"),
            created=parse_moment(text) if (text := _optional(record, "created")) else None,
            updated=parse_moment(text) if (text := _optional(record, "updated")) else None,
            signal=Signal(word),
            language=tag,
            attachments=[string(name) for name in names],
        ),
        account=subject or context.account,
    )


def _turn(value: Json, index: int, limits: Limits) -> Turn:
    item = members(value)
    _known(item, _TURN)
    role = _ROLES.get(string(item.get("role")))
    text = item.get("text")
    if role is None or not isinstance(text, str):
        raise InvalidInput("field_type", f"turn {index} needs a `role` and a `text`")
    if len(text.encode()) > limits.text_bytes:
        raise InvalidInput("turn_size", f"turn {index} has more than {limits.text_bytes} bytes")
    flags = TurnFlag.NONE
    for name, flag in _FLAGS.items():
        given = item.get(name, False)
        if not isinstance(given, bool):
            raise InvalidInput("field_type", f"`{name}` of turn {index} is neither true nor false")
        flags |= flag if given else TurnFlag.NONE
    rating = item.get("rating", 0)
    if isinstance(rating, bool) or not isinstance(rating, int) or rating not in {-1, 0, 1}:
        raise InvalidInput("field_type", f"`rating` of turn {index} is not -1, 0 or 1")
    at = _optional(item, "at")
    return Turn(
        role=role,
        text=text,
        flags=flags,
        parent=_parent(item, index),
        at=parse_moment(at) if at else None,
        rating=rating,
    )


def _parent(item: Mapping[str, Json], index: int) -> int:
    if "parent" not in item:
        return index - 1
    parent = item["parent"]
    if parent is None:
        return ROOT
    if isinstance(parent, bool) or not isinstance(parent, int) or not 0 <= parent < index:
        raise InvalidInput("turn_order", f"`parent` of turn {index} is not an earlier turn")
    return parent


def _known(item: Mapping[str, Json], names: frozenset[str]) -> None:
    if not item.keys() <= names:
        hint = "see docs/formats/import.md; permissions can't be imported"
        raise InvalidInput("unknown_field", "a member that the format doesn't have", hint=hint)


def _optional(item: Mapping[str, Json], name: str) -> str:
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput("field_type", f"`{name}` is not a string")
    return value
