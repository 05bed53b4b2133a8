"""``volens revise``: a new version of a dataset, without what may not be used any more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.cli.build import built_answer, terms_of
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import write_home
from volens.cli.output import Answer, line
from volens.core.errors import InvalidInput
from volens.datasets.redaction.names import SpacyNames
from volens.datasets.redaction.profiles import profile_named
from volens.datasets.revising import lost, old_version
from volens.gate.facts import Use

GROUP = new_group("Build a new version of a dataset, without what may not be used any more.")


@command(GROUP, "revise", writes=True)
def revise(
    session: Session,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="The old one: its id, or its folder.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder that does not exist yet.")
    ] = None,
    name: Annotated[str, typer.Option(help="Its name, for a yes that names a dataset.")] = "",
    run: Annotated[str, typer.Option(help="The training run's name, likewise.")] = "",
    partner: Annotated[str, typer.Option(help="The partner's name, likewise.")] = "",
    recipient: Annotated[
        str, typer.Option(help="Who gets a copy in the clear; as before, if not said.")
    ] = "",
    name_model: Annotated[
        str, typer.Option(help="An installed spaCy pipeline that finds names, as before.")
    ] = "",
) -> Answer:
    """Build a new version of a dataset: what is in it and may still be used, and nothing else.

    It has the old one's purpose, form and redaction, and names the old one. Whoever holds a copy of
    the old one in the clear puts the new one in its place.
    """
    if out is None and not session.dry_run:
        raise InvalidInput("out_missing", "no folder was given", hint="say where with --out DIR")
    if out is not None and out.exists():
        hint = "choose another --out"
        raise InvalidInput("out_exists", f"{out} is there already", hint=hint)
    names = SpacyNames(name_model) if name_model else None
    with write_home(session) as home:
        kept = home.folder / "datasets"
        old = old_version(kept, dataset)
        terms = terms_of(old.format, recipient or old.recipient, old)
        use = Use(purpose=old.purpose.value, dataset=name, run=run, partner=partner)
        if session.dry_run:
            gone = lost(home.gate, kept, old, use)
            text = f"would leave out {gone:,} of {old.counts.records:,} conversations"
            return Answer(
                document={"dry_run": True, "revises": old.dataset, "left_out": gone},
                shown=(line(text),),
            )
        assert out is not None
        with session.output.progress("building") as tell:
            result = home.datasets().build(
                use,
                out,
                form=old.format,
                profile=profile_named(old.redaction),
                names=names,
                terms=terms,
                on_progress=tell,
            )
    return built_answer(result)
