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
from typing import Final

from volens.capture.values import elements, members, string
from volens.core.canonical import Json
from volens.core.purposes import Purpose

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_PICTURES = frozenset({"image_url", "input_image", "image", "video_url", "input_video", "video"})
_RECORDINGS = frozenset({"input_audio", "audio", "audio_url", "video_url", "input_video", "video"})
_FILES = frozenset({"file", "input_file", "document"})
_ASKING = frozenset({"user", "system", "developer"})

_PERSON = (
    r"(?:person|people|man|men|woman|women|guy|girl|boy|child|kid|lady|individual|human|face|"
    r"suspect|stranger|subject|celebrity|actor|actress|model|somebody|someone|student|employee|"
    r"customer|player|dude)"
)
_THIS = r"(?:this|that|the|these|those)"
_NOT_A_PERSON = (
    r"(?!\s+(?:painting|picture|photo|image|text|book|song|poem|quote|logo|document|letter|email|"
    r"paper|article|company|brand|product|building|statue|sculpture|character|cartoon|"
    r"mascot|chart|diagram|file|code|error|message|invoice|recipe|addressed|from|for|by|"
    r"written|intended|meant|about)\b)"
)
_FACES: Final = (
    (
        rf"\bwho(?:\s+is|'s|\s+are|\s+was|\s+were)\s+(?:{_THIS}|he|she|they|it)\b{_NOT_A_PERSON}"
        rf"(?=\s*(?:$|[?.!,;:]|in\b|on\b|here\b|standing\b|sitting\b|wearing\b|with\b|next\b|and\b|"
        rf"(?:\w+\s+){{0,3}}{_PERSON}\b))"
    ),
    (
        rf"\b(?:identify|recogni[sz]e|name|unmask|dox+|find\s+out\s+who)\b(?:\s+\w+){{0,4}}?\s+"
        rf"{_PERSON}s?\b"
    ),
    rf"\bwhat(?:\s+is|'s)\s+(?:his|her|their|{_THIS}\s+{_PERSON}'?s?)\s+(?:real\s+|full\s+)?name\b",
    rf"\bname\s+of\s+{_THIS}\s+(?:\w+\s+){{0,2}}{_PERSON}\b",
    (
        r"\b(?:tell\s+me|say|guess|figure\s+out|find\s+out|know)\s+who\s+(?:this|that|he|she|they|"
        rf"(?:the|these|those)\s+(?:\w+\s+){{0,2}}{_PERSON}s?)\s*(?:is|are|was|were)?\b"
    ),
    r"\b(?:facial|face)[\s-]+(?:recognition|matching|match|search|identification|embedding)s?\b",
    r"\b(?:match|compare|search\s+for|look\s+up)\s+(?:\w+\s+){0,3}(?:face|faces)\b",
    rf"\b(?:is|are)\s+(?:this|these|it|they)\s+(?:all\s+|both\s+)?the\s+same\s+{_PERSON}\b",
    (
        r"\bwer\s+(?:ist|sind|war)\s+(?:das|er|sie|dies|diese[rs]?|der|die)\b"
        r"(?!\s+(?:autor|autorin|k\w*nstler|hersteller|absender|empf\w*nger|maler|verfasser)\w*)"
    ),
    r"\b(?:identifizier|erkenn)\w*\b(?:\s+\w+){0,4}?\s+(?:person|mann|frau|kind|gesicht)\w*\b",
    r"\bgesichtserkennung\b",
    r"\bwie\s+hei(?:ß|ss)t\s+(?:er|sie|diese[rs]?|der|die)\s*(?:mann|frau|person|kind)?\s*(?:$|[?.!])",
    (
        r"\bqui[eé]n(?:es)?\s+(?:es|son|era)\b(?!\s+(?:el|la)\s+(?:autor|autora|artista|pintor|"
        r"fabricante|remitente|destinatario)\b)"
    ),
    (
        r"\b(?:identifica|reconoce)\w*\b(?:\s+\w+){0,4}?\s+(?:persona|hombre|mujer|ni[nñ][oa]|cara|"
        r"rostro)s?\b"
    ),
    r"\breconocimiento\s+facial\b",
    (
        r"\bqui\s+(?:est|sont)(?:-ce|\s+cette|\s+cet|\s+ce|\s+ces|-il|-elle|-ils|-elles)\b"
        r"(?!\s+(?:livre|tableau|texte|peinture|photo)\b)"
    ),
    r"\breconnaissance\s+faciale\b",
    r"(?:誰です|誰なの|だれです|誰ですか|人物を特定|顔認[識証])",
    r"(?:من\s+هذا|من\s+هذه|من\s+هو|من\s+هي|التعرف\s+على\s+الوجه)",
    r"(?:这是谁|這是誰|他是谁|她是谁|他是誰|她是誰|人脸识别|人臉辨識)",
)
_VOICES: Final = (
    (
        r"\bwho(?:\s+is|'s|\s+are|\s+was)\s+(?:\w+\s+){0,2}?(?:speaking|talking|singing|calling|"
        r"the\s+(?:speaker|caller|voice)|this|that|he|she|they)\b"
        r"(?!\s+(?:song|podcast|record|track|message|addressed|for|from|about)\b)"
    ),
    r"\bwhose\s+voice\b",
    (
        r"\b(?:identify|recogni[sz]e|name|unmask|verify)\b(?:\s+\w+){0,4}?\s+(?:speaker|speakers|voice|"
        r"voices|caller|singer|person)\b"
    ),
    r"\bvoice[\s-]*(?:print|prints|recognition|match|matching|identification|biometric)\w*\b",
    r"\bspeaker[\s-]+(?:recognition|identification|verification|embedding)s?\b",
    r"\b(?:match|compare)\s+(?:\w+\s+){0,3}(?:voice|voices)\b",
    r"\b(?:is|are)\s+(?:this|these|it|they)\s+(?:all\s+|both\s+)?the\s+same\s+(?:speaker|voice|person)\b",
    r"\bwer\s+spricht\b|\bwessen\s+stimme\b|\bstimmerkennung\b|\bstimmabdruck\b",
    r"\bqui[eé]n\s+(?:habla|est[aá]\s+hablando)\b|\bde\s+qui[eé]n\s+es\s+(?:la|esta)\s+voz\b",
    r"\bqui\s+parle\b|\bà\s+qui\s+est\s+cette\s+voix\b",
    r"(?:誰の声|声紋|話しているのは誰)",
    r"(?:صوت\s+من|بصمة\s+الصوت)",
)
_PRINTS: Final = (
    (
        r"\b(?:whose|match|compare|identify|search|verify|recogni[sz]e)\b(?:\s+\w+){0,5}?\s+"
        r"(?:finger|palm|thumb)[\s-]*prints?\b"
    ),
    r"\b(?:finger|palm|thumb)[\s-]*prints?\b(?:\s+\w+){0,5}?\s+(?:belong|match|same)\w*\b",
    r"\b(?:identify|recogni[sz]e|match)\b(?:\s+\w+){0,5}?\s+(?:iris|retina)\w*\b",
    r"\bfingerabdr(?:uck|ücke)\w*\b(?:\s+\w+){0,5}?\s+(?:vergleich|zuordn|identifizier|gehör)\w*\b",
    r"\b(?:vergleich|identifizier)\w*\b(?:\s+\w+){0,5}?\s+fingerabdr\w+\b",
    r"\b(?:compara|identifica)\w*\b(?:\s+\w+){0,5}?\s+huellas?\b",
    r"指紋(?:照合|鑑定|を比較|を照合)",
)
_MANNERS: Final = (
    (
        r"\b(?:who|whose|identify|recogni[sz]e|match|verify)\b(?:[\s,]+\w+){0,8}?\s+(?:gait|"
        r"(?:typing|keystroke|walking|mouse)[\s-]+(?:pattern|rhythm|dynamic|style|movement)s?)\b"
    ),
    r"\b(?:gait|keystroke|typing)[\s-]+(?:recognition|identification|biometric)s?\b",
    r"\bbehaviou?ral\s+biometrics?\b",
    r"\b(?:gang|tipp)(?:erkennung|profil|muster)\w*\b(?:\s+\w+){0,5}?\s+(?:wer|person|identi)\w*\b",
)


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in patterns))


_FACE, _VOICE, _PRINT, _MANNER = map(_compiled, (_FACES, _VOICES, _PRINTS, _MANNERS))
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
