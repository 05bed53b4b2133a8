"""What is the same for everybody: the policy, its notices, its terms, and the public reports."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from volens.access.model import Scope
from volens.api.asking import Door, on_home, on_person, open_to
from volens.api.model import Moment, Told, Word
from volens.app.auditing import evidence_of
from volens.app.home import Home
from volens.app.policies import InForce, history
from volens.audit.inventory import held_of
from volens.audit.inventory_paper import inventory_paper, person_paper
from volens.audit.survey import columns
from volens.audit.transparency import Period, transparency_report
from volens.core.errors import NotFound
from volens.core.purposes import Purpose
from volens.core.time import EPOCH, format_moment
from volens.policy.diff import diff_packs, diff_text
from volens.policy.explain import (
    TextTable,
    explain_text,
    matrix_table,
    plan_table,
    prohibitions,
    stage_table,
    terms,
)
from volens.policy.pack import Pack
from volens.policy.packs import load_pack
from volens.vault.subjects import Subject


class NoticeTold(Told):
    """A notice that people are shown."""

    id: str
    language: str
    purposes: list[Purpose]
    sha256: str
    text: str


class NoticesTold(Told):
    """The notices in force."""

    policy: str
    version: str
    notices: list[NoticeTold]


class VersionTold(Told):
    """One version of the policy."""

    name: str
    version: str
    sha256: str
    since: Moment


class TableTold(Told):
    """A table of plain texts."""

    columns: list[str]
    rows: list[list[str]]


class PolicyTold(Told):
    """The policy in force, in plain language."""

    in_force: VersionTold
    plans: TableTold
    purposes: TableTold
    stages: TableTold
    never: list[str]
    versions: list[VersionTold]


class TextTold(Told):
    """A text for people."""

    text: str


class TermTold(Told):
    """A defined word."""

    key: str
    name: str
    definition: str


class TermsTold(Told):
    """Every defined word."""

    terms: list[TermTold]


class PaperTold(Told):
    """A generated document (docs/formats), as its own JSON."""

    version: str
    title: str
    facts: dict[str, str]
    open_questions: int
    sections: list[dict[str, Any]]


def add_routes(router: APIRouter) -> None:
    """Add the routes of what everybody may read."""
    router.get("/notices", tags=["policy"])(list_notices)
    router.get("/policy", tags=["policy"])(show_policy)
    router.get("/policy/plans/{plan}", tags=["policy"])(explain_plan)
    router.get("/policy/diff", tags=["policy"])(diff_policy)
    router.get("/terms", tags=["policy"])(list_terms)
    router.get("/inventory", tags=["reports"])(show_inventory)
    router.get("/transparency", tags=["reports"])(show_transparency)
    for prefix in ("/me", "/subjects/{subject}"):
        router.get(f"{prefix}/inventory", tags=["reports"])(show_own_inventory)


@open_to(Door.EVERYBODY)
async def list_notices(request: Request, language: str | None = None) -> NoticesTold:
    """List the notices that people are shown before they say yes, with their hashes."""

    def act(home: Home) -> NoticesTold:
        pack = home.policy.pack
        return NoticesTold(
            policy=pack.name,
            version=pack.version,
            notices=[
                NoticeTold(
                    id=one.id,
                    language=one.language,
                    purposes=sorted(one.purposes),
                    sha256=one.hash,
                    text=one.text,
                )
                for one in pack.notices
                if language in {None, one.language}
            ],
        )

    return await on_home(request, act)


@open_to(Door.EVERYBODY)
async def show_policy(request: Request, language: Word = "en") -> PolicyTold:
    """Show the policy in force in plain language, and which versions there were."""

    def act(home: Home) -> PolicyTold:
        policy = home.policy
        versions = [_version(one) for one in history(home.main)]
        return PolicyTold(
            in_force=versions[-1],
            plans=_table(plan_table(policy, language)),
            purposes=_table(matrix_table(policy, language)),
            stages=_table(stage_table(policy, language)),
            never=list(prohibitions(policy, language)),
            versions=versions,
        )

    return await on_home(request, act)


@open_to(Door.EVERYBODY)
async def explain_plan(request: Request, plan: str, language: Word = "en") -> TextTold:
    """Say what a plan or a tier means for a person."""
    return await on_home(
        request, lambda home: TextTold(text=explain_text(home.policy, plan[:64], language))
    )


@open_to(Door.EVERYBODY)
async def diff_policy(request: Request, before: Word, after: Word) -> TextTold:
    """Say what changed between two versions that were in force here."""

    def act(home: Home) -> TextTold:
        first, second = _pack(home, before), _pack(home, after)
        return TextTold(text=diff_text(diff_packs(first, second), first, second))

    return await on_home(request, act)


@open_to(Door.EVERYBODY)
async def list_terms(request: Request, language: Word = "en") -> TermsTold:
    """List the words that are defined once and shown where they are used."""

    def act(home: Home) -> TermsTold:
        found = terms(home.policy, language)
        return TermsTold(
            terms=[
                TermTold(key=key, name=name, definition=said) for key, (name, said) in found.items()
            ]
        )

    return await on_home(request, act)


@open_to(Door.EVERYBODY)
async def show_inventory(request: Request) -> PaperTold:
    """Show every field that is held: what, why, on what basis, how long, who may see it."""

    def act(home: Home) -> PaperTold:
        schema = {**columns(home.main), **columns(home.keys_database)}
        return PaperTold.model_validate(inventory_paper(schema, _made(home)).document())

    return await on_home(request, act)


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def show_own_inventory(request: Request) -> PaperTold:
    """Show what is held of one person, with counts."""

    def act(home: Home, person: Subject) -> PaperTold:
        holder = person.holder
        shares = held_of(home.main, home.keys_database, number=holder.number, raw=holder.raw)
        facts = [*_made(home), ("account", person.id)]
        return PaperTold.model_validate(person_paper(shares, facts).document())

    return await on_person(request, act)


@open_to(Door.EVERYBODY)
async def show_transparency(request: Request) -> PaperTold:
    """Show counts from the public log: accesses, requests, erasures, courts and authorities."""

    def act(home: Home) -> PaperTold:
        period = Period(since=EPOCH, until=home.clock.now())
        paper = transparency_report(evidence_of(home).log(), period)
        return PaperTold.model_validate(paper.document())

    return await on_home(request, act)


def _made(home: Home) -> list[tuple[str, str]]:
    return [("home", home.identity.origin), ("made at", format_moment(home.clock.now()))]


def _pack(home: Home, version: str) -> Pack:
    for one in history(home.main):
        if one.version == version:
            return load_pack(home.folder / "policy" / f"{one.name}@{one.version}")
    hint = "GET /v1/policy lists the versions"
    raise NotFound("version_unknown", f"no version {version!r} was in force here", hint=hint)


def _version(one: InForce) -> VersionTold:
    return VersionTold(name=one.name, version=one.version, sha256=one.sha256, since=one.since)


def _table(table: TextTable) -> TableTold:
    return TableTold(columns=list(table.columns), rows=[list(row) for row in table.rows])
