"""Who has seen my data: the accesses that concerned one person, each with a proof (R42, R61).

An access is shown by its log entry, the entry's ``.tlog-proof``, and what ties it to the person:
the salt that opens the entry's commitment, or, for a dataset build, the dataset whose manifest
holds their conversations (a membership proof shows that; `volens prove`). Of another access to many
the home only states that something of theirs may have been opened. How it ended is the
``access.done`` entry that names it; without one, the intent is the upper bound.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import DatasetId, IdKind, SubjectId, parse_id
from volens.core.members import Members
from volens.core.time import format_moment
from volens.gate.accesses import AccessLeaf, opened_parts
from volens.log.entries import Entry, commit, parse_entry
from volens.log.kinds import EntryKind
from volens.log.note import Verifier
from volens.log.proof import parse_tlog_proof, verify_tlog_proof
from volens.log.store import TransparencyLog

VERSION = "volens-access/v1"
SEVERAL = "several"
"""What an access to many opened, where no dataset of it holds anything of the person."""
_CODE = "access_proof"
_DONE = b'"kind":"access.done"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One access that concerned a person."""

    subject: SubjectId
    log_index: int
    entry: Entry
    done: Entry | None
    done_index: int | None
    leaf: AccessLeaf | None = field(default=None, repr=False)
    """What opens the entry to the person; None for a dataset build."""
    dataset: DatasetId | None = None
    """The dataset that a build made, if it holds anything of theirs."""

    def facts(self) -> dict[str, Json]:
        """Return who, what, when, why, and for how long, in the log's own words."""
        done = None if self.done is None else self.done.fields
        opening = "" if self.leaf is None else self.leaf.opening.partition(" ")[0]
        return {
            "at": format_moment(self.entry.at),
            "actor": str(self.entry.fields["actor"]),
            "action": str(self.entry.fields["action"]),
            "purpose": str(self.entry.fields["purpose"]),
            "reason": str(self.entry.fields["reason"]),
            "what": self.dataset or opening or SEVERAL,
            "log_index": self.log_index,
            "outcome": None if done is None else str(done["outcome"]),
            "duration_ms": None if done is None else _count(done["duration_ms"]),
        }


def accesses_of(
    log: TransparencyLog,
    subject: SubjectId,
    leaves: Iterable[AccessLeaf],
    builds: Mapping[int, DatasetId],
    bulk: Iterable[int] = (),
) -> list[Access]:
    """Return the accesses that concerned a person, oldest first.

    Args:
        log: read from the first of them on, once.
        subject: the person.
        leaves: what opens entries about them; those that are no accesses are passed over.
        builds: log index of an intent -> the dataset that came of it and holds something of theirs.
        bulk: log indexes of accesses to many that may have opened something of theirs.
    """
    intents: dict[int, tuple[Entry, AccessLeaf | None]] = {}
    for leaf in leaves:
        entry = parse_entry(log.entry(leaf.log_index))
        if entry.kind is EntryKind.ACCESS_INTENT:
            intents[leaf.log_index] = (entry, leaf)
    for index in {*builds, *bulk}:
        intents.setdefault(index, (parse_entry(log.entry(index)), None))
    ends = _ends(log, intents.keys())
    return [
        Access(
            subject=subject,
            log_index=index,
            entry=entry,
            done=ends[index][1] if index in ends else None,
            done_index=ends[index][0] if index in ends else None,
            leaf=leaf,
            dataset=builds.get(index),
        )
        for index, (entry, leaf) in sorted(intents.items())
    ]


def access_document(access: Access, log: TransparencyLog) -> bytes:
    """Write an access with its proofs as one canonical JSON document.

    Every entry named must be published.
    """
    end = access.done_index
    document: dict[str, Json] = {
        "version": VERSION,
        "subject": access.subject,
        **access.facts(),
        "opening": None if access.leaf is None else access.leaf.opening,
        "salt": None if access.leaf is None else access.leaf.salt.hex(),
        "entry": log.entry(access.log_index).decode("utf-8"),
        "proof": log.prove(access.log_index).decode("utf-8"),
        "done": None,
        "done_proof": None,
    }
    if end is not None:
        document["done"] = log.entry(end).decode("utf-8")
        document["done_proof"] = log.prove(end).decode("utf-8")
    return canonical_json(document)


