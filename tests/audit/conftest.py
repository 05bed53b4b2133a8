"""A home with a little of everything, made once; each test breaks a copy."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.audit.looking import PEOPLE, built
from tests.support.homes import Place, add, place
from tests.support.stores import act, talk
from volens.app.witnesses import Remembered, remember
from volens.consent.model import Act
from volens.core.purposes import Purpose, Signal
from volens.log.kinds import CaptureSource
from volens.log.note import KeyType, Signer, format_note, parse_note

WITNESS = Signer(name="witness.example", seed=bytes(range(32)), key_type=KeyType.COSIGNATURE)


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ada and Cem said yes, Bo did not, Dee took it back; a dataset holds Ada's and Cem's chats."""
    found = place(tmp_path_factory.mktemp("audited"))
    found.create()
    with found.open() as home:
        ada, bo, cem, dee = add(home, *PEOPLE)
        for person in (ada, bo, cem, dee):
            chats = [talk(f"{person.number} a"), talk(f"{person.number} b")]
            home.vault.capture({person: chats}, source=CaptureSource.IMPORT)
            found.clock.step(timedelta(minutes=1))
        home.ledger.record([act(1, ada, Act.GRANT), act(2, cem, Act.GRANT)])
        found.clock.step(timedelta(minutes=1))
        home.ledger.record([act(3, dee, Act.GRANT), act(4, dee, Act.WITHDRAW)])
        home.subjects.instruct("acme", [Purpose.SAFETY_TRAINING])
        found.clock.step(timedelta(minutes=1))
        (first, _) = home.vault.of_subject(bo)
        home.vault.set_signal(first, Signal.EXCLUDED, bo.holder)
        home.subjects.change(dee, {"plan": "pro"})
        found.clock.step(timedelta(minutes=1))
        assert built(home, found.folder.parent / "set").manifest.counts.records == 4
        found.clock.step(timedelta(minutes=1))
        log = home.owned_log()
        log.publish()
        text = parse_note(log.checkpoint).text
        seen = WITNESS.cosign_text(text, timestamp=int(found.clock.now().timestamp()))
        note = format_note(text, [*parse_note(log.checkpoint).signatures, seen]).decode()
        url = "https://witness.example"
        remember(found.folder, Remembered(vkey=WITNESS.verifier.vkey, url=url, note=note))
    return found


@pytest.fixture
def here(lived_in: Place, tmp_path: Path) -> Place:
    copy = lived_in.copy(tmp_path)
    copy.clock.moment = lived_in.clock.moment
    return copy
