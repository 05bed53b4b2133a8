"""``volens keys``: the epochs of the key-encryption keys, which make erasing final."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.cli.commands import ForceYes, Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, WARN, Answer, line, table
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment
from volens.crypto.epochs import Epoch, EpochState
from volens.lifecycle.epochs import EpochReport, KeyRotation, Rotated

GROUP = new_group("The epochs of the keys that lock all others.")
_DAY = len("2026-01-31")


@command(GROUP, "status")
def status(session: Session) -> Answer:
    """Show every epoch: live, retired or destroyed, and what is due."""
    with read_home(session) as home:
        reports = home.rotation.status()
        due = home.rotation.rotation_due(home.clock.now())
        out_of_reach = home.rotation.irrecoverable_before()
    documents: list[Json] = [_document(report) for report in reports]
    document: dict[str, Json] = {
        "epochs": documents,
        "rotation_due": list[Json](due),
        "irrecoverable_before": _text(out_of_reach),
    }
    return Answer(document=document, shown=tuple(_shown(reports, due)))


@command(GROUP, "rotate", writes=True)
def rotate(
    session: Session,
    scope: Annotated[
        str | None, typer.Option(help="One scope, such as civilian-eu.  [default: all]")
    ] = None,
) -> Answer:
    """End the live epoch and move all key pages under a new one. Everything still opens."""
    with write_home(session) as home:
        reports = home.rotation.status()
        scopes = _scopes(reports, scope)
        pages = sum(one.epoch.pages for one in reports if one.epoch.scope in scopes)
        if session.dry_run:
            text = f"would move {pages:,} key pages of {_list(scopes)} under new epochs"
            document: dict[str, Json] = {
                "dry_run": True,
                "scopes": list[Json](scopes),
                "pages": pages,
            }
            return Answer(document=document, shown=(line(text),))
        done = [_rotate(session, home.rotation, one, pages) for one in scopes]
        until = {
            one.epoch.scope: one.destroy_by for one in home.rotation.status() if one.destroy_by
        }
    rows: list[Json] = [
        {
            "scope": one.scope,
            "ended": list[Json](one.ended),
            "live": one.live,
            "moved": one.moved,
            "resumed": one.resumed,
            "destroy_by": _text(until.get(one.scope)),
        }
        for one in done
    ]
    shown: list[RenderableType] = [
        line(f"{one.scope}: epoch {one.live} is live, {one.moved:,} key pages moved.", GOOD)
        for one in done
    ]
    if not done:
        shown.append(line("There are no keys yet: they are made for the first account."))
    if until:
        text = f"Destroy what ended by {_text(min(until.values()))}: volens keys destroy-expired"
        shown.append(line(text, DIM))
    return Answer(document={"rotated": rows}, shown=tuple(shown))


@command(GROUP, "destroy-expired", writes=True)
def destroy_expired(
    session: Session,
    at_once: Annotated[
        bool, typer.Option("--now", help="Also epochs that were retired less than 14 days ago.")
    ] = False,
    yes: ForceYes = False,
) -> Answer:
    """Destroy the keys of epochs whose time has come. Old copies then open nothing."""
    with write_home(session) as home:
        found = home.rotation.expired(at_once=at_once)
        if not found or session.dry_run:
            return _would_destroy(found, dry_run=session.dry_run)
        question = f"Destroy the keys of {_names(found)} for good? Backups under them die."
        if not yes and not (session.output.interactive and session.output.ask(question)):
            hint = "add --yes; --dry-run shows what would go"
            raise InvalidInput("not_confirmed", "nothing was destroyed", hint=hint)
        done = home.rotation.destroy_expired(at_once=at_once)
        out_of_reach = home.rotation.irrecoverable_before()
    rows: list[Json] = [
        {"scope": one.scope, "epoch": one.epoch, "at": format_moment(one.at)} for one in done
    ]
    document: dict[str, Json] = {
        "destroyed": rows,
        "irrecoverable_before": _text(out_of_reach),
    }
    shown = [line(f"Destroyed {_names(found)}. No copy under it opens any more.", GOOD)]
    return Answer(document=document, shown=tuple(shown))


def _would_destroy(found: Sequence[Epoch], *, dry_run: bool) -> Answer:
    rows: list[Json] = [{"scope": one.scope, "epoch": one.number} for one in found]
    text = f"would destroy {_names(found)}" if found else "No epoch's time has come."
    document: dict[str, Json] = (
        {"dry_run": True, "would_destroy": rows} if dry_run else {"destroyed": rows}
    )
    return Answer(document=document, shown=(line(text),))


def _rotate(session: Session, rotation: KeyRotation, scope: str, pages: int) -> Rotated:
    with session.output.progress(f"moving {scope}") as tell:
        return rotation.rotate(scope, tell=lambda moved: tell(moved, pages))


def _scopes(reports: Sequence[EpochReport], wanted: str | None) -> list[str]:
    known = sorted({one.epoch.scope for one in reports})
    if wanted is None:
        return known
    if wanted not in known:
        hint = f"one of {_list(known)}" if known else "there are none yet"
        raise InvalidInput("key_scope_unknown", f"no key scope {wanted[:40]!r} here", hint=hint)
    return [wanted]


def _document(report: EpochReport) -> dict[str, Json]:
    epoch = report.epoch
    return {
        "scope": epoch.scope,
        "epoch": epoch.number,
        "state": epoch.state.value,
        "pages": epoch.pages,
        "created": _text(epoch.created),
        "retired": _text(epoch.retired),
        "destroyed": _text(epoch.destroyed),
        "destroy_by": _text(report.destroy_by),
        "late": report.late,
    }


def _shown(reports: Sequence[EpochReport], due: Sequence[str]) -> list[RenderableType]:
    if not reports:
        return [line("There are no keys yet: they are made for the first account.")]
    rows = [
        (
            one.epoch.scope,
            str(one.epoch.number),
            one.epoch.state.value,
            f"{one.epoch.pages:,}",
            _day(one.epoch.created),
            _day(one.epoch.retired),
            _day(one.epoch.destroyed or one.destroy_by),
        )
        for one in reports
    ]
    shown = [table(("scope", "#epoch", "state", "#pages", "made", "retired", "gone"), rows)]
    late = [one.epoch for one in reports if one.late]
    ending = [one.epoch for one in reports if one.epoch.state is EpochState.ENDING]
    if late:
        text = f"Late: {_names(late)}: volens keys destroy-expired --yes"
        shown.append(line(text, WARN))
    if ending:
        shown.append(line(f"Not finished: {_names(ending)}: volens keys rotate", WARN))
    if due:
        shown.append(line(f"Older than a week: {_list(due)}: volens keys rotate", DIM))
    return shown


def _names(epochs: Sequence[Epoch]) -> str:
    return _list([f"epoch {one.number} of {one.scope}" for one in epochs])


def _list(words: Sequence[str]) -> str:
    return ", ".join(words) or "nothing"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else format_moment(moment)


def _day(moment: datetime | None) -> str:
    return "-" if moment is None else format_moment(moment)[:_DAY]
