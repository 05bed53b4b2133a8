"""Which models learned from a person's conversations, and what became of that; with its proof."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from volens.access.model import Scope
from volens.api.asking import Door, on_person, open_to
from volens.api.model import Told
from volens.app.home import Home
from volens.app.impact import certificates_for, impact_register, paper_of
from volens.app.lineage import models_with
from volens.training.impact import case_facts
from volens.vault.subjects import Subject


class CopyTold(Told):
    """A copy of a model that left; nothing takes it back."""

    at: str
    adapter: str
    """SHA-256 of the adapter, hexadecimal."""
    log_index: int


class ModelTold(Told):
    """A model that the person's conversations are or were in."""

    family: str
    run: str
    """The newest run of the family."""
    dataset: str
    records: int
    """How many of the person's conversations any run of it was planned with."""
    left: int
    """How many of them are in the newest run."""
    standing: str
    """``in_use``, ``blocked``, ``retrained`` or ``left_out``."""
    copies: list[CopyTold]


class ModelsTold(Told):
    """Every model that holds or held something of one person."""

    models: list[ModelTold]


class TouchTold(Told):
    """One model, or one copy of it that left, and where it stands."""

    family: str
    dataset: str
    copied: str | None
    """SHA-256 of the copy's adapter; none: the model itself."""
    records: int
    shards: list[int]
    state: str
    """``blocked``, ``left_out``, ``retrained``, ``not_possible`` or ``allowed_again``."""
    since: str
    log_index: int
    proven: int | None


class ImpactTold(Told):
    """What was touched when something of the person could not be used any more."""

    case: str
    cause: str
    opened: str
    log_index: int
    done: bool
    touched: list[TouchTold]
    papers: list[str]
    """Names of certificates and proofs, for the person to download."""


class ImpactsTold(Told):
    """Every impact case of one person, oldest first."""

    cases: list[ImpactTold]


def add_routes(router: APIRouter) -> None:
    """Add the routes of what models used."""
    for prefix in ("/me", "/subjects/{subject}"):
        router.get(f"{prefix}/models", tags=["looking back"])(list_models)
        router.get(f"{prefix}/impact", tags=["looking back"])(list_impact)
    # A certificate opens an entry of the log: it is the person's alone.
    router.get("/me/impact/{case}/papers/{name}", tags=["looking back"])(hand_paper)


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def list_models(request: Request) -> ModelsTold:
    """List the models that learned from the person's conversations, and where each stands."""

    def act(home: Home, person: Subject) -> ModelsTold:
        found = models_with(home, person)
        return ModelsTold(models=[ModelTold.model_validate(one.facts()) for one in found])

    return await on_person(request, act)


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def list_impact(request: Request) -> ImpactsTold:
    """List what was touched when something of the person could not be used any more."""

    def act(home: Home, person: Subject) -> ImpactsTold:
        cases = []
        for case in impact_register(home).of_subject(person.number):
            facts = case_facts(case)
            papers = [name for name, _ in certificates_for(home, case)]
            cases.append(ImpactTold.model_validate({**facts, "papers": papers}))
        return ImpactsTold(cases=cases)

    return await on_person(request, act)


@open_to(Door.PERSON_OR_PROGRAM)
async def hand_paper(request: Request, case: str, name: str) -> Response:
    """Download a certificate that a model forgot the person, or the proof that it rests on."""

    def act(home: Home, person: Subject) -> bytes:
        return paper_of(home, person, case, name)

    data = await on_person(request, act)
    headers = {"Content-Disposition": f'attachment; filename="{case[:40]}.json"'}
    return Response(data, media_type="application/json", headers=headers)
