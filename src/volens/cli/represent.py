"""``volens represent``: who may be used beside everybody, in groups; never a single person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.representing import represent as represent_home
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home
from volens.cli.output import DIM, GOOD, WARN, Answer, heading, indented, line, table
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.gate.facts import known_purpose
from volens.insight.disclosure import FEWEST, STEP
from volens.insight.gap import TOLERANCE, WHY, Filler, FillerKind, Gap
from volens.insight.population import NOT_KNOWN, VARIABLES
from volens.insight.representation import Compared, Representation
from volens.insight.weighting import EXPLAINED, FEW
from volens.insight.weights_file import WeightsFile, weights_file
from volens.storage.files import write_durable

GROUP = new_group("Who may be used beside everybody, and what would fill gaps.")
_BAR = 12
_WORDS = {
    FillerKind.CONTRIBUTORS: "contributors who consent",
    FillerKind.REWEIGHTING: "reweighting",
    FillerKind.PUBLIC_TEXT: "public text",
    FillerKind.SYNTHETIC: "synthetic",
    FillerKind.CURATED: "curated",
    FillerKind.PRINCIPLE_BASED: "principle-based",
    FillerKind.SMALL_DATA: "small-data techniques",
}


@command(GROUP, "represent", writes=True)
def represent(
    session: Session,
    purpose: Annotated[str, typer.Argument(metavar="PURPOSE", help="What data would be used for.")],
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIABLE", help=f"Show only: {', '.join(VARIABLES)}. Repeatable."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write weights, by group, to a new file.")
    ] = None,
) -> Answer:
    """Compare the people who may be used with everybody who has chats.

    It opens nothing. A group is shown if ten of its people may be used and ten may not; numbers are
    rounded to five. The same report, whatever is shown of it.
    """
    if odd := sorted(set(by or ()) - set(VARIABLES)):
        message = f"people are not compared by {odd[0][:40]!r}"
        hint = NOT_KNOWN.get(odd[0], f"one of {', '.join(VARIABLES)}")
        raise InvalidInput("variable_unknown", message, hint=hint)
    if weights is not None and weights.exists():
        raise InvalidInput("out_exists", f"{weights} is there already", hint="name a new file")
    known = known_purpose(purpose)
    with read_home(session) as home:
        found, at = represent_home(home, purpose), home.clock.now()
        file = (
            None
            if weights is None
            else weights_file(found, purpose=known, at=at, policy=home.policy.ref)
        )
    if weights is not None and file is not None and not session.dry_run:
        write_durable(weights, file.encode(), mode=0o600)
    wanted = tuple(by or VARIABLES)
    document: dict[str, Json] = {"purpose": purpose, **_document(found, wanted)}
    shown = [
        heading(f"Who may be used for {purpose}, beside everybody who has chats"),
        *_compared_lines(found, wanted, plain=session.plain),
        *_advice_lines(found),
        *_gap_lines(found, wanted),
    ]
    if weights is not None and file is not None:
        document["weights_file"] = str(weights)
        shown += _file_lines(weights, file, dry=session.dry_run)
    return Answer(document=document, shown=tuple(shown))


def _compared_lines(
    found: Representation, wanted: Sequence[str], *, plain: bool
) -> Iterator[RenderableType]:
    for place, variable in enumerate(found.shown.table.variables):
        if variable.name not in wanted:
            continue
        groups = found.compared(place)
        rows = [
            (
                one.group,
                f"{one.everybody:,}",
                _share(one.share, plain=plain),
                f"{one.used:,}",
                _share(one.share_used, plain=plain),
            )
            for one in groups
        ]
        yield table((variable.name, "#all", "share", "#used", "share"), rows)
        yield from (
            indented(line(f"{one.group}: {', '.join(one.values)}", DIM))
            for one in groups
            if len(one.values) > 1
        )
        yield line("")
    for name in found.shown.left_out:
        if name in wanted:
            yield line(f"{name}: too few people on one side to be shown", DIM)
    for name in found.shown.alike:
        if name in wanted:
            yield line(f"{name}: the same for everybody", DIM)
    for name, why in NOT_KNOWN.items():
        yield line(f"{name}: not known: {why}", DIM)
    yield line("")


def _advice_lines(found: Representation) -> Iterator[RenderableType]:
    advice = found.advice
    yield heading("Weights")
    yield line(
        f"About {found.used:,} people may be used; weighted by raking they tell as much as "
        f"{found.effective:,}."
    )
    before, after = _brief(advice.bias_before), _brief(advice.bias_after)
    yield line(
        f"Squared bias: {before}, weighted {after} (if groups explain all). "
        f"Variance: {1 / found.used:.2g}, weighted {1 / found.effective:.2g}."
    )
    if not advice.converged:
        yield line("No weights of five at most meet every margin: don't weight.", WARN)
        return
    part = "0.1%" if advice.pays_from < 0.001 else f"{advice.pays_from:.1%}"  # noqa: PLR2004 - 0.1 %
    pays = (
        f"Weights lower the error if groups explain more than {part} of what you measure; taken is "
        f"{EXPLAINED:.0%}"
    )
    if advice.pays_from >= 1:
        yield line("There is nothing that weights could mend: don't weight.")
    elif advice.recommended:
        yield line(f"{pays}: weight.", GOOD)
    else:
        yield line(f"{pays}: don't weight.", WARN)
    if advice.people < FEW:
        text = f"With fewer than {FEW} people weights often raise the error; look at both results."
        yield line(text, WARN)


def _gap_lines(found: Representation, wanted: Sequence[str]) -> Iterator[RenderableType]:
    gaps = [gap for gap in found.gaps if gap.variable in wanted]
    yield line("")
    yield heading("Gaps")
    if not gaps:
        yield line(f"No shown group has less than {TOLERANCE} of its share.")
        return
    kinds = (
        FillerKind.CONTRIBUTORS,
        FillerKind.REWEIGHTING,
        FillerKind.PUBLIC_TEXT,
        FillerKind.SYNTHETIC,
    )
    rows = []
    for gap in gaps:
        stands = {filler.kind: filler for filler in gap.fillers}
        rows.append(
            (
                f"{gap.variable} {gap.group}",
                f"{gap.missing:,}",
                f"{gap.others:,}",
                *(f"{stands[kind].people:,}" for kind in kinds),
            )
        )
    names = ("group", "#missing", "#others", "#contributors", "#weights", "#public", "#synthetic")
    yield table(names, rows)
    text = (
        f"Missing: people it takes to {TOLERANCE} of its share. Others: its people who may not be "
        "used now. Then for how many each source may stand, at most:"
    )
    yield line(text, DIM)
    for filler in gaps[0].fillers:
        yield indented(line(f"{_WORDS[filler.kind]} [{_label(filler)}]: {filler.why}", DIM))
    yield line("Whoever said no has answered: don't ask them again for this.", DIM)


def _file_lines(path: Path, file: WeightsFile, *, dry: bool) -> Iterator[RenderableType]:
    yield line("")
    if dry:
        yield line(f"would write weights to {path}")
        return
    yield line(f"Wrote weights to {path}.", GOOD)
    yield line("They are finer than this report: keep them with those who train.", DIM)
    if not file.recommended:
        yield line("They are not recommended, and the file says so.", WARN)


def _brief(number: float) -> str:
    """Write a number with two digits; what is left by rounding errors is nothing."""
    return f"{number:.2g}" if number > 1e-6 else "0"  # noqa: PLR2004 - the accuracy of raking


def _share(share: float, *, plain: bool) -> str:
    return f"{share:4.0%}" if plain else f"{share:4.0%} {'█' * round(share * _BAR)}"


def _label(filler: Filler) -> str:
    if not filler.named:
        return "no label"
    return "adds no records" if filler.kind.value not in _LABELS else filler.kind.value


_LABELS = frozenset(kind.value for kind in WHY) - {"reweighting", "small_data"}


def _document(found: Representation, wanted: Sequence[str]) -> dict[str, Json]:
    advice = found.advice
    return {
        "people": found.everybody,
        "used": found.used,
        "fewest": FEWEST,
        "rounded_to": STEP,
        "variables": [
            {"name": one.name, "groups": [_group(group) for group in found.compared(place)]}
            for place, one in enumerate(found.shown.table.variables)
            if one.name in wanted
        ],
        "left_out": [name for name in found.shown.left_out if name in wanted],
        "alike": [name for name in found.shown.alike if name in wanted],
        "not_known": list(NOT_KNOWN),
        "weights": {
            "converged": advice.converged,
            "recommended": advice.recommended,
            "effective_size": found.effective,
            "bias_before": _brief(advice.bias_before),
            "bias_after": _brief(advice.bias_after),
            "variance_before": f"{1 / found.used:.2g}",
            "variance_after": f"{1 / found.effective:.2g}",
            "pays_from": f"{advice.pays_from:.2g}",
        },
        "gaps": [_gap(gap) for gap in found.gaps if gap.variable in wanted],
    }


def _group(one: Compared) -> dict[str, Json]:
    return {
        "name": one.group,
        "values": list(one.values),
        "everybody": one.everybody,
        "used": one.used,
        "share": f"{one.share:.2f}",
        "share_used": f"{one.share_used:.2f}",
    }


def _gap(gap: Gap) -> dict[str, Json]:
    return {
        "variable": gap.variable,
        "group": gap.group,
        "missing": gap.missing,
        "others": gap.others,
        "fillers": [
            {
                "kind": one.kind.value,
                "label": _label(one),
                "people": one.people,
                "needs_grant": one.needs_grant,
                "why": one.why,
            }
            for one in gap.fillers
        ],
    }
