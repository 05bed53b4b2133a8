"""``volens audit``: every invariant checked on the live home, and a signed report of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.auditing import evidence_of
from volens.app.home import Home, open_home
from volens.audit.model import Outcome
from volens.audit.report import sign_report, verify_report
from volens.audit.report_page import report_page
from volens.audit.run import run_audit
from volens.cli.commands import Session, command, new_group
from volens.cli.failures import UNVERIFIED
from volens.cli.homes import read_home
from volens.cli.output import BAD, DIM, GOOD, WARN, Answer, indented, line
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound, VerificationFailed
from volens.storage.files import make_folder, storage_errors, write_durable

GROUP = new_group("Check every invariant on the live home; a signed report.")
REPORT, PAGE = "audit.json", "audit.html"
_WORDS = {Outcome.HELD: "held", Outcome.VIOLATED: "BROKEN", Outcome.NOT_CHECKED: "UNSEEN"}
_STYLE = {Outcome.HELD: GOOD, Outcome.VIOLATED: BAD, Outcome.NOT_CHECKED: WARN}


@command(GROUP, "audit", writes=True)
def audit(
    session: Session,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write the report there: audit.json, audit.html."),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Show the last audit again; check nothing anew.")
    ] = False,
    witnesses: Annotated[
        int, typer.Option(min=0, help="How many witnesses must have signed lately.")
    ] = 0,
) -> Answer:
    """Check every invariant on the live home, sign what was found, and log that it was done.

    It opens no conversation and names nobody. Exit code 4: something is broken, or could not be
    looked at.
    """
    if out is not None:
        _refuse_taken(out)
    if last:
        return _last(session, out)
    with _home(session) as home, session.output.progress("auditing") as tell:
        evidence = evidence_of(home, witnesses_wanted=witnesses)
        report = run_audit(evidence, clock=home.clock, tell=tell)
        envelope = sign_report(report, home.signer)
        number = None if home.log is None else home.audits.keep(report, envelope).number
    document = verify_report(envelope, home.signer.verifier)
    answer = _answer(document, number)
    if out is None or session.dry_run:
        return answer
    return _with_files(answer, document, envelope, out)


def _home(session: Session) -> Home:
    """Open the home to audit it; a log that does not verify takes no entry, and is still read."""
    try:
        return open_home(
            session.folder,
            writing=not session.dry_run,
            wait_seconds=5.0,
            environment=session.environment,
        )
    except VerificationFailed:
        return read_home(session)


def _last(session: Session, out: Path | None) -> Answer:
    with read_home(session) as home:
        found = home.audits.last()
        if found is None:
            raise NotFound("audit_none", "no audit was made here", hint="volens audit makes one")
        envelope = home.audits.read(found)
        document = verify_report(envelope, home.signer.verifier)
    answer = _answer(document, found.number)
    if out is None or session.dry_run:
        return answer
    return _with_files(answer, document, envelope, out)


def _refuse_taken(out: Path) -> None:
    for name in (REPORT, PAGE):
        if (out / name).exists():
            hint = "choose another --out"
            raise InvalidInput("out_exists", f"{out / name} is there already", hint=hint)


def _with_files(answer: Answer, document: dict[str, Json], envelope: bytes, out: Path) -> Answer:
    with storage_errors(out):
        make_folder(out.absolute())
        write_durable(out / REPORT, envelope)
        write_durable(out / PAGE, report_page(document).encode("utf-8"))
    told = line(f"Wrote {out / REPORT} and {out / PAGE}.", GOOD)
    check = line(f"Check: volens verify {out / REPORT}", DIM)
    return Answer(
        document={**answer.document, "out": str(out)},
        shown=(*answer.shown, told, check),
        code=answer.code,
    )


def _answer(document: dict[str, Json], number: int | None) -> Answer:
    counts = document["counts"]
    checks = document["checks"]
    assert isinstance(counts, dict)
    assert isinstance(checks, list)
    shown: list[RenderableType] = []
    for one in checks:
        shown += _shown(one)
    broken, unseen = counts[Outcome.VIOLATED.value], counts[Outcome.NOT_CHECKED.value]
    text = f"{counts[Outcome.HELD.value]} held, {broken} broken, {unseen} could not be looked at"
    style = BAD if broken else WARN if unseen else GOOD
    shown.append(line(text, style))
    if number is None:
        shown.append(
            line("Neither kept nor logged: on a dry run, or as the log can't be written.", DIM)
        )
    else:
        shown.append(line(f"Signed, kept as audit {number}, and in the log.", DIM))
    return Answer(
        document={"number": number, **document},
        shown=tuple(shown),
        code=UNVERIFIED if broken or unseen else 0,
    )


def _shown(one: dict[str, Json]) -> list[RenderableType]:
    outcome = Outcome(str(one["outcome"]))
    looked = one["looked_at"]
    assert isinstance(looked, int)
    text = f"{_WORDS[outcome]:<6} {one['id']} ({looked:,} looked at)"
    shown: list[RenderableType] = [line(text, _STYLE[outcome])]
    if outcome is not Outcome.HELD:
        shown.append(indented(line(f"promised: {one['promise']}")))
    if one["not_checked"]:
        shown.append(indented(line(f"not looked at: {one['not_checked']}")))
    for name, style in (("violations", BAD), ("remarks", DIM)):
        found = one[name]
        assert isinstance(found, list)
        shown += [indented(line(_finding(each), style)) for each in found]
    return shown


def _finding(one: dict[str, Json]) -> str:
    numbers, count = one["numbers"], one["count"]
    assert isinstance(numbers, list)
    assert isinstance(count, int)
    places = ", ".join(map(str, numbers)) + (", ..." if count > len(numbers) else "")
    return f"- {one['text']}: {count:,}" + (f" (no. {places})" if numbers else "")
