"""``volens import``: take in exports of other products. An import grants nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.home import Home
from volens.capture.intake import Intake, IntakeReport, NewAccounts
from volens.capture.model import Captured, FileReport, Format
from volens.capture.reader import read_paths
from volens.cli.commands import Session, command, new_group
from volens.cli.failures import USAGE
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, WARN, Answer, Tell, heading, indented, line
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound
from volens.core.regions import Region

GROUP = new_group("Take in exports of other products.")
_FILES = 40  # reported one by one; a folder may hold thousands


@command(GROUP, "import", writes=True)
def import_exports(
    session: Session,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files and folders; folders are walked.")
    ],
    subject: Annotated[
        str | None,
        typer.Option(help="Whose it all is; without it, the account that each export names."),
    ] = None,
    plan: Annotated[str, typer.Option(help="The plan of accounts that are new here.")] = "free",
    region: Annotated[
        Region | None, typer.Option(help="Their region.  [default: the home's]")
    ] = None,
) -> Answer:
    """Take in exports (ChatGPT, Claude, OpenAI chat, ShareGPT, OpenAssistant and more).

    What is here already is skipped, so an import may be repeated or gone on with. New accounts
    start with every choice off: nothing that comes in may be used for training until its person
    says yes.
    """
    for path in paths:
        if not path.exists():
            raise NotFound("path_missing", f"there is no {path}", hint="name a file or a folder")
    opened = read_home(session) if session.dry_run else write_home(session)
    with opened as home, session.output.progress("importing", bytes_of=True) as tell:
        check_plan(home, plan)
        if session.dry_run:
            return _preview(paths, subject, tell)
        accounts = NewAccounts(
            plan=plan, region=region or home.identity.region, realm=home.identity.realm
        )
        intake = Intake(home.subjects, home.vault, accounts=accounts, reference=subject)
        try:
            reports = list(intake.run(read_paths(paths, on_progress=tell)))
        except KeyboardInterrupt:
            session.output.note("What was taken in so far stays. Run it again to go on.")
            raise
    return _answer(reports)


def check_plan(home: Home, plan: str) -> None:
    """Pass if the policy in force knows the plan.

    Raises:
        InvalidInput: ``plan_unknown``.
    """
    if plan not in home.policy.pack.plans:
        hint = f"one of {', '.join(home.policy.pack.plans)}"
        raise InvalidInput("plan_unknown", f"the policy knows no plan {plan!r}", hint=hint)


def _preview(paths: Sequence[Path], subject: str | None, tell: Tell) -> Answer:
    reports: list[FileReport] = []
    accounts: set[str] = set()
    nobody = 0
    for item in read_paths(paths, on_progress=tell):
        if isinstance(item, Captured):
            nobody += item.account is None and subject is None
            accounts |= {item.account} if item.account is not None and subject is None else set()
        elif isinstance(item, FileReport):
            reports.append(item)
    read = sum(report.read for report in reports)
    document: dict[str, Json] = {
        "dry_run": True,
        "read": read,
        "accounts": 1 if subject else len(accounts),
        "no_account": nobody,
        "files": [_file(report) for report in reports],
    }
    shown: list[RenderableType] = [line(f"would take in up to {read - nobody:,} conversations")]
    if nobody:
        shown.append(line(f"{nobody:,} more name no account: say whose with --subject", WARN))
    for report in [one for one in reports if not _is_container(one)][:_FILES]:
        remark = f"{report.why}, as {report.format.value}" if report.read else report.why
        shown += [heading(report.path), indented(line(remark))]
    return Answer(document=document, shown=tuple(shown))


def _answer(reports: list[IntakeReport]) -> Answer:
    total = {
        name: sum(getattr(report, name) for report in reports)
        for name in ("added", "updated", "known", "held", "accounts_created")
    }
    refused: dict[str, int] = {}
    for report in reports:
        for reason, count in [*report.refused.items(), *report.file.skipped.items()]:
            refused[reason] = refused.get(reason, 0) + count
    files: list[Json] = [
        {
            **_file(report.file),
            "added": report.added,
            "updated": report.updated,
            "known": report.known,
            "held": report.held,
            "refused": dict(report.refused),
        }
        for report in reports
    ]
    nothing = bool(reports) and not any(report.captured for report in reports) and bool(refused)
    document: dict[str, Json] = {**total, "left_out": dict(refused), "files": files}
    shown: list[RenderableType] = [
        line(
            f"{_count(total['added'], 'new conversation')}, {total['updated']:,} changed, "
            f"{total['known']:,} here already; {_count(total['accounts_created'], 'new account')}",
            WARN if nothing else GOOD,
        )
    ]
    told = [report for report in reports if not _is_container(report.file)]
    told.sort(key=lambda report: not report.file.read)  # what was read comes first
    for report in told[:_FILES]:
        shown += _told(report)
    if len(told) > _FILES:
        shown.append(line(f"and {len(told) - _FILES:,} more files; --json lists all", DIM))
    if total["held"]:
        text = f"{total['held']:,} stayed as they are: a hold keeps them. Import them again later."
        shown.append(line(text, WARN))
    if total["added"]:
        shown.append(line("Nothing of it may be used for training until its person says yes.", DIM))
    return Answer(document=document, shown=tuple(shown), code=USAGE if nothing else 0)


def _file(report: FileReport) -> dict[str, Json]:
    return {
        "path": report.path,
        "format": report.format.value,
        "read": report.read,
        "skipped": dict(report.skipped),
        "why": report.why,
    }


def _is_container(report: FileReport) -> bool:
    """Say whether a report is of a zip or folder about which there is nothing to say.

    Nor is there about the parts of a person's own copy beside its conversations.
    """
    silent = {Format.ZIP, Format.FOLDER, Format.VOLENS_EXPORT, Format.VOLENS_PART}
    return report.format in silent and not report.skipped


def _told(report: IntakeReport) -> list[RenderableType]:
    file = report.file
    shown: list[RenderableType] = [heading(file.path)]
    if not file.read:
        return [*shown, indented(line(f"not read: {file.why}"))]
    counts = (
        ("new", report.added),
        ("changed", report.updated),
        ("here already", report.known),
        ("held", report.held),
    )
    said = ", ".join(f"{count:,} {word}" for word, count in counts if count) or "none taken in"
    shown.append(indented(line(f"{said} (read as {file.format.value})")))
    left: dict[str, str] = {}
    for item in (*report.examples, *file.examples):
        left.setdefault(item.reason, item.message)
    for reason, message in left.items():
        count = report.refused.get(reason, 0) + file.skipped.get(reason, 0)
        shown.append(indented(line(f"{count:,} left out, {reason}: {message}", WARN)))
    return shown


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
