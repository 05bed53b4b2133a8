"""The records of one file whose format is known: each becomes a conversation or a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from volens.capture import (
    chatgpt,
    claude,
    librechat,
    mtbench,
    oasst,
    openai_chat,
    openwebui,
    sharegpt,
    taskmaster,
    volens_jsonl,
)
from volens.capture.detect import recognise, wrapped
from volens.capture.model import Captured, Format, Limits, Skipped
from volens.capture.splitting import Broken, Raw, split_records
from volens.capture.threads import Context, Draft
from volens.capture.values import members, read_value
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, VolensError

Reader = Callable[[Mapping[str, Json], Context, Limits], Draft]

_READERS: Mapping[Format, Reader] = {
    Format.CHATGPT: chatgpt.read_record,
    Format.CLAUDE: claude.read_record,
    Format.LIBRECHAT: librechat.read_record,
    Format.MT_BENCH: mtbench.read_record,
    Format.OPENAI_CHAT: openai_chat.read_record,
    Format.OPEN_WEBUI: openwebui.read_record,
    Format.SHAREGPT: sharegpt.read_record,
    Format.TASKMASTER: taskmaster.read_record,
    Format.VOLENS: volens_jsonl.read_record,
}
CONVERSATIONS = frozenset({*_READERS, Format.OASST})
"""The formats that hold conversations."""
_WHY = {
    "duplicate_key": "a member stands twice in one object; readers would disagree on it",
    "json_depth": "nested too deeply",
    "json_encoding": "not UTF-8",
    "json_number": "a number that JSON doesn't have or that readers would round",
    "json_size": "the record is larger than the limit on one conversation",
    "json_surrogate": "half a surrogate pair stands in a string",
    "json_syntax": "not JSON",
    "record_shape": "not the shape of the other records",
    "record_size": "the record is larger than the limit on one conversation",
    "trailing_bytes": "something follows the end of the list",
    "truncated": "the file ends in the middle; download it again, what came before is read",
}
# what a record of an unforeseen shape can set off in code that expects another one
_UNFORESEEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def read_records(
    place: str, form: Format, chunks: Iterator[bytes], context: Context, limits: Limits
) -> Iterator[Captured | Skipped]:
    """Yield what each record of one file becomes; a bad record costs itself only."""
    values = _values(place, chunks, limits)
    for item in oasst.group_messages(values, limits) if form is Format.OASST else values:
        if isinstance(item, Skipped):
            yield item
        elif isinstance(item, list):
            first = f"{place}[{item[0].index}]"
            yield _convert(first, partial(_tree, item, context, limits))
        else:
            yield from _one_or_many(f"{place}[{item.index}]", form, item.value, context, limits)


def _tree(run: list[oasst.Numbered], context: Context, limits: Limits) -> Draft:
    if run[-1].size < 0:
        raise InvalidInput("record_size", "the tree is larger than the limit on one conversation")
    return oasst.read_messages([members(item.value) for item in run], context, limits)


def _values(
    place: str, chunks: Iterator[bytes], limits: Limits
) -> Iterator[oasst.Numbered | Skipped]:
    """Yield each good record and a reason for each bad one."""
    index = -1
    try:
        for raw in split_records(chunks, limits):
            index = raw.index
            yield _value(f"{place}[{index}]", raw, limits)
    except VolensError as error:
        message = f"{error.message}; what came before is read"
        yield Skipped(place=f"{place}[{index + 1}]", reason=error.code, message=message)


def _value(place: str, raw: Raw | Broken, limits: Limits) -> oasst.Numbered | Skipped:
    if isinstance(raw, Broken):
        return _left_out(place, raw.reason)
    try:
        value = read_value(raw.data, limits)
    except InvalidInput as error:
        return _left_out(place, error.code)
    return oasst.Numbered(index=raw.index, size=len(raw.data), value=value)


def _left_out(place: str, reason: str) -> Skipped:
    return Skipped(place=place, reason=reason, message=_WHY.get(reason, "not readable as JSON"))


def _one_or_many(
    place: str, form: Format, value: Json, context: Context, limits: Limits
) -> Iterator[Captured | Skipped]:
    """Read a record, or the records in a document's list of them."""
    own = recognise(value)
    inner = wrapped(value) if own is Format.UNKNOWN else None
    if inner is not None and any(recognise(item) is form for item in inner[1]):
        name, listed = inner
        context = replace(context, group=context.group or name == "chats")
        for number, item in enumerate(listed):
            yield _one(f"{place}.{name}[{number}]", form, item, context, limits)
        return
    yield _one(place, form, value, context, limits)


def _one(
    place: str, form: Format, value: Json, context: Context, limits: Limits
) -> Captured | Skipped:
    record = members(value)
    found = recognise(value)
    if found not in {form, Format.UNKNOWN, Format.EMPTY} or not record:
        return _left_out(place, "record_shape")
    if form is Format.CHATGPT or found is form:
        return _convert(place, partial(_READERS[form], record, context, limits))
    return _left_out(place, "record_shape")


def _convert(place: str, read: Callable[[], Draft]) -> Captured | Skipped:
    try:
        draft = read()
    except InvalidInput as error:
        message = f"{error.message} ({error.hint})" if error.hint else error.message
        if error.code == "time_form":
            message = "a time is not written like 2026-01-31T09:30:00.000Z"
        return Skipped(place=place, reason=error.code, message=message)
    except _UNFORESEEN:
        return _left_out(place, "record_shape")
    return Captured(conversation=draft.conversation, account=draft.account, place=place)
