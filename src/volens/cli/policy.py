"""``volens policy``: read, compare and activate policy packs. Every table here is computed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.home import Home
from volens.app.identity import IDENTITY
from volens.app.policies import activate as put_in_force
from volens.app.policies import find_pack, history
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import (
    DIM,
    GOOD,
    Answer,
    Tell,
    block,
    fields,
    heading,
    indented,
    line,
    table,
)
from volens.cli.policies import effect_in, policy_for
from volens.core.canonical import Json
from volens.core.time import format_moment
from volens.policy.compare import compare as compare_policies
from volens.policy.decision import Policy
from volens.policy.diff import diff_packs, diff_text
from volens.policy.explain import (
    TextTable,
    explain_text,
    matrix_table,
    plan_table,
    prohibitions,
    protection_table,
    stage_table,
    terms,
)
from volens.policy.pack import Pack
from volens.policy.packs import list_packs
from volens.policy.protections import protections
from volens.storage.system import SystemClock

GROUP = new_group("Read, compare and activate policies.")

LanguageOption = Annotated[str, typer.Option(help="The language of the words, such as en or de.")]
PackArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[PACK]", help="NAME, NAME@VERSION, VERSION or a folder.  [default: in force]"
    ),
]


@command(GROUP, "check")
def check(
    session: Session,
    packs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PACK...]", help="Names or folders.  [default: all shipped]"),
    ] = None,
) -> Answer:
    """Load packs as strictly as a home does: form, prohibitions, and rules against matrix."""
    wanted = packs or [f"{item.name}@{item.version}" for item in list_packs()]
    found: list[Pack] = []
    with session.output.progress("checking packs") as tell:
        for number, name in enumerate(wanted, start=1):
            found.append(policy_for(session, name).pack)
            tell(number, len(wanted))
    rows = [(p.name, p.version, p.kind.value, p.hash[:8]) for p in found]
    documents: list[Json] = [_head(pack) for pack in found]
    shown = (
        table(("!pack", "!version", "kind", "!hash"), rows),
        line(f"{len(found)} packs keep every base rule, and their rules agree with them.", GOOD),
    )
    return Answer(document={"packs": documents}, shown=shown)


@command(GROUP, "show")
def show(session: Session, pack: PackArgument = None, language: LanguageOption = "en") -> Answer:
    """Show what a policy says: plans, purposes, and what nobody can ever allow."""
    policy = policy_for(session, pack)
    plans, matrix = plan_table(policy, language), matrix_table(policy, language)
    never = prohibitions(policy, language)
    document: dict[str, Json] = {
        **_head(policy.pack),
        "plans": _table(plans),
        "matrix": _table(matrix),
        "prohibitions": list(never),
    }
    shown: list[RenderableType] = [line(f"{policy.ref.name} {policy.ref.version}", "bold")]
    for name, keys, found in (
        ("Plans", list(policy.pack.plans), plans),
        ("Purposes, on each level", [*policy.pack.purposes], matrix),
    ):
        shown.append(heading(name))
        for key, row in zip(keys, found.rows, strict=True):
            shown.append(line(f"{row[0]} ({key})", "underline"))
            shown.append(indented(fields(list(zip(found.columns[1:], row[1:], strict=True)))))
    shown.append(heading("Never, for anybody"))
    shown += [indented(line(text)) for text in never]
    return Answer(document=document, shown=tuple(shown))


@command(GROUP, "list")
def list_all(session: Session) -> Answer:
    """List the packs that are shipped, and those that were in force here."""
    shipped = list_packs()
    in_force = []
    if (session.folder / IDENTITY).exists():
        with read_home(session) as home:
            in_force = history(home.main)
    rows = [
        (item.name, item.version, item.kind.value, format_moment(item.effective_from)[:10])
        for item in shipped
    ]
    shown: list[RenderableType] = [table(("pack", "version", "kind", "from"), rows)]
    if in_force:
        shown.append(heading("In force in this home, the last one now"))
        past = [(one.name, one.version, format_moment(one.since)) for one in in_force]
        shown.append(table(("pack", "version", "since"), past))
    document: dict[str, Json] = {
        "shipped": [{"name": row[0], "version": row[1], "kind": row[2]} for row in rows],
        "in_force": [
            {
                "name": one.name,
                "version": one.version,
                "sha256": one.sha256,
                "since": format_moment(one.since),
                "log_index": one.log_index,
            }
            for one in in_force
        ],
    }
    return Answer(document=document, shown=tuple(shown))


@command(GROUP, "diff")
def diff(
    session: Session,
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="NAME@VERSION, VERSION or a folder.")
    ],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The same, for the later one.")],
) -> Answer:
    """Say what differs between two versions, and in a home also for how many people."""
    one, two = policy_for(session, before), policy_for(session, after)
    return _diff(session, one, two)


@command(GROUP, "compare")
def compare(
    session: Session,
    packs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PACK...]", help="Names or folders.  [default: one of each]"),
    ] = None,
    language: LanguageOption = "en",
) -> Answer:
    """Compare approaches: what happens to a person who says nothing, no, or yes."""
    names = packs or sorted({item.name for item in list_packs()})
    with session.output.progress("asking policies") as tell:
        policies = []
        for number, name in enumerate(names, start=1):
            policies.append(policy_for(session, name))
            tell(number, len(names))
        found = compare_policies(policies, SystemClock().now(), language)
    shown: list[RenderableType] = []
    for row in found:
        shown.append(heading(f"{row.label} ({row.pack} {row.version})"))
        rows = [
            ("default use", row.default_use),
            ("opting out", row.opt_out),
            ("training", row.training_method),
        ]
        shown.append(indented(fields(rows)))
    documents: list[Json] = [
        {
            "pack": row.pack,
            "version": row.version,
            "label": row.label,
            "default_use": row.default_use,
            "opt_out": row.opt_out,
            "training_method": row.training_method,
        }
        for row in found
    ]
    return Answer(document={"approaches": documents}, shown=tuple(shown))


@command(GROUP, "explain")
def explain(
    session: Session,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[PLAN|TIER]", help="A plan or a tier; else what always holds."),
    ] = None,
    pack: Annotated[str | None, typer.Option(help="Another pack than the one in force.")] = None,
    language: LanguageOption = "en",
) -> Answer:
    """Say in plain words what a plan or a tier means for a person."""
    policy = policy_for(session, pack)
    if what is not None:
        text = explain_text(policy, what, language)
        about: dict[str, Json] = {"about": what, "text": text, "terms": _terms(policy, language)}
        return Answer(document=about, shown=(block(text), *_words(policy, language)))
    never = prohibitions(policy, language)
    words = [*policy.pack.plans, *(tier.value for tier in policy.pack.tiers)]
    shown = (
        heading("Never, for anybody"),
        *(indented(line(text)) for text in never),
        *_words(policy, language),
        line(f"Next: volens policy explain, and one of {', '.join(words)}", DIM),
    )
    document: dict[str, Json] = {
        "prohibitions": [*never],
        "can_explain": [*words],
        "terms": _terms(policy, language),
    }
    return Answer(document=document, shown=shown)


@command(GROUP, "stages")
def stages(session: Session, pack: PackArgument = None, language: LanguageOption = "en") -> Answer:
    """Show the training stages: data source, purposes and impact on privacy."""
    policy = policy_for(session, pack)
    found = stage_table(policy, language)
    shown = (table(found.columns, found.rows), *_words(policy, language))
    document: dict[str, Json] = {"stages": _table(found), "terms": _terms(policy, language)}
    return Answer(document=document, shown=shown)


@command(GROUP, "protections")
def show_protections(
    session: Session, pack: PackArgument = None, language: LanguageOption = "en"
) -> Answer:
    """Show what each plan is promised: training, deletion, monitoring, security."""
    policy = policy_for(session, pack)
    found = protection_table(policy, language)
    rows = protections(policy.pack)
    document: dict[str, Json] = {
        "protections": _table(found),
        "controls": {
            row.plan: {cell.area.value: [*cell.controls] for cell in row.cells} for row in rows
        },
        "payment_data": "none is held",
    }
    if not rows:
        said = line("This policy promises nothing for each plan.")
        return Answer(document=document, shown=(said,))
    shown = (
        table(found.columns, found.rows),
        line("Rights are the same on every plan. Payment data: none is held.", DIM),
        line("The controls behind each word: add --json", DIM),
    )
    return Answer(document=document, shown=shown)


def _words(policy: Policy, language: str) -> tuple[RenderableType, ...]:
    """Return the terms with their definitions, to stand where they are used (R71)."""
    defined = terms(policy, language)
    rows = (indented(line(f"{name}: {said}")) for name, said in defined.values())
    return (heading("Wörter" if language == "de" else "Words"), *rows) if defined else ()


def _terms(policy: Policy, language: str) -> dict[str, Json]:
    return {
        key: {"name": name, "definition": said}
        for key, (name, said) in terms(policy, language).items()
    }


@command(GROUP, "activate", writes=True)
def activate(
    session: Session,
    pack: Annotated[str, typer.Argument(metavar="PACK", help="NAME, NAME@VERSION or a folder.")],
) -> Answer:
    """Put a policy in force from now on. Look at the difference first, with --dry-run."""
    if session.dry_run:
        with read_home(session) as home:
            current = home.policy
        found, _ = find_pack(pack)
        return _diff(session, current, Policy(found), dry_run=True)
    with write_home(session) as home:
        found = put_in_force(home.folder, home.main, home.recorder, pack, at=home.clock.now())
    shown = (line(f"In force from now on: {found.name} {found.version}.", GOOD),)
    return Answer(document=_head(found), shown=shown)


def _diff(session: Session, one: Policy, two: Policy, *, dry_run: bool = False) -> Answer:
    found = diff_packs(one.pack, two.pack)
    text = diff_text(found, one.pack, two.pack)
    document: dict[str, Json] = {
        "dry_run": dry_run,
        "before": _head(one.pack),
        "after": _head(two.pack),
        "text": text,
        "cells": [
            {
                "purpose": change.purpose.value,
                "tier": change.tier.value,
                "before": change.before.value if change.before else None,
                "after": change.after.value if change.after else None,
            }
            for change in found.cells
        ],
    }
    shown: list[RenderableType] = [block(text)]
    if (session.folder / IDENTITY).exists():
        with read_home(session) as home, session.output.progress("asking for everybody") as tell:
            effects, people = _effects(home, one, two, tell)
        document |= {"effects": effects, "people": people}
        rows = [
            (
                str(item["purpose"]),
                f"{item['people_gained']:,}",
                f"{item['conversations_gained']:,}",
                f"{item['people_lost']:,}",
                f"{item['conversations_lost']:,}",
            )
            for item in effects
        ]
        shown.append(heading(f"For the {people:,} people in this home"))
        if rows:
            columns = ("purpose", "#+people", "#+chats", "#-people", "#-chats")
            shown.append(table(columns, rows))
        else:
            shown.append(line("Nothing becomes usable, and nothing stops being so."))
    else:
        shown.append(line("Give --home to count the people concerned.", DIM))
    return Answer(document=document, shown=tuple(shown))


def _effects(home: Home, one: Policy, two: Policy, tell: Tell) -> tuple[list[dict[str, Json]], int]:
    effects, people = effect_in(home, one, two, tell)
    return [
        {
            "purpose": effect.purpose.value,
            "people_gained": len(effect.gained),
            "people_lost": len(effect.lost),
            "conversations_gained": effect.conversations_gained,
            "conversations_lost": effect.conversations_lost,
        }
        for effect in effects
        if effect.gained or effect.lost
    ], people


def _head(pack: Pack) -> dict[str, Json]:
    return {
        "name": pack.name,
        "version": pack.version,
        "kind": pack.kind.value,
        "sha256": pack.hash,
        "effective_from": format_moment(pack.effective_from),
    }


def _table(found: TextTable) -> Json:
    return {"columns": list(found.columns), "rows": [list(row) for row in found.rows]}
