"""The rules in plain language, their versions, what is held field by field, whose law counts."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from volens.app.home import Home
from volens.app.policies import history
from volens.app.rights import request_store, rights_desk
from volens.app.safety import safety_of
from volens.audit.inventory import held_of
from volens.core.errors import InvalidInput, NotFound
from volens.core.purposes import Purpose
from volens.gate.facts import known_purpose
from volens.log.kinds import ErasureScope, KeepAnswer, RequestKind
from volens.policy.diff import diff_packs, diff_text
from volens.policy.explain import (
    explain_text,
    matrix_table,
    plan_table,
    prohibitions,
    promises,
    stage_table,
    terms,
)
from volens.policy.pack import LegalBasis, Pack
from volens.policy.packs import load_pack
from volens.policy.wording import say
from volens.rights.effects import Wish
from volens.rights.requests import About, Channel, VerifiedBy
from volens.vault.subjects import Subject
from volens.web.person_frame import Asked, Values

OFFERED: Final = (
    RequestKind.ACCESS,
    RequestKind.PORTABILITY,
    RequestKind.RECTIFICATION,
    RequestKind.RESTRICTION,
    RequestKind.OBJECTION,
    RequestKind.DO_NOT_SELL,
)
"""What is asked for on the page of rights; deleting has pages of its own."""


def policy_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at the rules in force, as they are for this person."""
    language = asked.words.language
    policy = home.policy
    known = subject.plan in policy.pack.plans
    text = _explained(policy, subject.plan, language) if known else ""
    desk = rights_desk(home)
    until = desk.deadline(RequestKind.ACCESS, subject.region)
    profiles = policy.pack.regions
    return {
        "pack": policy.pack,
        "label": say(policy.pack.label, language),
        "paragraphs": _paragraphs(text),
        "plan": say(policy.pack.plans[subject.plan].label, language) if known else "",
        "promises": promises(policy, subject.plan, language),
        "plans": _plan_table(policy, language),
        "matrix": _matrix_table(policy, language),
        "stages": _stage_table(policy, language),
        "terms": list(terms(policy, language).values()),
        "never": _prohibitions(policy, language),
        "extra": _other_tables(policy.pack, language),
        "until": until,
        "regions": [
            (
                one.why,
                one.region.value,
                profiles.get(one.region),
                say(profiles[one.region].label, language) if one.region in profiles else "",
            )
            for one in until.applies
        ],
        "versions": list(reversed(history(home.main))),
    }


def versions_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at every version that was in force, and at what one changed."""
    del subject
    found = history(home.main)
    wanted = asked.query.get("version", "")
    places = [index for index, one in enumerate(found) if one.version == wanted]
    lines: list[str] = []
    before = None
    if wanted and not places:
        raise NotFound("policy_unknown", "no such version was in force")
    if places and places[-1] > 0:
        before = found[places[-1] - 1]
        old, new = (
            load_pack(home.folder / "policy" / f"{one.name}@{one.version}")
            for one in (before, found[places[-1]])
        )
        lines = diff_text(diff_packs(old, new), old, new).splitlines()
    return {
        "versions": list(reversed(found)),
        "wanted": wanted,
        "before": before,
        "lines": [line for line in lines if line.strip()],
    }


def fields_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at every field that holds something of the person."""
    del asked
    holder = subject.holder
    shares = held_of(home.main, home.keys_database, number=holder.number, raw=holder.raw)
    return {
        "shares": [one for one in shares if one.count],
        "nothing": [one.table for one in shares if not one.count],
    }


def rights_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at the person's requests, and at what can be asked for."""
    desk = rights_desk(home)
    found = list(reversed(request_store(home).of_subject(subject)))
    return {
        "requests": found,
        "now": home.clock.now(),
        "kinds": [(kind.value, desk.deadline(kind, subject.region).due) for kind in OFFERED],
        "abouts": [one.value for one in About if one.value],
        "objections": [
            (purpose.value, say(info.label, asked.words.language))
            for purpose, info in home.policy.pack.purposes.items()
            if info.legal_basis is LegalBasis.LEGITIMATE_INTEREST
        ],
        "done": asked.query.get("done", ""),
    }


