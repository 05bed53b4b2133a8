"""``volens log``: the public record of what was done, read without a lock; and its witnesses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.home import Home
from volens.app.witnesses import Remembered, remember
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, fields, heading, line, table, whole
from volens.cli.verify import ENTRY_SUFFIX
from volens.cli.witness import WitnessOptions, load_witness, serve, submit_to
from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput, NotFound, Unavailable
from volens.log.checkpoint import SignedCheckpoint, open_checkpoint
from volens.log.files import DirectoryReader
from volens.log.merkle import inclusion_path
from volens.log.proof import TlogProof, format_tlog_proof
from volens.log.publishing import CHECKPOINT
from volens.log.tiles import TILE_WIDTH
from volens.log.tree import TileTree, load_tree
from volens.storage.files import write_durable

GROUP = new_group("The public log of what was done.")
_TRIES = 5


@command(GROUP, "show")
def show(
    session: Session,
    last: Annotated[int, typer.Option(min=0, help="How many of the latest entries.")] = 10,
) -> Answer:
    """Show the log's key, size and root, and its latest entries: kinds and moments, no people."""
    with read_home(session) as home, _published(home) as (signed, tree, _):
        vkey = home.signer.verifier.vkey
        first = max(0, tree.size - last)
        entries = [
            _entry(tree.bundle(index // TILE_WIDTH)[index % TILE_WIDTH], index)
            for index in range(first, tree.size)
        ]
        waiting = len(home.ledger.pending())
    checkpoint = signed.checkpoint
    document: dict[str, Json] = {
        "origin": checkpoint.origin,
        "verifier_key": vkey,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signatures": [one.name for one in signed.note.signatures],
        "journal": waiting,
        "entries": entries,
    }
    shown: list[RenderableType] = [
        fields(
            [
                ("log", checkpoint.origin),
                ("size", f"{checkpoint.size:,}"),
                ("root", checkpoint.root.hex()),
                ("signatures", str(len(signed.note.signatures))),
            ]
        ),
        line("key:"),
        whole(vkey),
    ]
    if waiting:
        shown.append(line(f"{waiting:,} choices wait in the journal; they hold already.", DIM))
    if entries:
        shown.append(heading(f"The latest {len(entries):,} entries"))
        rows = [
            (str(one["index"]), str(one["at"])[:19], str(one["kind"]), _said(one))
            for one in entries
        ]
        shown.append(table(("#no", "!when", "!what", "about"), rows))
    return Answer(document=document, shown=tuple(shown))


@command(GROUP, "checkpoint", writes=True)
def checkpoint(
    session: Session,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file.")] = None,
) -> Answer:
    """Print the latest signed checkpoint. Keep one: the log can't be shortened behind it."""
    with read_home(session) as home, _published(home) as (signed, _, note):
        document: dict[str, Json] = {
            "checkpoint": note.decode("utf-8"),
            "origin": signed.checkpoint.origin,
            "size": signed.checkpoint.size,
            "root": signed.checkpoint.root.hex(),
            "verifier_key": home.signer.verifier.vkey,
        }
    if out is None:
        shown = tuple(whole(text) for text in note.decode("utf-8").rstrip("\n").split("\n"))
        return Answer(document=document, shown=shown)
    _refuse_existing(out)
    if not session.dry_run:
        write_durable(out, note)
    word = "would write" if session.dry_run else "Wrote"
    text = f"{word} the checkpoint of size {signed.checkpoint.size:,} to {out}"
    return Answer(document={**document, "path": str(out)}, shown=(line(text),))


@command(GROUP, "prove", writes=True)
def prove(
    session: Session,
    index: Annotated[int, typer.Argument(metavar="ENTRY", min=0, help="The entry's number.")],
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Where; ends in .tlog-proof. The entry goes beside."),
    ],
) -> Answer:
    """Write a proof that one entry is in the log, and the entry, for offline checking."""
    entry_path = out.with_suffix(ENTRY_SUFFIX)
    if entry_path == out:
        hint = "name it like entry-7.tlog-proof"
        raise InvalidInput("out_form", f"{out} is the name of the entry's own file", hint=hint)
    for path in (out, entry_path):
        _refuse_existing(path)
    with read_home(session) as home, _published(home) as (signed, tree, note):
        if index >= tree.size:
            hint = "volens log show lists the latest"
            raise NotFound("no_entry", f"the log has {tree.size} entries, no {index}", hint=hint)
        entry = tree.bundle(index // TILE_WIDTH)[index % TILE_WIDTH]
        hashes = inclusion_path(index, tree.size, tree.subtree)
        proof = format_tlog_proof(TlogProof(index=index, path=hashes, checkpoint=note))
    document: dict[str, Json] = {
        "index": index,
        "size": signed.checkpoint.size,
        "proof": str(out),
        "entry": str(entry_path),
    }
    if session.dry_run:
        shown = (line(f"would write {out} and {entry_path}"),)
        return Answer(document={"dry_run": True, **document}, shown=shown)
    write_durable(entry_path, entry)
    write_durable(out, proof)
    text = f"Wrote {out} and {entry_path}."
    return Answer(
        document=document, shown=(line(text, GOOD), line(f"Check: volens verify {out}", DIM))
    )


@command(GROUP, "witness", writes=True)
def witness(
    session: Session,
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Ask the witness there to cosign.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="VKEY", help="That witness's key.")] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Be a witness that remembers in this folder.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="As a witness: your name in cosignatures.")
    ] = "witness.local",
    log_key: Annotated[
        list[str] | None,
        typer.Option(metavar="VKEY", help="As a witness: a log to cosign; repeatable."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="As a witness: the address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="As a witness: the port; 0 takes a free one.")] = 0,
) -> Answer:
    """Ask a witness to cosign the log, or be one for other people's logs.

    A witness vouches that a log only ever grew. It should run at another place, kept by others.
    """
    if (url is None) == (run is None):
        hint = "give the URL of a witness, or --run DIR to be one"
        raise InvalidInput("witness_which", "ask a witness or be one", hint=hint)
    if run is not None:
        options = WitnessOptions(folder=run, name=name, log_keys=tuple(log_key or ()))
        return _be_witness(session, options, host, port)
    if key is None:
        hint = "the witness's owner published it"
        raise InvalidInput(
            "key_missing", "the witness's key is not given", hint=f"--key VKEY; {hint}"
        )
    assert url is not None
    if session.dry_run:
        return Answer(
            document={"dry_run": True, "url": url}, shown=(line(f"would ask {url} to cosign"),)
        )
    with write_home(session) as home:
        signed = submit_to(home.owned_log(), url, key)
        note = home.owned_log().checkpoint.decode("utf-8")
        remember(home.folder, Remembered(vkey=key, url=url, note=note))
    document: dict[str, Json] = {
        "size": signed.checkpoint.size,
        "root": signed.checkpoint.root.hex(),
        "cosigned": list(signed.cosigned),
    }
    text = f"{', '.join(signed.cosigned)} cosigned the log at size {signed.checkpoint.size:,}."
    return Answer(document=document, shown=(line(text, GOOD),))


def _be_witness(session: Session, options: WitnessOptions, host: str, port: int) -> Answer:
    if session.dry_run:
        text = f"would be a witness that remembers in {options.folder}"
        return Answer(document={"dry_run": True}, shown=(line(text),))
    witness, vkey = load_witness(options)
    cosigned = serve(witness, host, port, lambda at: session.output.note(f"{at}  key: {vkey}"))
    return Answer(document={"verifier_key": vkey, "address": cosigned}, shown=(line("Ended."),))


@contextmanager
def _published(home: Home) -> Iterator[tuple[SignedCheckpoint, TileTree, bytes]]:
    """Give the published log, read from its files; its owner may be writing meanwhile.

    Raises:
        VerificationFailed: if the files don't hold.
        Unavailable: ``log_moving`` if it went on too fast to be read.
    """
    reader = DirectoryReader(home.folder / "log")
    for attempt in range(_TRIES):
        note = reader.read(CHECKPOINT)
        signed = open_checkpoint(note, [home.signer.verifier])
        try:
            tree = load_tree(reader.read, size=signed.checkpoint.size, root=signed.checkpoint.root)
        except Exception:
            # A partial tile goes away when its successor is published: read the newer one.
            if reader.read(CHECKPOINT) == note or attempt == _TRIES - 1:
                raise
            continue
        yield signed, tree, note
        return
    raise Unavailable("log_moving", "the log goes on too fast to be read", hint="try again")


def _entry(data: bytes, index: int) -> dict[str, Json]:
    body = read_strict(data)
    assert isinstance(body, dict)
    return {"index": index, **body}


def _said(entry: dict[str, Json]) -> str:
    """Return the words and counts of an entry; commitments say nothing to people."""
    hidden = {"index", "at", "kind", "v"}
    parts = [
        f"{name.replace('_', ' ')} {_word(value)}"
        for name, value in entry.items()
        if name not in hidden and not name.endswith(("commitment", "hash", "root", "dataset"))
    ]
    return ", ".join(parts)


def _word(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        hint = "choose another --out"
        raise InvalidInput("out_exists", f"{path} is there already", hint=hint)
