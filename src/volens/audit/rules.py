"""Checks: prohibitions stand, the log came first, and whose access has ended has none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from volens.audit.evidence import Ended
from volens.audit.model import Finding, Look, found
from volens.audit.survey import Survey
from volens.core.errors import InvalidInput
from volens.core.purposes import PROHIBITED, Purpose, SubjectStatus
from volens.core.time import from_millis
from volens.gate.facts import Use
from volens.log.entries import Entry
from volens.log.kinds import AccessAction, EntryKind
from volens.policy.admission import admit, grid
from volens.policy.packs import MANIFEST, POLICY, load_pack
from volens.policy.sections import PROHIBITING_RULE

_PERMANENT = PROHIBITED | {Purpose.GOVERNMENT_TRAINING}


def prohibitions_in_force(survey: Survey) -> Look:
    """Read the pack in force from its files again, ask its rules anew, and ask the live policy."""
    evidence = survey.evidence
    if not evidence.policies:
        return Look(looked_at=0, violations=[Finding(text="no policy was ever put in force")])
    last = evidence.policies[-1]
    violations: list[Finding] = []
    if evidence.policy.ref.hash != last.sha256:
        violations.append(Finding(text="the policy that decides is not the one in force"))
    violations += _pack_findings(
        evidence.folder / "policy" / f"{last.name}@{last.version}", last.sha256
    )
    rules = evidence.policy.pack.rules
    missing = {rule.split(" ", 1)[0] for rule in PROHIBITING_RULE.values()} - {
        name for name, rule in rules.items() if rule.base
    }
    if missing:
        text = f"base rules that are not loaded: {', '.join(sorted(missing))}"
        violations.append(Finding(text=text, count=len(missing)))
    asked, permitted = 0, []
    for attributes in grid():
        if attributes.purpose in _PERMANENT:
            asked += 1
            if evidence.policy.decide_class(attributes).permit:
                permitted.append(asked)
    violations += found("classes of prohibited purposes that the policy permits", permitted)
    return Look(looked_at=asked + len(rules), violations=violations)


def _pack_findings(folder: Path, digest: str) -> list[Finding]:
    try:
        pack = load_pack(folder)
        own = (folder / POLICY).read_text("utf-8")
        admit(pack, own, file=POLICY)  # also where this process has admitted these bytes before
    except InvalidInput as error:
        return [Finding(text=f"the pack in force is refused: {error.code}")]
    except OSError:
        return [Finding(text=f"the pack in force can't be read: {MANIFEST} or {POLICY}")]
    if pack.hash != digest:
        return [Finding(text="the files of the pack in force were changed")]
    return []


def logged_first(survey: Survey) -> Look:
    """Match every ``access.done`` and ``dataset.done`` with the intent that stands before it."""
    trail = survey.evidence.log()
    intents = dict(trail.of(EntryKind.ACCESS_INTENT))
    ended: Counter[int] = Counter()
    unannounced, too_many, looked = [], [], len(intents)
    for index, entry in trail.of(EntryKind.ACCESS_DONE, EntryKind.DATASET_DONE):
        looked += 1
        at = entry.fields["intent"]
        assert isinstance(at, int)
        intent = intents.get(at)
        if intent is None or at >= index:
            unannounced.append(index)
        elif _more_than_meant(entry, intent):
            too_many.append(index)
        if entry.kind is EntryKind.ACCESS_DONE:
            ended[at] += 1
    twice = [index for index, count in ended.items() if count > 1]
    open_ends = [
        index
        for index, entry in intents.items()
        if index not in ended and entry.fields["action"] is not AccessAction.PROVE
    ]
    return Look(
        looked_at=looked,
        violations=[
            *found("accesses without an intent before them in the log", unannounced),
            *found("accesses that opened more than was meant", too_many),
            *found("intents that ended more than once", twice),
        ],
        remarks=_upper_bounds(open_ends, intents),
    )


def _more_than_meant(entry: Entry, intent: Entry) -> bool:
    name = "count" if entry.kind is EntryKind.ACCESS_DONE else "records"
    done, meant = entry.fields[name], intent.fields["count"]
    assert isinstance(done, int)
    assert isinstance(meant, int)
    return done > meant


def _upper_bounds(open_ends: list[int], intents: dict[int, Entry]) -> list[Finding]:
    if not open_ends:
        return []
    most = sum(int(str(intents[index].fields["count"])) for index in open_ends)
    text = f"intents without an end: at most {most} conversations were opened under them"
    return found(text, open_ends)


def ended_means_ended(survey: Survey) -> Look:
    """Decide every purpose for everybody and look up whose access has ended; look at the rows."""
    evidence = survey.evidence
    closed = {
        one.number
        for one in survey.people.values()
        if one.status in {SubjectStatus.CLOSED, SubjectStatus.ERASING}
    }
    ended = None if evidence.ended is None else evidence.ended.ended()
    if ended is not None:
        closed |= {one.number for one in survey.people.values() if one.raw in ended.accounts}
    readable = [] if ended is None else _readable(survey, ended)
    permitted: set[int] = set()
    for purpose in evidence.policy.pack.matrix if closed else ():
        census = evidence.census(evidence.policy, Use(purpose=purpose.value), evidence.at)
        permitted |= {number for number in closed if census.permits_any(number)}
    return Look(
        looked_at=len(closed) * len(evidence.policy.pack.matrix)
        + sum(one.ended for one in survey.chats.values()),
        violations=[
            *found("people whose access has ended and who can still be used", [*permitted]),
            *found("conversations whose access has ended and that are not marked so", readable),
        ],
    )


def _readable(survey: Survey, ended: Ended) -> list[int]:
    """Return the conversations that have ended by themselves and whose rows don't say so."""
    found_ones = []
    for chat in survey.chats.values():
        person = survey.people.get(chat.subject_no)
        if chat.ended or person is None or person.raw in ended.accounts:
            continue  # an account is blocked as a whole
        if ended.covers(person.raw, chat.raw, from_millis(chat.captured_ms)):
            found_ones.append(chat.number)
    return found_ones
