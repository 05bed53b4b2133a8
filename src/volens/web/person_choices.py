"""The overview and the choices: one purpose each, shown with what it does, asked on its notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Final

from volens.app.history import history_switch, set_history
from volens.app.home import Home
from volens.app.lineage import models_with
from volens.consent.model import (
    NEGATIVE_ACTS,
    NOTHING_SAID,
    Act,
    ConsentEvent,
    NoticeRef,
    PurposeState,
)
from volens.consent.receipts import issue_receipt
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import ConsentStatus, Purpose
from volens.datasets.redaction.profiles import DEFAULT_PROFILE
from volens.datasets.redaction.redactor import Redactor
from volens.datasets.screening import screen
from volens.gate.facts import Use, known_purpose
from volens.log.kinds import AccessAction, ErasureScope
from volens.policy.explain import need_text, terms
from volens.policy.needs import need
from volens.policy.pack import Cell, LegalBasis, Notice
from volens.policy.wording import say
from volens.rights.disclosures import DatasetRegister, DatasetUse
from volens.training.lineage import Standing
from volens.vault.listing import count_of, page_of
from volens.vault.subjects import Subject
from volens.web.person_frame import Asked, Sent, Values

CHANNEL: Final = "web"
_PREVIEW_TURNS: Final = 4
_PREVIEW_CHARACTERS: Final = 320
_TRIED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One choice as its row shows it."""

    purpose: Purpose
    label: str
    description: str
    status: ConsentStatus
    since: datetime | None
    needs: str
    offered: bool
    """Whether the person can be asked for it on the page."""
    waits: bool
    """Whether its safeguard does not exist yet."""
    objection: bool = False
    """A choice to object, not to say yes."""
    objected: bool = False

    @property
    def on(self) -> bool:
        """Say whether the yes stands."""
        return self.status is ConsentStatus.GRANTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The beginning of one of the person's own chats, as a dataset would hold it."""

    turns: Sequence[tuple[str, str]] = field(repr=False)
    removed: int
    day: datetime


