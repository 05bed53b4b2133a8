"""Records of processing activities (GDPR Art. 30), generated from the configuration that is live.

What only a person can know (who the controller is, whom copies were given to) is an open question,
never a guess.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from volens.audit.checks import CHECKS
from volens.audit.evidence import Evidence
from volens.audit.inventory import TABLES
from volens.audit.inventory_files import FILES
from volens.audit.manifests import Kept, kept_datasets
from volens.audit.paper import Paper, Section
from volens.audit.survey import Survey
from volens.core.purposes import PROHIBITED, Purpose
from volens.core.time import format_moment
from volens.policy.pack import Cell, Pack
from volens.policy.wording import say

VERSION = "volens-processing/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAudit:
    """What the latest audit found, for documents that point at it."""

    at: str
    checks: int
    failed: int


def processing_records(evidence: Evidence, last: LastAudit | None, *, language: str) -> Paper:
    """Write the record of what is processed here, why, for how long, and how it is protected.

    Args:
        evidence: the home.
        last: its latest audit, if there was one.
        language: of the pack's own texts.
    """
    survey = Survey(evidence)
    ref = evidence.policy.ref
    return Paper(
        version=VERSION,
        title="Records of processing activities",
        facts=(
            ("law", "GDPR Art. 30"),
            ("home", f"{evidence.origin}, {evidence.region.value}, {evidence.realm.value}"),
            ("policy", f"{ref.name} {ref.version}, sha256 {ref.hash}"),
            ("made at", format_moment(evidence.at)),
        ),
        sections=(
            _controller(),
            _purposes(evidence.policy.pack, language),
            _never(),
            _people(survey),
            _categories(),
            _recipients(survey, language),
            _transfers(survey),
            _retention(evidence.policy.pack, language),
            _security(last),
        ),
    )


def _controller() -> Section:
    return Section(
        title="Who is responsible (Art. 30(1)(a))",
        questions=(
            "name and contact of the controller, and of a joint controller if there is one",
            "name and contact of the representative in the Union, if one is needed (Art. 27)",
            "name and contact of the data protection officer, if there is one (Art. 37)",
        ),
    )


def permitted_tiers(pack: Pack, purpose: Purpose) -> list[str]:
    """Return on which tiers a purpose can be permitted at all, with what it needs there."""
    return [
        f"{tier.value}: {cell.value.replace('_', ' ')}"
        for tier, cell in pack.matrix[purpose].items()
        if cell is not Cell.NEVER
    ]


def _purposes(pack: Pack, language: str) -> Section:
    return Section(
        title="Why data is processed (Art. 30(1)(b), Art. 6)",
        said=("Each purpose as the policy in force has it; one that no tier permits is not used.",),
        columns=("purpose", "what it means", "legal basis", "needs", "changes a model"),
        rows=tuple(
            (
                f"{say(info.label, language)} ({purpose.value})",
                say(info.description, language),
                info.legal_basis.value.replace("_", " "),
                "; ".join(permitted_tiers(pack, purpose)) or "never permitted",
                "yes" if info.weights else "no",
            )
            for purpose, info in pack.purposes.items()
        ),
    )


def _never() -> Section:
    names = ", ".join(sorted(purpose.value for purpose in PROHIBITED))
    return Section(title="What is never done", said=(f"Prohibited on every plan: {names}.",))


def _people(survey: Survey) -> Section:
    counts = Counter((one.region, one.realm, one.status) for one in survey.people.values())
    return Section(
        title="Whose data (Art. 30(1)(c))",
        said=(f"{len(survey.people):,} people, {len(survey.chats):,} conversations.",),
        columns=("region", "realm", "status", "#people"),
        rows=tuple((*key, str(count)) for key, count in sorted(counts.items())),
        questions=(
            "whether special categories of data are expected in what people write (Art. 9)",
        ),
    )


def _categories() -> Section:
    rows = [
        (table.name, ", ".join(one.what for one in table.held), table.held[0].kept)
        for table in TABLES
        if table.about_people
    ]
    rows += [(one.name, one.held.what, one.held.kept) for one in FILES if one.name == "datasets/"]
    return Section(
        title="Which data (Art. 30(1)(c))",
        said=("Field by field in the inventory.",),
        columns=("where", "what", "how long"),
        rows=tuple(rows),
    )


def _recipients(survey: Survey, language: str) -> Section:
    pack = survey.evidence.policy.pack
    rows = [
        (say(row.label, language), _said(row.values.get("sees"), language), "role")
        for row in pack.tables.get("roles", ())
    ]
    kept = [
        one
        for one in kept_datasets(survey.evidence.folder / "datasets")
        if isinstance(one, Kept) and one.manifest.discloses
    ]
    by_purpose = Counter(one.manifest.purpose.value for one in kept)
    rows += [
        (f"holders of {count} readable datasets", purpose, "disclosure")
        for purpose, count in sorted(by_purpose.items())
    ]
    return Section(
        title="Who receives it (Art. 30(1)(d))",
        columns=("who", "what", "how"),
        rows=tuple(rows),
        questions=(
            "names of the processors that run this (Art. 28)",
            *(("to whom the readable datasets were given",) if kept else ()),
        ),
    )


def _said(value: object, language: str) -> str:
    return say(value, language) if isinstance(value, dict) else str(value or "-")


def _transfers(survey: Survey) -> Section:
    region = survey.evidence.region.value
    return Section(
        title="Transfers to other countries (Art. 30(1)(e))",
        said=(f"This home is in the region {region}; people of another region are not used here.",),
        questions=("where the disks, backups, key service and processors are",),
    )


def _retention(pack: Pack, language: str) -> Section:
    rows = tuple(
        (
            say(row.label, language),
            str(row.values["days"] or "-"),
            _said(row.values["from"], language),
        )
        for row in pack.tables.get("retention", ())
    )
    return Section(
        title="How long (Art. 30(1)(f))", columns=("what", "#days", "from when"), rows=rows
    )


def _security(last: LastAudit | None) -> Section:
    told = (
        "No audit was made yet."
        if last is None
        else f"Last audit {last.at}: {last.checks - last.failed} of {last.checks} checks held."
    )
    return Section(
        title="How it is protected (Art. 30(1)(g), Art. 32)",
        said=("Each line is checked by the audit.", told),
        columns=("measure", "how it is checked"),
        rows=tuple((one.promise, one.how) for one in CHECKS),
        questions=("what protects the machines, the people and the buildings around this",),
    )
