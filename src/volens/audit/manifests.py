"""Checks: what stands in manifests was willing when it was built, and the log says the same.

Choices are replayed up to the build's own intent in the log, not up to a moment, so that a clock
that was set wrong changes nothing. Which rows a dataset holds is what the home kept of it
(`rows.bin`); `audit.leaves` compares them with the leaves, which manifest, statement and log bind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from volens.audit.model import Finding, Look, found
from volens.audit.survey import Chat, Survey, rows
from volens.audit.trail import Trail
from volens.consent.model import NOTHING_SAID, PurposeState, ScopeKind, apply_event
from volens.core.errors import VerificationFailed
from volens.core.ids import IdKind, format_id, parse_id
from volens.core.purposes import DATASET_PURPOSES, ConsentStatus, Purpose, Signal
from volens.core.time import to_millis
from volens.datasets.manifest import (
    LEAVES_FILE,
    MANIFEST_FILE,
    STATEMENT_FILE,
    Manifest,
    parse_manifest,
)
from volens.datasets.model import LEAF_BYTES
from volens.datasets.statement import verify_statement
from volens.log.entries import Entry
from volens.log.kinds import AccessAction, EntryKind

ROWS_FILE = "rows.bin"
_ROW_BYTES = 8
States = dict[bytes, PurposeState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the home keeps of one dataset."""

    place: int
    """Its number in a list of the kept datasets by name: a finding names it so."""
    folder: Path
    manifest: Manifest
    rows: tuple[int, ...] = field(repr=False)
    """Conversation row numbers in the order of the leaves."""


def kept_datasets(folder: Path) -> Iterator[Kept | int]:
    """Yield each kept dataset, or its place if what is kept of it does not fit together."""
    for place, path in enumerate(sorted(folder.glob("dst_*")), start=1):
        if not (path / MANIFEST_FILE).exists():
            continue  # without its manifest a folder does not count: a build that was stopped
        try:
            yield _read(place, path)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it can't be vouched for
            yield place


def _read(place: int, path: Path) -> Kept:
    manifest = parse_manifest((path / MANIFEST_FILE).read_bytes())
    leaves = (path / LEAVES_FILE).read_bytes()
    numbers = (path / ROWS_FILE).read_bytes()
    fits = (
        manifest.dataset == path.name
        and sha256(leaves).digest() == manifest.leaves_sha256
        and len(leaves) == manifest.counts.records * LEAF_BYTES
        and len(numbers) == manifest.counts.records * _ROW_BYTES
    )
    if not fits:
        raise VerificationFailed("kept_dataset", f"what is kept of {path.name} does not fit")
    return Kept(
        place=place,
        folder=path,
        manifest=manifest,
        rows=tuple(np.frombuffer(numbers, dtype="<i8").tolist()),
    )


def datasets_match_the_log(survey: Survey) -> Look:
    """Check each kept dataset's files, statement, intent and ``dataset.done`` against the log."""
    trail = survey.evidence.log()
    done: dict[object, Entry] = {
        entry.fields["manifest_hash"]: entry for _, entry in trail.of(EntryKind.DATASET_DONE)
    }
    looked = 0
    wrong = []
    for kept in kept_datasets(survey.evidence.folder / "datasets"):
        looked += 1
        place = kept if isinstance(kept, int) else kept.place
        if isinstance(kept, int) or not _is_logged(survey, kept, trail, done):
            wrong.append(place)
    return Look(
        looked_at=looked,
        violations=found("datasets whose files, statement or log entries don't fit", wrong),
    )


def _is_logged(survey: Survey, kept: Kept, trail: Trail, done: dict[object, Entry]) -> bool:
    manifest = kept.manifest
    entry = done.get(sha256(manifest.to_bytes()).digest())
    intent = trail.at(manifest.log.intent)
    try:
        statement = verify_statement(
            (kept.folder / STATEMENT_FILE).read_bytes(), survey.evidence.verifier
        )
    except (VerificationFailed, OSError):
        return False
    return (
        entry is not None
        and entry.fields["intent"] == manifest.log.intent
        and entry.fields["manifest_root"] == manifest.merkle_root == statement.merkle_root
        and entry.fields["records"] == manifest.counts.records
        and entry.fields["disclosure"] is manifest.discloses
        and intent is not None
        and intent.kind is EntryKind.ACCESS_INTENT
        and intent.fields["action"] is AccessAction.BUILD
        and intent.fields["purpose"] is manifest.purpose
        and intent.fields["policy_hash"] == manifest.policy.sha256
        and manifest.log.origin == survey.evidence.origin
        and manifest.log.root == trail.root(manifest.log.size)
    )


