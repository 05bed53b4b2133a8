"""Log entries: a closed list of kinds, each with a closed list of fields.

An entry says what was decided or done and when, never to whom and never what was said. A field
is an enum, a count, a moment, a version, the hash of a *public* document, the root of a tree of
commitments, or a salted commitment. There is no type for names, free text or stable ids, so no
kind can have such a field. Adding a kind is one row of `FIELDS` and one word of `EntryKind`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose, Signal
from volens.core.time import format_moment, parse_moment
from volens.log.fields import (
    COMMITMENT,
    COUNT,
    FLAG,
    LANGUAGE,
    MOMENT,
    PACK,
    PACK_VERSION,
    PUBLIC_HASH,
    ROOT,
    FieldType,
    Value,
    optional,
    word,
    words,
)
from volens.log.kinds import (
    AccessAction,
    AccessOutcome,
    AccessReason,
    AccountSort,
    Actor,
    CaptureSource,
    ChangedField,
    DatasetFormat,
    EntryKind,
    ErasureCause,
    ErasureScope,
    ExceptionClass,
    ExceptionEnd,
    FlagCategory,
    FlagSeverity,
    GrantScope,
    HoldClass,
    HoldEnd,
    ImpactCause,
    ImpactState,
    KeepAnswer,
    KeyEvent,
    ReceiptKind,
    RefusalCause,
    RefusalGround,
    RequestKind,
    RequestOutcome,
    StaffRole,
    TimeSource,
)

VERSION = 1
SALT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened, at one moment.

    `fields` holds what `FIELDS` lists for the kind: enum members, ints, bools, moments, 32-byte
    hashes and commitments as bytes, versions and pack names as text.
    """

    kind: EntryKind
    at: datetime
    fields: Mapping[str, Value]


def commit(salt: bytes, *parts: bytes) -> bytes:
    """Return the 32-byte commitment HMAC-SHA-256(salt, parts), each part behind its length.

    Args:
        salt: 32 random bytes, fresh for each entry; erasing it makes the entry unlinkable.
        parts: what is committed to; each at most 2^32 - 1 bytes.

    Raises:
        InvalidInput: if the salt has another size.
    """
    if len(salt) != SALT_BYTES:
        raise InvalidInput("salt_size", f"a salt takes {SALT_BYTES} bytes, not {len(salt)}")
    message = b"".join([len(part).to_bytes(4, "big") + part for part in parts])
    return hmac.digest(salt, message, hashlib.sha256)


def encode_entry(entry: Entry) -> bytes:
    """Write an entry as canonical JSON (RFC 8785).

    Raises:
        InvalidInput: ``entry_fields`` unless the fields are exactly those of the kind;
            ``entry_value`` if one has a value outside its type.
    """
    document: dict[str, Json] = {
        "v": VERSION,
        "kind": entry.kind.value,
        "at": format_moment(entry.at),
    }
    types = _types_for(entry.kind, entry.fields)
    for name, value in entry.fields.items():
        document[name] = types[name].write(value)
    return canonical_json(document)


def parse_entry(data: bytes) -> Entry:
    """Read an entry; each entry has exactly one spelling.

    Raises:
        InvalidInput: ``not_canonical`` and other codes of `core.canonical`; ``entry_version``;
            ``entry_kind``; ``entry_fields``; ``entry_value``.
    """
    document = read_canonical(data)
    if not isinstance(document, dict) or document.get("v") is not VERSION:  # true is not 1
        raise InvalidInput("entry_version", f"not a log entry of version {VERSION}")
    kind = _kind(document.get("kind"))
    at = document.get("at")
    if not isinstance(at, str):
        raise InvalidInput("entry_value", f"the entry {kind} has no moment")
    given = {name: value for name, value in document.items() if name not in {"v", "kind", "at"}}
    types = _types_for(kind, given)
    fields = {name: types[name].read(value) for name, value in given.items()}
    return Entry(kind=kind, at=parse_moment(at), fields=fields)


def _types_for(kind: EntryKind, given: Mapping[str, object]) -> Mapping[str, FieldType]:
    types = FIELDS[kind]
    needed = {name for name, one in types.items() if not one.optional}
    if not needed <= given.keys() <= types.keys():
        wrong = ", ".join(sorted((needed - given.keys()) | (given.keys() - types.keys())))
        raise InvalidInput("entry_fields", f"missing or unknown fields of {kind}: {wrong[:200]}")
    choice = ONE_OF.get(kind)
    if choice and len(choice & given.keys()) != 1:
        raise InvalidInput("entry_fields", f"{kind} takes one of {', '.join(sorted(choice))}")
    return types


