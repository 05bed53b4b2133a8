"""Which chat requests ask to find out who somebody is by face, voice, print or manner (R49, R50).

What this is: a list of plain patterns in a few languages over the words of a request that carries a
picture or a recording. What it is not: a look at the picture, an understanding of the request, or
a promise that nobody can word their way around it. In doubt it refuses: a bare "who is this?" with
a photo is refused, "who painted this?" is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from volens.capture.values import elements, members, string
from volens.core.canonical import Json
from volens.core.purposes import Purpose
from volens.gateway.identifying_words import FACES, MANNERS, PRINTS, VOICES

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\u0640\u064b-\u0652]"  # what Arabic is written with or without
)
_PICTURES = frozenset({"image_url", "input_image", "image", "video_url", "input_video", "video"})
_RECORDINGS = frozenset({"input_audio", "audio", "audio_url", "video_url", "input_video", "video"})
_FILES = frozenset({"file", "input_file", "document"})
_ASKING = frozenset({"user", "system", "developer"})


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in patterns))


_FACE, _VOICE, _PRINT, _MANNER = map(_compiled, (FACES, VOICES, PRINTS, MANNERS))
_MOST_CHARACTERS = 20_000
"""Of each message; what goes on is looked at from its end as well."""


def identifying(request: Mapping[str, Json]) -> Purpose | None:
    """Return the prohibited purpose that a chat request seems to be for, or None.

    All messages of the person and of the product count, not only the last one; what an assistant
    or a tool said does not. A file of unknown kind counts as both picture and recording.
    """
    pictures = recordings = False
    said: list[str] = []
    for value in elements(request.get("messages")):
        message = members(value)
        kinds = set(_kinds(message.get("content")))
        pictures = pictures or bool(kinds & (_PICTURES | _FILES))
        recordings = recordings or bool(kinds & (_RECORDINGS | _FILES))
        if string(message.get("role")) in _ASKING:
            said.extend(_said(message.get("content")))
    if not (pictures or recordings):
        return None
    words = [plain(text) for text in said]
    for applies, pattern, purpose in (
        (pictures, _PRINT, Purpose.FINGERPRINT_MATCHING),
        (pictures or recordings, _MANNER, Purpose.BEHAVIOURAL_BIOMETRICS),
        (pictures, _FACE, Purpose.FACE_RECOGNITION),
        (recordings, _VOICE, Purpose.VOICE_ANALYSIS),
    ):
        if applies and any(pattern.search(text) for text in words):
            return purpose
    return None


def plain(text: str) -> str:
    """Return `text` as the patterns read it: one case, one form of each letter, single spaces."""
    if len(text) > 2 * _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]} {text[-_MOST_CHARACTERS:]}"
    folded = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return " ".join(folded.replace("\u2019", "'").split())


def _kinds(content: Json) -> Iterator[str]:
    """Yield the kinds of the parts that are not text."""
    for value in elements(content):
        part = members(value)
        kind = string(part.get("type"))
        if kind in _FILES:
            kind = _kind_of_file(part) or kind
        yield kind


def _kind_of_file(part: Mapping[str, Json]) -> str:
    """Return what a file says it is, where it says so."""
    file = members(part.get("file")) or part
    named = string(file.get("file_data"))[:40] + " " + string(file.get("filename"))[-10:].casefold()
    if "application/pdf" in named or named.endswith((".pdf", ".txt", ".csv", ".md", ".json")):
        return "document_text"
    return ""


def _said(content: Json) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    parts = [members(value) for value in elements(content)]
    # a question may be spread over parts
    yield " ".join(string(part.get("text")) for part in parts)
