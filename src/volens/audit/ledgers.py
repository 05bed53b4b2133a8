"""Checks: the tables and the log say the same, and states are what the acts add up to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise

from volens.audit.model import Finding, Look, found
from volens.audit.survey import Choice, Survey, columns, rows
from volens.audit.trail import Trail
from volens.consent.model import NOTHING_SAID, Act, PurposeState, apply_event
from volens.consent.store import ENTRY_KIND, grants_text
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import IdKind, parse_id
from volens.core.time import from_millis
from volens.log.entries import SALT_BYTES, Entry, commit
from volens.log.kinds import EntryKind
from volens.log.merkle import HASH_BYTES, MerkleTree, leaf_hash

_STATEFUL = (
    EntryKind.SUBJECT_CREATED,
    EntryKind.SUBJECT_CHANGED,
    EntryKind.CONVERSATION_SIGNALLED,
    EntryKind.CAPTURE_DONE,
    EntryKind.POLICY_ACTIVATED,
    EntryKind.AUDIT_DONE,
    *ENTRY_KIND.values(),
)
"""Kinds of which each entry belongs to exactly one row that keeps its place in the log."""
_KEPT_ELSEWHERE: dict[str, tuple[EntryKind, ...]] = {
    "hold_act": (EntryKind.HOLD_PLACED, EntryKind.HOLD_CHANGED, EntryKind.HOLD_RELEASED),
    "erasure_evidence": (EntryKind.ERASURE_REQUESTED, EntryKind.ERASURE_CANCELLED),
    "report": (EntryKind.CONTENT_REPORTED,),
}
"""Further tables that keep places in the log, where a home has them, and of which kinds."""
_ONE_ACT = timedelta(seconds=1)
"""Entries that lie no further apart may be of one act that was stopped before its rows."""
_AT_ONCE = timedelta(minutes=1)


def log_verifies(survey: Survey) -> Look:
    """Look at the log's own report; it was recomputed while it was read."""
    trail = survey.evidence.trail
    if isinstance(trail, VerificationFailed) and trail.code != "log_unsettled":
        return Look(looked_at=0, violations=[Finding(text=f"the log was changed: {trail.code}")])
    report = survey.evidence.log().report
    return Look(looked_at=report.checkpoint.size + report.pending)


def rows_have_entries(survey: Survey) -> Look:
    """Open every commitment whose salt is kept and compare it with the entry it points at."""
    trail = survey.evidence.log()
    wrong_choices = [
        one.seq for one in survey.choices if not _fits(trail, one.log_index, _choice_entry(one))
    ]
    leaves = rows(survey.evidence.main, "SELECT subject_no, log_index, salt, opening FROM leaf")
    wrong_leaves, unopened = _check_leaves(survey, trail, leaves)
    batches = rows(survey.evidence.main, "SELECT no, log_index, commitments FROM capture_batch")
    wrong_batches = [no for no, index, data in batches if not _is_batch(trail.at(index), data)]
    wrong_policies = [
        number
        for number, one in enumerate(survey.evidence.policies, start=1)
        if not _is_policy(trail.at(one.log_index), one.name, one.version, one.sha256)
    ]
    organisations, wrong_organisations = _organisations(survey, trail)
    return Look(
        looked_at=len(survey.choices)
        + len(leaves)
        + len(batches)
        + len(survey.evidence.policies)
        + organisations,
        violations=[
            *found("choices whose log entry is missing or another", wrong_choices),
            *found("notes about people whose log entry is missing or another", wrong_leaves),
            *found("captures whose log entry is missing or another", wrong_batches),
            *found("policies whose log entry is missing or another", wrong_policies),
            *found("organisations whose instruction is in no log entry", wrong_organisations),
        ],
        remarks=found("entries of later kinds: they are there; not opened here", unopened),
    )


def _choice_entry(one: Choice) -> tuple[EntryKind, bytes] | None:
    """Return kind and commitment that the entry of a choice must have."""
    event = one.event
    if event is None or len(one.salt) != SALT_BYTES:
        return None
    own = (parse_id(IdKind.EVENT, event.id), parse_id(IdKind.SUBJECT, event.subject))
    if own != (one.id, one.subject) or event.purpose.value != one.purpose:
        return None
    return ENTRY_KIND[event.act], commit(one.salt, one.body)


