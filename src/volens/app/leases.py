"""Leases of a home: a run uses a dataset while any other process may own the home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import environ
from pathlib import Path

from sqlalchemy import Engine

from volens.app.home import Home, open_home
from volens.app.policies import history
from volens.core.errors import Denied, InvalidInput, VerificationFailed
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock
from volens.datasets.manifest import MANIFEST_FILE, Manifest, parse_manifest
from volens.datasets.model import Format
from volens.datasets.revising import kept_folder, rows_of
from volens.datasets.sealed import SealedReader
from volens.datasets.verify import DATA_FOLDER, verify_dataset
from volens.gate.facts import FactSource, Use
from volens.gate.gate import Asker
from volens.gate.leases import Hearing, Lease, LeaseEnd
from volens.log.kinds import AccessAction, AccessReason, Actor
from volens.policy.decision import Policy
from volens.storage.revocation import EPOCH_FILE, EpochReader

_ASKER = Asker(actor=Actor.SERVICE, action=AccessAction.TRAIN, reason=AccessReason.TRAINING_RUN)
_MOST_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A lease, and what the dataset says of itself."""

    lease: Lease
    manifest: Manifest


class Reading:
    """What decisions rest on now, read from a home that somebody else may own.

    It may be taken along into forked workers: every query opens a connection of its own.
    """

    def __init__(
        self, folder: Path, *, environment: Mapping[str, str] = environ, clock: Clock | None = None
    ) -> None:
        """Name the home; it is opened when it is first asked."""
        self._folder = folder
        self._environment = dict(environment)
        self._clock = clock
        self._home: Home | None = None

    def __call__(self) -> tuple[FactSource, Policy, Engine]:
        """Return the facts, the policy in force, and where the rows are.

        Raises:
            VolensError: if the home can't be read.
        """
        home = self._home
        if home is None or history(home.main)[-1].sha256 != home.policy.ref.hash:
            self.close()
            home = self._home = open_home(
                self._folder, writing=False, environment=self._environment, clock=self._clock
            )
        return home.facts, home.policy, home.main

    def close(self) -> None:
        """Let go of the home."""
        home, self._home = self._home, None
        if home is not None:
            home.close()


def open_lease(
    home: Home,
    dataset: Path,
    *,
    name: str = "",
    run: str = "",
    environment: Mapping[str, str] = environ,
) -> Leased:
    """Verify a sealed dataset of this home and lease what of it may still be used.

    The home may be closed afterwards; `record_end` needs it once more.

    Args:
        home: opened for writing.
        dataset: its folder.
        name: the name it was built under, for grants that are limited to it.
        run: the id of the run that uses it, if it has one.
        environment: as for `open_home`; for the process that uses the lease.

    Raises:
        NotFound: ``no_dataset``, ``dataset_unknown``.
        VerificationFailed: if the dataset was changed, or is not the one that was built here.
        InvalidInput: ``not_sealed``.
        Denied: as `Leases.open`.
        Unavailable: as `Leases.open`.
    """
    verify_dataset(dataset, home.signer.verifier)
    manifest = parse_manifest((dataset / MANIFEST_FILE).read_bytes())
    if manifest.format is not Format.SEALED:
        hint = "build it with --format sealed: a plain one can't be taken back from a run"
        raise InvalidInput("not_sealed", f"{dataset} is not in the sealed form", hint=hint)
    kept = kept_folder(home.folder / "datasets", manifest.dataset)
    if (kept / MANIFEST_FILE).read_bytes() != manifest.to_bytes():
        message = f"{dataset} is not the dataset {manifest.dataset} that was built here"
        raise VerificationFailed("dataset_other", message)
    for attempt in range(1, _MOST_TRIES + 1):
        try:
            lease = home.leases.open(
                Use(purpose=manifest.purpose.value, dataset=name, run=run),
                _ASKER,
                SealedReader(dataset / DATA_FOLDER),
                dataset=parse_id(IdKind.DATASET, manifest.dataset),
                numbers=rows_of(home.folder / "datasets", manifest.dataset),
                hearing=Hearing(
                    reader=EpochReader(home.folder / "journal" / EPOCH_FILE),
                    current=Reading(home.folder, environment=environment, clock=home.clock),
                    clock=home.clock,
                ),
            )
            return Leased(lease=lease, manifest=manifest)
        except Denied as refusal:
            if refusal.code != "withdrawn_meanwhile" or attempt == _MOST_TRIES:
                raise
    raise AssertionError("unreachable")  # the loop returns or raises


def record_end(home: Home, end: LeaseEnd) -> int:
    """Log what a lease used and how it ended; return the log index of the use receipt.

    Raises:
        Unavailable: ``read_only`` if the home was opened for reading.
    """
    return home.leases.record_end(end)
