"""Checks passwords beside the home's thread: each takes some 50 ms and 64 MiB, so few at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from volens.access.passwords import fits, hash_password
from volens.core.ports import Entropy

_AT_ONCE: Final = 2
_POOL: Final = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="password")


async def password_fits(password: str, hashed: str | None) -> bool:
    """Say whether a password has this hash, as `access.passwords.fits`."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, fits, password, hashed)


async def hash_of(password: str, *, entropy: Entropy) -> str:
    """Return the hash of a new password, as `access.passwords.hash_password`.

    Raises:
        InvalidInput: ``password_form``.
    """
    made = partial(hash_password, password, entropy=entropy)
    return await asyncio.get_running_loop().run_in_executor(_POOL, made)
