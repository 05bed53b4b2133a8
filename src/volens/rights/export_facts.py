"""What the home knows of a person besides what they said, as the small parts of an export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from volens.consent.model import GrantState, encode_event
from volens.consent.store import ConsentLedger, Recorded
from volens.core.canonical import Json, read_canonical
from volens.core.errors import NotFound
from volens.core.ids import SubjectId
from volens.core.time import format_moment
from volens.holds.erasure import Erasure, ErasureState
from volens.holds.model import Hold
from volens.holds.reports import Report
from volens.policy.decision import Policy
from volens.policy.explain import explain_text, prohibitions
from volens.policy.wording import say
from volens.rights.disclosures import DatasetDisclosure, DatasetUse
from volens.vault.subjects import Subject


class HoldsView(Protocol):
    """Tells which holds a person may know of."""

    def visible_to_subject(self, subject: SubjectId, at: datetime) -> Sequence[Hold]:
        """Return the person's holds, but for those whose gag has not ended at `at`."""
        ...


class ErasuresView(Protocol):
    """Tells a person's erasures."""

    def of_subject(self, subject: SubjectId) -> Sequence[Erasure]:
        """Return them, oldest first."""
        ...


class NothingHeld:
    """A home without holds and erasures."""

    def visible_to_subject(self, subject: SubjectId, at: datetime) -> Sequence[Hold]:
        """Return none."""
        del subject, at
        return ()

    def of_subject(self, subject: SubjectId) -> Sequence[Erasure]:
        """Return none."""
        del subject
        return ()


def _no_papers(subject: Subject) -> Iterable[tuple[str, bytes]]:
    del subject
    return ()


def _no_gag(subject: Subject) -> frozenset[int]:
    del subject
    return frozenset()


def _nothing(subject: Subject) -> Sequence[Mapping[str, Json]]:
    del subject
    return ()


_NOTHING = NothingHeld()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What other rooms add to an export; a home without one of them adds nothing."""

    holds: HoldsView = _NOTHING
    erasures: ErasuresView = _NOTHING
    requests: Callable[[Subject], Sequence[Mapping[str, Json]]] = _nothing
    """The person's rights requests, as documents."""
    models: Callable[[Subject], Sequence[Mapping[str, Json]]] = _nothing
    """The models that the person's chats are or were in."""
    impact: Callable[[Subject], Sequence[Mapping[str, Json]]] = _nothing
    """The impact cases of the person."""
    papers: Callable[[Subject], Iterable[tuple[str, bytes]]] = _no_papers
    """(file name, bytes) of erasure receipts and the like; they go into the folder `papers`."""
    gagged: Callable[[Subject], frozenset[int]] = _no_gag
    """Log indexes of accesses that the person may not be told of yet (R30)."""


def account_facts(
    subject: Subject, reference: str, policy: Policy, language: str
) -> dict[str, Json]:
    """Return the account, and the law that applies to it and why."""
    plan = policy.pack.plans.get(subject.plan)
    profile = policy.pack.regions.get(subject.region)
    default = None if plan is None else plan.default_tier.value
    return {
        "subject": subject.id,
        "name": reference,
        "plan": subject.plan,
        "tier": default if subject.tier is None else subject.tier.value,
        "tier_from": "plan" if subject.tier is None else "account",
        "region": subject.region.value,
        "realm": subject.realm.value,
        "age_band": subject.age_band.value,
        "organisation": subject.organisation,
        "status": subject.status.value,
        "created": format_moment(subject.created),
        "law": None
        if profile is None
        else {
            "profile": say(profile.label, language),
            "because": f"the account's region is {subject.region.value}",
            "requirements": [*profile.requirements],
            "deadlines_days": dict(profile.deadlines_days),
            "reviewed_on": profile.reviewed_on or None,
        },
    }


def policy_facts(subject: Subject, policy: Policy, language: str) -> dict[str, Json]:
    """Return the policy in force and what it means for this account, in plain words."""
    texts: list[str] = []
    for word in (subject.plan, None if subject.tier is None else subject.tier.value):
        try:
            texts += [] if word is None else [explain_text(policy, word, language)]
        except NotFound:
            continue  # a plan that the policy does not know: nothing is permitted for it
    return {
        "name": policy.ref.name,
        "version": policy.ref.version,
        "sha256": policy.ref.hash,
        "effective_from": format_moment(policy.pack.effective_from),
        "language": language,
        "texts": [*texts] or ["\n".join(prohibitions(policy, language))],
    }


