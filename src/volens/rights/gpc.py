"""Global Privacy Control: the signal of a browser, and the page that says it is honoured. Pure.

W3C Working Draft "Global Privacy Control (GPC)": 3.3 (header), 4 (support resource). What a signal
leads to is in `RightsDesk.signalled`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from volens.core.canonical import Json, canonical_json, read_strict
from volens.core.errors import InvalidInput

HEADER = "Sec-GPC"
WELL_KNOWN = "/.well-known/gpc.json"
MAX_BYTES = 64 * 1024
_DAY = len("2026-01-31")


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What a site says of itself: whether it honours the signal, and since when it says so."""

    honoured: bool | None
    """None: it does not say."""
    since: date | None


def signalled(headers: Iterable[tuple[str, str]]) -> bool:
    """Say whether a request carries the signal (3.3).

    One field whose value is exactly ``1`` is enough; every other value counts as no field at all.

    Args:
        headers: name and value of each header field of the request, in any order.
    """
    return any(
        name.lower() == HEADER.lower() and value.strip(" \t") == "1" for name, value in headers
    )


def encode_support(since: date) -> bytes:
    """Write the support resource of a site that honours the signal (4), served as JSON."""
    return canonical_json({"gpc": True, "lastUpdate": since.isoformat()})


def parse_support(data: bytes) -> Support:
    """Read a support resource; members that nobody knows are passed over, as the draft says.

    Raises:
        InvalidInput: ``gpc_form`` if it is not one JSON object, or as `core.canonical`.
    """
    document = read_strict(data, max_bytes=MAX_BYTES)
    if not isinstance(document, dict):
        raise InvalidInput("gpc_form", "a support resource is one JSON object")
    honoured = document.get("gpc")
    return Support(
        honoured=honoured if isinstance(honoured, bool) else None,
        since=_date(document.get("lastUpdate")),
    )


def _date(value: Json) -> date | None:
    """Return the date of an ISO 8601 date or moment; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = date.fromisoformat(value[:_DAY])
    except ValueError:
        return None
    return found if len(value) == _DAY or value[_DAY] == "T" else None
