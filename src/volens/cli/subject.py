"""``volens subject``: the people whose data is here, as accounts: never what they said."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from volens.app.home import Home
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.importing import check_plan
from volens.cli.output import DIM, GOOD, Answer, fields, line, table
from volens.core.canonical import Json
from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import AgeBand, Realm, SubjectStatus, Tier
from volens.core.regions import Region
from volens.core.time import format_moment
from volens.log.kinds import ErasureScope
from volens.vault.subjects import NewSubject, Subject, check_field

GROUP = new_group("The people whose data is here.")
_PAGE = 100

SubjectArgument = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="The person's id or the product's name for them.")
]


@command(GROUP, "add", writes=True)
def add(
    session: Session,
    reference: Annotated[
        str, typer.Argument(metavar="NAME", help="How the product knows the person.")
    ],
    plan: Annotated[str, typer.Option(help="The account's plan.")] = "free",
    region: Annotated[
        Region | None, typer.Option(help="The person's region.  [default: the home's]")
    ] = None,
    tier: Annotated[Tier | None, typer.Option(help="A tier other than the plan's own.")] = None,
    realm: Annotated[Realm | None, typer.Option(help="The realm.  [default: the home's]")] = None,
    age_band: Annotated[AgeBand, typer.Option(help="What is known of their age.")] = AgeBand.ADULT,
    organisation: Annotated[
        str | None, typer.Option(help="The organisation that stands behind the account.")
    ] = None,
) -> Answer:
    """Add an account. Every choice starts off."""
    with write_home(session) as home:
        check_plan(home, plan)
        _check_tier(home, plan, tier)
        wanted = NewSubject(
            reference=reference,
            plan=plan,
            region=region or home.identity.region,
            tier=tier,
            realm=realm or home.identity.realm,
            age_band=age_band,
            organisation=organisation,
        )
        if session.dry_run:
            text = f"would add an account on plan {plan}, with every choice off"
            return Answer(document={"dry_run": True, "plan": plan}, shown=(line(text),))
        (made,) = home.subjects.add([wanted])
        document = _document(home, made, reference, 0)
    shown = (
        line(f"Added {made.id} on plan {plan}, with every choice off.", GOOD),
        line(f"Next: volens consent show {made.id}", DIM),
    )
    return Answer(document=document, shown=shown)


@command(GROUP, "list")
def list_subjects(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = _PAGE,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> Answer:
    """List who is here, and how many conversations each has."""
    with read_home(session) as home:
        total = home.subjects.count()
        page = list(islice(home.subjects.all(), skip, skip + limit))
        names = home.gate.references(page)
        counts = home.vault.counts_by_subject()
        documents: list[Json] = [
            _document(home, subject, name, counts.get(subject.number, 0))
            for subject, name in zip(page, names, strict=True)
        ]
    rows = [
        (
            subject.id,
            name,
            subject.plan,
            subject.tier.value if subject.tier else "-",
            f"{counts.get(subject.number, 0):,}",
        )
        for subject, name in zip(page, names, strict=True)
    ]
    shown = [table(("!id", "name", "plan", "tier", "#chats"), rows)] if rows else []
    rest = total - skip - len(page)
    if not total:
        shown.append(line("Nobody is here yet: volens import PATH, or volens subject add NAME"))
    elif rest > 0:
        shown.append(line(f"{rest:,} more: --skip {skip + len(page)}", DIM))
    return Answer(document={"total": total, "subjects": documents}, shown=tuple(shown))


@command(GROUP, "show")
def show(session: Session, subject: SubjectArgument) -> Answer:
    """Show one account."""
    with read_home(session) as home:
        found = home.subjects.find(subject)
        count = home.vault.counts_by_subject().get(found.number, 0)
        (name,) = home.gate.references([found])
        document = _document(home, found, name, count)
    rows = [(key.replace("_", " "), "-" if v is None else str(v)) for key, v in document.items()]
    shown = (fields(rows), line(f"Choices: volens consent show {found.id}", DIM))
    return Answer(document=document, shown=shown)


@command(GROUP, "set", writes=True)
def set_fields(
    session: Session,
    subject: SubjectArgument,
    plan: Annotated[str | None, typer.Option(help="The account's plan.")] = None,
    tier: Annotated[
        str | None, typer.Option(help="public, restricted, private, isolated; - for the plan's.")
    ] = None,
    age_band: Annotated[AgeBand | None, typer.Option(help="What is known of their age.")] = None,
    organisation: Annotated[
        str | None, typer.Option(help="The organisation behind the account; - for none.")
    ] = None,
    status: Annotated[
        SubjectStatus | None, typer.Option(help="Anything but active blocks every use.")
    ] = None,
) -> Answer:
    """Change an account. Region and realm are fixed: their keys are of that place."""
    given = {
        "plan": plan,
        "tier": tier,
        "age_band": age_band.value if age_band else None,
        "organisation": organisation,
        "status": status.value if status else None,
    }
    changes = {
        name: None if value == "-" and name in {"tier", "organisation"} else value
        for name, value in given.items()
        if value is not None
    }
    if not changes:
        hint = "volens subject set --help lists the options"
        raise InvalidInput("nothing_given", "nothing to change was given", hint=hint)
    with write_home(session) as home:
        found = home.subjects.find(subject)
        if plan is not None:
            check_plan(home, plan)
        for name, value in changes.items():
            check_field(name, value)
        _check_tier(home, plan or found.plan, changes.get("tier"))
        if status is not None:
            _check_not_erasing(home, found)
        words = ", ".join(
            f"{name.replace('_', ' ')} {value or '-'}" for name, value in changes.items()
        )
        if session.dry_run:
            document: dict[str, Json] = {"dry_run": True, "subject": found.id, **changes}
            return Answer(document=document, shown=(line(f"would set {words} for {found.id}"),))
        changed = home.subjects.change(found, changes)
        (name,) = home.gate.references([changed])
        count = home.vault.counts_by_subject().get(found.number, 0)
        document = _document(home, changed, name, count)
    return Answer(document=document, shown=(line(f"{found.id} has now {words}.", GOOD),))


def _check_tier(home: Home, plan: str, tier: str | None) -> None:
    """Pass if the plan offers the tier: on any other one everything would be denied."""
    known = home.policy.pack.plans.get(plan)
    if tier is not None and known is not None:
        offered = [known.default_tier, *known.may_choose]
        if tier not in offered:
            hint = f"it offers {', '.join(offered)}"
            raise InvalidInput("tier_not_offered", f"plan {plan} has no tier {tier}", hint=hint)


def _check_not_erasing(home: Home, subject: Subject) -> None:
    """Pass if no open erasure has closed the account: only taking that back opens it again."""
    for one in home.erasures.of_subject(subject.id):
        if one.is_open and one.scope is ErasureScope.ACCOUNT:
            hint = "volens erase subject --cancel takes it back, in its first days"
            raise Denied("erasing", f"{subject.id} is being erased ({one.id})", hint=hint)


def _document(home: Home, subject: Subject, name: str, conversations: int) -> dict[str, Json]:
    plan = home.policy.pack.plans.get(subject.plan)
    default = plan.default_tier.value if plan else "unknown"
    return {
        "id": subject.id,
        "name": name,
        "plan": subject.plan,
        "tier": subject.tier.value if subject.tier else f"{default} (the plan's)",
        "region": subject.region.value,
        "realm": subject.realm.value,
        "age_band": subject.age_band.value,
        "organisation": subject.organisation,
        "status": subject.status.value,
        "created": format_moment(subject.created),
        "conversations": conversations,
    }
