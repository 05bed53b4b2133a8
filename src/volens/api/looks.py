"""Who has seen my data, what used it, who received it, what holds it: each answer with a proof."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from volens.access.model import Scope
from volens.api.asking import Door, on_person, open_to
from volens.api.conversations import find_own
from volens.api.model import Moment, Told
from volens.app.home import Home
from volens.app.own_data import exporter_of
from volens.app.rights import request_store
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, parse_id
from volens.datasets.proofs import verify_proof
from volens.rights.accesses import access_document
from volens.rights.disclosures import DatasetRegister, disclosure_of
from volens.rights.export_facts import hold_facts
from volens.rights.requests import disclosures
from volens.vault.subjects import Subject


class AccessTold(Told):
    """One access, in the log's own words."""

    at: str
    actor: str
    action: str
    purpose: str
    reason: str
    what: str
    """A conversation, a dataset, or the person's own copy."""
    log_index: int
    outcome: str | None
    duration_ms: int | None
    """How long it was open; none: it has not ended, or nobody said how."""


class AccessesTold(Told):
    """Who has seen what of one person, oldest first."""

    accesses: list[AccessTold]


class DatasetTold(Told):
    """A dataset that holds conversations of the person."""

    dataset: str
    created: Moment
    purpose: str
    form: str
    in_the_clear: bool
    """Whether a copy left that needs no key to be read."""
    policy: str
    conversations: list[str]


class DatasetsTold(Told):
    """Every dataset that holds something of one person."""

    datasets: list[DatasetTold]


class DisclosureTold(Told):
    """One time that something of the person was handed out."""

    recipient: str
    """``not_named``: whoever was handed the plain copy."""
    what: str
    at: Moment
    about: str
    """The dataset, or the request that it answered."""
    conversations: int | None


class DisclosuresTold(Told):
    """Who received what of one person."""

    disclosures: list[DisclosureTold]


class HoldTold(Told):
    """A hold that the person may know of."""

    hold: str
    hold_class: str
    authority: str
    placed: str
    until: str
    released: str | None
    conversations: list[str]


class HoldsTold(Told):
    """Every hold that one person may know of."""

    holds: list[HoldTold]


def add_routes(router: APIRouter) -> None:
    """Add the routes of what was done with a person's data."""
    for prefix in ("/me", "/subjects/{subject}"):
        router.get(f"{prefix}/accesses", tags=["looking back"])(list_accesses)
        router.get(f"{prefix}/datasets", tags=["looking back"])(list_datasets)
        router.get(f"{prefix}/disclosures", tags=["looking back"])(list_disclosures)
        router.get(f"{prefix}/holds", tags=["looking back"])(list_holds)
    # What opens an entry, or a capture, is the person's alone: no program gets it.
    router.get("/me/accesses/{index}/proof", tags=["looking back"])(prove_access)
    router.get("/me/datasets/{dataset}/proofs/{conversation}", tags=["looking back"])(prove_dataset)


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def list_accesses(request: Request) -> AccessesTold:
    """Say who has seen the person's data, when, why, and for how long."""

    def act(home: Home, person: Subject) -> AccessesTold:
        found = exporter_of(home).accesses(person)
        return AccessesTold(accesses=[AccessTold.model_validate(one.facts()) for one in found])

    return await on_person(request, act)


@open_to(Door.PERSON_OR_PROGRAM)
async def prove_access(request: Request, index: int) -> Response:
    """Download the proof of one access, to be checked with ``volens verify``."""

    def act(home: Home, person: Subject) -> bytes:
        for one in exporter_of(home).accesses(person):
            if one.log_index == index:
                log = home.owned_log()
                log.publish()
                return access_document(one, log)
        raise NotFound("access_unknown", f"no access {index} that concerns this person")

    return _file(await on_person(request, act), f"access-{index}.json")


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def list_datasets(request: Request) -> DatasetsTold:
    """List the datasets that hold conversations of the person."""

    def act(home: Home, person: Subject) -> DatasetsTold:
        return DatasetsTold(
            datasets=[
                DatasetTold(
                    dataset=use.dataset,
                    created=use.manifest.created,
                    purpose=use.manifest.purpose.value,
                    form=use.manifest.format.value,
                    in_the_clear=use.manifest.discloses,
                    policy=f"{use.manifest.policy.name} {use.manifest.policy.version}",
                    conversations=list(use.conversations),
                )
                for use in _register(home).uses(person)
            ]
        )

    return await on_person(request, act)


@open_to(Door.PERSON_OR_PROGRAM)
async def prove_dataset(request: Request, dataset: str, conversation: str) -> Response:
    """Download a proof that a conversation is, or is not, in a dataset; whichever is true."""

    def act(home: Home, person: Subject) -> bytes:
        held = find_own(home, person, conversation)
        try:
            parse_id(IdKind.DATASET, dataset)  # a name, and never a path
        except InvalidInput:
            raise NotFound("dataset_unknown", f"no dataset {dataset[:40]!r} here") from None
        home.owned_log().publish()
        data = home.datasets().prove(dataset, held, person)
        verify_proof(data, home.signer.verifier)
        return data

    return _file(await on_person(request, act), f"proof-{dataset[:40]}.json")


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def list_disclosures(request: Request) -> DisclosuresTold:
    """Say who received what of the person, and when."""

    def act(home: Home, person: Subject) -> DisclosuresTold:
        plain = [
            DisclosureTold(
                recipient=one.recipient,
                what=f"{one.purpose.value} {one.form}",
                at=one.at,
                about=one.dataset,
                conversations=one.conversations,
            )
            for one in map(
                disclosure_of,
                [use for use in _register(home).uses(person) if use.manifest.discloses],
            )
        ]
        agents = [
            DisclosureTold(
                recipient=one.recipient,
                what=one.what.value,
                at=one.at,
                about=one.request,
                conversations=None,
            )
            for one in disclosures(request_store(home).of_subject(person))
        ]
        found = sorted([*plain, *agents], key=lambda one: one.at)
        return DisclosuresTold(disclosures=found)

    return await on_person(request, act)


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def list_holds(request: Request) -> HoldsTold:
    """List the holds on the person's chats, but for those that a gag keeps back."""

    def act(home: Home, person: Subject) -> HoldsTold:
        now = home.clock.now()
        facts = [hold_facts(one) for one in home.holds.visible_to_subject(person.id, now)]
        return HoldsTold(
            holds=[HoldTold.model_validate({**one, "hold_class": one["class"]}) for one in facts]
        )

    return await on_person(request, act)


def _register(home: Home) -> DatasetRegister:
    return DatasetRegister(home.folder / "datasets", home.main)


def _file(data: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="application/json", headers=headers)
