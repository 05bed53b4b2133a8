"""Keys, tokens and passwords.

Token shapes are those their issuers publish (AWS IAM "unique identifiers"; GitHub "authentication
token format", April 2021; RFC 7519 for JWT; RFC 7468 for PEM; the prefixes of other issuers' own
documentation); the patterns are our own.
"""

# ruff: noqa: RUF001 - words of other scripts are data here
from __future__ import annotations

import math
import re
from collections import Counter

from volens.datasets.redaction.found import Found, before
from volens.datasets.redaction.profiles import Entity

_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=\s:,.\\-]{0,65536}")
_MOST_KEY_CHARS = 65_536


def private_key_at(text: str, at: int) -> Found | None:
    """Find a private key block that begins at `at` (RFC 7468, 10-11), as far as it goes."""
    begin = _BEGIN.match(text, at)
    if begin is None:
        return None
    end = _END.search(text, begin.end(), begin.end() + _MOST_KEY_CHARS)
    body = _KEY_BODY.match(text, begin.end())
    stop = end.end() if end and "\x00" not in text[at : end.end()] else body.end() if body else 0
    return Found(at, max(stop, begin.end()), Entity.SECRET)


_TOKEN = re.compile(
    r"(?:(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])"  # AWS access key ids
    r"|gh[pousr]_[A-Za-z0-9_]{30,251}|github_pat_[A-Za-z0-9_]{22,244}"
    r"|gl(?:pat|ptt|dt|rt|cbt|soat)-[\w-]{20,255}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[0-9]-[A-Za-z0-9-]{10,250}"
    r"|AIza[\w-]{35}(?![\w-])|GOCSPX-[\w-]{28}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,250}|whsec_[A-Za-z0-9+/=]{20,128}"
    r"|sk-(?:[a-z0-9]{2,12}-){0,3}[A-Za-z0-9_-]{20,250}|gsk_[A-Za-z0-9]{20,128}"
    r"|npm_[A-Za-z0-9]{36}|pypi-AgEI[\w-]{50,1000}|hf_[A-Za-z0-9]{30,64}"
    r"|do[opr]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"
    r"|SK[0-9a-f]{32}(?![0-9A-Za-z])|key-[0-9a-f]{32}(?![0-9A-Za-z])"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{58})"
)
_JWT = re.compile(r"eyJ[\w-]{8,8192}\.eyJ[\w-]{4,16384}(?:\.[\w-]{0,2048})?")  # RFC 7519, 3.1
_SENDGRID = re.compile(r"SG\.[\w-]{16,32}\.[\w-]{16,64}")
_BOT = re.compile(r"\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])")
_LONGEST_BOT = len("1234567890:")
_SECRET_WORDS = re.compile(
    r"secret|token|passw|pwd|credential|api[ _-]?key|access[ _-]?key|private[ _-]?key"
    r"|auth(?:orization)?\b|bearer|account ?key|passphrase|\bkey\b"
)
_LEAST_ENTROPY_BITS = 3.0
_AROUND = re.compile(r"[A-Za-z0-9+/=_.~-]{1,512}")
_AROUND_MARKS = frozenset("+/=_.~-")


def entropy_bits(token: str) -> float:
    """Return the Shannon entropy of the characters of `token`, in bits for each character."""
    size = len(token)
    return -sum(n / size * math.log2(n / size) for n in Counter(token).values())


def token_in(text: str, start: int, end: int) -> Found | None:
    """Find a token in a long run of letters, digits, ``_`` and ``-``.

    Either its shape is one that an issuer publishes, or it looks random and stands near a word
    such as "secret" or "bearer".
    """
    hit = _TOKEN.match(text, start) or _JWT.match(text, start)
    if hit is None and start >= 3 and text[start - 3 : start] == "SG.":  # noqa: PLR2004 - the prefix
        hit = _SENDGRID.match(text, start - 3)
    if hit is None and start and text[start - 1] == ":":
        hit = _BOT.search(text, max(0, start - _LONGEST_BOT), min(end, start + 64) + 1)
    if hit:
        return Found(hit.start(), hit.end(), Entity.SECRET)
    start = _back(text, start)
    whole = _AROUND.match(text, start)
    if whole is None or not _random_looking(whole.group()):
        return None
    if not _SECRET_WORDS.search(before(text, start, 48)):
        return None
    return Found(start, max(end, whole.end()), Entity.SECRET)


