"""``volens demo``: the life of some chats, told step by step, on real dialogues."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from volens.app.creation import create_home
from volens.app.home import open_home
from volens.cli.choices import new_event, notice_for
from volens.cli.commands import Session, command, new_group
from volens.cli.demo_doors import DEMO_PORT, add_guests, serve_demo
from volens.cli.demo_erasing import MONTH, erase_one
from volens.cli.demo_tour import DemoClock, Tour
from volens.cli.dialogues import LANGUAGES, read_dialogues
from volens.cli.output import BAD, GOOD, STRONG, Answer, indented, line, table
from volens.cli.words import reason_words
from volens.consent.model import Act, ConsentEvent
from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose
from volens.datasets.build import BuildResult
from volens.datasets.proofs import verify_proof
from volens.datasets.verify import verify_dataset
from volens.gate.facts import Use
from volens.log.kinds import CaptureSource
from volens.log.verify import verify_directory
from volens.policy.model import ReasonCode
from volens.storage.files import write_durable
from volens.storage.system import SystemClock
from volens.vault.model import Conversation
from volens.vault.subjects import NewSubject

GROUP = new_group("A guided tour on real dialogues, in a throw-away home.")
_PURPOSE = Purpose.BATCH_TRAINING
_EACH = 40
_PEOPLE = {
    "Aiko": "japanese",
    "Bela": "german",
    "Carmen": "spanish",
    "Deniz": "turkish",
    "Emily": "english",
    "Farid": "french",
    "Gita": "hindi",
    "Hao": "chinese",
}
_WILLING = ("Aiko", "Bela", "Carmen", "Emily", "Hao")
_LEAVES = "Carmen"
_GOES = "Hao"


@command(GROUP, "demo")
def demo(
    session: Session,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the home afterwards, to go on with.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to keep it; implies --keep.")
    ] = None,
    serving: Annotated[
        bool, typer.Option("--serve", help="Then serve its pages on this machine, to look around.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where to serve; 0: any that is free.")
    ] = DEMO_PORT,
) -> Answer:
    """Walk through the life of some chats: some people say yes, one leaves, one has all erased.

    Everything is real but the month of the erasing, which the demo's clock skips: dialogues in
    eight languages, keys, a dataset, and proofs that a stranger could check. Takes a few seconds.
    """
    if out is not None and out.exists() and any(out.iterdir()):
        raise InvalidInput("out_exists", f"{out} holds files", hint="choose an empty folder")
    dialogues = {name: read_dialogues(language, _EACH) for name, language in _PEOPLE.items()}
    with _place(out, keep=keep) as folder:
        environment = {**session.environment, "VOLENS_KEK_DIR": str(folder / "keys")}
        clock = DemoClock(real=SystemClock(), behind=MONTH)  # it ends at the real moment
        create_home(folder / "home", environment=environment, clock=clock)
        with open_home(folder / "home", writing=True, environment=environment, clock=clock) as home:
            tour = Tour(session.output, home, folder, clock)
            _capture(tour, dialogues)
            _nobody(tour)
            _some_say_yes(tour)
            first = _build(tour, "first")
            _leave(tour)
            second = _build_again(tour, first)
            _prove(tour, second)
            erase_one(tour, _GOES, Use(purpose=_PURPOSE.value))
            if serving:
                add_guests(home, {one: tour.people[one] for one in _PEOPLE if one != _GOES})
        _check_log(tour)
        kept = keep or out is not None
        if serving:
            serve_demo(tour, environment=environment, port=port)
        else:
            _next(tour, kept=kept)
        tour.facts["kept"] = str(folder) if kept else None
    return Answer(document=tour.facts)


@contextmanager
def _place(out: Path | None, *, keep: bool) -> Iterator[Path]:
    folder = out or Path(tempfile.mkdtemp(prefix="volens-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if out is None and not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _capture(tour: Tour, dialogues: Mapping[str, list[Conversation]]) -> None:
    count = sum(len(chats) for chats in dialogues.values())
    tour.title(
        "Eight people chat with an assistant",
        "Each chat is sealed under a key of its own. The keys lie outside the home.",
    )
    home = tour.home
    wanted = [
        NewSubject(reference=name, plan="free", region=home.identity.region) for name in _PEOPLE
    ]
    made = home.subjects.add(wanted)
    tour.people = dict(zip(_PEOPLE, made, strict=True))
    captured = {tour.people[name]: chats for name, chats in dialogues.items()}
    home.vault.capture(captured, source=CaptureSource.DEMO)
    rows = [
        (name, LANGUAGES[language], f"{len(dialogues[name])}") for name, language in _PEOPLE.items()
    ]
    tour.output.say(indented(table(("person", "language", "#chats"), rows)))
    tour.facts |= {"people": len(made), "conversations": count}


def _nobody(tour: Tour) -> None:
    tour.title(
        "May a model be trained on them?",
        f"volens ask Aiko {_PURPOSE}",
    )
    use = Use(purpose=_PURPOSE.value)
    decision = tour.home.gate.decide(tour.people["Aiko"], use)
    tour.found(f"No: {reason_words(decision.reasons[0])}.", BAD)
    permitted, excluded = tour.home.gate.preview(use)
    tour.found(f"Usable: {permitted} of {sum(excluded.values())} chats. Every switch starts off.")
    tour.facts["usable_at_first"] = permitted


def _some_say_yes(tour: Tour) -> None:
    tour.title(
        f"{len(_WILLING)} people say yes, {len(_PEOPLE) - len(_WILLING)} say nothing",
        f"volens consent grant NAME {_PURPOSE}   (each yes is bound to the notice they saw)",
    )
    home = tour.home
    events = []
    for name in _WILLING:
        language = "de" if _PEOPLE[name] == "german" else "en"
        notice, _ = notice_for(home, tour.people[name], _PURPOSE, language)
        events.append(new_event(home, tour.people[name], _PURPOSE, Act.GRANT, notice=notice))
    home.ledger.record(events)
    tour.found(f"{', '.join(_WILLING)} said yes.", GOOD)


def _build(tour: Tour, name: str) -> BuildResult:
    tour.title(
        "Build a dataset",
        f"volens build {_PURPOSE} --out {name}",
    )
    result = tour.home.datasets().build(Use(purpose=_PURPOSE.value), tour.folder / name)
    _tell(tour, result)
    report = verify_dataset(tour.folder / name, tour.verifier)
    tour.found(
        f"volens verify: signed by the log's key, {report.counts.records} records, all there.",
        GOOD,
    )
    tour.facts["first"] = {"records": result.manifest.counts.records}
    return result


def _tell(tour: Tour, result: BuildResult) -> None:
    records = result.manifest.counts.records
    tour.found(f"{records} chats in, sealed: without the home's keys they are noise.")
    for code, count in sorted(result.excluded.items(), key=lambda item: -item[1]):
        tour.found(f"{count} left out: {reason_words(code)}.")


def _leave(tour: Tour) -> None:
    tour.title(
        f"{_LEAVES} takes the yes back",
        f"volens consent withdraw {_LEAVES}   (works at any time, also on a full disk)",
    )
    home = tour.home
    event: ConsentEvent = new_event(home, tour.people[_LEAVES], _PURPOSE, Act.WITHDRAW)
    home.ledger.record([event])
    decision = home.gate.decide(tour.people[_LEAVES], Use(purpose=_PURPOSE.value))
    told = reason_words(decision.reasons[0])
    tour.found(f"From this moment on: {told}.", GOOD)
    tour.facts["after_withdrawal"] = [reason.value for reason in decision.reasons]


def _build_again(tour: Tour, first: BuildResult) -> BuildResult:
    tour.title(
        "Build again, without that person",
        f"volens build {_PURPOSE} --out second",
    )
    second = tour.home.datasets().build(Use(purpose=_PURPOSE.value), tour.folder / "second")
    verify_dataset(tour.folder / "second", tour.verifier)
    records = second.manifest.counts.records
    gone = first.manifest.counts.records - records
    withdrawn = second.excluded.get(ReasonCode.GRANT_WITHDRAWN.value, 0)
    tour.found(f"{records} chats in; {gone} fewer than before. It verifies.", GOOD)
    tour.found(f"{withdrawn} left out: {reason_words(ReasonCode.GRANT_WITHDRAWN)}.")
    tour.facts["second"] = {"records": records}
    return second


def _prove(tour: Tour, second: BuildResult) -> None:
    tour.title(
        f"Prove to {_LEAVES} that a chat of theirs is not in there",
        "volens prove second CONVERSATION --out absence.json",
    )
    home = tour.home
    person = tour.people[_LEAVES]
    held = next(iter(home.vault.of_subject(person)))
    data = home.datasets().prove(second.dataset, held, person)
    write_durable(tour.folder / "absence.json", data)
    verdict = verify_proof(data, tour.verifier)
    tour.found(f"{held.id} is {'' if verdict.kind.value == 'member' else 'NOT '}in it.", GOOD)
    tour.found(
        f"The proof is {len(data):,} bytes. Anybody can check it offline with the log's public "
        "key: it shows that this capture is not in that dataset, and no more than that."
    )
    tour.facts["proof"] = verdict.kind.value


def _check_log(tour: Tour) -> None:
    tour.title("Look at the log", "volens log show; anybody may have a copy")
    report = verify_directory(tour.folder / "home" / "log", [tour.verifier])
    tour.found(
        f"{report.checkpoint.size} entries: every yes, every no, every opening and every dataset. "
        "No words, no names, no ids of people. Every one recomputed: nothing was changed.",
        GOOD,
    )
    tour.facts["log_size"] = report.checkpoint.size


def _next(tour: Tour, *, kept: bool) -> None:
    tour.output.say(line(""), line("Your turn", STRONG))
    if kept:
        keys, home = tour.folder / "keys", tour.folder / "home"
        tour.found(f"export VOLENS_HOME={home} VOLENS_KEK_DIR={keys}")
        tour.found(f"volens ask Emily {_PURPOSE}")
        tour.found("volens consent show Carmen")
        tour.found("volens doctor     (it finds the keys too near: they are, for a demo)")
    else:
        tour.found("volens demo --serve           look around in a browser")
        tour.found("volens demo --out my-demo     keep it, and look around here")
        tour.found("volens init                   a home of your own")
        tour.found("volens import PATH            your own export")
        tour.found("volens policy explain free    what a plan means, in plain words")
