"""Finding the policy a word means, and who would be concerned by another one."""

from __future__ import annotations

from pathlib import Path

from volens.app.home import Home
from volens.app.identity import IDENTITY
from volens.cli.commands import Session
from volens.cli.homes import read_home
from volens.cli.output import Tell
from volens.core.purposes import PROHIBITED, Purpose
from volens.gate.facts import FactSource
from volens.policy.decision import Policy
from volens.policy.diff import Effect, Person, effect_of
from volens.policy.packs import list_packs, load_pack

DEFAULT_PACK = "consent-first"


def policy_for(session: Session, name: str | None) -> Policy:
    """Return the policy a word means; without one, the home's, or the default pack's.

    Args:
        session: says where the home is; there need not be one.
        name: NAME, NAME@VERSION, a VERSION of the pack in force, or a folder.

    Raises:
        NotFound: ``pack_unknown``.
    """
    if (session.folder / IDENTITY).exists():
        with read_home(session) as home:
            return home.policy if name is None else named_policy(home.folder, home.policy, name)
    return named_policy(None, None, name or DEFAULT_PACK)


def named_policy(folder: Path | None, current: Policy | None, name: str) -> Policy:
    """Return a policy by name: a folder, the home's own copy, else a shipped pack.

    Raises:
        NotFound: ``pack_unknown``.
    """
    if Path(name).is_dir():
        return Policy(load_pack(Path(name)))
    base, _, version = name.partition("@")
    known = {item.name for item in list_packs()}
    if not version and base not in known:
        base, version = current.pack.name if current else DEFAULT_PACK, name
    plain = version and "/" not in name and ".." not in name
    if folder is not None and plain and (folder / "policy" / f"{base}@{version}").is_dir():
        return Policy(load_pack(folder / "policy" / f"{base}@{version}"))
    return Policy(load_pack(base, version or None))


def effect_in(
    home: Home, before: Policy, after: Policy, tell: Tell
) -> tuple[tuple[Effect, ...], int]:
    """Return what a change of policy would do to the people of a home, and how many they are."""
    facts = FactSource(
        home.main,
        home.subjects,
        home.ledger,
        home.erasures,
        region=home.identity.region,
        realm=home.identity.realm,
    )
    counts = home.vault.counts_by_subject()
    total = home.subjects.count()
    people = []
    for subject in home.subjects.all():
        person = Person(
            key=subject.id,
            facts=facts.subject_facts(subject, before),
            conversations=counts.get(subject.number, 0),
        )
        people.append(person)
        tell(len(people), total)
    purposes = [purpose for purpose in Purpose if purpose not in PROHIBITED]
    effects = effect_of(before, after, people, purposes=purposes, at=home.clock.now())
    return effects, len(people)
