"""Take reasoning and tool blocks out of an answer that carries them inside its text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from volens.vault.model import Role, TurnFlag

_OPENING = re.compile(
    r"<details\b[^>]*\btype=[\"']?(reasoning|tool_calls|code_interpreter)\b[^>]*>"
    r"|<(think|thinking|reasoning)>"
    r"|^:::(thinking)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_DETAILS = re.compile(r"<details\b|</details>", re.IGNORECASE)
_SUMMARY = re.compile(r"\A\s*<summary>[^<]*</summary>", re.IGNORECASE)
_COLON_END = re.compile(r"^:::[ \t]*$", re.MULTILINE)

Stretch = tuple[Role, str, TurnFlag]


def split_answer(text: str) -> Iterator[Stretch]:
    """Yield the stretches of an assistant's text in order, each with its author and nature.

    A block that never closes reaches to the end of the text and is marked as broken off, so no
    working can pass for an answer.
    """
    at = 0
    plain: list[str] = []
    while found := _OPENING.search(text, at):
        plain.append(text[at : found.start()])
        end, after = _closing(text, found)
        yield from _plain(plain)
        plain = []
        inside = text[found.end() : end]
        broken = TurnFlag.INCOMPLETE if after is None else TurnFlag.NONE
        yield from _block(found, inside, broken)
        at = len(text) if after is None else after
    plain.append(text[at:])
    yield from _plain(plain)


def _closing(text: str, found: re.Match[str]) -> tuple[int, int | None]:
    """Return where a block's inside ends and where the text goes on; None if it never closes."""
    if found[1]:
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


def _block(found: re.Match[str], inside: str, broken: TurnFlag) -> Iterator[Stretch]:
    kind = (found[1] or "reasoning").casefold()
    text = html.unescape(_SUMMARY.sub("", inside)).strip() if found[1] else inside.strip()
    if kind == "reasoning":
        yield Role.ASSISTANT, text, TurnFlag.REASONING | broken
        return
    attributes = html.unescape(found[0])
    if " arguments=" in attributes or " result=" in attributes:
        text = f"{attributes}\n{text}".strip()
    yield Role.TOOL, text, TurnFlag.THIRD_PARTY | broken


def _plain(parts: list[str]) -> Iterator[Stretch]:
    text = "".join(parts).strip()
    if text:
        yield Role.ASSISTANT, text, TurnFlag.NONE
