"""``volens serve``: the server with all doors, and what happens by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.app.home import Home, open_home
from volens.cli.commands import Session, command, new_group
from volens.cli.output import DIM, GOOD, Answer, line
from volens.core.errors import InvalidInput
from volens.door.doorway import Settings
from volens.server.run import Listening, check_listening, serve

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
) -> Answer:
    """Serve the person's pages, the staff console, the API and the gateway until it is told to end.

    It owns the home meanwhile: other commands can read, and take back; SIGTERM ends it in order.
    """
    listening = Listening(
        host=host, port=port, tls_certificate=tls_cert, tls_key=tls_key, behind_proxy=behind_proxy
    )
    check_listening(listening)
    url = _url(public_url, listening)
    settings = Settings(
        public_url=url,
        secure=url.startswith("https://"),
        embedded_by=tuple(embedded_by or ()),
    )

    def open_it() -> Home:
        return open_home(session.folder, writing=True, environment=session.environment)

    def started(address: str) -> None:
        session.output.say(
            line(f"Volens serves {session.folder} at {address}", GOOD),
            line(f"Reached as {url}. Ctrl-C or SIGTERM ends it.", DIM),
        )

    serve(open_it, listening, settings, started=started)
    return Answer(document={"served": True}, shown=(line("Ended; the home is free."),))


def _url(given: str | None, listening: Listening) -> str:
    if given is None:
        scheme = "https" if listening.secure else "http"
        host = f"[{listening.host}]" if ":" in listening.host else listening.host
        return f"{scheme}://{host}:{listening.port}"
    if not given.startswith(("http://", "https://")) or given.count("/") > 3:  # noqa: PLR2004 - two of the scheme, one at the end
        hint = "write it like https://privacy.example.org"
        raise InvalidInput("public_url", f"not the address of a server: {given[:60]!r}", hint=hint)
    return given.rstrip("/")
