"""Take reasoning and tool blocks out of an answer that carries them inside its text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from volens.vault.model import Role, TurnFlag

_OPENING = re.compile(
    # what is in quotes may hold brackets; possessive, so that no text makes this slow
    r"<details\b((?:[^<>\"]++|\"[^\"]*+\")*+)>"
    r"|<(think|thinking|reasoning)>"
    r"|^:::(thinking)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_TYPE = re.compile(r"\btype=[\"']?(reasoning|tool_calls|code_interpreter)\b", re.IGNORECASE)
_DETAILS = re.compile(r"<details\b|</details>", re.IGNORECASE)
_SUMMARY = re.compile(r"\A\s*<summary>[^<]*</summary>", re.IGNORECASE)
_COLON_END = re.compile(r"^:::[ \t]*$", re.MULTILINE)

Stretch = tuple[Role, str, TurnFlag]


def split_answer(text: str) -> Iterator[Stretch]:
    """Yield the stretches of an assistant's text in order, each with its author and nature.

    A block that never closes reaches to the end of the text and is marked as broken off, so no
    working can pass for an answer.
    """
    plain_from = at = 0
    while found := _OPENING.search(text, at):
        kind = _kind(found)
        if not kind:
            at = found.end()  # a details block of the answer's own
            continue
        yield from _plain(text[plain_from : found.start()])
        end, after = _closing(text, found)
        broken = TurnFlag.INCOMPLETE if after is None else TurnFlag.NONE
        yield _block(kind, found, text[found.end() : end], broken)
        plain_from = at = len(text) if after is None else after
    yield from _plain(text[plain_from:])


def _kind(found: re.Match[str]) -> str:
    """Return what a block holds; empty if it is part of the answer."""
    if found[1] is None:
        return "reasoning"
    named = _TYPE.search(found[1])
    return named[1].casefold() if named else ""


def _closing(text: str, found: re.Match[str]) -> tuple[int, int | None]:
    """Return where a block's inside ends and where the text goes on; None if it never closes."""
    if found[1] is not None:
        depth = 1
        for tag in _DETAILS.finditer(text, found.end()):
            depth += -1 if tag[0].startswith("</") else 1
            if depth == 0:
                return tag.start(), tag.end()
    elif found[2]:
        closing = re.compile(f"</{found[2]}>", re.IGNORECASE).search(text, found.end())
        if closing:
            return closing.start(), closing.end()
    else:
        closing = _COLON_END.search(text, found.end())
        if closing:
            return closing.start(), closing.end()
    return len(text), None


def _block(kind: str, found: re.Match[str], inside: str, broken: TurnFlag) -> Stretch:
    is_html = found[1] is not None
    text = html.unescape(_SUMMARY.sub("", inside)).strip() if is_html else inside.strip()
    if kind == "reasoning":
        return Role.ASSISTANT, text, TurnFlag.REASONING | broken
    attributes = html.unescape(found[0])
    if " arguments=" in attributes or " result=" in attributes:
        text = f"{attributes}\n{text}".strip()
    return Role.TOOL, text, TurnFlag.THIRD_PARTY | broken


def _plain(text: str) -> Iterator[Stretch]:
    if text.strip():
        yield Role.ASSISTANT, text.strip(), TurnFlag.NONE