def open_request(home: Home, subject: Subject, asked: Asked) -> str:
    """Take up a request of the person; what can be done at once is done at once."""
    try:
        kind = RequestKind(asked.form.get("kind", ""))
    except ValueError:
        kind = RequestKind.ERASURE
    if kind not in OFFERED:
        raise InvalidInput("word_unknown", "there is no such request")
    about = About.NOTHING
    purposes: tuple[Purpose, ...] = ()
    if kind is RequestKind.RECTIFICATION:
        word = asked.form.get("about", "")
        if word not in set(About):
            raise InvalidInput("word_unknown", "say what is to be corrected")
        about = About(word)
    if kind is RequestKind.OBJECTION and asked.form.get("purpose"):
        purposes = (known_purpose(asked.form["purpose"]),)
    wish = Wish(kind=kind, about=about, purposes=purposes, scope=ErasureScope.ACCOUNT)
    rights_desk(home).open(subject, wish, channel=Channel.WEB, verified_by=VerifiedBy.SIGNED_IN)
    return "/me/rights?done=asked"


def withdraw_request(home: Home, subject: Subject, asked: Asked) -> str:
    """Take a request back."""
    found = request_store(home).find(asked.params["request"], of=subject)
    rights_desk(home).take_back(found.id)
    return "/me/rights?done=back"


# Worked out once for each version of the rules: it takes many questions to them.
_explained = lru_cache(maxsize=64)(explain_text)
_plan_table = lru_cache(maxsize=8)(plan_table)
_matrix_table = lru_cache(maxsize=8)(matrix_table)
_stage_table = lru_cache(maxsize=8)(stage_table)
_prohibitions = lru_cache(maxsize=8)(prohibitions)


def _paragraphs(text: str) -> list[tuple[str, list[str]]]:
    """Return the parts of an explanation: a line, and the list under it."""
    parts: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("- ") and parts:
            parts[-1][1].append(line[2:])
        elif line:
            parts.append((line, []))
    return parts


def _other_tables(pack: Pack, language: str) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return the pack's tables that have no page of their own yet, with their own words (R97)."""
    found = []
    for name in ("retention", "roles", "exceptions"):
        rows = pack.tables.get(name, ())
        if not rows:
            continue
        keys = [key for key in rows[0].values if key != "row"]
        found.append(
            (
                name,
                keys,
                [
                    [
                        say(row.label, language),
                        *(_cell(row.values.get(key), language) for key in keys),
                    ]
                    for row in rows
                ],
            )
        )
    return found


def _cell(value: object, language: str) -> str:
    if isinstance(value, bool):
        return "✓" if value else "-"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(value)
    return say(value, language) if isinstance(value, dict) else ""


def holds_page(home: Home, subject: Subject, asked: Asked) -> Values:
    """Look at what is kept for a reason of law or safety, as far as the person may know."""
    now = home.clock.now()
    found = home.holds.visible_to_subject(subject.id, now)
    return {
        "holds": list(reversed(found)),
        "notices": list(reversed(safety_of(home).notices.of_subject(subject))),
        "now": now,
        "done": asked.query.get("done", ""),
    }


def answer_notice(home: Home, subject: Subject, asked: Asked) -> str:
    """Take the person's answer: what an exception brought up is kept for a time, or erased now."""
    words = {"keep": KeepAnswer.KEEP, "erase": KeepAnswer.ERASE}
    answer = words.get(asked.form.get("answer", ""))
    if answer is None:
        raise InvalidInput("word_unknown", "the answer is keep or erase")
    safety_of(home).notices.answer(subject, asked.params["case"], answer, home.clock.now())
    return f"/me/holds?done={'kept' if answer is KeepAnswer.KEEP else 'erased'}"
