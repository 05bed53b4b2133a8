"""``volens rights law``: whose rules apply to a person, why, and what they ask for (R64-R67)."""

from __future__ import annotations

from rich.console import RenderableType

from volens.app.rights import rights_desk
from volens.cli.commands import Session
from volens.cli.homes import read_home
from volens.cli.output import DIM, WARN, Answer, heading, indented, line
from volens.cli.rights_words import deadline_document, region_label, said_moment
from volens.cli.subject import SubjectArgument
from volens.core.canonical import Json
from volens.core.regions import Region
from volens.log.kinds import RequestKind
from volens.policy.pack import RegionProfile
from volens.rights.deadlines import Applies, Deadline


def law(session: Session, subject: SubjectArgument) -> Answer:
    """Show whose rules apply to a person, why, and by when requests are answered.

    Where several regions count, the strictest deadline holds.
    """
    with read_home(session) as home:
        found = home.subjects.find(subject)
        desk = rights_desk(home)
        until = desk.deadline(RequestKind.ACCESS, found.region)
        erasure = desk.deadline(RequestKind.ERASURE, found.region)
        profiles = home.policy.pack.regions
    document: dict[str, Json] = {
        "subject": found.id,
        "account_region": found.region.value,
        "home_region": home.identity.region.value,
        "request": deadline_document(until),
        "erasure": deadline_document(erasure),
        "profiles": [_profile_document(one, profiles.get(one.region)) for one in until.applies],
    }
    shown: list[RenderableType] = []
    for one in until.applies:
        shown += _say_profile(one, profiles.get(one.region))
    shown += _say_dates(until, erasure)
    return Answer(document=document, shown=tuple(shown))


def _profile_document(applies: Applies, profile: RegionProfile | None) -> dict[str, Json]:
    return {
        "region": applies.region.value,
        "label": region_label(applies.region, profile),
        "why": applies.why,
        "requirements": list(profile.requirements) if profile else [],
        "challenges": list(profile.challenges) if profile else [],
        "reviewer": profile.reviewer if profile else None,
        "reviewed_on": (profile.reviewed_on or None) if profile else None,
    }


def _say_profile(applies: Applies, profile: RegionProfile | None) -> list[RenderableType]:
    said: list[RenderableType] = [
        heading(region_label(applies.region, profile)),
        indented(line(f"It counts because {_reason(applies)}.")),
    ]
    if profile is None:
        said.append(indented(line("The policy in force has no profile of it.", WARN)))
        return said
    said += [indented(line(f"- {text}")) for text in profile.requirements]
    said.append(indented(line(f"Hard about it: {'; '.join(profile.challenges)}.", DIM)))
    if profile.reviewed_on:
        signed = line(f"Reviewed on {profile.reviewed_on} by {profile.reviewer}.", DIM)
        said.append(indented(signed))
    else:
        text = f"Not reviewed yet by {profile.reviewer}: nobody has signed this profile."
        said.append(indented(line(text, WARN)))
    return said


def _reason(applies: Applies) -> str:
    return applies.why.removesuffix(", so the strictest counts")


def _say_dates(until: Deadline, erasure: Deadline) -> list[RenderableType]:
    rows = (("A request of today", until), ("An erasure of today", erasure))
    said: list[RenderableType] = [
        line(f"{label} is answered before {said_moment(one.due)} ({one.decided_by.source}).")
        for label, one in rows
    ]
    if until.extended is None:
        said.append(line("More time can't be taken.", DIM))
    else:
        text = f"It can take until {said_moment(until.extended)}, once, if the person is told."
        said.append(line(text, DIM))
    if any(one.region is Region.OTHER for one in until.applies):
        said.append(line("Where no law is known, every profile counts.", DIM))
    return said
