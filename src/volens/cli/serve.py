"""``volens serve``: the server with all doors, and what happens by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.app.witnesses import Remembered
from volens.cli.commands import Session, command, new_group
from volens.cli.output import DIM, GOOD, WARN, Answer, line
from volens.core.errors import InvalidInput
from volens.door.doorway import Settings
from volens.door.provider import provider_from
from volens.log.note import parse_vkey
from volens.server.listening import Listening
from volens.server.run import Serving, Started, serve

GROUP = new_group("Serve every door of the home.")
_PORT = 8400


@command(GROUP, "serve")
def run(
    session: Session,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = _PORT,
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="What browsers call it.  [default: where it listens]"),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="TLS: PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key: PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A reverse proxy in front of it ends TLS.")
    ] = False,
    embedded_by: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Who may show pages in a frame; can be repeated."),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(metavar="URL=VKEY", help="A witness to ask every hour; can be repeated."),
    ] = None,
    backups: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Make a backup there each day; keep them 30 days."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=64, help="Processes that only answer checks.")
    ] = 0,
    workers_port: Annotated[int, typer.Option(min=0, max=65_535, help="Where they listen.")] = _PORT
    + 1,
) -> Answer:
    """Serve the person's pages, the staff console, the API and the gateway until it is told to end.

    What is due happens by itself meanwhile. It owns the home: other commands can read, and take
    back. SIGTERM ends it in order. Exit code 5: the log takes nothing; starting again settles it.
    """
    listening = Listening(
        host=host, port=port, tls_certificate=tls_cert, tls_key=tls_key, behind_proxy=behind_proxy
    )
    url = _url(public_url)
    serving = Serving(
        folder=session.folder,
        listening=listening,
        settings=Settings(
            public_url=url,
            secure=url.startswith("https://") if url else listening.secure,
            embedded_by=tuple(embedded_by or ()),
            provider=provider_from(session.environment),
        ),
        environment=session.environment,
        witnesses=[_witness(text) for text in witness or ()],
        backups=_folder(backups),
        workers=workers,
        workers_port=workers_port,
    )

    def started(where: Started) -> None:
        session.output.say(line(f"Volens serves {session.folder} at {where.address}", GOOD))
        if where.public_url != where.address:
            session.output.say(line(f"Reached as {where.public_url}"))
        if where.workers:
            session.output.say(line(f"{workers} workers answer checks at {where.workers}"))
        session.output.say(line("Ctrl-C or SIGTERM ends it.", DIM))

    code = serve(serving, started=started, say=lambda text: session.output.say(line(text, WARN)))
    return Answer(document={"served": True}, shown=(line("Ended; the home is free."),), code=code)


def _folder(given: Path | None) -> Path | None:
    if given is not None and not given.is_dir():
        hint = "make it first, on another disk"
        raise InvalidInput("backups_missing", f"there is no folder {given}", hint=hint)
    return None if given is None else given.absolute()


def _url(given: str | None) -> str:
    if given is None:
        return ""
    if not given.startswith(("http://", "https://")) or given.count("/") > 3:  # noqa: PLR2004 - two of the scheme, one at the end
        hint = "write it like https://privacy.example.org"
        raise InvalidInput("public_url", f"not the address of a server: {given[:60]!r}", hint=hint)
    return given.rstrip("/")


def _witness(text: str) -> Remembered:
    url, _, key = text.partition("=")
    if not url.startswith(("http://", "https://")) or not key:
        hint = "write it like https://witness.example.org=NAME+HASH+KEY"
        raise InvalidInput("witness_form", f"not a witness: {text[:60]!r}", hint=hint)
    parse_vkey(key)
    return Remembered(vkey=key, url=url, note="")