def only_the_willing(survey: Survey) -> Look:
    """Replay every choice up to each build and look up the person of every record in it."""
    looked = 0
    violations: list[Finding] = []
    remarks: list[Finding] = []
    datasets = list(kept_datasets(survey.evidence.folder / "datasets"))
    unread = [one for one in datasets if isinstance(one, int)]
    signals = _signals(survey) if datasets else {}
    for kept in datasets:
        if isinstance(kept, int):
            continue
        looked += len(kept.rows)
        look = _look_into(survey, kept, signals)
        violations += look.violations
        remarks += look.remarks
    why = f"{len(unread)} kept datasets can't be read" if unread else ""
    return Look(looked_at=looked, violations=violations, remarks=remarks, not_checked=why)


def _look_into(survey: Survey, kept: Kept, signals: dict[int, list[tuple[int, str]]]) -> Look:
    manifest = kept.manifest
    name = f"dataset {kept.place}"
    then = _states(survey, manifest.purpose, before=manifest.log.intent)
    now = _states(survey, manifest.purpose, before=None)
    created_ms = to_millis(manifest.created)
    unwilling, signalled, gone, owing, named = [], [], [], [], 0
    for number in kept.rows:
        chat = survey.chats.get(number)
        # A row number is given anew once the last conversations are erased; what came after
        # the build can't be in it.
        if chat is None or chat.captured_ms > created_ms or chat.subject_no not in survey.people:
            gone.append(number)
            continue
        raw = survey.people[chat.subject_no].raw
        scopes = granted_scopes(then.get(raw, NOTHING_SAID), manifest.created)
        if not scopes:
            unwilling.append(number)
        elif ScopeKind.GENERAL not in scopes:
            named += 1
        if _signal_then(chat, signals, manifest.log.intent) != Signal.NONE:
            signalled.append(number)
        if chat.signal != Signal.NONE or not granted_scopes(
            now.get(raw, NOTHING_SAID), survey.evidence.at
        ):
            owing.append(number)
    wrong_purpose = [kept.place] if manifest.purpose not in DATASET_PURPOSES else []
    violations = [
        *found(f"{name}: records of people without a grant in force at the build", unwilling),
        *found(f"{name}: records with a signal against it at the build", signalled),
        *found("built for a purpose that rests on no grant", wrong_purpose),
    ]
    remarks = [
        *found(f"{name}: records owing removal: no grant any more, or left out since", owing),
        *found(f"{name}: records of conversations that are not here any more", gone),
    ]
    if named:
        text = f"{name}: records on a grant that names a dataset; the manifest does not name it"
        remarks.append(Finding(text=text, count=named))
    return Look(looked_at=len(kept.rows), violations=violations, remarks=remarks)


def granted_scopes(state: PurposeState, at: datetime) -> frozenset[ScopeKind]:
    """Return how far the grants reach that are in force at `at`; none after an objection."""
    if state.objected:
        return frozenset()
    return frozenset(
        grant.scope.kind for grant in state.grants if grant.status_at(at) is ConsentStatus.GRANTED
    )


def _states(survey: Survey, purpose: Purpose, *, before: int | None) -> States:
    """Fold the acts about `purpose` logged before an entry; None: all of them, the journal too."""
    states: States = {}
    for one in survey.choices:
        if one.purpose != purpose.value or one.event is None:
            continue
        if before is None or one.log_index < before:
            states[one.subject] = apply_event(states.get(one.subject, NOTHING_SAID), one.event)
    if before is None:
        known = {one.id for one in survey.choices}
        for event in survey.evidence.ledger.pending():
            raw = parse_id(IdKind.SUBJECT, event.subject)
            if event.purpose is purpose and parse_id(IdKind.EVENT, event.id) not in known:
                states[raw] = apply_event(states.get(raw, NOTHING_SAID), event)
    return states


def _signals(survey: Survey) -> dict[int, list[tuple[int, str]]]:
    """Return (place in the log, signal) of each signal set by hand, by conversation number."""
    trail = survey.evidence.log()
    said = dict(trail.of(EntryKind.CONVERSATION_SIGNALLED))
    numbers = (
        {format_id(IdKind.CONVERSATION, chat.raw): number for number, chat in survey.chats.items()}
        if said
        else {}
    )
    found_signals: dict[int, list[tuple[int, str]]] = defaultdict(list)
    query = "SELECT log_index, opening FROM leaf ORDER BY log_index"
    for index, opening in rows(survey.evidence.main, query) if said else ():
        if index in said and opening in numbers:
            word = str(said[index].fields["signal"])
            found_signals[numbers[opening]].append((index, word))
    return found_signals


def _signal_then(chat: Chat, signals: dict[int, list[tuple[int, str]]], intent: int) -> str:
    """Return the signal on a conversation when an entry was written; none where nobody can tell."""
    told = signals.get(chat.number, [])
    before = [word for index, word in told if index < intent]
    if before:
        return before[-1]
    if told or chat.sequence:
        return Signal.NONE.value  # set later, or a later copy may have brought it
    return chat.signal