def choice_facts(ledger: ConsentLedger, subject: SubjectId, at: datetime) -> dict[str, Json]:
    """Return what a person's choices add up to at `at`."""
    return {
        purpose.value: {
            "status": state.status_at(at).value,
            "objected": state.objected,
            "grants": [_grant(grant, at) for grant in state.grants],
        }
        for purpose, state in sorted(ledger.states(subject).items())
    }


def consent_row(recorded: Recorded) -> dict[str, Json]:
    """Return one choice as a row."""
    event, notice = recorded.event, recorded.event.notice
    return {
        "at": format_moment(event.at),
        "purpose": event.purpose.value,
        "act": event.act.value,
        "scope": event.scope.kind.value,
        "target": event.scope.target,
        "notice": None if notice is None else notice.id,
        "notice_language": None if notice is None else notice.language,
        "notice_sha256": None if notice is None else notice.sha256,
        "expires": None if event.expires is None else format_moment(event.expires),
        "channel": event.channel,
        "event": event.id,
        "log_index": recorded.log_index,
    }


def consent_document(recorded: Recorded) -> Json:
    """Return one choice as the ledger keeps it."""
    return {"log_index": recorded.log_index, "event": read_canonical(encode_event(recorded.event))}


def dataset_facts(use: DatasetUse) -> dict[str, Json]:
    """Return one dataset that holds conversations of the person."""
    manifest = use.manifest
    return {
        "dataset": manifest.dataset,
        "created": format_moment(manifest.created),
        "purpose": manifest.purpose.value,
        "form": manifest.format.value,
        "in_the_clear": manifest.discloses,
        "redaction": manifest.redaction,
        "policy": f"{manifest.policy.name} {manifest.policy.version}",
        "intent": manifest.log.intent,
        "conversations": [*use.conversations],
    }


def disclosure_facts(disclosure: DatasetDisclosure) -> dict[str, Json]:
    """Return one line of the register of disclosures."""
    return {
        "at": format_moment(disclosure.at),
        "recipient": disclosure.recipient,
        "dataset": disclosure.dataset,
        "purpose": disclosure.purpose.value,
        "form": disclosure.form,
        "conversations": disclosure.conversations,
    }


def hold_facts(hold: Hold) -> dict[str, Json]:
    """Return one hold as its person may see it."""
    return {
        "hold": hold.id,
        "class": hold.hold_class.value,
        "authority": hold.authority,
        "placed": format_moment(hold.placed),
        "until": format_moment(hold.until),
        "released": _moment(hold.released),
        "conversations": [*hold.conversations],
    }


def erasure_facts(erasure: Erasure) -> dict[str, Json]:
    """Return one erasure: what was asked, what is promised, how far it has come.

    A hold that the person may not be told of does not show in the state either.
    """
    gagged = erasure.state is ErasureState.HELD and erasure.held_until is None
    state = ErasureState.ACCESS_ENDED if gagged else erasure.state
    return {
        "erasure": erasure.id,
        "scope": erasure.scope.value,
        "cause": erasure.cause.value,
        "state": state.value,
        "requested": format_moment(erasure.requested),
        "promised_by": format_moment(erasure.promised_by),
        "access_ended": _moment(erasure.access_ended),
        "keys_removed": _moment(erasure.keys_removed),
        "irrecoverable": _moment(erasure.irrecoverable),
        "cancelled": _moment(erasure.cancelled),
        "held_until": _moment(erasure.held_until),
    }


def report_facts(report: Report) -> dict[str, Json]:
    """Return one thing that the person reported."""
    return {
        "report": report.number,
        "at": format_moment(report.at),
        "conversation": report.conversation,
        "turn": report.turn,
        "because": report.because.value,
        "log_index": report.log_index,
    }


def _grant(grant: GrantState, at: datetime) -> Json:
    return {
        "scope": grant.scope.kind.value,
        "target": grant.scope.target,
        "status": grant.status_at(at).value,
        "since": format_moment(grant.since),
        "expires": _moment(grant.expires),
        "notice_sha256": None if grant.notice is None else grant.notice.sha256,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_moment(moment)
