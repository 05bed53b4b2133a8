"""What is tried being killed: each story is an operation, what must hold after, and a repeat."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.support.homes import Parts, Place, add, journaling
from tests.support.stores import BATCH, BUILDER, TRAINING, act, talk
from tests.support.tracing import Operation
from volens.consent.model import Act
from volens.consent.store import ConsentLedger
from volens.core.errors import NotFound
from volens.core.purposes import ConsentStatus, Signal
from volens.log.entries import parse_entry
from volens.log.kinds import CaptureSource, EntryKind
from volens.vault.model import Conversation, unpack_payload
from volens.vault.subjects import Subject

MANY = 5
Say = Callable[[str], None]
ADA = ["hello from ada a", "hello from ada b"]


def unheard(word: str) -> None:
    """Acknowledge to nobody."""
    assert word


@dataclass(frozen=True)
class Story:
    """One operation on a lived-in home."""

    prepare: Callable[[Place], Callable[[], Operation]]
    """Place -> what the child runs before it is traced."""
    check: Callable[[Place, Parts, tuple[str, ...]], None]
    """What must hold at the next opening, given what was acknowledged."""
    repeat: Callable[[Parts], None]
    """The same operation again; after it, `check` must hold as if all was acknowledged."""
    words: tuple[str, ...] = ()
    """Everything the operation acknowledges when nothing stops it."""


def owned(operation: Callable[[Parts, Say], None]) -> Callable[[Place], Callable[[], Operation]]:
    """Trace an operation of the owner, from the opened home to its closing."""

    def prepare(where: Place) -> Callable[[], Operation]:
        def in_child() -> Operation:
            home = Parts(where)

            def traced(say: Say) -> None:
                with home:
                    operation(home, say)
                say("closed")

            return traced

        return in_child

    return prepare


def sound(where: Place) -> None:
    """Both databases are whole."""
    for name in ("main.db", "keys/keys.db"):
        database = sqlite3.connect(where.folder / name)
        try:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        finally:
            database.close()


def texts(home: Parts) -> list[str]:
    """Open everything that training may use."""
    selection = home.gate.select(TRAINING, BUILDER)
    return [
        turn.text
        for batch in home.gate.open(selection)
        for payload in batch.payloads
        for turn in unpack_payload(payload).turns[:1]
    ]


def status(ledger: ConsentLedger, subject: Subject) -> ConsentStatus:
    state = ledger.states(subject.id).get(BATCH)
    if state is None:
        return ConsentStatus.NOT_GRANTED
    return state.status_at(subject.created)


def logged_as(home: Parts, subject: Subject) -> None:
    """Every recorded act stands in the log at its index, as its kind."""
    for item in home.ledger.history(subject.id):
        kind = parse_entry(home.log.entry(item.log_index)).kind
        assert kind.value.startswith("consent.")
        assert (kind is EntryKind.CONSENT_GRANTED) == (item.event.act is Act.GRANT)


def find(home: Parts, name: str) -> Subject | None:
    try:
        return home.subjects.find(name)
    except NotFound:
        return None


# --- a person is added and their conversations come in ----------------------------------------


def newcomers() -> list[Conversation]:
    return [talk(f"cy {number}", f"word {number}" * 50) for number in range(MANY)]


def arrive(home: Parts, say: Say) -> None:
    cy = find(home, "cy") or add(home, "cy")[0]
    say("added")
    home.vault.capture({cy: newcomers()}, source=CaptureSource.IMPORT)
    say("captured")


def arrived(where: Place, home: Parts, said: tuple[str, ...]) -> None:
    assert where
    cy = find(home, "cy")
    assert cy or "added" not in said
    held = list(home.vault.of_subject(cy)) if cy else []
    assert len(held) in ({MANY} if "captured" in said else {0, MANY})
    assert home.gate.preview(TRAINING)[0] == len(ADA)
    if cy:
        assert home.ledger.states(cy.id) == {}
        assert home.gate.references([cy]) == ["cy"]


def arrive_and_open(home: Parts) -> None:
    arrive(home, unheard)
    cy = home.subjects.find("cy")
    assert texts(home) == ADA
    if not home.ledger.history(cy.id):
        home.ledger.record([act(50, cy, Act.GRANT)])
        assert texts(home) == ADA + [f"word {number}" * 50 for number in range(MANY)]
        home.ledger.record([act(51, cy, Act.WITHDRAW)])


def arrived_after_opening(where: Place, home: Parts, said: tuple[str, ...]) -> None:
    cy = find(home, "cy")
    if cy and home.ledger.history(cy.id):
        assert status(home.ledger, cy) is ConsentStatus.WITHDRAWN
        assert home.gate.preview(TRAINING)[0] == len(ADA)
        assert home.vault.count() == 3 + MANY
        return
    arrived(where, home, said)


# --- new words of known conversations come in ---------------------------------------------------


def reimport(home: Parts, say: Say) -> None:
    ada = home.subjects.find("ada")
    home.vault.capture(
        {ada: [talk("ada a", "NEW a"), talk("ada b", signal=Signal.EXCLUDED)]},
        source=CaptureSource.IMPORT,
    )
    say("captured")


def reimported(where: Place, home: Parts, said: tuple[str, ...]) -> None:
    assert where
    ada = home.subjects.find("ada")
    held = list(home.vault.of_subject(ada))
    assert len(held) == 2
    new = ["NEW a"]
    assert texts(home) in ([new] if "captured" in said else [ADA, new])
    assert {one.sequence for one in held} == ({1} if texts(home) == new else {0})


# --- choices ------------------------------------------------------------------------------------


def grant(home: Parts, say: Say) -> None:
    bo = home.subjects.find("bo")
    home.ledger.record([act(10, bo, Act.GRANT)])
    say("granted")


def granted(where: Place, home: Parts, said: tuple[str, ...]) -> None:
    assert where
    bo = home.subjects.find("bo")
    history = home.ledger.history(bo.id)
    is_granted = status(home.ledger, bo) is ConsentStatus.GRANTED
    assert is_granted or "granted" not in said
    assert is_granted == (len(history) == 1)
    logged_as(home, bo)
    assert texts(home) == ADA + ["hello from bo a"] * is_granted


def withdraw(home: Parts, say: Say) -> None:
    home.ledger.record([act(10, home.subjects.find("ada"), Act.WITHDRAW)])
    say("withdrawn")


def journal_withdrawal(where: Place) -> Callable[[], Operation]:
    def in_child() -> Operation:
        with Parts(where) as home:
            ada = home.subjects.find("ada")
        ledger = journaling(where)

        def traced(say: Say) -> None:
            ledger.journal(act(10, ada, Act.WITHDRAW))
            say("withdrawn")

        return traced

    return in_child


def withdrawn(where: Place, home: Parts, said: tuple[str, ...]) -> None:
    assert where
    ada = home.subjects.find("ada")
    is_withdrawn = status(home.ledger, ada) is ConsentStatus.WITHDRAWN
    assert is_withdrawn or "withdrawn" not in said
    assert len(home.ledger.history(ada.id)) == 1 + is_withdrawn
    logged_as(home, ada)
    assert home.ledger.pending() == []
    assert texts(home) == ([] if is_withdrawn else ADA)


def change_of_mind(home: Parts, say: Say) -> None:
    """No, yes, no in one call: at no point may the last no be overtaken."""
    ada = home.subjects.find("ada")
    kinds = (Act.WITHDRAW, Act.GRANT, Act.WITHDRAW)
    home.ledger.record([act(10 + place, ada, kind) for place, kind in enumerate(kinds)])
    say("withdrawn")


def mind_changed(where: Place, home: Parts, said: tuple[str, ...]) -> None:
    assert where
    ada = home.subjects.find("ada")
    history = [item.event.act for item in home.ledger.history(ada.id)]
    whole = [Act.GRANT, Act.WITHDRAW, Act.GRANT, Act.WITHDRAW]
    assert history == whole[: len(history)]
    assert len(history) == len(whole) or "withdrawn" not in said
    logged_as(home, ada)
    assert texts(home) == (ADA if history[-1] is Act.GRANT else [])


def taking_in(where: Place) -> Callable[[], Operation]:
    """Another process has journaled a withdrawal; the owner opens and takes it in."""

    def in_child() -> Operation:
        with Parts(where) as home:
            ada = home.subjects.find("ada")
        journaling(where).journal(act(10, ada, Act.WITHDRAW))

        def traced(say: Say) -> None:
            say("withdrawn")
            with Parts(where):
                say("opened")

        return traced

    return in_child


def signal(home: Parts, say: Say) -> None:
    ada = home.subjects.find("ada")
    held = next(home.vault.of_subject(ada))
    home.vault.set_signal(held, Signal.EXCLUDED, ada.holder)
    say("signalled")


def signalled(where: Place, home: Parts, said: tuple[str, ...]) -> None:
    assert where
    opened = texts(home)
    assert opened in ([ADA[1:]] if "signalled" in said else [ADA, ADA[1:]])


STORIES: Mapping[str, Story] = {
    "a person arrives with conversations": Story(
        prepare=owned(arrive),
        check=arrived_after_opening,
        repeat=arrive_and_open,
        words=("added", "captured", "closed"),
    ),
    "new words of known conversations come in": Story(
        prepare=owned(reimport),
        check=reimported,
        repeat=lambda home: reimport(home, unheard),
        words=("captured", "closed"),
    ),
    "a grant": Story(
        prepare=owned(grant),
        check=granted,
        repeat=lambda home: grant(home, unheard),
        words=("granted", "closed"),
    ),
    "a withdrawal by the owner": Story(
        prepare=owned(withdraw),
        check=withdrawn,
        repeat=lambda home: withdraw(home, unheard),
        words=("withdrawn", "closed"),
    ),
    "a withdrawal by another process": Story(
        prepare=journal_withdrawal,
        check=withdrawn,
        repeat=lambda home: withdraw(home, unheard),
        words=("withdrawn",),
    ),
    "taking in a journaled withdrawal": Story(
        prepare=taking_in,
        check=withdrawn,
        repeat=lambda home: withdraw(home, unheard),
        words=("withdrawn", "opened"),
    ),
    "no, yes and no in one call": Story(
        prepare=owned(change_of_mind),
        check=mind_changed,
        repeat=lambda home: change_of_mind(home, unheard),
        words=("withdrawn", "closed"),
    ),
    "a conversation is excluded": Story(
        prepare=owned(signal),
        check=signalled,
        repeat=lambda home: signal(home, unheard),
        words=("signalled", "closed"),
    ),
}