def _fits(trail: Trail, index: int, wanted: tuple[EntryKind, bytes] | None) -> bool:
    entry = trail.at(index)
    return (
        wanted is not None
        and entry is not None
        and (entry.kind, entry.fields.get("commitment")) == wanted
    )


def _check_leaves(
    survey: Survey, trail: Trail, leaves: list[tuple[int, int, bytes, str]]
) -> tuple[list[int], list[int]]:
    """Return the log indexes of leaves that don't fit, and of those of kinds not known here."""
    wrong, unopened = [], []
    for subject_no, index, salt, opening in leaves:
        person, entry = survey.people.get(subject_no), trail.at(index)
        if person is None or entry is None or len(salt) != SALT_BYTES:
            wrong.append(index)
            continue
        parts: tuple[bytes, ...]
        match entry.kind:
            case EntryKind.SUBJECT_CREATED:
                parts = (person.raw,)
            case EntryKind.SUBJECT_CHANGED:
                parts = (person.raw, opening.encode())
            case EntryKind.CONVERSATION_SIGNALLED:
                parts = _conversation_part(opening)
            case _ if "commitment" in entry.fields and entry.kind not in _STATEFUL:
                unopened.append(index)
                continue
            case _:
                parts = ()
        if not parts or commit(salt, *parts) != entry.fields.get("commitment"):
            wrong.append(index)
    return wrong, unopened


def _conversation_part(opening: str) -> tuple[bytes, ...]:
    try:
        return (parse_id(IdKind.CONVERSATION, opening),)
    except InvalidInput:
        return ()


def _is_batch(entry: Entry | None, commitments: bytes) -> bool:
    if entry is None or entry.kind is not EntryKind.CAPTURE_DONE:
        return False
    parts = [commitments[at : at + HASH_BYTES] for at in range(0, len(commitments), HASH_BYTES)]
    if len(parts) != entry.fields["count"]:
        return False
    return MerkleTree([leaf_hash(part) for part in parts]).root() == entry.fields["root"]


def _is_policy(entry: Entry | None, name: str, version: str, digest: str) -> bool:
    if entry is None or entry.kind is not EntryKind.POLICY_ACTIVATED:
        return False
    told = entry.fields
    return (told["pack"], told["version"]) == (name, version) and told["pack_hash"] == (
        bytes.fromhex(digest)
    )


def _organisations(survey: Survey, trail: Trail) -> tuple[int, list[int]]:
    """Return how many organisations there are, and which have no entry like their instruction.

    Their entries can't be opened (nobody kept the salt), so purposes and moment are compared.
    """
    query = "SELECT rowid, instructions, changed_ms FROM organisation"
    told = rows(survey.evidence.main, query)
    entries = list(trail.of(EntryKind.ORGANISATION_INSTRUCTED)) if told else []
    wrong = []
    for number, words, changed_ms in told:
        changed = from_millis(changed_ms)
        alike = any(
            " ".join(entry.fields.get("purposes", ())) == words  # type: ignore[arg-type]  # words
            and entry.at <= changed + _ONE_ACT
            and changed - entry.at <= _AT_ONCE
            for _, entry in entries
        )
        if not alike:
            wrong.append(number)
    return len(told), wrong


def entries_have_rows(survey: Survey) -> Look:
    """Look for entries that changed something and have no row: a database that was set back.

    A stop between log and database leaves the entries of one act without rows. Two acts on end
    without rows are no such stop. What was erased has no rows either: entries older than the last
    removal of keys are counted as that.
    """
    trail = survey.evidence.log()
    known = _known_places(survey)
    erased_before = max((at for at, _ in trail.of(EntryKind.ERASURE_KEYS_REMOVED)), default=-1)
    looked, gone = 0, []
    run: list[tuple[int, Entry]] = []
    runs: list[list[tuple[int, Entry]]] = []
    there = columns(survey.evidence.main)
    more = [kind for table, kinds in _KEPT_ELSEWHERE.items() if table in there for kind in kinds]
    for index, entry in trail.of(*_STATEFUL, *more):
        looked += 1
        if index in known:
            run = []
        elif index < erased_before:
            gone.append(index)
        else:
            if not run:
                runs.append(run)
            run.append((index, entry))
    broken = [index for one in runs if _acts(one) > 1 for index, _ in one]
    stopped = [index for one in runs if _acts(one) == 1 for index, _ in one]
    return Look(
        looked_at=looked,
        violations=found(
            "entries of several acts on end that have no row: was the database set back?", broken
        ),
        remarks=[
            *found("entries of an act that was stopped before its rows were stored", stopped),
            *found("entries without rows from before the last erasure", gone),
        ],
    )


