"""The opener that a gate is wired with; the wiring itself may not import it."""

from __future__ import annotations

from volens.core.ports import Entropy
from volens.crypto.keystore import KeyStore
from volens.crypto.opening import Opener


def opener_for(keys: KeyStore, *, entropy: Entropy) -> Opener:
    """Make the opener that a gate is wired with; the wiring itself may not import it."""
    return Opener(keys, entropy=entropy)
