"""Policies, for the privacy officer: which was in force, what another would change, and for whom.

Nothing is put in force without its effect having been shown: the form that does it stands on the
page that shows the effect, and names the exact files by their hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.app.policies import InForce, activate, history, load_in_force
from volens.core.errors import InvalidInput, NotFound
from volens.core.purposes import Purpose
from volens.gate.effects import Effect, effects
from volens.policy.decision import Policy
from volens.policy.diff import diff_packs, diff_text
from volens.policy.pack import PackKind
from volens.policy.packs import PackListing, list_packs, load_pack
from volens.policy.wording import say
from volens.web.charts import Chart, Stack, stack_chart
from volens.web.console_frame import StaffPage, Visit
from volens.web.words import Words

_ROLES: Final = frozenset({Role.PRIVACY_OFFICER})
_READERS: Final = _ROLES | {Role.AUDITOR, Role.LEGAL_COUNSEL}
_PATH: Final = "/staff/policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Which policies were in force, and which are shipped."""

    history: tuple[InForce, ...]
    """The newest first; the first is in force."""
    shipped: tuple[PackListing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What another version would change."""

    before: str
    after: str
    """``NAME@VERSION``."""
    sha256: str
    effective_from: datetime
    lines: tuple[str, ...]
    people: int
    effects: tuple[Effect, ...]
    labels: dict[Purpose, str]
    obstacle: str
    """Why it can't be put in force now: ``in_force``, ``not_yet``, ``comparison``; or empty."""


def versions(home: Home) -> Versions:
    """Return them."""
    shipped = sorted(list_packs(), key=lambda one: (one.name, one.effective_from))
    return Versions(history=tuple(reversed(history(home.main))), shipped=tuple(shipped))


def named_listing(name: str) -> PackListing:
    """Return the shipped pack called ``NAME@VERSION``; nothing else is looked for anywhere.

    Raises:
        NotFound: ``pack_unknown``.
    """
    for one in list_packs():
        if f"{one.name}@{one.version}" == name:
            return one
    raise NotFound("pack_unknown", "no such version is shipped")


def compared(home: Home, name: str, language: str) -> Compared:
    """Return what `name` would change, in words and in people; nothing is changed.

    Raises:
        NotFound: ``pack_unknown``.
    """
    listing = named_listing(name)
    now = home.clock.now()
    before, pack = home.policy, load_pack(listing.name, listing.version)
    after = Policy(pack)
    obstacle = ""
    if pack.kind is not PackKind.ENFORCEABLE:
        obstacle = "comparison"
    elif pack.hash == before.ref.hash:
        obstacle = "in_force"
    elif pack.effective_from > now:
        obstacle = "not_yet"
    found: tuple[Effect, ...] = ()
    if not obstacle:
        home.ledger.drain()
        found = effects(home.facts, before, after, now)
    text = diff_text(diff_packs(before.pack, pack), before.pack, pack)
    return Compared(
        before=f"{before.ref.name} {before.ref.version}",
        after=name,
        sha256=pack.hash,
        effective_from=pack.effective_from,
        lines=tuple(text.splitlines()[2:]),
        people=home.subjects.count(),
        effects=found,
        labels={key: say(info.label, language) for key, info in pack.purposes.items()},
        obstacle=obstacle,
    )


def put_in_force(home: Home, name: str, sha256: str) -> None:
    """Put the version in force whose effect was shown.

    Raises:
        NotFound: ``pack_unknown``.
        InvalidInput: ``policy_changed`` if its files are others than those that were shown;
            ``not_yet_effective``; ``version_taken``.
    """
    listing = named_listing(name)
    if load_pack(listing.name, listing.version).hash != sha256:
        hint = "look at its effect again"
        raise InvalidInput("policy_changed", "these are not the files that were shown", hint=hint)
    activate(home.folder, home.main, home.recorder, name, at=home.clock.now())
    home.policy = home.gate.policy = load_in_force(home.folder, home.main)


def effect_chart(found: Compared, words: Words) -> Chart:
    """Draw how many conversations become usable and stop being so."""
    stacks, numbers = [], []
    for one in found.effects:
        said = words(
            "console.effect.said",
            gained=words.number(one.conversations_gained),
            lost=words.number(one.conversations_lost),
        )
        name = found.labels.get(one.purpose, one.purpose.value)
        parts = (one.conversations_gained, one.conversations_lost)
        stacks.append(Stack(name=name, parts=parts, said=said))
        cells = (
            one.people_gained,
            one.conversations_gained,
            one.people_lost,
            one.conversations_lost,
        )
        numbers.append(tuple(words.number(cell) for cell in cells))
    keys = ("people_gained", "chats_gained", "people_lost", "chats_lost")
    return stack_chart(
        words("console.effect.title"),
        stacks,
        [words("console.effect.gained"), words("console.effect.lost")],
        (words("console.purpose"), *(f"#{words(f'console.effect.{key}')}" for key in keys)),
        numbers=numbers,
    )


async def _list(visit: Visit) -> Response:
    found = await visit.run(versions)
    return visit.page("policy", {"found": found}, here="policy")


async def _compare(visit: Visit) -> Response:
    name = visit.query("to")
    found = await visit.run(lambda home: compared(home, name, visit.language))
    values = {
        "found": found,
        "chart_of_effect": effect_chart(found, visit.words),
        "may_activate": bool(_ROLES & visit.principal.roles) and not found.obstacle,
    }
    return visit.page("policy_compare", values, here="policy")


async def _activate(visit: Visit) -> Response:
    name, sha256 = visit.form.get("to", ""), visit.form.get("sha256", "")
    await visit.run(lambda home: put_in_force(home, name, sha256))
    return visit.done(_PATH, "activated")


PAGES: Final = (
    StaffPage(path="/policy", roles=_READERS, handler=_list, key="policy", group="privacy"),
    StaffPage(path="/policy/compare", roles=_READERS, handler=_compare),
    StaffPage(path="/policy/activate", roles=_ROLES, handler=_activate, act=True, step_up=True),
)
