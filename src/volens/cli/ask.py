"""``volens ask``: may this be used, and why or why not. Needs no lock and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.app.home import Home
from volens.cli.commands import Session, command, new_group
from volens.cli.failures import DENIED
from volens.cli.homes import find_target, read_home
from volens.cli.output import BAD, DIM, GOOD, Answer, indented, line
from volens.cli.words import NEXT, reason_words
from volens.core.canonical import Json
from volens.core.time import FAR_FUTURE, format_moment
from volens.gate.facts import Use
from volens.policy.decision import Policy
from volens.policy.packs import list_packs, load_pack
from volens.policy.wording import say

GROUP = new_group("May this be used, and why or why not?")


@command(GROUP, "ask")
def ask(
    session: Session,
    target: Annotated[
        str, typer.Argument(metavar="WHOM", help="A person, or a conversation's id (cnv_...).")
    ],
    purpose: Annotated[str, typer.Argument(metavar="PURPOSE", help="What for.")],
    policy: Annotated[
        str | None,
        typer.Option(help="Replay under another version: VERSION, NAME@VERSION or a folder."),
    ] = None,
    dataset: Annotated[str, typer.Option(help="The dataset's name, for a yes that names one.")] = "",
    run: Annotated[str, typer.Option(help="The training run's name, likewise.")] = "",
    partner: Annotated[str, typer.Option(help="The partner's name, likewise.")] = "",
) -> Answer:
    """Say whether a use is permitted, with every reason. Exit code 3 means no."""
    with read_home(session) as home:
        subject, held = find_target(home, target)
        chosen = find_policy(home, policy) if policy else home.policy
        use = Use(purpose=purpose, dataset=dataset, run=run, partner=partner)
        decision = home.gate.decide(subject, use, held, chosen)
    ends = decision.valid_until < FAR_FUTURE
    rules = [chosen.pack.rules[name] for name in decision.rules if name in chosen.pack.rules]
    document: dict[str, Json] = {
        "permit": decision.permit,
        "reasons": [reason.value for reason in decision.reasons],
        "rules": list(decision.rules),
        "subject": subject.id,
        "conversation": held.id if held else None,
        "purpose": purpose,
        "policy": {"name": chosen.ref.name, "version": chosen.ref.version, "sha256": chosen.ref.hash},
        "valid_until": format_moment(decision.valid_until) if ends else None,
    }
    word = "Yes" if decision.permit else "No"
    what = held.id if held else subject.id
    verb = "may" if decision.permit else "may not"
    shown = [
        line(f"{word}: {what} {verb} be used for {purpose}.", GOOD if decision.permit else BAD),
        *(indented(line(f"because {reason_words(reason)} ({reason})")) for reason in decision.reasons),
        *(indented(line(f"rule {rule.id}: {say(rule.text, 'en')}", DIM)) for rule in rules),
    ]
    steps = [NEXT[reason] for reason in decision.reasons if reason in NEXT]
    values = {"subject": subject.id, "purpose": purpose, "plan": subject.plan}
    shown += [line(f"Next: {step.format(**values)}", DIM) for step in steps[:1]]
    under = f"Policy {chosen.ref.name} {chosen.ref.version}"
    until = f"; holds until {format_moment(decision.valid_until)} at most" if ends else ""
    shown.append(line(f"{under}{until}.", DIM))
    return Answer(document=document, shown=tuple(shown), code=0 if decision.permit else DENIED)


def find_policy(home: Home, name: str) -> Policy:
    """Return the policy that a word names: the home's own copy first, else a shipped pack.

    Raises:
        NotFound: ``pack_unknown``.
    """
    if Path(name).is_dir():
        return Policy(load_pack(Path(name)))
    base, _, version = name.partition("@")
    if not version:
        own = home.policy.pack.name
        base, version = (own, name) if not _is_pack(name) else (name, "")
    kept = home.folder / "policy" / f"{base}@{version}"
    if version and "/" not in version and kept.is_dir():
        return Policy(load_pack(kept))
    return Policy(load_pack(base, version or None))


def _is_pack(name: str) -> bool:
    return any(item.name == name for item in list_packs())
