"""Which witnesses cosigned this home's log, where they run, and what they signed last.

A cosignature on the published checkpoint is gone with the next checkpoint; what is kept here stays,
so that a receipt of growth can be shown later.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from volens.core.canonical import canonical_json, read_canonical
from volens.core.errors import InvalidInput
from volens.storage.files import read_private, write_durable

WITNESSES = "witnesses.json"
_MEMBERS = ("url", "vkey", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One witness of this home's log."""

    vkey: str
    url: str
    note: str
    """The last checkpoint it cosigned, as a signed note."""

    @property
    def here(self) -> bool:
        """Say whether it runs on this very machine, as far as its address tells."""
        host = urlsplit(self.url).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            own = {"localhost", socket.gethostname().lower()}
            return host in own or host.endswith((".localhost", ".local"))
        return address.is_loopback or address.is_unspecified


def remembered(home: Path) -> list[Remembered]:
    """Return the witnesses of the home in folder `home`, sorted by key.

    Raises:
        InvalidInput: ``home_form`` if the file is malformed.
    """
    data = read_private(home / WITNESSES)
    if data is None:
        return []
    rows = read_canonical(data)
    try:
        if isinstance(rows, list):
            found = [Remembered(**{name: row[name] for name in _MEMBERS}) for row in rows]
            if _encode(found) == data:
                return found
    except (KeyError, TypeError):
        pass
    raise InvalidInput("home_form", f"{home / WITNESSES} is not a list of witnesses")


def remember(home: Path, witness: Remembered) -> None:
    """Keep a witness and what it signed; the last call for a key counts."""
    others = [one for one in remembered(home) if one.vkey != witness.vkey]
    write_durable(home / WITNESSES, _encode([*others, witness]))


def _encode(witnesses: list[Remembered]) -> bytes:
    rows = sorted(witnesses, key=lambda one: one.vkey)
    return canonical_json([{name: getattr(one, name) for name in _MEMBERS} for one in rows])
