"""What the key store implies, for audits: which conversations have keys, what their leaves are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from volens.crypto.keystore import Holder, KeyStore
from volens.crypto.pages import AccountKeys
from volens.datasets.leaves import manifest_leaf


class KeysAsRoll:
    """Tells what the key store implies: which conversations have keys, and what their leaves are.

    Keys and capture secrets end with the call that derived them.
    """

    def __init__(self, keys: KeyStore) -> None:
        """Read `keys`."""
        self._keys = keys

    def keyed(self, holders: Sequence[Holder]) -> Iterator[frozenset[bytes] | None]:
        """See `audit.evidence.KeyRoll`."""
        for account in self._keys.accounts(holders):
            yield None if account is None else frozenset(account.salts)

    def leaves(
        self, dataset: bytes, wanted: Sequence[tuple[Holder, Sequence[bytes]]]
    ) -> Iterator[list[bytes | None]]:
        """See `audit.evidence.LeafRoll`."""
        accounts = self._keys.accounts([holder for holder, _ in wanted])
        for account, (_, conversations) in zip(accounts, wanted, strict=True):
            keys = None if account is None else AccountKeys(account.key)
            salts = {} if account is None else account.salts
            made: list[bytes | None] = []
            for raw in conversations:
                if keys is None or raw not in salts:
                    made.append(None)
                    continue
                _, secret = keys.of_conversation(raw, salts[raw])
                made.append(manifest_leaf(secret, dataset, raw))
            yield made