def _kind(word: Json) -> EntryKind:
    try:
        return EntryKind(str(word))
    except ValueError as error:
        raise InvalidInput("entry_kind", f"no entry kind {str(word)[:40]!r}") from error


_CONSENT: Final = {
    "commitment": COMMITMENT,
    "purpose": word(Purpose),
    "scope": word(GrantScope),
}
_EXCEPTION: Final = {"commitment": COMMITMENT, "class": word(ExceptionClass)}

FIELDS: Final[Mapping[EntryKind, Mapping[str, FieldType]]] = {
    EntryKind.HOME_CREATED: {},
    EntryKind.POLICY_ACTIVATED: {
        "pack": PACK,
        "version": PACK_VERSION,
        "pack_hash": PUBLIC_HASH,
        "effective": MOMENT,
    },
    EntryKind.NOTICE_PUBLISHED: {
        "notice_hash": PUBLIC_HASH,
        "purposes": words(Purpose),
        "language": LANGUAGE,
    },
    EntryKind.SUBJECT_CREATED: {"commitment": COMMITMENT},
    EntryKind.SUBJECT_CHANGED: {"commitment": COMMITMENT, "field": word(ChangedField)},
    EntryKind.CONSENT_GRANTED: {**_CONSENT, "notice_hash": PUBLIC_HASH},
    EntryKind.CONSENT_WITHDRAWN: _CONSENT,
    EntryKind.CONSENT_REVOKED: _CONSENT,
    EntryKind.CONSENT_EXPIRED: _CONSENT,
    EntryKind.CONSENT_OBJECTED: _CONSENT,
    EntryKind.CONSENT_OBJECTION_LIFTED: _CONSENT,
    EntryKind.ORGANISATION_INSTRUCTED: {
        "commitment": COMMITMENT,
        "version": COUNT,
        "purposes": optional(words(Purpose)),
    },
    EntryKind.CAPTURE_DONE: {"count": COUNT, "root": ROOT, "source": word(CaptureSource)},
    EntryKind.CONVERSATION_SIGNALLED: {"commitment": COMMITMENT, "signal": word(Signal)},
    EntryKind.ACCESS_INTENT: {
        "purpose": word(Purpose),
        "actor": word(Actor),
        "action": word(AccessAction),
        "reason": word(AccessReason),
        "policy_hash": PUBLIC_HASH,
        "count": COUNT,
        "root": optional(ROOT),
        "commitment": optional(COMMITMENT),
        "dataset": optional(COMMITMENT),
        "exception": optional(word(ExceptionClass)),
        "instructions": optional(ROOT),
    },
    EntryKind.ACCESS_DONE: {
        "intent": COUNT,
        "count": COUNT,
        "duration_ms": COUNT,
        "outcome": word(AccessOutcome),
    },
    EntryKind.USE_RECORDED: {"intent": COUNT, "count": COUNT, "root": ROOT},
    EntryKind.RUN_PLANNED: {
        "plan": PUBLIC_HASH,
        "seed": PUBLIC_HASH,
        "manifest_root": ROOT,
        "records": COUNT,
        "shards": COUNT,
        "slices": COUNT,
        "revises": optional(COUNT),
    },
    EntryKind.STAGE_DONE: {
        "planned": COUNT,
        "shard": COUNT,
        "slice": COUNT,
        "inputs": PUBLIC_HASH,
        "output": PUBLIC_HASH,
    },
    EntryKind.ARTEFACTS_DESTROYED: {"planned": COUNT, "count": COUNT, "root": ROOT},
    EntryKind.UNLEARNING_DONE: {
        "before": COUNT,
        "after": COUNT,
        "forgotten": COUNT,
        "bundle": PUBLIC_HASH,
        "replayed": FLAG,
    },
    EntryKind.MODEL_PUBLISHED: {
        "planned": COUNT,
        "model": PUBLIC_HASH,
        "adapter": PUBLIC_HASH,
    },
    EntryKind.IMPACT_OPENED: {"commitment": COMMITMENT, "cause": word(ImpactCause)},
    EntryKind.IMPACT_MOVED: {
        "opened": COUNT,
        "state": word(ImpactState),
        "proven": optional(COUNT),
    },
    EntryKind.DATASET_DONE: {
        "intent": COUNT,
        "dataset": COMMITMENT,
        "manifest_root": ROOT,
        "manifest_hash": PUBLIC_HASH,
        "records": COUNT,
        "format": word(DatasetFormat),
        "policy_hash": PUBLIC_HASH,
        "disclosure": FLAG,
    },
    EntryKind.KEY_EPOCH: {"epoch": COUNT, "event": word(KeyEvent)},
    EntryKind.JOURNAL_APPLIED: {"count": COUNT},
    EntryKind.RECEIPT_ISSUED: {"commitment": COMMITMENT, "receipt": word(ReceiptKind)},
    EntryKind.ERASURE_REQUESTED: {
        "commitment": COMMITMENT,
        "scope": word(ErasureScope),
        "cause": word(ErasureCause),
        "due": MOMENT,
    },
    EntryKind.ERASURE_CANCELLED: {"commitment": COMMITMENT},
    EntryKind.ERASURE_STARTED: {"count": COUNT, "root": ROOT},
    EntryKind.ERASURE_KEYS_REMOVED: {"started": COUNT, "count": COUNT, "root": ROOT},
    EntryKind.ERASURE_IRRECOVERABLE: {"count": COUNT, "root": ROOT},
    EntryKind.HOLD_PLACED: {
        "commitment": COMMITMENT,
        "class": word(HoldClass),
        "until": MOMENT,
        "gag_until": optional(MOMENT),
    },
    EntryKind.HOLD_CHANGED: {
        "commitment": COMMITMENT,
        "until": MOMENT,
        "gag_until": optional(MOMENT),
    },
    EntryKind.HOLD_RELEASED: {"commitment": COMMITMENT, "end": word(HoldEnd)},
    EntryKind.RETENTION_RUN: {"due": COUNT, "erased": COUNT, "held": COUNT, "overdue": COUNT},
    EntryKind.CLOCK_PAUSED: {"last": MOMENT},
    EntryKind.CLOCK_CONFIRMED: {"source": word(TimeSource), "time": MOMENT},
    EntryKind.BACKUP_MADE: {"size": COUNT, "root": ROOT},
    EntryKind.BACKUP_RESTORED: {"size": COUNT, "erased": COUNT, "withdrawn": COUNT},
    EntryKind.REQUEST_OPENED: {
        "commitment": COMMITMENT,
        "request": word(RequestKind),
        "due": MOMENT,
    },
    EntryKind.REQUEST_CLOSED: {
        "commitment": COMMITMENT,
        "request": word(RequestKind),
        "outcome": word(RequestOutcome),
    },
    EntryKind.CONTENT_REPORTED: {"commitment": COMMITMENT},
    EntryKind.DATASET_REVISED: {
        "dataset": COMMITMENT,
        "removed": COUNT,
        "root": ROOT,
        "manifest_hash": PUBLIC_HASH,
    },
    EntryKind.AUDIT_DONE: {"commitment": COMMITMENT, "checks": COUNT, "failed": COUNT},
    EntryKind.USE_REFUSED: {
        "purpose": word(Purpose),
        "cause": word(RefusalCause),
        "policy_hash": PUBLIC_HASH,
    },
    EntryKind.ACCOUNT_ADDED: {"commitment": COMMITMENT, "account": word(AccountSort)},
    EntryKind.ACCOUNT_ENDED: {"commitment": COMMITMENT, "account": word(AccountSort)},
    EntryKind.ROLE_GIVEN: {"commitment": COMMITMENT, "role": word(StaffRole), "until": MOMENT},
    EntryKind.ROLE_ENDED: {"commitment": COMMITMENT, "role": word(StaffRole)},
    EntryKind.TOKEN_ISSUED: {"commitment": COMMITMENT, "scopes": COUNT, "until": MOMENT},
    EntryKind.TOKEN_REVOKED: {"commitment": COMMITMENT},
    EntryKind.EXCEPTION_OPENED: {
        **_EXCEPTION,
        "closes": MOMENT,
        "waiting": FLAG,
        "gag_until": optional(MOMENT),
    },
    EntryKind.EXCEPTION_APPROVED: {**_EXCEPTION, "closes": MOMENT},
    EntryKind.EXCEPTION_CLOSED: {**_EXCEPTION, "end": word(ExceptionEnd)},
    EntryKind.EXCEPTION_REFUSED: {"class": word(ExceptionClass), "ground": word(RefusalGround)},
    EntryKind.EXCEPTION_NOTIFIED: {**_EXCEPTION, "days": COUNT},
    EntryKind.EXCEPTION_ANSWERED: {"commitment": COMMITMENT, "answer": word(KeepAnswer)},
    EntryKind.FLAG_RAISED: {
        "commitment": COMMITMENT,
        "category": word(FlagCategory),
        "severity": word(FlagSeverity),
    },
}
"""Every kind and its fields, besides ``v``, ``kind`` and ``at``."""

ONE_OF: Final[Mapping[EntryKind, frozenset[str]]] = {
    EntryKind.ACCESS_INTENT: frozenset({"root", "commitment"}),
}
"""Kinds of whose optional fields exactly one must stand."""
