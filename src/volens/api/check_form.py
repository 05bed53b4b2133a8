"""The form of a check: read strictly, and described for the OpenAPI document.

What reads a question and what describes it take the same numbers and words, so that the document
promises what is taken and nothing else. The meaning of each member: docs/formats/check.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from volens.access.model import Scope
from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose

PATH: Final = "/choices:check"
"""Below ``/v1``."""
MOST_SUBJECTS: Final = 1000
MOST_PURPOSES: Final = 16
MOST_CHARACTERS: Final = 256
MOST_BYTES: Final = 1024 * 1024
_PURPOSES: Final = tuple(one.value for one in Purpose)
_ONE_OF: Final = frozenset({"purpose", "purposes"})
_NEEDED: Final = frozenset({"subjects"})
_MEMBERS: Final = _NEEDED | _ONE_OF | {"sign"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked."""

    purposes: tuple[str, ...]
    several: bool
    """Whether it was asked for a list of purposes, if only of one: the answer has that form."""
    subjects: tuple[str, ...]
    sign: bool


def read_question(data: bytes) -> Question:
    """Read a question strictly.

    Raises:
        InvalidInput: ``check_form``, or as `read_strict`.
    """
    raw = read_strict(data, max_bytes=MOST_BYTES, max_depth=3)
    members = set(raw) if isinstance(raw, dict) else set()
    several = "purposes" in members
    if not _NEEDED <= members <= _MEMBERS or several is ("purpose" in members):
        hint = "purpose or purposes, subjects, and sign if wanted; nothing else"
        raise InvalidInput("check_form", "a check has other members", hint=hint)
    assert isinstance(raw, dict)
    subjects, sign = raw["subjects"], raw.get("sign", False)
    purposes = raw["purposes"] if several else [raw["purpose"]]
    if not isinstance(sign, bool) or not _are_purposes(purposes):
        hint = f"purposes are 1 to {MOST_PURPOSES} of {', '.join(_PURPOSES)}; sign true or false"
        raise InvalidInput("check_form", "purposes or sign is not well-formed", hint=hint)
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MOST_SUBJECTS:
        raise InvalidInput("check_form", f"subjects is not a list of 1 to {MOST_SUBJECTS}")
    if set(map(type, subjects)) != {str} or len(set(subjects)) != len(subjects):
        raise InvalidInput("check_form", "subjects are strings, each once")
    lengths = set(map(len, subjects))
    if max(lengths) > MOST_CHARACTERS or not min(lengths):
        raise InvalidInput("check_form", f"a subject has 1 to {MOST_CHARACTERS} characters")
    return Question(purposes=tuple(purposes), several=several, subjects=tuple(subjects), sign=sign)


def _are_purposes(found: Json) -> TypeGuard[list[str]]:
    return (
        isinstance(found, list)
        and 0 < len(found) <= MOST_PURPOSES
        and all(isinstance(one, str) and one in _PURPOSES for one in found)
        and len(set(map(str, found))) == len(found)
    )


def describe_check(document: dict[str, Any], problems: dict[str, Any]) -> None:
    """Add the check to an OpenAPI 3.1 document, which no framework has seen it for.

    Args:
        document: with ``paths`` and ``components``; changed.
        problems: the responses of every route that are errors.
    """
    document["components"]["schemas"] |= _schemas()
    document["paths"][PATH] = {
        "post": {
            "tags": ["choices"],
            "summary": "Check Choices",
            "description": f"Say what may be used, for up to {MOST_SUBJECTS:,} people at once.",
            "operationId": "check_choices_choices_check_post",
            "requestBody": {"required": True, "content": _json("CheckQuestion")},
            "responses": {
                "200": {
                    "description": "What is decided: for a list of purposes, an answer for each",
                    "content": _json("CheckAnswer", "CheckAnswers"),
                },
                **problems,
            },
            "security": [{"token": []}],
            "x-scope": Scope.CHOICES_READ.value,
        }
    }


def _json(*names: str) -> dict[str, Any]:
    found = [_named(name) for name in names]
    return {"application/json": {"schema": found[0] if len(found) == 1 else {"oneOf": found}}}


def _named(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    word = {"type": "string", "minLength": 1}
    moment = {"type": "string", "format": "date-time"}
    purpose = {"type": "string", "enum": [*_PURPOSES]}
    subject = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
    return {
        "CheckQuestion": {
            **_object(
                {
                    "purpose": purpose,
                    "purposes": {**_list(purpose, MOST_PURPOSES), "uniqueItems": True},
                    "subjects": {**_list(subject, MOST_SUBJECTS), "uniqueItems": True},
                    "sign": {"type": "boolean", "default": False},
                },
                needed=_NEEDED,
            ),
            "oneOf": [{"required": [name]} for name in sorted(_ONE_OF)],
        },
        "CheckAnswers": _object({"answers": _list(_named("CheckAnswer"), MOST_PURPOSES)}),
        "CheckAnswer": _object(
            {
                "purpose": purpose,
                "decisions": _list(_named("CheckDecision"), MOST_SUBJECTS),
                "policy": _object(
                    {
                        "name": word,
                        "version": word,
                        "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    }
                ),
                "at": moment,
                "valid_until": moment,
                "mark": {"type": "string", "pattern": "^[0-9A-Za-z._:-]{1,64}$"},
                "signature": _named("CheckSignature"),
            },
            optional={"signature"},
        ),
        "CheckDecision": _object(
            {
                "subject": subject,
                "permit": {"type": "boolean"},
                "reasons": {"type": "array", "minItems": 1, "items": word},
            }
        ),
        "CheckSignature": _object(
            {
                "payloadType": word,
                "payload": word,
                "signatures": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1,
                    "items": _object({"keyid": word, "sig": word}),
                },
            }
        ),
    }


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": most, "items": items}


def _object(
    properties: dict[str, Any],
    *,
    needed: frozenset[str] | None = None,
    optional: frozenset[str] | set[str] = frozenset(),
) -> dict[str, Any]:
    """Return an object with these members and no others; needed are all but the optional ones."""
    required = set(properties) - optional if needed is None else needed
    return {
        "type": "object",
        "additionalProperties": False,
        "required": sorted(required),
        "properties": properties,
    }
