"""Wiring an audit: one home as evidence."""

from __future__ import annotations

from volens.app.home import Home
from volens.app.impact import look, stand_of
from volens.app.policies import history
from volens.app.rights import request_store
from volens.app.runs import runs_of
from volens.app.witnesses import remembered
from volens.audit.evidence import Cosigned, Evidence, ModelStand, PolicyPeriod
from volens.audit.trail import Trail, read_trail
from volens.core.errors import Unavailable, VolensError
from volens.core.ids import IdKind, parse_id
from volens.gate.artefacts import holder_of
from volens.log.publishing import CHECKPOINT

_TRIES = 5
_SECRETS = frozenset({".kek", ".key", ".seed"})
"""What custody keeps that opens or signs; other files there tell how far the home is."""


def evidence_of(home: Home, *, witnesses_wanted: int = 0) -> Evidence:
    """Return what an audit looks at in `home`; its log is read and verified here.

    A home opened for writing opens the impact cases that are due, and publishes what is pending,
    first.
    """
    models = _models(home)
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
        key_roll=home.roll,
        leaf_roll=home.roll,
        holds=home.holds,
        erasures=home.erasures,
        ended=home.erasures,
        requests=request_store(home),
        witnesses_wanted=witnesses_wanted,
        runs=frozenset(
            holder_of(parse_id(IdKind.RUN, family)).number for family in runs_of(home).families()
        ),
        models=models,
        secrets={path.name: path.read_bytes() for path in home.custody.iterdir() if path.is_file()},
    )


def _models(home: Home) -> ModelStand | VolensError:
    try:
        if home.log is not None:
            look(home)
        return stand_of(home)
    except VolensError as error:
        return error


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
