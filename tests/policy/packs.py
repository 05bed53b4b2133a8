"""The shipped pack and altered copies of it, for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from volens.core.purposes import AgeBand, Purpose
from volens.policy.classify import ConversationFacts, GrantFacts, SubjectFacts, UseFacts
from volens.policy.decision import Policy
from volens.policy.pack import Pack
from volens.policy.packs import SHIPPED, load_pack, read_pack

AT = datetime(2025, 6, 1, tzinfo=UTC)
TIERS = SHIPPED / "consent-first" / "tiers-2025-05"


@cache
def tiers_pack() -> Pack:
    return load_pack("consent-first", "tiers-2025-05")


@cache
def tiers_policy() -> Policy:
    return Policy(tiers_pack())


def tiers_files() -> dict[str, bytes]:
    return {
        path.relative_to(TIERS).as_posix(): path.read_bytes()
        for path in sorted(TIERS.rglob("*"))
        if path.is_file()
    }


def altered(file: str, old: str, new: str) -> dict[str, bytes]:
    """Return the shipped files with one text replaced; it must stand there."""
    files = tiers_files()
    text = files[file].decode()
    assert old in text
    return {**files, file: text.replace(old, new).encode()}


def with_rule(rule: str) -> dict[str, bytes]:
    files = tiers_files()
    return {**files, "policy.cedar": files["policy.cedar"] + rule.encode()}


def read(files: Mapping[str, bytes]) -> Pack:
    return read_pack(files)


def notice_hash(purpose: Purpose, language: str = "en") -> str:
    return next(
        notice.hash
        for notice in tiers_pack().notices
        if purpose in notice.purposes and notice.language == language
    )


def grant(purpose: Purpose, **changes: object) -> dict[str, tuple[GrantFacts, ...]]:
    facts = {"status": "granted", "notice": notice_hash(purpose), **changes}
    return {purpose: (GrantFacts(**facts),)}


def subject(**changes: object) -> SubjectFacts:
    """An adult in the EU on the free plan who has seen every notice and granted nothing."""
    facts = {
        "plan": "free",
        "region": "eu",
        "age_band": AgeBand.ADULT,
        "notices_shown": frozenset(notice.hash for notice in tiers_pack().notices),
        **changes,
    }
    return SubjectFacts(**facts)


def use(purpose: str, **changes: object) -> UseFacts:
    return UseFacts(**{"purpose": purpose, "region": "eu", "at": AT, **changes})


PLAIN = ConversationFacts()
