"""``volens prove``: a proof for one person that their chat is, or is not, in a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, WARN, Answer, line
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.datasets.proofs import ProofKind, verify_proof
from volens.storage.files import write_durable

GROUP = new_group("Prove that a chat is, or is not, in a dataset.")


@command(GROUP, "prove", writes=True)
def prove(
    session: Session,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A dataset's id (dst_...) or folder.")
    ],
    conversation: Annotated[
        str, typer.Argument(metavar="CONVERSATION", help="A conversation's id (cnv_...).")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the proof.")],
) -> Answer:
    """Write a proof of membership or absence, whichever is true.

    It is for the conversation's own person: it holds the secret of this one capture.
    """
    if out.exists():
        hint = "choose another --out"
        raise InvalidInput("out_exists", f"{out} is there already", hint=hint)
    if session.dry_run:
        with read_home(session) as home:
            held = home.vault.find(conversation)
        text = f"would write a proof about {held.id} to {out}"
        return Answer(document={"dry_run": True, "conversation": held.id}, shown=(line(text),))
    with write_home(session) as home:
        held = home.vault.find(conversation)
        owner = home.subjects.by_number(held.subject_no)
        data = home.datasets().prove(dataset, held, owner)
        verdict = verify_proof(data, home.signer.verifier)
    write_durable(out, data)
    member = verdict.kind is ProofKind.MEMBER
    document: dict[str, Json] = {
        "kind": verdict.kind.value,
        "dataset": verdict.dataset,
        "conversation": verdict.conversation,
        "path": str(out),
        "capture": verdict.commitment.hex(),
    }
    word = "IS in" if member else "is NOT in"
    shown = (
        line(f"{verdict.conversation} {word} {verdict.dataset}.", WARN if member else GOOD),
        line(f"Proof: {out}. Give it to its person only.", DIM),
        line(f"Check it anywhere: volens verify {out} --key VKEY", DIM),
    )
    return Answer(document=document, shown=shown)
