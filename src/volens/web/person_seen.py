"""Who has seen the person's data, which datasets used it, what went out; each with its proof."""

from __future__ import annotations

from collections import Counter
from typing import Final

from volens.app.home import Home
from volens.app.impact import impact_register, paper_of
from volens.app.lineage import models_with
from volens.app.rights import request_store
from volens.app.runs import runs_of
from volens.core.errors import NotFound
from volens.core.ids import DatasetId
from volens.datasets.manifest import Manifest
from volens.log.kinds import AccessAction, Actor
from volens.policy.wording import say
from volens.rights.accesses import SEVERAL, Access, access_document, accesses_of
from volens.rights.disclosures import DatasetRegister
from volens.rights.requests import disclosures
from volens.training.bundle import bundle_file
from volens.vault.subjects import Subject
from volens.web.person_choices import uses_of
from volens.web.person_frame import Asked, Sent, Values, own_chat

NEWEST: Final = 200
"""How many of the newest accesses are shown; the person's copy has all."""
_CHATS_SHOWN: Final = 20
_OPENED: Final = (AccessAction.BUILD.value, SEVERAL)
"""A build of which no dataset came that holds anything of the person."""


def seen_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at the accesses that concerned the person, those of others first."""
    pack = home.policy.pack
    language = asked.words.language
    found = list(reversed(_accesses(home, subject)))
    own = Actor.SUBJECT.value
    others = [one for one in found if str(one.entry.fields["actor"]) != own]
    labels = {purpose.value: say(info.label, language) for purpose, info in pack.purposes.items()}
    actions = Counter(
        str(one.entry.fields["action"]) for one in found if str(one.entry.fields["actor"]) == own
    )
    return {
        "others": [_row(one) for one in others],
        "mine": dict(actions),
        "mine_last": [_row(one) for one in found if str(one.entry.fields["actor"]) == own][:10],
        "labels": labels,
        "most": NEWEST,
    }


def access_proof(home: Home, subject: Subject, asked: Asked) -> Sent:
    """Hand over the proof of one access that concerned the person."""
    wanted = asked.params["index"]
    for one in _accesses(home, subject):
        if str(one.log_index) == wanted:
            log = home.owned_log()
            log.publish()
            data = access_document(one, log)
            return Sent(
                data=data, name=f"access-{one.log_index}.json", media_type="application/json"
            )
    raise NotFound("access_unknown", "no such access concerned you")


def datasets_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at the datasets that hold something of the person, and at what went out."""
    language = asked.words.language
    labels = {
        purpose: say(info.label, language) for purpose, info in home.policy.pack.purposes.items()
    }
    handed = disclosures(request_store(home).of_subject(subject))
    return {
        "uses": [
            {
                "dataset": use.dataset,
                "purpose": labels.get(use.manifest.purpose, use.manifest.purpose.value),
                "created": use.manifest.created,
                "count": len(use.conversations),
                "plain": use.manifest.discloses,
                "chats": use.conversations[:_CHATS_SHOWN],
                "more": max(0, len(use.conversations) - _CHATS_SHOWN),
            }
            for use in uses_of(home, subject)
        ],
        "disclosed": [
            (use.manifest, len(use.conversations))
            for use in uses_of(home, subject)
            if use.manifest.discloses
        ],
        "handed": handed,
        "models": _models(home, subject),
    }


def model_paper(home: Home, subject: Subject, asked: Asked) -> Sent:
    """Hand over a certificate that a model forgot the person, or the proof that it rests on."""
    case, name = asked.params["case"], asked.params["name"]
    data = paper_of(home, subject, case, name)
    return Sent(data=data, name=name, media_type="application/json")


def _models(home: Home, subject: Subject) -> list[Values]:
    """Return the models that the person's chats are or were in, each with its cases."""
    cases = impact_register(home).of_subject(subject.number)
    runs = runs_of(home)
    found: list[Values] = []
    for use in models_with(home, subject):
        about = [
            (case, touch)
            for case in cases
            for touch in case.touches
            if (touch.family, touch.copy) == (use.family, b"")
        ]
        repairs = {one.proven: bundle_file(one) for one in runs.of_family(use.family)}
        found.append(
            {
                "use": use,
                "cases": [case for case, _ in about],
                "papers": [
                    (case.id, repairs[touch.stands.proven])
                    for case, touch in about
                    if touch.stands.proven is not None
                ],
            }
        )
    return found


def dataset_proof(home: Home, subject: Subject, asked: Asked) -> Sent:
    """Hand over the proof that one chat is, or is not, in a dataset; giving it out is logged."""
    held = own_chat(home, subject, asked.form.get("chat", ""))
    wanted = asked.params["dataset"]
    known: dict[DatasetId, Manifest] = {one.dataset: one for one in home.datasets().known()}
    if wanted not in known:
        raise NotFound("dataset_unknown", "there is no such dataset")
    data = home.datasets().prove(wanted, held, subject)
    return Sent(data=data, name=f"{wanted}-{held.id}.json", media_type="application/json")


def _accesses(home: Home, subject: Subject) -> list[Access]:
    """Return the newest accesses that concerned a person, oldest of them first."""
    register = DatasetRegister(home.folder / "datasets", home.main)
    builds = {use.manifest.log.intent: use.dataset for use in register.uses(subject)}
    leaves = home.own_copy.leaves.of_subject(subject.number)[-NEWEST:]
    bulk = home.own_copy.leaves.bulk_of_subject(subject.number)[-NEWEST:]
    return accesses_of(home.owned_log(), subject.id, leaves, builds, bulk)


def _row(access: Access) -> dict[str, object]:
    facts = access.facts()
    duration = facts["duration_ms"]
    return {
        **facts,
        "when": access.entry.at,
        "seconds": None if not isinstance(duration, int) else -(-duration // 1000),
        "index": access.log_index,
        "dataset": access.dataset,
        "said": "build_only" if (facts["action"], facts["what"]) == _OPENED else facts["action"],
    }
