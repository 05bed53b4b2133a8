"""Where a home is served: a small file in it, for whoever finds its lock taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from volens.core.errors import Unavailable
from volens.storage.files import read_private, write_durable

SERVED = "served"
_LONGEST = 512


@contextmanager
def saying_where(home: Path, url: str) -> Iterator[None]:
    """Keep `url` in the home while the block runs. Only the owner of the home may."""
    write_durable(home / SERVED, f"{url}\n".encode())
    try:
        yield
    finally:
        with suppress(OSError):
            (home / SERVED).unlink(missing_ok=True)


def served_at(home: Path) -> str:
    """Return where a home says that it is served; empty if it does not.

    After a kill the file stays: it means something only while the lock is held.
    """
    data = read_private(home / SERVED) or b""
    text = data[:_LONGEST].decode("utf-8", "replace").strip()
    return text if text.isprintable() else ""


def name_server(error: Unavailable, home: Path) -> Unavailable:
    """Return the error of a taken lock with a hint that names the server, if one has it."""
    url = served_at(home)
    if error.code != "home_in_use" or not url:
        return error
    hint = f"it is served at {url}: do it there; withdrawing and erasing work here too"
    return Unavailable(error.code, error.message, hint=hint)
