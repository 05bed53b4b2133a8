"""Checks: keys, rows and ciphertext belong to each other; tenants, regions and realms are apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from volens.audit.content import ciphertext
from volens.audit.model import Look, found
from volens.audit.survey import Person, Survey, rows
from volens.core.ids import IdKind, parse_id
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.crypto.keystore import Holder
from volens.log.kinds import EntryKind
from volens.log.merkle import HASH_BYTES
from volens.vault.subjects import key_scope

_PEOPLE_AT_ONCE = 900


def keys_match_rows(survey: Survey) -> Look:
    """Compare each person's keys with their conversations, and rows with ciphertext, both ways.

    A stopped capture leaves keys without a conversation, and a note about whose they are until the
    next start drops them. Without a note they are a remark until keys have been removed here, and
    a violation from then on: an erasure that forgot keys would leave the same.
    """
    own: dict[int, set[bytes]] = defaultdict(set)
    numbers = {}
    for chat in survey.chats.values():
        own[chat.subject_no].add(chat.raw)
        numbers[chat.raw] = chat.number
    kept = ciphertext(survey)
    keyless, closed, left_over, without_page = [], [], [], []
    for person, keyed in _keyed(survey):
        chats, blocks = own[person.number], kept.blocks.get(person.number, set())
        if keyed is None:
            without_page.append(person.number)
        keys = keyed or frozenset()
        keyless += [numbers[raw] for raw in chats - keys]
        closed += [person.number] * len(blocks - keys)
        obsolete = kept.obsolete.get(person.number, set())
        rest = frozenset() if b"" in obsolete else keys - chats - blocks - obsolete
        left_over += [person.number] * len(rest)
    strangers, unborn = _pages_of_nobody(survey)
    ghosts = [one.number for one in survey.chats.values() if one.subject_no not in survey.people]
    erased_some = any(survey.evidence.log().of(EntryKind.ERASURE_KEYS_REMOVED))
    left = found("people with keys for what is not here", left_over)
    return Look(
        looked_at=len(survey.people) + len(survey.chats),
        violations=[
            *found("people without keys", without_page),
            *found("conversations without a key", keyless),
            *found("people with ciphertext that no key opens", closed),
            *found("conversations without ciphertext", kept.missing),
            *found("ciphertext that no conversation is in", kept.nobodys),
            *found("conversations of nobody", ghosts),
            *found("conversations that no capture commits to", _uncommitted(survey)),
            *found("key pages of people who are not here", strangers),
            *(left if erased_some else ()),
        ],
        remarks=[
            *(() if erased_some else left),
            *found("key pages of accounts that never came to be", unborn),
        ],
    )


def _keyed(survey: Survey) -> Iterator[tuple[Person, frozenset[bytes] | None]]:
    people = list(survey.people.values())
    for start in range(0, len(people), _PEOPLE_AT_ONCE):
        some = people[start : start + _PEOPLE_AT_ONCE]
        holders = [Holder(number=one.number, raw=one.raw) for one in some]
        yield from zip(some, survey.evidence.key_roll.keyed(holders), strict=True)


def _pages_of_nobody(survey: Survey) -> tuple[list[int], list[int]]:
    """Return whose pages have no account: of numbers given already, and of numbers yet to come.

    Numbers below zero are of runs.
    """
    told = rows(survey.evidence.keys, "SELECT DISTINCT subject_no FROM key_page")
    last = max(survey.people, default=0)
    known = survey.people.keys() | survey.evidence.runs
    nobody = [number for (number,) in told if number not in known]
    return [one for one in nobody if one <= last], [one for one in nobody if one > last]


def _uncommitted(survey: Survey) -> list[int]:
    query = f"SELECT no, length(commitments) / {HASH_BYTES} FROM capture_batch"  # noqa: S608 - a constant
    sizes: dict[int, int] = dict(rows(survey.evidence.main, query))
    return [
        one.number
        for one in survey.chats.values()
        if not 0 <= one.position < sizes.get(one.batch_no, 0)
    ]


def apart(survey: Survey) -> Look:
    """Compare the scope of every key page with its person's region and realm, and the identity."""
    evidence = survey.evidence
    pages = rows(evidence.keys, "SELECT subject_no, scope, epoch FROM key_page")
    roots = set(rows(evidence.keys, "SELECT scope, epoch FROM epoch_root"))
    wrong_scope, rootless = [], []
    for number, scope, epoch in pages:
        person = survey.people.get(number)
        if person is not None and scope != _scope(person):
            wrong_scope.append(number)
        if (scope, epoch) not in roots:
            rootless.append(number)
    known = {key_scope(region, realm) for region in Region for realm in Realm}
    strange = [place for place, (scope, _) in enumerate(sorted(roots), 1) if scope not in known]
    parse_id(IdKind.TENANT, evidence.tenant)
    others = [] if evidence.verifier.name == evidence.origin else [1]
    return Look(
        looked_at=len(pages) + len(roots),
        violations=[
            *found("people whose keys lie in the scope of another region or realm", wrong_scope),
            *found("people whose keys lie under no epoch of this home", rootless),
            *found("key scopes of no known region and realm", strange),
            *found("the log's key is named for another home", others),
        ],
        remarks=[
            *found("people of another region: nothing of theirs is used here", _away(survey)),
            *found("people of the other realm: nothing of theirs is used here", _crossed(survey)),
        ],
    )


def _scope(person: Person) -> str:
    try:
        return key_scope(Region(person.region), Realm(person.realm))
    except ValueError:
        return ""  # a word nobody knows has no scope


def _away(survey: Survey) -> Sequence[int]:
    home = survey.evidence.region.value
    return [one.number for one in survey.people.values() if one.region != home]


def _crossed(survey: Survey) -> Sequence[int]:
    home = survey.evidence.realm.value
    return [one.number for one in survey.people.values() if one.realm != home]
