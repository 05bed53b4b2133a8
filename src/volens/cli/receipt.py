"""``volens receipt``: how far erasures have come, with proof; never said too early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.receipts import CONTACT, Issued, issue, sent_receipts
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import (
    BAD,
    DIM,
    GOOD,
    STRONG,
    WARN,
    Answer,
    block,
    fields,
    heading,
    indented,
    line,
    table,
    whole,
)
from volens.core.canonical import Json, read_canonical
from volens.core.errors import InvalidInput, Unavailable, VolensError
from volens.core.time import format_moment
from volens.holds.erasure import Erasure, ErasureState
from volens.lifecycle.receipt_form import check_contact
from volens.lifecycle.receipt_outline import Moment, label, readable
from volens.lifecycle.receipt_words import LANGUAGES
from volens.storage.files import write_durable

GROUP = new_group("Erasures: how far each has come, with proof.")
_NO_CONTACT = f"not set up ({CONTACT})"
_PAGE = 100
_DATE = len("2026-01-31")

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="REFERENCE", help="The erasure's reference number (era_...).")
]
LanguageOption = Annotated[
    str, typer.Option(help=f"In which language: {', '.join(LANGUAGES)}.", metavar="TAG")
]
ContactOption = Annotated[str | None, typer.Option(help=f"Whom to ask about it.  [env: {CONTACT}]")]


def _page(issued: Issued) -> bytes:
    from volens.lifecycle.receipt_pages import receipt_html  # noqa: PLC0415 - only if asked for

    return receipt_html(issued.words, issued.data)


def _paper(issued: Issued) -> bytes:
    from volens.lifecycle.receipt_pdf import receipt_pdf  # noqa: PLC0415 - only if asked for

    return receipt_pdf(issued.words, issued.data)


_FORMS: Mapping[str, Callable[[Issued], bytes]] = {
    ".json": lambda issued: issued.data,
    ".html": _page,
    ".pdf": _paper,
}


@command(GROUP, "list")
def list_receipts(
    session: Session,
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[SUBJECT]", help="Only this person's; else everybody's."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = _PAGE,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> Answer:
    """List erasures, oldest first: how far they are, and whether a receipt was sent."""
    with read_home(session) as home:
        if subject is None:
            found = home.erasures.all()
        else:
            found = home.erasures.of_subject(home.subjects.find(subject).id)
        page = found[skip : skip + limit]
        sent = sent_receipts(home).latest([item.id for item in page])
        now = home.clock.now()
    documents: list[Json] = []
    rows = []
    for item in page:
        done = item.state is ErasureState.IRRECOVERABLE
        state, at = sent.get(item.id, (None, None))
        documents.append(
            {
                "reference": item.id,
                "scope": item.scope.value,
                "cause": item.cause.value,
                "state": item.state.value,
                "done": done,
                "requested": format_moment(item.requested),
                "promised_by": format_moment(item.promised_by),
                "late": _is_late(item) if done else item.is_open and now > item.promised_by,
                "sent": None if at is None else format_moment(at),
                "sent_state": None if state is None else state.value,
            }
        )
        rows.append(
            (
                item.id,
                item.scope.value.replace("conversation", "chats"),
                _short(item.state),
                format_moment(item.promised_by)[:_DATE],
                "-" if at is None else format_moment(at)[:_DATE],
            )
        )
    columns = ("!reference", "what", "state", "promised by", "sent")
    shown: list[RenderableType] = [table(columns, rows)] if rows else []
    rest = len(found) - skip - len(page)
    if not found:
        shown.append(line("Nothing was asked to be erased."))
    elif rest > 0:
        shown.append(line(f"{rest:,} more: --skip {skip + len(page)}", DIM))
    if rows:
        shown.append(line("Next: volens receipt show REFERENCE", DIM))
    return Answer(document={"total": len(found), "erasures": documents}, shown=tuple(shown))


@command(GROUP, "show")
def show(
    session: Session,
    reference: ReferenceArgument,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it: ends in .json, .html or .pdf.")
    ] = None,
    language: LanguageOption = "en",
    contact: ContactOption = None,
) -> Answer:
    """Show how far an erasure has come, or write it as a signed file.

    Only what the log proves is shown. It is a receipt when nothing can be opened any more; until
    then it is a status.
    """
    if out is not None:
        _check_out(out)
    with read_home(session) as home:
        whom = _contact(session, contact, needed=out is not None)
        issued = issue(home, reference, language=_language(language), contact=whom)
    receipt = issued.shown.receipt
    if out is None:
        body = read_canonical(issued.data)
        return Answer(document={"receipt": body}, shown=_shown(issued))
    document: dict[str, Json] = {
        "reference": receipt.reference,
        "document": receipt.kind.value,
        "state": receipt.state.value,
        "done": receipt.done,
        "path": str(out),
    }
    write_durable(out, _FORMS[out.suffix](issued))
    shown = [line(f"Wrote the {receipt.kind} of {receipt.reference} to {out}.", GOOD)]
    if out.suffix == ".json":
        shown.append(line(f"Check it anywhere: volens verify {out} --key VKEY", DIM))
    else:
        shown.append(line("The signed receipt is inside; it is checked as .json.", DIM))
    return Answer(document=document, shown=tuple(shown))


@command(GROUP, "send", writes=True)
def send(
    session: Session,
    reference: ReferenceArgument,
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="To whom; it is kept nowhere.")],
    language: LanguageOption = "en",
    contact: ContactOption = None,
    pdf: Annotated[
        bool | None,
        typer.Option("--pdf/--no-pdf", help="Attach the paper too.  [default: if it can be made]"),
    ] = None,
) -> Answer:
    """Send it by e-mail, through the server that VOLENS_SMTP_HOST names.

    Also VOLENS_SMTP_FROM, _PORT, _SECURITY (starttls, tls, none), _USER, _PASSWORD, _CA, _TIMEOUT.
    """
    from volens.lifecycle import mailing  # noqa: PLC0415 - takes long to load

    server = mailing.mail_server(session.environment)
    mailing.check_address(to)
    with read_home(session) as home:
        whom = _contact(session, contact, needed=True)
        issued = issue(home, reference, language=_language(language), contact=whom)
        now = home.clock.now()
    receipt = issued.shown.receipt
    document: dict[str, Json] = {
        "reference": receipt.reference,
        "document": receipt.kind.value,
        "state": receipt.state.value,
        "done": receipt.done,
    }
    paper = _paper_if(issued, pdf)
    document["pdf"] = paper is not None
    message = mailing.build_message(
        issued.words, issued.data, sender=server.sender, recipient=to, at=now, paper=paper
    )
    if session.dry_run:
        text = f"would send the {receipt.kind} of {receipt.reference} through {server.host}"
        return Answer(document={"dry_run": True, **document}, shown=(line(text),))
    mailing.send_message(message, server)
    why_not = _record(session, receipt.reference, receipt.state)
    shown = [line(f"Sent the {receipt.kind} of {receipt.reference}.", GOOD)]
    if why_not:
        shown.append(line(f"It still shows as not sent ({why_not}).", WARN))
    else:
        shown.append(line("When is kept; to whom is not.", DIM))
    document |= {"sent": True, "recorded": not why_not}
    return Answer(document=document, shown=tuple(shown))


def _paper_if(issued: Issued, wanted: bool | None) -> bytes | None:
    """Return the paper if it is wanted, or can be made and nobody said no."""
    if wanted is False:
        return None
    try:
        return _paper(issued)
    except Unavailable:
        if wanted:
            raise
        return None


def _record(session: Session, reference: str, state: ErasureState) -> str:
    """Keep that it was sent; return why not, or nothing: it is out either way."""
    try:
        with write_home(session) as home:
            sent_receipts(home).record(home.erasures.find(reference).id, state, home.clock.now())
    except VolensError as error:
        return error.message
    return ""


def _contact(session: Session, given: str | None, *, needed: bool) -> str:
    found = given or session.environment.get(CONTACT, "")
    if not found and needed:
        hint = f"give --contact, or set {CONTACT}: Privacy office, privacy@example.org"
        raise InvalidInput("contact_missing", "a receipt says whom to ask", hint=hint)
    check_contact(found or _NO_CONTACT)
    return found or _NO_CONTACT


def _language(tag: str) -> str:
    if tag not in LANGUAGES:
        hint = f"there are words in: {', '.join(LANGUAGES)}"
        raise InvalidInput("language_unknown", f"no words in {tag[:20]!r}", hint=hint)
    return tag


def _check_out(out: Path) -> None:
    if out.suffix not in _FORMS:
        hint = f"end it in {', '.join(_FORMS)}"
        raise InvalidInput("out_form", f"no form of a receipt is called {out.name}", hint=hint)
    if out.exists():
        raise InvalidInput("out_exists", f"{out} is there already", hint="choose another --out")


def _shown(issued: Issued) -> tuple[RenderableType, ...]:
    words, language = issued.words, issued.words.language
    shown: list[RenderableType] = [
        heading(words.title),
        line(words.lead, GOOD if issued.shown.receipt.done else ""),
    ]
    if words.warning:
        shown.append(line(words.warning, BAD))
    shown += [
        line(""),
        fields(words.facts),
        line(""),
        _timeline(language, ("step", "when", "proof"), words.timeline),
    ]
    if words.steps:
        shown += [line(""), _timeline(language, ("store", "when", "how"), words.steps)]
    before, run, after = words.checking
    shown += [
        line(""),
        *([line(label("method", language), STRONG)] if words.method else []),
        *(indented(line(text)) for text in words.method),
        line(label("check", language), STRONG),
        indented(line(before)),
        whole(f"    {run}"),
        indented(line(after)),
        line(label("checkpoint", language), STRONG),
        block(words.checkpoint),
    ]
    reference = issued.shown.receipt.reference
    shown.append(line(f"Next: volens receipt show {reference} --out FILE.json", DIM))
    return tuple(shown)


def _timeline(
    language: str, columns: tuple[str, str, str], moments: tuple[Moment, ...]
) -> RenderableType:
    waiting = label("not_yet", language)
    rows = [(one.label, readable(one.at) if one.at else waiting, one.note) for one in moments]
    return table([label(name, language) for name in columns], rows)


def _is_late(erasure: Erasure) -> bool:
    return erasure.irrecoverable is not None and erasure.irrecoverable > erasure.promised_by


def _short(state: ErasureState) -> str:
    return "gone" if state is ErasureState.IRRECOVERABLE else state.value.replace("_", " ")
