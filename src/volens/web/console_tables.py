"""The tables of the policy in force, computed from the pack and from code; none is hand-written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.responses import Response

from volens.app.home import Home
from volens.core.errors import InvalidInput, NotFound
from volens.policy.compare import compare
from volens.policy.decision import Policy
from volens.policy.explain import (
    TextTable,
    matrix_table,
    plan_table,
    prohibitions,
    protection_table,
    stage_table,
)
from volens.policy.pack import Pack
from volens.policy.packs import list_packs, load_pack
from volens.policy.retention import RetentionClass, days_of
from volens.policy.wording import say
from volens.web.console_frame import EVERYBODY, StaffPage, Visit, chosen
from volens.web.words import Words


class TableName(StrEnum):
    """Which table."""

    STAGES = "stages"
    PLANS = "plans"
    SETTINGS = "settings"
    PROTECTIONS = "protections"
    REGIONS = "regions"
    RETENTION = "retention"
    EXCEPTIONS = "exceptions"
    ROLES = "roles"
    COMPARISON = "comparison"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One table, ready to be shown."""

    name: TableName
    policy: str
    table: TextTable
    english: bool
    """Its cells are in English, whatever language the page is in."""


def shown(home: Home, name: TableName, words: Words) -> Shown:
    """Compute one table from the policy in force.

    Raises:
        NotFound: ``page_missing`` if the policy has no such table.
    """
    policy, language = home.policy, words.language
    english = False
    match name:
        case TableName.STAGES:
            table = stage_table(policy, language)
        case TableName.PLANS:
            table = plan_table(policy, language)
        case TableName.SETTINGS:
            table = matrix_table(policy, language)
        case TableName.PROTECTIONS if policy.pack.tables.get(name.value):
            table = protection_table(policy, language)
        case TableName.REGIONS:
            table, english = _regions(policy.pack, words), language != "en"
        case TableName.RETENTION:
            table = _retention(policy.pack, words)
        case TableName.COMPARISON:
            table, english = _comparison(home, words), language != "en"
        case TableName.NEVER:
            rows = tuple((text,) for text in prohibitions(policy, language))
            table = TextTable(columns=(words("console.table.never"),), rows=rows)
        case _:
            table = _section(policy.pack, name.value, words)
    return Shown(
        name=name,
        policy=f"{policy.ref.name} {policy.ref.version}",
        table=table,
        english=english,
    )


def available(policy: Policy) -> tuple[TableName, ...]:
    """Return the tables that the policy has."""
    sections = {TableName.PROTECTIONS, TableName.EXCEPTIONS, TableName.ROLES}
    return tuple(
        name for name in TableName if name not in sections or policy.pack.tables.get(name.value)
    )


def _section(pack: Pack, key: str, words: Words) -> TextTable:
    """Return a descriptive table of the pack as it stands there."""
    rows = pack.tables.get(key, ())
    if not rows:
        raise NotFound("page_missing", "the policy in force has no such table")
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    heads = [words(f"console.table.column.{name}") for name in names]
    heads = [
        name.replace("_", " ") if head.startswith("console.") else head
        for name, head in zip(names, heads, strict=True)
    ]
    return TextTable(
        columns=(words("console.what"), *heads),
        rows=tuple(
            (say(row.label, words.language), *(_cell(row.values.get(n), words) for n in names))
            for row in rows
        ),
    )


def _cell(value: object, words: Words) -> str:
    if isinstance(value, bool):
        return words("console.yes" if value else "console.no")
    if isinstance(value, dict):
        return say(value, words.language)
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    if value is None:
        return ""
    key = f"console.word.{value}"
    return words(key) if words.has(key) else str(value).replace("_", " ")


def _regions(pack: Pack, words: Words) -> TextTable:
    keys = ("region", "requirements", "challenges", "deadlines", "ages", "reviewed")
    rows = []
    for profile in pack.regions.values():
        days = [f"{name.replace('_', ' ')}: {n}" for name, n in profile.deadlines_days.items()]
        signed = f"{profile.reviewer} {profile.reviewed_on}"
        rows.append(
            (
                say(profile.label, words.language),
                "; ".join(profile.requirements),
                "; ".join(profile.challenges),
                "; ".join(days),
                ", ".join(sorted(band.value for band in profile.accepted_ages)),
                signed if profile.reviewed_on else words("console.table.unsigned"),
            )
        )
    columns = tuple(words(f"console.table.regions.{key}") for key in keys)
    return TextTable(columns=columns, rows=tuple(rows))


def _retention(pack: Pack, words: Words) -> TextTable:
    times = days_of(pack.tables["retention"])
    told = {row.key: row for row in pack.tables["retention"]}
    rows = []
    for kind in RetentionClass:
        row, count = told.get(kind.value), times.get(kind, 0)
        label = (
            words(f"console.keep.{kind.value}") if row is None else say(row.label, words.language)
        )
        counted = "" if row is None else _cell(row.values.get("from"), words)
        time = words("console.days", count=count) if count else words("console.keep.no_end")
        rows.append((label, time, counted))
    columns = tuple(words(f"console.table.retention.{key}") for key in ("what", "days", "from"))
    return TextTable(columns=columns, rows=tuple(rows))


def _comparison(home: Home, words: Words) -> TextTable:
    names = sorted({item.name for item in list_packs()} - {home.policy.ref.name})
    policies = [home.policy, *(Policy(load_pack(name)) for name in names)]
    found = compare(policies, home.clock.now(), words.language)
    keys = ("approach", "default_use", "opt_out", "method")
    return TextTable(
        columns=tuple(words(f"console.table.comparison.{key}") for key in keys),
        rows=tuple(
            (f"{one.label} ({one.version})", one.default_use, one.opt_out, one.training_method)
            for one in found
        ),
    )


async def _list(visit: Visit) -> Response:
    names = await visit.run(lambda home: available(home.policy))
    return visit.page("tables", {"names": names}, here="tables")


async def _show(visit: Visit) -> Response:
    try:
        name = chosen(TableName, visit.part("table"), "table")
    except InvalidInput:
        raise NotFound("page_missing", "there is no such table") from None
    found = await visit.run(lambda home: shown(home, name, visit.words))
    names = await visit.run(lambda home: available(home.policy))
    return visit.page("table", {"found": found, "names": names}, here="tables")


PAGES: Final = (
    StaffPage(path="/tables", roles=EVERYBODY, handler=_list, key="tables", group="papers"),
    StaffPage(path="/tables/{table}", roles=EVERYBODY, handler=_show),
)
