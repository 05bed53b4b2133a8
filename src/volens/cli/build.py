"""``volens build``: a dataset of what may be used, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.cli.commands import Session, command, new_group
from volens.cli.homes import write_home
from volens.cli.output import DIM, GOOD, WARN, Answer, fields, line, table
from volens.cli.words import reason_words
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.datasets.build import BuildResult
from volens.datasets.manifest import Manifest
from volens.datasets.model import Format
from volens.datasets.redaction.names import SpacyNames
from volens.datasets.redaction.profiles import DEFAULT_PROFILE, Entity, profile_named
from volens.datasets.revising import Terms
from volens.gate.facts import Use

GROUP = new_group("Build a dataset of what may be used.")


@command(GROUP, "build", writes=True)
def build(
    session: Session,
    purpose: Annotated[str, typer.Argument(metavar="PURPOSE", help="What for.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder that does not exist yet.")
    ] = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="sealed keeps the keys at home; the others disclose."),
    ] = Format.SEALED,
    name: Annotated[str, typer.Option(help="Its name, for a yes that names a dataset.")] = "",
    run: Annotated[str, typer.Option(help="The training run's name, likewise.")] = "",
    partner: Annotated[str, typer.Option(help="The partner's name, likewise.")] = "",
    recipient: Annotated[
        str, typer.Option(help="Who gets a copy in the clear; everybody in it sees this name.")
    ] = "",
    redact: Annotated[
        str, typer.Option(help="none, contact, standard or strict; never replaces a yes.")
    ] = DEFAULT_PROFILE.name,
    name_model: Annotated[
        str, typer.Option(help="An installed spaCy pipeline that finds names; for strict.")
    ] = "",
) -> Answer:
    """Build a dataset of every conversation that may be used for a purpose now."""
    profile = profile_named(redact)
    if name_model and Entity.NAME not in profile.entities:
        hint = "use --redact strict, or leave --name-model away"
        raise InvalidInput("names_not_sought", f"{redact} does not look for names", hint=hint)
    names = SpacyNames(name_model) if name_model else None
    terms = terms_of(form, recipient)
    use = Use(purpose=purpose, dataset=name, run=run, partner=partner)
    if out is None and not session.dry_run:
        raise InvalidInput("out_missing", "no folder was given", hint="say where with --out DIR")
    if out is not None and out.exists():
        hint = "choose another --out"
        raise InvalidInput("out_exists", f"{out} is there already", hint=hint)
    with write_home(session) as home:
        if session.dry_run:
            permitted, excluded = home.gate.preview(use)
            counts = {reason.value: count for reason, count in excluded.items()}
            document: dict[str, Json] = {"dry_run": True, "records": permitted, "excluded": counts}
            text = f"would open {permitted:,} conversations for {purpose}, before screening"
            return Answer(document=document, shown=(line(text), *_left_out(counts)))
        assert out is not None
        with session.output.progress("building") as tell:
            result = home.datasets().build(
                use, out, form=form, profile=profile, names=names, terms=terms, on_progress=tell
            )
    return built_answer(result)


def terms_of(form: Format, recipient: str, revises: Manifest | None = None) -> Terms:
    """Return the terms of a dataset; a copy in the clear has to say who gets it.

    Raises:
        InvalidInput: ``recipient_missing``, ``recipient_needless`` or ``recipient_form``.
    """
    if form.discloses and not recipient:
        message = f"the form {form.value} is a copy in the clear, and nobody said who gets it"
        hint = "name them with --recipient; everybody whose chats are in it can see the name"
        raise InvalidInput("recipient_missing", message, hint=hint)
    if recipient and not form.discloses:
        hint = "leave --recipient away"
        raise InvalidInput("recipient_needless", "nobody gets a sealed dataset", hint=hint)
    return Terms(revises=revises, recipient=recipient)


def built_answer(result: BuildResult) -> Answer:
    """Say what was built."""
    manifest = result.manifest
    document: dict[str, Json] = {
        "dataset": result.dataset,
        "out": str(result.out),
        "purpose": manifest.purpose.value,
        "format": manifest.format.value,
        "disclosure": manifest.discloses,
        "records": manifest.counts.records,
        "turns": manifest.counts.turns,
        "excluded": dict(result.excluded),
        "redaction": manifest.redaction,
        "redacted": dict(result.redacted),
        "manifest_root": manifest.merkle_root.hex(),
        "log_checkpoint": result.checkpoint.decode("utf-8"),
        "attempts": result.attempts,
        "revises": manifest.revises,
        "recipient": manifest.recipient,
    }
    shown: list[RenderableType] = [
        line(f"Built {result.dataset}: {manifest.counts.records:,} conversations.", GOOD),
        fields(
            [
                ("folder", str(result.out)),
                ("form", manifest.format.value),
                ("root", manifest.merkle_root.hex()),
            ]
        ),
        *_left_out(result.excluded),
    ]
    if result.attempts > 1:
        shown.append(line("Somebody withdrew while it was built; it was built again without.", DIM))
    if manifest.revises is not None:
        shown.append(line(f"It is a new version of {manifest.revises}.", DIM))
    if manifest.discloses:
        text = (
            "This form can be read by whoever holds it: a disclosure, and logged as one. When "
            "somebody withdraws, every copy has to be found and corrected."
        )
        shown.append(line(text, WARN))
    shown.append(line(f"Check it: volens verify {result.out}", DIM))
    return Answer(document=document, shown=tuple(shown))


def _left_out(excluded: dict[str, int]) -> list[RenderableType]:
    if not excluded:
        return [line("Nothing was left out.")]
    ordered = sorted(excluded.items(), key=lambda item: -item[1])
    rows = [(f"{count:,}", reason_words(code)) for code, count in ordered]
    return [table(("#left out", "because"), rows)]
