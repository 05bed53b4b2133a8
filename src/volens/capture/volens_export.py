"""A person's own export from here (docs/formats/export.md), read again.

Its conversations are `volens-jsonl` and are read as such. Beside them lie parts that are for
people, for spreadsheets, or about the account: the manifest lists them, so they are known for what
they are instead of being reported as files that nobody can read. Nothing in them is taken in:
choices, receipts and the rest speak of another home, and an import never grants anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from volens.capture.values import elements, members, string
from volens.core.canonical import Json

VERSION = "volens-export/1"
WHY = "part of a person's copy of their data, not conversations"


def listed_parts(record: Mapping[str, Json]) -> frozenset[str]:
    """Return the names of the parts that an export's manifest lists; none if it is no manifest."""
    if record.get("version") != VERSION:
        return frozenset()
    return frozenset(string(members(part).get("name")) for part in elements(record.get("parts")))
