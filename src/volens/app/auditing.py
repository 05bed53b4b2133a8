"""Wiring an audit: one home as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from volens.app.home import Home
from volens.app.policies import history
from volens.app.rights import request_store
from volens.app.witnesses import remembered
from volens.audit.evidence import Cosigned, Evidence, PolicyPeriod
from volens.audit.trail import Trail, read_trail
from volens.core.errors import Unavailable, VolensError
from volens.crypto.keystore import Holder, KeyStore
from volens.crypto.pages import AccountKeys
from volens.datasets.leaves import manifest_leaf
from volens.log.publishing import CHECKPOINT

_TRIES = 5
_SECRETS = frozenset({".kek", ".key", ".seed"})
"""What custody keeps that opens or signs; other files there tell how far the home is."""


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


def evidence_of(home: Home, *, witnesses_wanted: int = 0) -> Evidence:
    """Return what an audit looks at in `home`; its log is read and verified here.

    A home opened for writing publishes what is pending first.
    """
    if home.log is not None:
        home.log.publish()
    identity = home.identity
    roll = KeysAsRoll(home.keys)
    return Evidence(
        folder=home.folder,
        custody=home.custody,
        tenant=identity.tenant,
        origin=identity.origin,
        region=identity.region,
        realm=identity.realm,
        main=home.main,
        keys=home.keys_database,
        ledger=home.ledger,
        policy=home.policy,
        policies=[
            PolicyPeriod(
                name=one.name,
                version=one.version,
                sha256=one.sha256,
                since=one.since,
                log_index=one.log_index,
            )
            for one in history(home.main)
        ],
        census=home.facts.census,
        verifier=home.signer.verifier,
        cosigned=[Cosigned(vkey=one.vkey, note=one.note) for one in remembered(home.folder)],
        at=home.clock.now(),
        trail=_trail(home),
        key_roll=roll,
        leaf_roll=roll,
        holds=home.holds,
        erasures=home.erasures,
        ended=home.erasures,
        requests=request_store(home),
        witnesses_wanted=witnesses_wanted,
        secrets={path.name: path.read_bytes() for path in home.custody.iterdir() if path.is_file()},
    )


def _trail(home: Home) -> Trail | VolensError:
    """Read the log; where somebody else may be writing it, again if it went on meanwhile."""
    folder = home.folder / "log"
    found: Trail | VolensError = Unavailable("log_moving", "the log goes on too fast to be read")
    for _ in range(_TRIES):
        before = (folder / CHECKPOINT).read_bytes()
        try:
            return read_trail(folder, home.signer.verifier)
        except VolensError as error:
            found = error
        if home.log is not None or (folder / CHECKPOINT).read_bytes() == before:
            break
    return found
