"""Wiring an audit: one home as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from volens.app.home import Home
from volens.app.policies import history
from volens.app.witnesses import remembered
from volens.audit.evidence import Cosigned, Evidence, PolicyPeriod
from volens.audit.trail import Trail, read_trail
from volens.core.errors import VolensError
from volens.crypto.keystore import Holder, KeyStore


class KeyRollOf:
    """Reads from the key store which conversations have keys; the keys stay in the store."""

    def __init__(self, keys: KeyStore) -> None:
        """Read `keys`."""
        self._keys = keys

    def conversations(self, holders: Sequence[Holder]) -> Iterator[frozenset[bytes] | None]:
        """See `audit.evidence.KeyRoll`."""
        for account in self._keys.accounts(holders):
            yield None if account is None else frozenset(account.salts)


def evidence_of(home: Home, *, witnesses_wanted: int = 0) -> Evidence:
    """Return what an audit looks at in `home`; its log is read and verified here.

    A home opened for writing publishes what is pending first.
    """
    if home.log is not None:
        home.log.publish()
    identity = home.identity
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
        key_roll=KeyRollOf(home.keys),
        witnesses_wanted=witnesses_wanted,
        secrets={path.name: path.read_bytes() for path in home.custody.iterdir() if path.is_file()},
    )


def _trail(home: Home) -> Trail | VolensError:
    try:
        return read_trail(home.folder / "log", home.signer.verifier)
    except VolensError as error:
        return error
