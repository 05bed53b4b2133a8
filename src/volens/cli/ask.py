"""``volens ask``: may this be used, and why or why not. Needs no lock and changes nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from volens.cli.commands import Session, command, new_group
from volens.cli.failures import DENIED
from volens.cli.homes import find_target, read_home
from volens.cli.output import BAD, DIM, GOOD, Answer, indented, line
from volens.cli.policies import named_policy
from volens.cli.words import NEXT, reason_words
from volens.core.canonical import Json
from volens.core.time import FAR_FUTURE, format_moment
from volens.gate.facts import Use
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
    dataset: Annotated[
        str, typer.Option(help="The dataset's name, for a yes that names one.")
    ] = "",
    run: Annotated[str, typer.Option(help="The training run's name, likewise.")] = "",
    partner: Annotated[str, typer.Option(help="The partner's name, likewise.")] = "",
) -> Answer:
    """Say whether a use is permitted, with every reason. Exit code 3 means no."""
    with read_home(session) as home:
        subject, held = find_target(home, target)
        chosen = named_policy(home.folder, home.policy, policy) if policy else home.policy
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
        "policy": {
            "name": chosen.ref.name,
            "version": chosen.ref.version,
            "sha256": chosen.ref.hash,
        },
        "valid_until": format_moment(decision.valid_until) if ends else None,
    }
    word = "Yes" if decision.permit else "No"
    what = held.id if held else subject.id
    verb = "may" if decision.permit else "may not"
    shown = [
        line(f"{word}: {what} {verb} be used for {purpose}.", GOOD if decision.permit else BAD),
        *(
            indented(line(f"because {reason_words(reason)} ({reason})"))
            for reason in decision.reasons
        ),
        *(indented(line(f"rule {rule.id}: {say(rule.text, 'en')}", DIM)) for rule in rules),
    ]
    steps = [NEXT[reason] for reason in decision.reasons if reason in NEXT]
    values = {"subject": subject.id, "purpose": purpose, "plan": subject.plan}
    shown += [line(f"Next: {step.format(**values)}", DIM) for step in steps[:1]]
    under = f"Policy {chosen.ref.name} {chosen.ref.version}"
    until = f"; holds until {format_moment(decision.valid_until)} at most" if ends else ""
    shown.append(line(f"{under}{until}.", DIM))
    return Answer(document=document, shown=tuple(shown), code=0 if decision.permit else DENIED)