def overview(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at the four settings, and at what is going on."""
    choices = choices_of(home, subject, asked.words.language)
    trained = [one for one in choices if one.on and home.policy.pack.purposes[one.purpose].weights]
    erasures = home.erasures.of_subject(subject.id)
    return {
        "chats": count_of(home.main, subject),
        "history": history_switch(home, subject),
        "trained": trained,
        "yes": sum(one.on for one in choices),
        "erasures": [one for one in erasures if one.is_open],
        "leaving": any(one.is_open and one.scope is ErasureScope.ACCOUNT for one in erasures),
        "plan": say(home.policy.pack.plans[subject.plan].label, asked.words.language)
        if subject.plan in home.policy.pack.plans
        else subject.plan,
        "done": asked.query.get("done", ""),
    }


def switch_history(home: Home, subject: Subject, asked: Asked) -> str:
    """Switch the history on or off."""
    on = asked.form.get("history")
    if on not in {"on", "off"}:
        raise InvalidInput("word_unknown", "history is on or off")
    set_history(home, subject, on == "on", channel=CHANNEL)
    return f"/me?done=history-{on}"


def choices_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at all choices."""
    language = asked.words.language
    found = choices_of(home, subject, language)
    return {
        "asked_for": [one for one in found if one.offered],
        "by_name": [one for one in found if not one.offered and not one.objection],
        "objections": [one for one in found if one.objection],
        "terms": list(terms(home.policy, language).values()),
        "done": asked.query.get("done", ""),
    }


def choices_of(home: Home, subject: Subject, language: str) -> list[Choice]:
    """Return what the person can say yes to, or object to, under the policy in force."""
    pack = home.policy.pack
    states, now = home.ledger.states(subject.id), home.clock.now()
    plan = pack.plans.get(subject.plan)
    tier = subject.tier or (plan.default_tier if plan else None)
    found = []
    for purpose, info in pack.purposes.items():
        state = states.get(purpose, NOTHING_SAID)
        needed = None if tier is None else _need(home.policy, purpose, tier)
        consent = info.legal_basis is LegalBasis.CONSENT
        cell = Cell.NEVER if needed is None else needed.cell
        objection = info.legal_basis is LegalBasis.LEGITIMATE_INTEREST and cell in {
            Cell.BASIS,
            Cell.BASIS_INSIDE,
        }
        if not (consent or objection or cell in {Cell.GRANT, Cell.NAMED_GRANT}):
            continue
        found.append(
            Choice(
                purpose=purpose,
                label=say(info.label, language),
                description=say(info.description, language),
                status=state.status_at(now),
                since=_since(state),
                needs="" if needed is None else need_text(needed, language),
                offered=cell is Cell.GRANT and bool(notices_of(home, purpose)),
                waits=bool(needed and needed.waits),
                objection=objection,
                objected=state.objected,
            )
        )
    return found


def _since(state: PurposeState) -> datetime | None:
    return max((grant.since for grant in state.grants), default=None)


def notices_of(home: Home, purpose: Purpose) -> list[Notice]:
    """Return the notices about a purpose, in every language there is one in."""
    return [one for one in home.policy.pack.notices if purpose in one.purposes]


def choice_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at one choice: what it means, its notice, and what it would use."""
    home.ledger.drain()  # what was taken back beside gets its receipt
    purpose, choice = _choice(home, subject, asked)
    notice = _notice(home, purpose, asked.words.language)
    info = home.policy.pack.purposes[purpose]
    preview = None if choice.on or not choice.offered else preview_of(home, subject)
    decision = home.gate.decide(subject, Use(purpose=purpose.value))
    uses = [one for one in uses_of(home, subject) if one.manifest.purpose is purpose]
    receipt = next(
        (one for one in reversed(home.ledger.history(subject.id)) if one.event.purpose is purpose),
        None,
    )
    done = asked.query.get("done", "")
    return {
        "choice": choice,
        "notice": notice,
        "preview": preview,
        "permitted": decision.permit,
        "reasons": [reason.value for reason in decision.reasons],
        "weights": info.weights,
        "uses": uses,
        "event": None if receipt is None else receipt.event,
        "chats": count_of(home.main, subject),
        "done": done,
        "stopped": _stopped(home, subject) if done in {"withdraw", "object"} else 0,
        "terms": terms(home.policy, asked.words.language),
    }


def _stopped(home: Home, subject: Subject) -> int:
    """Return how many models are given out no more because of the person."""
    return sum(one.standing is Standing.BLOCKED for one in models_with(home, subject))


def answer(home: Home, subject: Subject, asked: Asked) -> str:
    """Record a yes, a no, a withdrawal, an objection or its end."""
    purpose, choice = _choice(home, subject, asked)
    word = asked.form.get("answer", "")
    there = f"/me/choices/{purpose.value}"
    if word in {"no", "keep"}:
        return f"{there}?done={word}"  # saying nothing is a no already: it is recorded nowhere
    if word == "yes":
        notice = _notice(home, purpose, asked.words.language)
        if not choice.offered or notice is None:
            raise Denied("not_offered", "this can't be said yes to here")
        if asked.form.get("notice") != notice.hash:
            hint = "read it again"
            raise InvalidInput("notice_changed", "the notice is another one now", hint=hint)
        ref = NoticeRef(id=notice.id, language=notice.language, sha256=notice.hash)
        _record(home, subject, purpose, Act.GRANT, ref)
        return f"{there}?done=yes"
    acts = {"withdraw": Act.WITHDRAW, "object": Act.OBJECT, "lift": Act.LIFT_OBJECTION}
    if word not in acts or (word != "withdraw" and not choice.objection):
        raise InvalidInput("word_unknown", "the answer is yes, no or withdraw")
    _record(home, subject, purpose, acts[word])
    return f"{there}?done={word}"


def consent_receipt(home: Home, subject: Subject, asked: Asked) -> Sent:
    """Hand over the signed receipt of one of the person's choices."""
    wanted = asked.params["event"]
    found = [one for one in home.ledger.history(subject.id) if one.event.id == wanted]
    if not found:
        raise NotFound("no_choice", "there is no such choice of yours")
    log = home.owned_log()
    log.publish()
    data = issue_receipt(
        found[-1],
        entry=log.entry(found[-1].log_index),
        proof=log.prove(found[-1].log_index),
        signer=home.signer,
    )
    return Sent(data=data, name=f"{wanted}.receipt.json", media_type="application/json")


def preview_of(home: Home, subject: Subject) -> Preview | None:
    """Open one of the person's newest chats for them, and leave out what a dataset leaves out.

    One logged access; None if there is no chat that would become a record.
    """
    newest = page_of(home.main, subject, limit=_TRIED)
    if not newest:
        return None
    with home.own_copy.begin(subject, among=newest, action=AccessAction.PREVIEW) as reading:
        for one in sorted(reading.conversations(), key=lambda each: -each.held.number):
            kept = screen(one.payload.turns, attachments=one.payload.attachments).turns
            if not kept:
                continue
            some = kept[:_PREVIEW_TURNS]
            texts, removed = _redactor().redact_many([text for _, text in some])
            turns = [(role, _short(text)) for (role, _), text in zip(some, texts, strict=True)]
            return Preview(turns=turns, removed=sum(removed.values()), day=one.held.captured)
    return None


def uses_of(home: Home, subject: Subject) -> list[DatasetUse]:
    """Return the datasets that hold something of the person, newest first."""
    register = DatasetRegister(home.folder / "datasets", home.main)
    return sorted(register.uses(subject), key=lambda use: use.manifest.created, reverse=True)


def _choice(home: Home, subject: Subject, asked: Asked) -> tuple[Purpose, Choice]:
    try:
        purpose = known_purpose(asked.params["purpose"])
    except (Denied, InvalidInput):
        raise NotFound("purpose_unknown", "there is no such choice") from None
    for one in choices_of(home, subject, asked.words.language):
        if one.purpose is purpose:
            return purpose, one
    raise NotFound("purpose_unknown", "there is no such choice")


def _notice(home: Home, purpose: Purpose, language: str) -> Notice | None:
    """Return the notice in a language, or in English if there is none in it."""
    about = {one.language: one for one in notices_of(home, purpose)}
    return about.get(language) or about.get("en")


def _record(
    home: Home, subject: Subject, purpose: Purpose, act: Act, notice: NoticeRef | None = None
) -> None:
    event = ConsentEvent(
        id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
        subject=subject.id,
        purpose=purpose,
        act=act,
        at=home.clock.now(),
        notice=notice,
        channel=CHANNEL,
    )
    if act in NEGATIVE_ACTS:
        home.ledger.journal(event)  # it holds now; beside its owner, the log gets it a little later
        if home.log is not None:
            home.ledger.drain()
    else:
        home.ledger.record([event])


_need = lru_cache(maxsize=256)(need)


@cache
def _redactor() -> Redactor:
    return Redactor(DEFAULT_PROFILE)


def _short(text: str) -> str:
    return text if len(text) <= _PREVIEW_CHARACTERS else f"{text[:_PREVIEW_CHARACTERS]}…"
