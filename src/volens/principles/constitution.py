"""A constitution: written principles, with what is asked of a model and what a machine can check.

Read from TOML or from its canonical form. What names it is the SHA-256 of the canonical form, so
that spaces, comments and the order of members change nothing, and every word does.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, NotFound
from volens.principles.strict import Members
from volens.principles.wording import says

VERSION: Final = "volens-constitution/1"
CODE: Final = "constitution_form"
SHIPPED: Final = ("neutral",)
_MOST_BYTES: Final = 1 << 20
_MOST_PRINCIPLES: Final = 200
_MOST_CHARACTERS: Final = 100_000
_ID = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_BEGINNING = 240
REFUSALS: Final = {
    "en": (
        "i can't help", "i cannot help", "i can't assist", "i cannot assist", "i am unable to",
        "i'm unable to", "i am not able to", "i'm not able to", "i won't", "i will not",
        "i must decline", "i can't provide", "i cannot provide", "i'm sorry, but i can",
        "i can't do that", "i cannot do that",
    ),
    "de": (
        "dabei kann ich nicht helfen", "ich kann dir nicht helfen", "ich kann ihnen nicht helfen",
        "ich kann leider nicht", "das kann ich nicht", "ich darf nicht", "ich muss ablehnen",
    ),
}  # fmt: skip
"""How an answer begins that refuses, by language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a machine can check of a principle. Phrases are whole words, whatever their case.

    Attributes:
        forbidden: phrases of which an answer holds none.
        required: phrases of which an answer holds at least one; empty: no such rule.
        least: characters that an answer has at least.
        most: characters that an answer has at most.
        may_refuse: False if an answer that refuses breaks the principle.
    """

    forbidden: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    least: int = 0
    most: int = _MOST_CHARACTERS
    may_refuse: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Principle:
    """One principle.

    Attributes:
        id: names it in records: lower-case letters, digits, hyphens.
        text: what it says.
        critique: what the writer is asked about an answer.
        revision: what the writer is told to do about it.
        rules: what a machine can check.
    """

    id: str
    text: str
    critique: str
    revision: str
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Constitution:
    """A written set of principles."""

    id: str
    title: str
    language: str
    refusals: tuple[str, ...]
    """Phrases by which an answer refuses, besides those known for the language."""
    principles: tuple[Principle, ...]

    def document(self) -> dict[str, Json]:
        """Return it as it is hashed."""
        return {
            "version": VERSION,
            "id": self.id,
            "title": self.title,
            "language": self.language,
            "refusals": list(self.refusals),
            "principles": [_principle_document(one) for one in self.principles],
        }

    def canonical(self) -> bytes:
        """Return its canonical form (RFC 8785)."""
        return canonical_json(self.document())

    @property
    def digest(self) -> str:
        """The SHA-256 of its canonical form, in hexadecimal digits: what names it."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def refuses(self, answer: str) -> bool:
        """Say whether an answer begins like a refusal. Only known phrases are noticed."""
        beginning = answer[:_BEGINNING].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        phrases = (*REFUSALS.get(self.language, ()), *self.refusals)
        return any(says(beginning, phrase) for phrase in phrases)


def _principle_document(one: Principle) -> dict[str, Json]:
    rules: dict[str, Json] = {
        "forbidden": list(one.rules.forbidden),
        "required": list(one.rules.required),
        "least": one.rules.least,
        "most": one.rules.most,
        "may_refuse": one.rules.may_refuse,
    }
    return {
        "id": one.id,
        "text": one.text,
        "critique": one.critique,
        "revision": one.revision,
        "rules": rules,
    }


def read_toml(data: bytes, *, place: str) -> Constitution:
    """Read a constitution as people write it.

    Raises:
        InvalidInput: ``constitution_form`` naming place and member.
    """
    if len(data) > _MOST_BYTES:
        raise InvalidInput(CODE, f"{place}: {len(data)} bytes, at most {_MOST_BYTES}")
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(CODE, f"{place} is not TOML: {error}") from error
    return _read(values, place)


def read_canonical_form(data: bytes, *, place: str) -> Constitution:
    """Read a constitution in canonical form, with every member present.

    Raises:
        InvalidInput: ``constitution_form``, ``not_canonical`` or another of `read_canonical`.
    """
    found = _read(read_canonical(data), place)
    if found.canonical() != data:
        raise InvalidInput(CODE, f"{place} leaves members out")
    return found


def open_constitution(where: str) -> Constitution:
    """Open a constitution by the name of a shipped one, or by its file.

    Raises:
        NotFound: ``no_constitution``.
        InvalidInput: ``constitution_form``.
    """
    if where in SHIPPED:
        data = files("volens.principles").joinpath("shipped", f"{where}.toml").read_bytes()
        return read_toml(data, place=where)
    path = Path(where)
    if not path.is_file():
        hint = f"a TOML file, or one that is shipped: {', '.join(SHIPPED)}"
        raise NotFound("no_constitution", f"no constitution at {where}", hint=hint)
    return read_toml(path.read_bytes(), place=path.name)


def _read(values: object, place: str) -> Constitution:
    members = Members(values, place=place, code=CODE)
    if members.text("version") != VERSION:
        raise members.error("version", "is another one", f"this release reads {VERSION}")
    found = Constitution(
        id=_id(members),
        title=members.text("title", most=200),
        language=_language(members),
        refusals=members.texts("refusals"),
        principles=tuple(
            _principle(one) for one in members.each("principles", most=_MOST_PRINCIPLES)
        ),
    )
    members.close()
    ids = [one.id for one in found.principles]
    if len(set(ids)) != len(ids):
        raise members.error("principles", "name one id twice")
    if found.language not in REFUSALS and not found.refusals:
        hint = f"list the phrases in refusals; known for {', '.join(REFUSALS)}"
        raise members.error("language", "has no phrases by which refusals are noticed", hint)
    return found


def _principle(members: Members) -> Principle:
    found = Principle(
        id=_id(members),
        text=members.text("text", most=2_000),
        critique=members.text("critique", most=2_000),
        revision=members.text("revision", most=2_000),
        rules=_rules(members.members("rules")) if members.has("rules") else Rules(),
    )
    members.close()
    return found


def _rules(members: Members) -> Rules:
    found = Rules(
        forbidden=members.texts("forbidden"),
        required=members.texts("required"),
        least=members.whole("least", default=0, most=_MOST_CHARACTERS),
        most=members.whole("most", default=_MOST_CHARACTERS, most=_MOST_CHARACTERS),
        may_refuse=members.flag("may_refuse", default=True),
    )
    members.close()
    if found.least > found.most:
        raise members.error("least", "is more than most")
    return found


def _id(members: Members) -> str:
    found = members.text("id")
    if not _ID.fullmatch(found):
        raise members.error("id", "is not an id", "lower-case letters, digits, hyphens; at most 40")
    return found


def _language(members: Members) -> str:
    found = members.text("language")
    if not _LANGUAGE.fullmatch(found):
        raise members.error("language", "is not a language", "two or three letters, such as en")
    return found