def _acts(run: list[tuple[int, Entry]]) -> int:
    moments = [entry.at for _, entry in run]
    return 1 + sum(later - sooner > _ONE_ACT for sooner, later in pairwise(moments))


def _known_places(survey: Survey) -> set[int]:
    places = {one.log_index for one in survey.choices}
    places |= {one.log_index for one in survey.evidence.policies}
    there = columns(survey.evidence.main)
    for table in ("leaf", "capture_batch", "audit", *_KEPT_ELSEWHERE):
        if "log_index" in there.get(table, ()):
            query = f"SELECT log_index FROM {table}"  # noqa: S608 - one of these constants
            places |= {index for (index,) in rows(survey.evidence.main, query)}
    return places


def states_are_the_fold(survey: Survey) -> Look:
    """Fold every person's acts anew and compare with the stored states, row by row."""
    folded: dict[tuple[str, bytes], PurposeState] = {}
    unread = []
    for one in survey.choices:
        if one.event is None:
            unread.append(one.seq)
            continue
        place = (one.purpose, one.subject)
        folded[place] = apply_event(folded.get(place, NOTHING_SAID), one.event)
    query = "SELECT purpose, subject, grants, objected FROM consent_state"
    stored = {
        (purpose, subject): (grants, bool(objected))
        for purpose, subject, grants, objected in rows(survey.evidence.main, query)
    }
    numbers = {person.raw: person.number for person in survey.people.values()}
    wrong = [
        numbers.get(place[1], 0)
        for place in folded.keys() | stored.keys()
        if place not in folded
        or stored.get(place) != (grants_text(folded[place]), folded[place].objected)
    ]
    return Look(
        looked_at=len(folded.keys() | stored.keys()),
        violations=[
            *found("states that are not what the person's acts add up to", wrong),
            *found("acts that can't be read", unread),
        ],
    )


def grants_name_a_notice(survey: Survey) -> Look:
    """Compare each grant's notice with the notices that were in the log before it."""
    trail = survey.evidence.log()
    first: dict[bytes, int] = {}
    for index, entry in trail.of(EntryKind.NOTICE_PUBLISHED):
        digest = entry.fields["notice_hash"]
        assert isinstance(digest, bytes)
        first.setdefault(digest, index)
    looked = 0
    wrong = []
    for one in _grants(survey):
        looked += 1
        assert one.event is not None
        assert one.event.notice is not None
        published = first.get(bytes.fromhex(one.event.notice.sha256))
        if published is None or published > one.log_index:
            wrong.append(one.seq)
    return Look(
        looked_at=looked,
        violations=found("grants on a notice that was not published before", wrong),
    )


def _grants(survey: Survey) -> Iterator[Choice]:
    for one in survey.choices:
        if one.event is not None and one.event.act is Act.GRANT:
            yield one


def audits_are_kept(survey: Survey) -> Look:
    """Compare each kept audit report with its row, and the row with the log."""
    trail = survey.evidence.log()
    if "audit" not in columns(survey.evidence.main):
        return Look(looked_at=0)
    query = "SELECT no, log_index, salt, report_digest FROM audit ORDER BY no"
    told = rows(survey.evidence.main, query)
    wrong = [
        no
        for no, index, salt, digest in told
        if not _fits(trail, index, (EntryKind.AUDIT_DONE, commit(salt, digest)))
    ]
    folder = survey.evidence.folder / "audits"
    changed = []
    for no, _, _, digest in told:
        path = folder / f"{no:06d}.json"
        if not path.is_file() or sha256(path.read_bytes()).digest() != digest:
            changed.append(no)
    return Look(
        looked_at=len(told),
        violations=[
            *found("audits whose log entry is missing or another", wrong),
            *found("audit reports that are missing or were changed", changed),
        ],
    )
