"""The part of ``volens demo`` in which somebody's chats go for good, and the receipt says so."""

from __future__ import annotations

from datetime import timedelta

from volens.app.erasing import eraser_of
from volens.app.retention import retention_of
from volens.cli.demo_tour import Tour
from volens.cli.output import BAD, GOOD, fields, indented
from volens.cli.words import reason_words
from volens.core.ids import IdKind, parse_id
from volens.core.time import format_moment
from volens.gate.facts import Use
from volens.holds.erasure import PROMISE, Erasure, new_erasure
from volens.lifecycle.probe import probe
from volens.lifecycle.published import prove_published
from volens.lifecycle.receipt import issue_receipt, verify_receipt
from volens.log.kinds import ErasureScope
from volens.storage.files import write_durable

_DAY = timedelta(days=1)
MONTH = PROMISE - _DAY
"""By then no old copy opens any more; what is due once in 30 days is not overdue yet."""


def erase_one(tour: Tour, name: str, use: Use) -> None:
    """Ask for one person's chats to be erased; play the month that follows; check the receipt."""
    chats = [held.id for held in tour.home.vault.of_subject(tour.people[name])]
    erasure = _ask_for_it(tour, name, use)
    _month(tour, erasure)
    found = probe(
        [tour.home.folder, tour.home.custody],
        {chat: parse_id(IdKind.CONVERSATION, chat) for chat in chats},
    )
    tour.found(
        f"Looked for {len(chats)} ids in every file of home and keys: {len(found)} found.",
        BAD if found else GOOD,
    )
    _receipt(tour, erasure)
    tour.facts["probe"] = len(found)


def _ask_for_it(tour: Tour, name: str, use: Use) -> Erasure:
    home, person = tour.home, tour.people[name]
    tour.title(f"{name} wants all chats gone", f"volens erase history {name} --yes")
    held = next(iter(home.vault.of_subject(person)))
    asked = new_erasure(home.entropy.draw(16), ErasureScope.HISTORY, person.id, home.clock.now())
    standing = home.erasures.request(asked)
    home.erasures.drain()
    decision = home.gate.decide(person, use, held)
    tour.found(f"Access ended at once: {reason_words(decision.reasons[0])}.", GOOD)
    day = len("2026-01-31")
    rows = [
        (f"until {format_moment(standing.cool_off_ends)[:day]}", "it can be taken back"),
        ("after that", "its keys and rows are removed: nothing here opens it"),
        (f"by {format_moment(standing.promised_by)[:day]}", "no old copy opens any more either"),
    ]
    tour.output.say(indented(fields(rows)))
    tour.facts["after_erasure"] = [reason.value for reason in decision.reasons]
    return standing


def _month(tour: Tour, erasure: Erasure) -> None:
    """Run retention on each day, as a timer would, until it says that nothing opens it."""
    tour.title(
        "A month goes by, on the demo's own clock",
        "volens retention run   (a timer starts it every day)",
    )
    started = tour.clock.now()
    erasing = eraser_of(tour.home)
    while tour.clock.behind:
        tour.clock.go_on(_DAY)
        done = retention_of(tour.home, erasing).run(tour.clock.now())
        day = f"day {(tour.clock.now() - started) // _DAY:>2}   "
        if done.erased:
            tour.found(f"{day}keys removed, then rows and ciphertext overwritten")
        if done.rotated:
            tour.found(f"{day}the key that locks all keys is replaced")
        if done.destroyed:
            tour.found(f"{day}the replaced one is destroyed: old copies don't open any more")
    state = tour.home.erasures.find(erasure.id).state
    tour.facts["erasure"] = state.value


def _receipt(tour: Tour, erasure: Erasure) -> None:
    home = tour.home
    tour.title("The receipt", f"volens receipt show {erasure.id} --out receipt.json")
    home.owned_log().publish()
    data = issue_receipt(
        home.erasures.find(erasure.id),
        prove_published(home.folder / "log", tour.verifier, home.erasures.evidence(erasure.id)),
        contact="the demo",
        issued=home.clock.now(),
        signer=home.signer,
    )
    write_durable(tour.folder / "receipt.json", data)
    receipt = verify_receipt(data, tour.verifier).receipt
    done = "done" if receipt.done else "not done yet"
    tour.found(f"{len(receipt.steps)} stores, each with its time; {done}.", GOOD)
    tour.found(
        f"volens verify receipt.json: {len(data):,} bytes that anybody can check offline. It is "
        "never early: each step is in the log first."
    )
    tour.facts["receipt"] = {"done": receipt.done, "bytes": len(data)}
