"""``volens rights drp``: signed requests of authorised agents (Data Rights Protocol 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from volens.app.rights import agent_door
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import Answer, fields, line
from volens.core.canonical import Json
from volens.core.errors import NotFound
from volens.rights.drp import parse_directory, signing_agent

GROUP = new_group("Requests of authorised agents (Data Rights Protocol 1.0).")

AgentsOption = Annotated[
    Path, typer.Option("--agents", help="The agents one trusts: a service directory, as JSON.")
]
BusinessOption = Annotated[
    str, typer.Option("--business", help="The id under which agents know this business.")
]


@command(GROUP, "receive", writes=True)
def drp_receive(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The signed message, base64.")],
    agents: AgentsOption,
    business: BusinessOption,
) -> Answer:
    """Take up a signed request of an agent. The same message twice is one request."""
    data = _read(file)
    agent = signing_agent(data, parse_directory(_read(agents)))
    with write_home(session) as home:
        door = agent_door(home, business)
        if session.dry_run:
            asked = door.read(data, agent)
            would: dict[str, Json] = {
                "dry_run": True,
                "agent": asked.agent,
                "exercise": asked.exercise.value,
            }
            text = f"would take up {asked.exercise.value}, asked by {asked.agent}"
            return Answer(document=would, shown=(line(text),))
        document = door.receive(data, agent)
    return _status(document)


@command(GROUP, "status")
def drp_status(
    session: Session,
    request: Annotated[str, typer.Argument(metavar="UUID", help="The agent's request_id.")],
    agent: Annotated[str, typer.Option(help="The agent that asks.")],
    agents: AgentsOption,
) -> Answer:
    """Show what an agent is told about its own request."""
    found = parse_directory(_read(agents)).get(agent)
    if found is None:
        raise NotFound("agent_unknown", f"no agent {agent} in the directory")
    with read_home(session) as home:
        return _status(agent_door(home, "").status(request, found))


def _status(document: Mapping[str, Json]) -> Answer:
    rows = [(name.replace("_", " "), str(value)) for name, value in document.items()]
    return Answer(document=document, shown=(fields(rows),))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound("file_missing", f"there is no file {path}") from None
