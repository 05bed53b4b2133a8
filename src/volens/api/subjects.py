"""People as accounts: a program adds one, with every choice off, and looks one up.

A reference, the product's own name for somebody, is compared as the exact characters given: no
case folding, no normal form (NFC or other). So ``é`` in one character and in two are two people,
and a name that only looks like another is another. `SubjectTold.id` is the name without that trap.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from volens.access.model import Scope
from volens.api.asking import Door, on_home, on_person, open_to
from volens.api.model import Body, Moment, Told
from volens.api.repeating import Once, once
from volens.app.home import Home
from volens.core.errors import InvalidInput
from volens.core.purposes import Realm, Tier
from volens.core.regions import Region
from volens.vault.subjects import MAX_REFERENCE_CHARACTERS, NewSubject, Subject

_CREATED = 201
_PLAN = "free"

Reference = Annotated[str, Field(min_length=1, max_length=MAX_REFERENCE_CHARACTERS)]


class SubjectWanted(Body):
    """A new account. Every choice starts off.

    Plan, tier and region are the operator's to set, with ``volens subject set``, never a body's.
    """

    reference: Reference


class SubjectNamed(Body):
    """The product's own name for somebody."""

    reference: Reference


class SubjectTold(Told):
    """The basics of one account; never the reference, which the asker has anyway."""

    id: str
    plan: str
    tier: Tier | None
    """None: the plan's own."""
    region: Region
    realm: Realm
    status: str
    created: Moment


def add_routes(router: APIRouter) -> None:
    """Add the routes of accounts."""
    router.post("/subjects", tags=["subjects"], status_code=_CREATED, response_model=SubjectTold)(
        add_subject
    )
    router.post("/subjects:find", tags=["subjects"])(find_subject)
    router.get("/subjects/{subject}", tags=["subjects"])(show_subject)
    router.get("/me", tags=["subjects"])(show_subject)


@open_to(Door.PROGRAM, Scope.SUBJECTS_WRITE)
async def add_subject(request: Request, wanted: SubjectWanted, once_only: Once = None) -> Response:
    """Add an account with every choice off."""

    def act(home: Home) -> SubjectTold:
        plans = home.policy.pack.plans
        new = NewSubject(
            reference=wanted.reference,
            plan=_PLAN if _PLAN in plans else next(iter(plans)),
            region=home.identity.region,
            realm=home.identity.realm,
        )
        (made,) = home.subjects.add([new])
        return _told(made)

    return await once(request, once_only, act, status=_CREATED)


@open_to(Door.PROGRAM, Scope.SUBJECTS_READ)
async def find_subject(request: Request, named: SubjectNamed) -> SubjectTold:
    """Look somebody up by reference, where it can't stand in a path."""
    if named.reference.startswith("sub_"):
        raise InvalidInput("reference_form", "that is an id", hint="GET /v1/subjects/{id}")
    return await on_home(request, lambda home: _told(home.subjects.find(named.reference)))


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def show_subject(request: Request) -> SubjectTold:
    """Show an account's basics."""
    return await on_person(request, lambda _, person: _told(person))


def _told(person: Subject) -> SubjectTold:
    return SubjectTold(
        id=person.id,
        plan=person.plan,
        tier=person.tier,
        region=person.region,
        realm=person.realm,
        status=person.status.value,
        created=person.created,
    )
