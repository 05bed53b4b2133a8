"""The erasure map of what the doors keep: accounts, sessions, cases, webhooks.

A room that adds a table adds its columns here, as in `map_tables`.
"""

from __future__ import annotations

from typing import Final

from volens.lifecycle.map_access import ACCESS_ROWS
from volens.lifecycle.map_rows import MapRow
from volens.lifecycle.map_safety import SAFETY_ROWS
from volens.lifecycle.map_webhooks import WEBHOOK_ROWS

DOOR_ROWS: Final[tuple[MapRow, ...]] = (*ACCESS_ROWS, *SAFETY_ROWS, *WEBHOOK_ROWS)