def _back(text: str, start: int) -> int:
    """Go back over what belongs to the same token: base64 has marks that break runs."""
    low = max(0, start - _LONGEST_HEAD)
    while start > low and text[start - 1].isascii():
        if not (text[start - 1].isalnum() or text[start - 1] in _AROUND_MARKS):
            break
        start -= 1
    return start


_LONGEST_HEAD = 64
_SWITCH = re.compile(r"[0-9][A-Za-z]|[A-Za-z][0-9]|[a-z][A-Z]")
_LEAST_SWITCHES = 4
_CHARS_PER_SWITCH = 8


def _random_looking(token: str) -> bool:
    """Tell a random token from words joined by hyphens, file names and dates."""
    switches = len(_SWITCH.findall(token))
    if not any(char.isdigit() for char in token):
        return False
    if switches < max(_LEAST_SWITCHES, len(token) // _CHARS_PER_SWITCH):
        return False
    return entropy_bits(token) >= _LEAST_ENTROPY_BITS


_ASSIGNED = re.compile(
    r"(?:(?P<key>key)|(?P<short>pass|pin(?: code)?)|pass(?:word|wd|wort|phrase|code)|pwd|secret"
    r"|token|bearer|(?<=mot de )passe|(?<=contr)ase[ñn]a|kennwort|senha|wachtwoord"
    r"|пароль|密码|パスワード|비밀번호)s?"
    r"[\"'`*\])]{0,3}\s{0,3}"
    r"(?P<by>:=|=>|={1,2}|:|：|是|は| - |(?<=\s)(?:is|was|ist|es|est|è|é)\s)\s{0,3}"
    r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`\x00]{4,128})",
    re.IGNORECASE,
)
_KEY_OF = (
    "api",
    "access",
    "private",
    "account",
    "secret",
    "auth",
    "encryption",
    "signing",
    "client",
    "license",
)
_CODE = re.compile(
    r"[(\[{<$%]|^(?:none|null|true|false|str|string|int|bytes|your|required|optional|undefined)\b",
    re.IGNORECASE,
)
_TRAILING = ",;:.)]}>!?*"
_LEAST_VALUE = 4
KEYWORDS_LATIN = (
    b"pass",
    b"secr",
    b"toke",
    b"bear",
    b"kenn",
    b"senh",
    b"wach",
    b"ase\xf1",
    b"asen",
    b"key",
    b"pwd",
    b"pin",
)
"""What a place must begin with, in lower case: three or four bytes of the view."""
KEYWORDS_OTHER = ("пароль", "密码", "パスワード", "비밀번호")
_OPERATORS = (":", "=", " is ", " was ", " ist ", " es ", " est ", " - ", "：", "是", "は")
_REACH = 24


def assigned_at(text: str, at: int) -> Found | None:
    """Find the value given to the password, key or token that is named at `at`.

    In ``password = hunter2`` that is ``hunter2``. After "is" or ":" a plain word stays
    (``password: required``); a value with a digit or a mark
    goes. Calls and template marks are code, not secrets.
    """
    near = text[at : at + _REACH]
    if not any(mark in near for mark in _OPERATORS):
        return None
    hit = _ASSIGNED.match(text, at)
    if hit is None or not _names_a_secret(hit, text[max(0, at - 12) : at]):
        return None
    value = hit["value"] if hit["quote"] else hit["value"].rstrip(_TRAILING)
    if len(value) < _LEAST_VALUE or _CODE.search(value):
        return None
    if _WORD.fullmatch(value) and not (
        hit["by"] != "==" if hit["quote"] else _looks_set(text, hit, value)
    ):
        return None
    start = hit.start("value")
    return Found(start, start + len(value), Entity.SECRET)


_WORD = re.compile(r"[^\W\d]+(?:\.[^\W\d]+)*")


def _looks_set(text: str, hit: re.Match[str], value: str) -> bool:
    """Tell a password that is a plain word (``DB_PASSWORD=correcthorse``) from a name in code."""
    by, start = hit.span("by"), hit.start("value")
    if hit["by"] != "=" or text[by[0] - 1] == " " or by[1] != start:
        return False
    ends = text[start + len(value) : start + len(value) + 1]
    return ends not in {",", ")", ";"} and value.lower() not in text[hit.start() : start].lower()


def _names_a_secret(hit: re.Match[str], ahead: str) -> bool:
    """Tell "api_key" from "key", and "pass" from "bypass"."""
    if hit["key"]:
        return ahead.lower().rstrip(" _-").endswith(_KEY_OF)
    return not (hit["short"] and ahead[-1:].isalnum())
