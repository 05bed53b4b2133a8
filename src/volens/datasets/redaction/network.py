"""Mail addresses, IP and MAC addresses, and addresses with a password in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from volens.datasets.redaction.found import ALONE_AFTER, ALONE_BEFORE, Found, before, in_word
from volens.datasets.redaction.profiles import Entity

_LOCAL_REACH = 128
# RFC 5321, 4.5.3.1: 64 octets before the @, 255 after it; labels of at most 63 (RFC 1035, 2.3.4).
_QUOTED_LOCAL = re.compile(r'"[^"\r\n\x00]{1,62}"\Z')
_NOT_FIRST = ".'*-+~#!?&$^%"
_DOMAIN = re.compile(
    r"@(?:(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}(?:xn--[a-z0-9-]{2,59}|[a-z]{2,24})(?![a-z0-9_À-ɏͰ-ԯ])"
    r"|(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w])"
    r"|\[[0-9A-Fa-f:.]{2,45}\])",
    re.IGNORECASE,
)
_NOBODY = {"git"}
"""Local parts that name a service in every address (``git@host:path``)."""


def mail_at(text: str, at: int) -> Found | None:
    """Find the mail address around the ``@`` at `at`."""
    domain = _DOMAIN.match(text, at)
    if domain is None:
        return None
    window = text[max(0, at - _LOCAL_REACH) : at]
    local = _local(window)
    if not local or local.lower() in _NOBODY:
        return None
    return Found(at - len(local), domain.end(), Entity.EMAIL)


def _local(window: str) -> str:
    if window.endswith('"'):
        quoted = _QUOTED_LOCAL.search(window)
        return quoted.group() if quoted else ""
    at, spaced = len(window), window[-1:].isascii()
    while at and (window[at - 1].isalnum() or window[at - 1] in _LOCAL_MARKS):
        if spaced and window[at - 1] > _LAST_SPACED:  # the word before it, in Chinese or Japanese
            break
        at -= 1
    return window[at:].lstrip(_NOT_FIRST)


_LAST_SPACED = "\u052f"
_LOCAL_MARKS = "_.+%&'~#!$*?^-"
_SPELLED = re.compile(
    r" ?[\[(] ?at ?[\])] ?"
    r"[^\W_][\w-]{0,61}(?:(?: ?[\[(] ?dot ?[\])] ?| dot |\.)[^\W_][\w-]{0,61}){0,6}"
    r"(?: ?[\[(] ?dot ?[\])] ?| dot |\.)[a-z]{2,24}(?![\w])",
    re.IGNORECASE,
)


def spelled_mail_at(text: str, at: int) -> Found | None:
    """Find ``name (at) example (dot) org``; `at` is the place of the bracket before "at"."""
    stop = at - 1 if at and text[at - 1] == " " else at
    domain = _SPELLED.match(text, stop)
    local = _local(text[max(0, stop - _LOCAL_REACH) : stop])
    if domain is None or not local:
        return None
    return Found(stop - len(local), domain.end(), Entity.EMAIL)


# RFC 3986, 3.2.1: user information before the host; a password after the first colon.
_USER_INFO = re.compile(r"://([^\s/@:\"'<>\x00]{0,128}:[^\s/@\"'<>\x00]{1,256})@")
_USER_INFO_REACH = 392


def user_info_at(text: str, at: int) -> Found | None:
    """Find ``user:password`` in a web address, before the ``@`` at `at`."""
    low = max(0, at - _USER_INFO_REACH)
    start = text.rfind("://", low, at)
    hit = _USER_INFO.match(text, start) if start >= 0 else None
    return None if hit is None else Found(hit.start(1), hit.end(1), Entity.SECRET)


_IPV4 = re.compile(rf"{ALONE_BEFORE}(?<!\.)\d{{1,3}}(?:\.\d{{1,3}}){{3}}{ALONE_AFTER}(?!\.\d)")
_NUMBERING_WORDS = re.compile(
    r"(?:\bv|version|release|firmware|build|==|>=|<=|~=|section|§|chapter|clause|paragraph|figure|table"
    r"|rfc ?\d{1,5},?|ecma ?-?\d{1,3})\s?[:=]?\s?\Z"
)
_IPV6 = re.compile(
    rf"{ALONE_BEFORE}(?<![:.])[0-9A-Fa-f:]{{2,39}}(?:(?<=:)\d{{1,3}}(?:\.\d{{1,3}}){{3}})?{ALONE_AFTER}(?!:)"
)
_LEAST_OCTET = 10
_LEAST_GROUPS, _LEAST_HEX = 2, 5  # ``a[1::2]`` is a slice


def ipv4_at(text: str, at: int) -> Found | None:
    """Find an IPv4 address whose first dot is at `at`.

    Addresses that point at nobody (unspecified, loopback, broadcast, netmasks) stay, and so do four
    numbers below ten, which are section numbers, versions or public name servers.
    """
    start = at
    while start and at - start < 4 and text[start - 1].isdigit():  # noqa: PLR2004 - three digits
        start -= 1
    hit = _IPV4.match(text, start)
    if hit is None:
        return None
    try:
        address = IPv4Address(hit.group())
    except AddressValueError:
        return None
    if max(address.packed) < _LEAST_OCTET:
        return None
    if address.is_loopback or address.is_unspecified or hit.group().startswith("255.255."):
        return None
    if _NUMBERING_WORDS.search(before(text, start, 12)):
        return None
    return Found(hit.start(), hit.end(), Entity.IP)


_IPV6_REACH = 5
_HEX = frozenset("0123456789abcdefABCDEF:")


def ipv6_at(text: str, at: int) -> Found | None:
    """Find an IPv6 address that has its first or second colon at `at` (RFC 4291, 2.2)."""
    start = at
    while start and at - start < _IPV6_REACH and text[start - 1] in _HEX:
        start -= 1
    hit = _IPV6.match(text, start)
    if hit is None:
        return None
    value = hit.group()
    groups = [group for group in value.split(":") if group]
    if len(groups) < _LEAST_GROUPS or len("".join(groups)) < _LEAST_HEX:
        return None
    if not any(char.isdigit() for char in value):
        return None
    try:
        address = IPv6Address(value)
    except AddressValueError:
        return None
    return None if address.is_loopback else Found(hit.start(), hit.end(), Entity.IP)


_MAC = re.compile(
    r"[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![\w]|[:-][0-9A-Fa-f])"
)


def mac_at(text: str, at: int) -> Found | None:
    """Find a MAC address (IEEE 802, 8.1: six octets) whose first separator is at `at`."""
    start = at - 2
    if start < 0 or in_word(text, start - 1) or text[start - 1 : start] in {":", "-"}:
        return None
    hit = _MAC.match(text, start)
    if hit is None or len(set(hit.group()) - {":", "-"}) == 1:
        return None
    return Found(hit.start(), hit.end(), Entity.MAC)


def network(text: str, colons: list[int], hyphens: list[int], dots: list[int]) -> Iterator[Found]:
    """Find IP and MAC addresses at the places that a scan named."""
    reached = 0
    for at in colons:
        if at < reached:
            continue
        found = mac_at(text, at) or ipv6_at(text, at)
        if found:
            reached = found.end
            yield found
    for at in hyphens:
        found = mac_at(text, at)
        if found:
            yield found
    for at in dots:
        found = ipv4_at(text, at)
        if found:
            yield found
