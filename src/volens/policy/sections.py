"""The sections of `pack.toml`: plans, tiers, purposes, matrix, regions, notices and tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from volens.core.purposes import CONSENT_PURPOSES, PROHIBITED, AgeBand, Purpose, Tier
from volens.core.regions import Region
from volens.policy.manifest import Table
from volens.policy.pack import (
    AccountKind,
    Cell,
    Change,
    Chooser,
    ConsentClass,
    LegalBasis,
    Notice,
    PackKind,
    Plan,
    PurposeInfo,
    RegionProfile,
    Row,
    Text,
    TierInfo,
)
from volens.policy.protections import COLUMNS as PROTECTIONS
from volens.policy.protections import TABLE as PROTECTIONS_TABLE
from volens.policy.protections import fault as protections_fault
from volens.policy.retention import section_fault

PROHIBITING_RULE = {
    Purpose.FACE_RECOGNITION: "base-no-biometrics (R49-R50)",
    Purpose.VOICE_ANALYSIS: "base-no-biometrics (R49-R50)",
    Purpose.FINGERPRINT_MATCHING: "base-no-biometrics (R49-R50)",
    Purpose.BEHAVIOURAL_BIOMETRICS: "base-no-biometrics (R49-R50)",
    Purpose.SALE: "base-no-sale (R51)",
    Purpose.TARGETED_ADVERTISING: "base-no-advertising (R52)",
    Purpose.MARKETING_SHARING: "base-no-marketing (R53)",
    Purpose.PROFILING_WITH_OUTSIDE_DATA: "base-no-profiling (R54)",
    Purpose.GOVERNMENT_TRAINING: "base-no-government-training (R77)",
}
"""The base rule that stands against each purpose that is never permitted."""

CONSENT_RULE = "base-consent-needs-grant (R01)"
_GRANTED_CELLS = frozenset({Cell.GRANT, Cell.NAMED_GRANT, Cell.NEVER})

# Descriptive tables: the keys that an entry has besides its label, and how each is read.
TABLES: Mapping[str, Mapping[str, str]] = {
    "stages": {"source": "said", "purposes": "words", "impact": "text"},
    "sources": {"description": "said", "people": "flag", "needs_grant": "flag"},
    "terms": {"definition": "said"},
    "retention": {"days": "whole", "from": "said", "row": "text"},
    "roles": {"sees": "said", "never_sees": "said", "scope": "text"},
    "exceptions": {
        "legal_basis": "text",
        "opened_by": "text",
        "max_days": "whole",
        "two_persons": "flag",
        "records": "said",
        "notice": "said",
    },
    PROTECTIONS_TABLE: PROTECTIONS,
}
SHA256_DIGITS = 64
IMPACTS = ("low", "medium", "high")


def read_plans(manifest: Table) -> dict[str, Plan]:
    """Read [plans]."""
    plans: dict[str, Plan] = {}

    def read(key: str, table: Table) -> None:
        choices = table.table("may_choose", needed=False)
        plans[key] = Plan(
            key=key,
            label=table.said("label"),
            account=table.word("account", AccountKind),
            default_tier=table.word("default_tier", Tier),
            may_choose={
                choices.known(tier, tier, Tier): choices.word(tier, Chooser)
                for tier in choices.names()
            },
            note=table.said("note", needed=False),
        )

    manifest.each("plans", read)
    return plans


def read_tiers(manifest: Table) -> dict[Tier, TierInfo]:
    """Read [tiers]; all four must be there."""
    tiers: dict[Tier, TierInfo] = {}

    def read(key: str, table: Table) -> None:
        tier = table.known("", key, Tier)
        tiers[tier] = TierInfo(
            key=tier, label=table.said("label"), description=table.said("description")
        )

    manifest.each("tiers", read)
    for tier in Tier:
        if tier not in tiers:
            raise manifest.error(f"tiers.{tier}", "is missing", "describe all four tiers")
    return tiers


def read_purposes(manifest: Table) -> dict[Purpose, PurposeInfo]:
    """Read [purposes]; a prohibited one is refused by the name of the rule against it."""
    purposes: dict[Purpose, PurposeInfo] = {}

    def read(key: str, table: Table) -> None:
        purpose = table.known("", key, Purpose)
        if purpose in PROHIBITED:
            raise manifest.error(
                f"purposes.{key}",
                f"is prohibited by {PROHIBITING_RULE[purpose]}",
                "remove it: no pack can offer a prohibited use",
            )
        purposes[purpose] = PurposeInfo(
            key=purpose,
            label=table.said("label"),
            description=table.said("description"),
            legal_basis=table.word("legal_basis", LegalBasis),
            consent_class=table.word("consent_class", ConsentClass),
            mechanism=table.text("mechanism", default=""),
            signed_instruction=table.flag("signed_instruction", default=True),
            prompted=table.flag("prompted", default=False),
            weights=table.flag("weights", default=False),
        )

    manifest.each("purposes", read)
    return purposes


def read_matrix(
    manifest: Table, purposes: Mapping[Purpose, PurposeInfo], kind: PackKind
) -> dict[Purpose, dict[Tier, Cell]]:
    """Read [matrix]: one row for each purpose of the pack, and what no row may say is refused."""
    matrix: dict[Purpose, dict[Tier, Cell]] = {}

    def read(key: str, table: Table) -> None:
        purpose = table.known("", key, Purpose)
        row = {tier: table.word(tier, Cell) for tier in Tier}
        for tier, cell in row.items():
            _check_cell(manifest, purpose, tier, cell, kind)
        matrix[purpose] = row

    manifest.each("matrix", read)
    for purpose in [*(set(matrix) ^ set(purposes))]:
        raise manifest.error(
            f"matrix.{purpose}",
            "stands in only one of [purposes] and [matrix]",
            "give each purpose both",
        )
    for purpose, info in purposes.items():
        cells = set(matrix[purpose].values())
        if info.mechanism and Cell.EXCEPTION in cells:
            raise manifest.error(
                f"purposes.{purpose}.mechanism",
                "is asked of a purpose that needs an exception",
                "ask one of the two",
            )
        if info.legal_basis is LegalBasis.NONE and cells != {Cell.NEVER}:
            raise manifest.error(
                f"purposes.{purpose}.legal_basis",
                "is none, but the matrix does not say never everywhere",
                "bind a legal basis (R62)",
            )
    return matrix


def _check_cell(manifest: Table, purpose: Purpose, tier: Tier, cell: Cell, kind: PackKind) -> None:
    rule = PROHIBITING_RULE.get(purpose)
    if rule and cell is not Cell.NEVER:
        raise manifest.error(
            f"matrix.{purpose}.{tier}", f"says {cell}, against {rule}", "write never"
        )
    if kind is PackKind.COMPARISON:
        return
    if cell is Cell.ALWAYS:
        raise manifest.error(
            f"matrix.{purpose}.{tier}",
            "says always, which only a comparison pack may describe",
            "write grant or never",
        )
    if purpose in CONSENT_PURPOSES and cell not in _GRANTED_CELLS:
        raise manifest.error(
            f"matrix.{purpose}.{tier}",
            f"says {cell}, against {CONSENT_RULE}",
            "write grant, named_grant or never",
        )


def read_regions(manifest: Table) -> dict[Region, RegionProfile]:
    """Read [regions]; a region without a profile is unknown to the pack, and so denied."""
    regions: dict[Region, RegionProfile] = {}

    def read(key: str, table: Table) -> None:
        region = table.known("", key, Region)
        deadlines = table.table("deadlines_days")
        regions[region] = RegionProfile(
            key=region,
            label=table.said("label"),
            requirements=table.words("requirements"),
            challenges=table.words("challenges"),
            deadlines_days={name: deadlines.whole(name) for name in deadlines.names()},
            accepted_ages=frozenset(
                table.known("accepted_ages", age, AgeBand) for age in table.words("accepted_ages")
            ),
            reviewer=table.text("reviewer"),
            reviewed_on=table.text("reviewed_on", default=""),
        )
        if AgeBand.MINOR in regions[region].accepted_ages:
            raise manifest.error(
                f"regions.{key}.accepted_ages",
                "lists minor, against base-known-age",
                "list adult, and unknown where the law allows it",
            )

    manifest.each("regions", read)
    return regions


def read_notices(
    manifest: Table,
    files: Mapping[str, bytes],
    matrix: Mapping[Purpose, Mapping[Tier, Cell]],
) -> tuple[Notice, ...]:
    """Read [[notices]] with their files; every purpose in use must be explained in English."""
    notices = []
    for table in manifest.tables("notices"):
        file = table.text("file")
        if file not in files:
            raise table.error("file", f"names {file!r}, which is not there", "add the file")
        try:
            text = files[file].decode("utf-8")
        except UnicodeDecodeError as error:
            raise table.error("file", f"names {file!r}, not UTF-8", "save it as UTF-8") from error
        accepts = table.words("accepts", default=())
        if any(
            len(item) != SHA256_DIGITS or set(item) - set("0123456789abcdef") for item in accepts
        ):
            raise table.error("accepts", "holds no SHA-256", "64 lower-case hexadecimal digits")
        notices.append(
            Notice(
                id=table.text("id"),
                purposes=frozenset(
                    table.known("purposes", item, Purpose) for item in table.words("purposes")
                ),
                language=table.text("language"),
                file=file,
                text=text,
                hash=hashlib.sha256(files[file]).hexdigest(),
                accepts=frozenset(accepts),
            )
        )
        table.close()
    explained = {p for notice in notices if notice.language == "en" for p in notice.purposes}
    asked = {Cell.BASIS, Cell.BASIS_INSIDE, Cell.GRANT, Cell.NAMED_GRANT}
    for purpose, row in matrix.items():
        if asked & set(row.values()) and purpose not in explained:
            raise manifest.error(
                "notices", f"explain {purpose} nowhere in English", "add a notice for it (R09)"
            )
    return tuple(notices)


def read_tables(
    manifest: Table, kind: PackKind, plans: Mapping[str, Plan]
) -> dict[str, tuple[Row, ...]]:
    """Read [tables]: stages, sources, terms, retention, roles, exceptions, protections."""
    outer = manifest.table("tables", needed=False)
    tables: dict[str, tuple[Row, ...]] = {}
    for name, columns in TABLES.items():
        rows: list[Row] = []

        def read(
            key: str, table: Table, columns: Mapping[str, str] = columns, rows: list[Row] = rows
        ) -> None:
            label = table.said("label")
            rows.append(Row(key=key, label=label, values=_columns(table, columns)))

        outer.each(name, read, needed=False)
        tables[name] = tuple(rows)
    outer.close()
    for row in tables["stages"]:
        if row.values["impact"] not in IMPACTS:
            raise outer.error(f"stages.{row.key}.impact", "is unknown", f"use one of {IMPACTS}")
        known = set(Purpose)
        named = row.values["purposes"]
        assert isinstance(named, tuple)
        if set(named) - known:
            raise outer.error(f"stages.{row.key}.purposes", "names an unknown purpose", "see R07")
    for row in tables["retention"]:
        days = row.values["days"]
        assert isinstance(days, int)
        if fault := section_fault(row.key, days, describing=kind is PackKind.COMPARISON):
            raise outer.error(f"retention.{row.key}.days", *fault)
    describing = kind is PackKind.COMPARISON
    if wrong := protections_fault(plans, tables[PROTECTIONS_TABLE], describing=describing):
        raise outer.error(*wrong)
    return tables


def _columns(
    table: Table, columns: Mapping[str, str]
) -> dict[str, str | int | bool | tuple[str, ...] | Text]:
    readers: dict[str, Callable[[str], str | int | bool | tuple[str, ...] | Text]] = {
        "said": table.said,
        "words": table.words,
        "text": table.text,
        "flag": table.flag,
        "whole": table.whole,
    }
    return {key: readers[how](key) for key, how in columns.items()}


def read_changes(manifest: Table) -> tuple[Change, ...]:
    """Read [[changes]] (R70)."""
    changes = []
    for table in manifest.tables("changes"):
        changes.append(Change(id=table.text("id"), summary=table.said("summary")))
        table.close()
    return tuple(changes)


def read_head(manifest: Table) -> tuple[str, str, PackKind, Text, datetime]:
    """Read name, version, kind, label and effective_from."""
    return (
        manifest.text("name"),
        manifest.text("version"),
        manifest.word("kind", PackKind),
        manifest.said("label"),
        manifest.moment("effective_from"),
    )
