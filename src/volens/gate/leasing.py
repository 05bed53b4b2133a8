"""Opening and ending leases, as the owner of the home (see `volens.gate.leases`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from volens.core.errors import Denied, InvalidInput
from volens.core.ports import Clock
from volens.crypto.envelope import PREPARED_BYTES
from volens.crypto.keystore import Holder
from volens.crypto.opening import Opener
from volens.gate.census import Int64s
from volens.gate.facts import Use
from volens.gate.gate import Asker, Gate
from volens.gate.leases import LEAF_BYTES, Hearing, Lease, LeaseEnd, SealedRecords, Terms
from volens.gate.standing import Record, live_records, permitted_among
from volens.log.fields import Value
from volens.log.kinds import EntryKind
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.recorder import Recorder


class Leases:
    """Opens and ends leases, for the home's owner."""

    def __init__(
        self, gate: Gate, opener: Opener, recorder: Recorder, engine: Engine, *, clock: Clock
    ) -> None:
        """Decide by `gate`; what can't be recorded can't be used."""
        self._gate = gate
        self._opener = opener
        self._recorder = recorder
        self._engine = engine
        self._clock = clock

    def open(
        self,
        use: Use,
        asker: Asker,
        sealed: SealedRecords,
        *,
        dataset: bytes,
        numbers: Int64s,
        hearing: Hearing,
    ) -> Lease:
        """Decide, log the intent, fetch the keys.

        Args:
            use: the purpose the dataset was built for, and the names that grants may be limited to.
            asker: who and why.
            sealed: the dataset's records.
            dataset: its raw id, 16 bytes.
            numbers: the row in the vault of each record, in the order of the leaves; 0: erased.
            hearing: how it hears of what is taken back, without owning the home.

        Raises:
            InvalidInput: ``lease_form`` if `numbers` are not those of `sealed`.
            Denied: as `Gate.select`; ``withdrawn_meanwhile`` if records went meanwhile.
            Unavailable: ``revocation_stale``, or if keys or log can't be had.
        """
        if len(numbers) != len(sealed):
            message = f"{len(numbers):,} row numbers for {len(sealed):,} records"
            raise InvalidInput("lease_form", message)
        among = numbers[numbers != 0]
        selection = self._gate.select(use, asker, dataset=dataset, among=among)
        facts, policy = self._gate.facts, self._gate.policy
        live = live_records(self._engine, among)
        permitted, _ = permitted_among(facts, policy, use, live, self._engine, selection.at)
        if len(permitted) != selection.permitted:
            message = "records went while the lease was opened"
            raise Denied("withdrawn_meanwhile", message, hint="start again")
        records = {number: live[number] for number in sorted(permitted)}
        terms = Terms(
            use=use,
            intent=selection.intent,
            mark=selection.mark,
            policy=policy.ref.hash,
            dataset=dataset,
        )
        keys = self._keys(records, numbers, sealed, dataset)
        lease = Lease(terms, records, sealed, numbers=numbers, keys=keys, hearing=hearing)
        lease.usable()
        return lease

    def record_end(self, end: LeaseEnd) -> int:
        """Log what a lease used and how it ended; return the index of the use receipt."""
        fields: dict[str, Value] = {
            "intent": end.intent,
            "count": len(end.used),
            "root": used_root(end.used),
        }
        index = self._recorder.record(EntryKind.USE_RECORDED, fields)
        self._gate.end_access(end.intent, len(end.used), end.began, end.outcome, end.ended)
        return index

    def _keys(
        self, records: dict[int, Record], numbers: Int64s, sealed: SealedRecords, dataset: bytes
    ) -> npt.NDArray[np.uint8]:
        """Return what opens each record of the dataset; zeros where there is no key."""
        keys = np.zeros((len(sealed), PREPARED_BYTES), dtype=np.uint8)
        leaves = sealed.leaves()
        of_holder: dict[tuple[int, bytes], list[tuple[int, bytes, bytes]]] = {}
        for place, number in enumerate(numbers.tolist()):
            one = records.get(number)
            if one is not None:
                leaf = leaves[place * LEAF_BYTES : (place + 1) * LEAF_BYTES]
                theirs = of_holder.setdefault((one.subject_no, one.subject), [])
                theirs.append((place, one.conversation, leaf))
        holders = sorted(of_holder)
        items = [
            (
                Holder(number=number, raw=raw),
                [(two, leaf) for _, two, leaf in of_holder[number, raw]],
            )
            for number, raw in holders
        ]
        found = self._opener.record_keys(items, dataset=dataset)
        for holder, prepared in zip(holders, found, strict=True):
            for (place, _, _), key in zip(of_holder[holder], prepared, strict=True):
                if key is not None:
                    keys[place] = np.frombuffer(key, dtype=np.uint8)
        return keys


def used_root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle root (RFC 6962) over leaves that rise; 32 bytes."""
    return MerkleTree([leaf_hash(leaf) for leaf in leaves]).root()
