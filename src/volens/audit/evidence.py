"""What an audit looks at: the stores of one home, its log, and ports for what other rooms keep.

Nothing here opens content. What can't be had is None and makes its checks say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine

from volens.audit.trail import Trail
from volens.consent.store import ConsentLedger
from volens.core.errors import VolensError
from volens.core.ids import TenantId
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.crypto.keystore import Holder
from volens.gate.census import Census
from volens.gate.facts import Use
from volens.holds.erasure import Erasure
from volens.holds.model import Hold
from volens.log.note import Verifier
from volens.policy.decision import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPeriod:
    """One policy version that is or was in force, as the home recorded it."""

    name: str
    version: str
    sha256: str
    since: datetime
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """The last checkpoint that one witness signed, as a note, and the witness's key."""

    vkey: str
    note: str


class KeyRoll(Protocol):
    """Tells what has a key, without showing one."""

    def keyed(self, holders: Sequence[Holder]) -> Iterator[frozenset[bytes] | None]:
        """Yield the ids of each holder's conversations and blocks that have keys, in order.

        `holders` are sorted by number. None: the person has no keys at all.

        Raises:
            VerificationFailed: if a key page does not open as what it should be.
            Unavailable: if the key service does not answer.
        """
        ...


class LeafRoll(Protocol):
    """Makes the leaves of conversations in a dataset's manifest, without showing a secret."""

    def leaves(
        self, dataset: bytes, wanted: Sequence[tuple[Holder, Sequence[bytes]]]
    ) -> Iterator[list[bytes | None]]:
        """Yield, for each holder, the leaf of each conversation; None where its key is gone.

        Args:
            dataset: the dataset's id, 16 bytes.
            wanted: holders, sorted by number, with ids of their conversations.

        Raises:
            VerificationFailed: if a key page does not open as what it should be.
            Unavailable: if the key service does not answer.
        """
        ...


class ErasureRegister(Protocol):
    """Lists the erasures asked for here."""

    def all(self) -> Sequence[Erasure]:
        """Return every erasure, oldest first."""
        ...


class Ended(Protocol):
    """Whose access has ended; ids are raw, 16 bytes."""

    @property
    def accounts(self) -> frozenset[bytes]:
        """People all of whose data is blocked."""
        ...

    def covers(self, subject: bytes, conversation: bytes, captured: datetime) -> bool:
        """Say whether access to one conversation has ended."""
        ...


class EndedRegister(Protocol):
    """Tells whose access has ended."""

    def ended(self) -> Ended:
        """Return it, journal included."""
        ...


class HoldRegister(Protocol):
    """Lists the holds placed here."""

    def all(self) -> Sequence[Hold]:
        """Return every hold, oldest first."""
        ...


class Asked(Protocol):
    """A rights request, as far as its deadline goes."""

    @property
    def due(self) -> datetime:
        """From this moment on an answer is late."""
        ...

    @property
    def closing(self) -> object | None:
        """How it ended; None while it is open."""
        ...


class RequestRegister(Protocol):
    """Lists the rights requests made here."""

    def all(self) -> Sequence[Asked]:
        """Return every request, oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStand:
    """How the models of a home stand towards what may be used."""

    families: int = 0
    without_case: int = 0
    """Records that may not be used any more, and that no impact case names."""
    left_after: int = 0
    """Copies that left after a case had stopped their model."""


CensusOf = Callable[[Policy, Use, datetime], Census]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One home, as the checks see it."""

    folder: Path
    custody: Path
    tenant: TenantId
    origin: str
    region: Region
    realm: Realm
    main: Engine
    keys: Engine
    ledger: ConsentLedger
    policy: Policy
    policies: Sequence[PolicyPeriod]
    census: CensusOf
    verifier: Verifier
    cosigned: Sequence[Cosigned]
    at: datetime
    trail: Trail | VolensError
    """The log, read and verified in full; or why it can't be."""
    key_roll: KeyRoll
    leaf_roll: LeafRoll
    erasures: ErasureRegister | None = None
    ended: EndedRegister | None = None
    holds: HoldRegister | None = None
    requests: RequestRegister | None = None
    witnesses_wanted: int = 0
    """How many fresh cosignatures the audit asks for."""
    fresh_days: int = 30
    """How old a cosignature may be."""
    runs: frozenset[int] = frozenset()
    """The numbers under which runs have keys."""
    models: ModelStand | VolensError = ModelStand()
    """How the models stand; or why that can't be known."""
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What lies in custody, by file name: looked for inside the home."""

    def log(self) -> Trail:
        """Return the log.

        Raises:
            VolensError: why it can't be read.
        """
        if isinstance(self.trail, VolensError):
            raise self.trail
        return self.trail