def verify_access(data: bytes, verifier: Verifier) -> dict[str, Json]:
    """Check one access document and return what it shows: `Access.facts`, and the ``subject``.

    1. Entry and proof: the access is in a log that `verifier` signed.
    2. The entry's commitment opens with the salt to this person, or to this conversation; an access
       to many has none, and names the dataset that came of it, if that holds anything of theirs.
    3. If it says how it ended, that entry is in the log too and names this one.
    4. What is told in words is what the entries say.

    Raises:
        VerificationFailed: ``access_proof`` or a code of `volens.log`.
    """
    try:
        return _verify(data, verifier)
    except (InvalidInput, KeyError, TypeError, ValueError) as error:
        raise VerificationFailed(_CODE, f"access proof: {type(error).__name__}") from error


def _verify(data: bytes, verifier: Verifier) -> dict[str, Json]:
    top = Members(read_canonical(data), "access", _CODE)
    top.exactly(
        "version subject at actor action purpose reason what log_index outcome duration_ms "
        "opening salt entry proof done done_proof"
    )
    top.constant("version", VERSION)
    subject = SubjectId(top.string("subject"))
    raw = parse_id(IdKind.SUBJECT, subject)
    index, entry = _logged(top, "entry", "proof", EntryKind.ACCESS_INTENT, verifier)
    leaf, dataset = None, None
    if top.member("opening") is None:
        dataset = None if top.member("what") == SEVERAL else top.dataset("what")
    else:
        salt = top.digest("salt")
        leaf = AccessLeaf(log_index=index, salt=salt, opening=top.string("opening"))
        logged = entry.fields.get("commitment")
        opened = commit(salt, *opened_parts(raw, leaf.opening))
        if not isinstance(logged, bytes) or not hmac.compare_digest(logged, opened):
            raise VerificationFailed(_CODE, "access proof: the entry is about something else")
    done = None
    if top.member("done") is not None:
        _, done = _logged(top, "done", "done_proof", EntryKind.ACCESS_DONE, verifier)
        if done.fields["intent"] != index:
            raise VerificationFailed(_CODE, "access proof: the end is of another access")
    access = Access(
        subject=subject,
        log_index=index,
        entry=entry,
        done=done,
        done_index=None,
        leaf=leaf,
        dataset=dataset,
    )
    told = access.facts()
    if {name: top.raw[name] for name in told} != told:
        raise VerificationFailed(_CODE, "access proof: it tells something else than its entries")
    return {"subject": subject, **told}


def _logged(
    top: Members, entry: str, proof: str, kind: EntryKind, verifier: Verifier
) -> tuple[int, Entry]:
    data, proven = top.string(entry).encode("utf-8"), top.string(proof).encode("utf-8")
    verify_tlog_proof(data, proven, [verifier])
    found = parse_entry(data)
    if found.kind is not kind:
        raise VerificationFailed(_CODE, f"access proof: the entry is no {kind}")
    return parse_tlog_proof(proven).index, found


def _ends(log: TransparencyLog, intents: Iterable[int]) -> dict[int, tuple[int, Entry]]:
    """Return where and how each access ended; one walk through the log."""
    wanted = set(intents)
    found: dict[int, tuple[int, Entry]] = {}
    if not wanted:
        return found
    first = min(wanted)
    for index, data in enumerate(_entries(log, first), start=first):
        if _DONE in data:
            entry = parse_entry(data)
            intent = entry.fields.get("intent")
            if isinstance(intent, int) and intent in wanted:
                found[intent] = (index, entry)
    return found


def _entries(log: TransparencyLog, first: int) -> Iterator[bytes]:
    return log.entries(first, log.size)


def _count(value: object) -> int:
    assert isinstance(value, int)
    return value
