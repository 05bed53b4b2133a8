"""A draft of a data protection impact assessment (GDPR Art. 35(7)), from the live configuration.

It is a draft for good: what has to be weighed by a person is asked, and no risk is called low here.
"""

from __future__ import annotations

from dataclasses import dataclass

from volens.audit.evidence import Evidence
from volens.audit.paper import Paper, Section
from volens.audit.processing import LastAudit, permitted_tiers
from volens.audit.survey import Survey
from volens.core.purposes import CONSENT_PURPOSES
from volens.core.time import format_moment
from volens.policy.pack import LegalBasis
from volens.policy.wording import say

VERSION = "volens-impact-draft/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Something that could happen to people, and what stands against it."""

    what: str
    measures: tuple[str, ...]
    checks: tuple[str, ...]
    """Ids of the audit's checks that look whether the measure holds."""
    rest: str
    """What the measure does not reach."""


RISKS: tuple[Risk, ...] = (
    Risk(
        what="somebody's chats are learned from without their yes",
        measures=("one gate decides and logs", "no rule can permit it", "manifests are replayed"),
        checks=("datasets.only_the_willing", "rules.prohibitions_in_force"),
        rest="a yes that was not freely given",
    ),
    Risk(
        what="a withdrawal comes too late for what was built before",
        measures=("a withdrawal holds at once", "sealed datasets need the gate", "removal is owed"),
        checks=("datasets.only_the_willing", "datasets.match_the_log"),
        rest="readable copies that left, and models trained on them",
    ),
    Risk(
        what="a person is recognised in a dataset or in what a model says",
        measures=("redaction before writing", "no names in the log", "de-duplication by person"),
        checks=("home.fields_told",),
        rest="what redaction does not find; what a model repeats word for word",
    ),
    Risk(
        what="somebody inside reads chats",
        measures=("sealed at rest", "every opening is announced in a public log first"),
        checks=("access.logged_first", "home.files_private"),
        rest="whoever holds both the home and its custody",
    ),
    Risk(
        what="disks or backups are stolen",
        measures=("custody outside the home", "keys apart from data", "epochs of keys end"),
        checks=("home.custody_outside", "keys.match_rows", "home.databases_set"),
        rest="custody stolen together with the home",
    ),
    Risk(
        what="what was erased comes back or stays",
        measures=("keys first, then rows", "free pages are overwritten", "epochs are destroyed"),
        checks=("erasures.in_time", "keys.match_rows", "home.databases_set"),
        rest="copies that people made outside; forensics of a worn disk",
    ),
    Risk(
        what="the record of all this is changed afterwards",
        measures=("append-only log", "witnesses", "rows compared with entries"),
        checks=("log.verifies", "log.entries_have_rows", "log.witnesses_fresh"),
        rest="a log without witnesses that is rewritten as a whole",
    ),
    Risk(
        what="a minor's chats are learned from",
        measures=("age band of each account", "unknown or minor is denied where the law says so"),
        checks=("rules.prohibitions_in_force",),
        rest="an age that was stated wrongly",
    ),
)


def impact_draft(evidence: Evidence, last: LastAudit | None, *, language: str) -> Paper:
    """Write the draft.

    Args:
        evidence: the home.
        last: its latest audit, if there was one.
        language: of the pack's own texts.
    """
    ref = evidence.policy.ref
    return Paper(
        version=VERSION,
        title="DRAFT of a data protection impact assessment",
        facts=(
            ("state", "draft: generated, not assessed by anybody"),
            ("law", "GDPR Art. 35(7)"),
            ("home", f"{evidence.origin}, {evidence.region.value}, {evidence.realm.value}"),
            ("policy", f"{ref.name} {ref.version}, sha256 {ref.hash}"),
            ("made at", format_moment(evidence.at)),
            ("last audit", "none" if last is None else _told(last)),
        ),
        sections=(
            _description(evidence, language),
            _necessity(evidence, language),
            _risks(),
            _measures(evidence),
            _decision(),
        ),
    )


def _told(last: LastAudit) -> str:
    return f"{last.at}: {last.checks - last.failed} of {last.checks} checks held"


def _description(evidence: Evidence, language: str) -> Section:
    survey = Survey(evidence)
    stages = evidence.policy.pack.tables.get("stages", ())
    return Section(
        title="1. What is planned (Art. 35(7)(a))",
        said=(
            (
                f"Conversations of {len(survey.people):,} people with an assistant "
                f"({len(survey.chats):,} conversations) are kept sealed. With a person's yes, and "
                "for the purpose they named, they are built into datasets that models learn from."
            ),
        ),
        columns=("stage", "what it uses", "impact"),
        rows=tuple(
            (
                say(row.label, language),
                ", ".join(row.values["purposes"]) or "no chats",  # type: ignore[arg-type]  # words
                str(row.values["impact"]),
            )
            for row in stages
        ),
        questions=(
            "which models learn from this, who uses them, and for what",
            "how many people are expected, over which time",
            "what people are told outside the notices of this policy",
        ),
    )


def _necessity(evidence: Evidence, language: str) -> Section:
    pack = evidence.policy.pack
    balanced = [
        say(info.label, language)
        for info in pack.purposes.values()
        if info.legal_basis is LegalBasis.LEGITIMATE_INTEREST
    ]
    return Section(
        title="2. Necessary and in proportion (Art. 35(7)(b))",
        columns=(
            "purpose",
            "legal basis",
            "rests on the person's yes",
            "where it can be permitted",
        ),
        rows=tuple(
            (
                say(info.label, language),
                info.legal_basis.value.replace("_", " "),
                "yes" if purpose in CONSENT_PURPOSES else "no",
                "; ".join(permitted_tiers(pack, purpose)) or "nowhere",
            )
            for purpose, info in pack.purposes.items()
        ),
        questions=(
            "whether each purpose could be reached with less data, or with data of nobody",
            "whether saying no costs people anything: price, features, speed",
            *(f"the balance of interests for: {label} (Art. 6(1)(f))" for label in balanced),
        ),
    )


def _risks() -> Section:
    return Section(
        title="3. Risks to people (Art. 35(7)(c))",
        said=("A list to begin with. It weighs nothing.",),
        columns=("what could happen", "what stands against it", "what that does not reach"),
        rows=tuple((one.what, "; ".join(one.measures), one.rest) for one in RISKS),
        questions=(
            *(f"how likely and how grave for people: {one.what}" for one in RISKS),
            "which further risks there are here",
        ),
    )


def _measures(evidence: Evidence) -> Section:
    profile = evidence.policy.pack.regions.get(evidence.region)
    unsigned = profile is None or not profile.reviewed_on
    review = ("who reviews the rules of this region; nobody has signed them",) if unsigned else ()
    return Section(
        title="4. Measures, and how they are looked at (Art. 35(7)(d))",
        columns=("against", "checks of the audit"),
        rows=tuple((one.what, ", ".join(one.checks)) for one in RISKS),
        questions=(*review, "which measures are missing, who adds them, and by when"),
    )


def _decision() -> Section:
    return Section(
        title="5. Views and decision (Art. 35(2), 35(9), 36)",
        questions=(
            "the advice of the data protection officer",
            "the views of the people concerned, or why they were not asked",
            "which risks remain high, and whether the authority must be asked first (Art. 36)",
            "who decides, when, and when this is looked at again",
        ),
    )
