"""``volens bench``: measure on this machine, beside peers where they are installed."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from volens.cli.commands import Session, command, new_group
from volens.cli.output import DIM, Answer, line, table
from volens.core.errors import InvalidInput, NotFound, Unavailable

GROUP = new_group("Measure on this machine.")
NAMES = {
    "decide": "bulk decisions beside joins and Cedar asked row by row",
    "build": "a dataset build beside the same store without keys",
    "log": "durable appends and proofs beside a bare fdatasync",
    "redaction": "what is found and missed, and how fast",
    "retention": "a simulated year: what goes when, and what it costs",
    "erase": "chats and accounts erased beside deleted rows and rewritten files",
    "ledger": "choices of many people, one and all at once",
    "loader": "batches of encrypted, checked records beside other loaders",
    "unlearn": "forgetting one person beside training everything again",
    "revoke": "how soon a withdrawal counts for a run that trains already",
    "api": "checks over HTTP beside a no-op on the same server",
    "pages": "a person's pages on a large home: first byte and size",
    "cli": "how long commands take to start",
}


@command(GROUP, "bench")
def bench(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Which; without it, what there is.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="How often each is measured, where that applies.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Test data, where it applies.")
    ] = None,
) -> Answer:
    """Run one benchmark. Ratios say more than absolute figures, which depend on the machine."""
    there = [one for one in NAMES if importlib.util.find_spec(f"volens.bench.{one}")]
    if name is None:
        rows = [(one, NAMES[one]) for one in there]
        shown = (table(("name", "measures"), rows), line("Next: volens bench NAME", DIM))
        return Answer(document={"benches": {one: NAMES[one] for one in there}}, shown=shown)
    if name not in NAMES:
        raise NotFound("bench_unknown", f"no benchmark {name!r}", hint=f"one of {', '.join(there)}")
    if name not in there:
        raise Unavailable("bench_missing", f"the benchmark {name} is not part of this version")
    try:
        run = importlib.import_module(f"volens.bench.{name}").run
        result = run(
            lambda text: session.output.say(line(str(text))),
            **_given(run, rounds=rounds, data=data),
        )
    except ModuleNotFoundError as error:
        hint = f"pip install {error.name}"
        text = f"the benchmark {name} needs {error.name}, which is not installed"
        raise Unavailable("peer_missing", text, hint=hint) from error
    return Answer(document={"bench": name, "result": result})


def _given(run: Any, *, rounds: int | None, data: Path | None) -> dict[str, Any]:  # noqa: ANN401 - any bench
    """Return the options that this bench takes."""
    takes = inspect.signature(run).parameters
    given: dict[str, Any] = {}
    if rounds is not None:
        if "rounds" not in takes:
            raise InvalidInput("option_unused", "this benchmark has no rounds", hint="leave it out")
        given["rounds"] = rounds
    if "data_dir" in takes:
        given["data_dir"] = data
    elif data is not None:
        raise InvalidInput("option_unused", "this benchmark takes no data", hint="leave it out")
    return given
