"""The form of a check: read strictly, and described for the OpenAPI document.

What reads a question and what describes it take the same numbers and words, so that the document
promises what is taken and nothing else. The meaning of each member: docs/formats/check.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from volens.access.model import Scope
from volens.core.canonical import read_strict
from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose

PATH: Final = "/choices:check"
"""Below ``/v1``."""
MOST_SUBJECTS: Final = 1000
MOST_CHARACTERS: Final = 256
MOST_BYTES: Final = 1024 * 1024
_PURPOSES: Final = tuple(one.value for one in Purpose)
_NEEDED: Final = frozenset({"purpose", "subjects"})
_MEMBERS: Final = _NEEDED | {"sign"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked."""

    purpose: str
    subjects: tuple[str, ...]
    sign: bool


def read_question(data: bytes) -> Question:
    """Read a question strictly.

    Raises:
        InvalidInput: ``check_form``, or as `read_strict`.
    """
    raw = read_strict(data, max_bytes=MOST_BYTES, max_depth=3)
    if not isinstance(raw, dict) or not _NEEDED <= set(raw) <= _MEMBERS:
        hint = "purpose, subjects, and sign if wanted; nothing else"
        raise InvalidInput("check_form", "a check has other members", hint=hint)
    purpose, subjects, sign = raw["purpose"], raw["subjects"], raw.get("sign", False)
    if not isinstance(sign, bool) or not isinstance(purpose, str) or purpose not in _PURPOSES:
        hint = f"purpose one of {', '.join(_PURPOSES)}; sign true or false"
        raise InvalidInput("check_form", "purpose or sign is not well-formed", hint=hint)
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MOST_SUBJECTS:
        raise InvalidInput("check_form", f"subjects is not a list of 1 to {MOST_SUBJECTS}")
    if set(map(type, subjects)) != {str} or len(set(subjects)) != len(subjects):
        raise InvalidInput("check_form", "subjects are strings, each once")
    lengths = set(map(len, subjects))
    if max(lengths) > MOST_CHARACTERS or not min(lengths):
        raise InvalidInput("check_form", f"a subject has 1 to {MOST_CHARACTERS} characters")
    return Question(purpose=purpose, subjects=tuple(subjects), sign=sign)


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
                "200": {"description": "What is decided", "content": _json("CheckAnswer")},
                **problems,
            },
            "security": [{"token": []}],
            "x-scope": Scope.CHOICES_READ.value,
        }
    }


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _schemas() -> dict[str, Any]:
    word = {"type": "string", "minLength": 1}
    moment = {"type": "string", "format": "date-time"}
    purpose = {"type": "string", "enum": [*_PURPOSES]}
    subject = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
    return {
        "CheckQuestion": _object(
            {
                "purpose": purpose,
                "subjects": {**_list(subject, MOST_SUBJECTS), "uniqueItems": True},
                "sign": {"type": "boolean", "default": False},
            },
            needed=_NEEDED,
        ),
        "CheckAnswer": _object(
            {
                "purpose": purpose,
                "decisions": _list({"$ref": "#/components/schemas/CheckDecision"}, MOST_SUBJECTS),
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
                "signature": {"$ref": "#/components/schemas/CheckSignature"},
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
