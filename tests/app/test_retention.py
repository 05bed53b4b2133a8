"""A home whose chats go by themselves, by a clock that a witness confirms; everything is real."""

from datetime import datetime, timedelta

import pytest

from tests.support.homes import Place
from tests.support.stores import talk
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.retention import clock_of, forecast_of, late_in, newest_cosignature, retention_of
from volens.app.witnesses import Remembered, remember
from volens.core.errors import NotFound, VerificationFailed
from volens.core.regions import Region
from volens.core.time import EPOCH
from volens.holds.erasure import ErasureState
from volens.lifecycle.retention import RetentionRun
from volens.lifecycle.trusted_time import Pause
from volens.log.checkpoint import parse_checkpoint
from volens.log.kinds import CaptureSource
from volens.log.note import KeyType, Signer, format_note, parse_note
from volens.policy.retention import RetentionClass
from volens.vault.subjects import NewSubject

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(milliseconds=1)
WITNESS = Signer(name="witness.example", seed=b"w" * 32, key_type=KeyType.COSIGNATURE)
OTHER = Signer(name="other.example", seed=b"o" * 32, key_type=KeyType.COSIGNATURE)


def cosign(home: Home, at: datetime, *, by: Signer = WITNESS, under: Signer = WITNESS) -> None:
    """Let a witness sign the log's checkpoint at a moment, and remember it `under` a key."""
    log = home.owned_log()
    log.publish()
    note = parse_note(log.checkpoint)
    assert parse_checkpoint(note.text).size > 0
    line = by.cosign_text(note.text, timestamp=int((at - EPOCH).total_seconds()))
    signed = format_note(note.text, [*note.signatures, line]).decode()
    vkey = under.verifier.vkey
    remember(home.folder, Remembered(vkey=vkey, url="https://w.example", note=signed))


def run(home: Home) -> RetentionRun:
    return retention_of(home, eraser_of(home)).run(home.clock.now())


def settle(home: Home) -> str:
    """Instruct 30 days, and let somebody of that organisation chat; return the chat."""
    home.subjects.instruct("acme", None, keeping={RetentionClass.ACTIVE_CONVERSATIONS: 30})
    wanted = NewSubject(reference="eve", plan="business", region=Region.EU, organisation="acme")
    (eve,) = home.subjects.add([wanted])
    home.vault.capture({eve: [talk("one")]}, source=CaptureSource.IMPORT)
    return next(iter(home.vault.of_subject(eve))).id


def test_a_chat_goes_at_its_time_and_no_copy_opens_it_22_days_later(here: Place) -> None:
    start = here.clock.moment
    with here.open() as home:
        chat = settle(home)
        assert len(forecast_of(home, start + 30 * DAY).going) == 1
    for day in range(1, 30):
        here.clock.moment = start + day * DAY
        with here.open() as home:
            assert run(home).scheduled == 0
    here.clock.moment = start + 30 * DAY - TICK
    with here.open() as home:
        assert run(home).scheduled == 0
        assert home.vault.find(chat)
    here.clock.moment = start + 30 * DAY
    with here.open() as home:
        assert run(home).erased == 1
        with pytest.raises(NotFound):
            home.vault.find(chat)
    for day in range(31, 30 + 22):
        here.clock.moment = start + day * DAY
        with here.open() as home:
            done = run(home)
            assert not done.alarms
    with here.open() as home:
        (erasure,) = home.erasures.all()
        assert erasure.state is ErasureState.IRRECOVERABLE


def test_downtime_catches_up_once_a_witness_has_seen_the_log_since(here: Place) -> None:
    start = here.clock.moment
    with here.open() as home:
        settle(home)
        run(home)
        cosign(home, start)
    here.clock.moment = start + 40 * DAY
    with here.open() as home:
        done = run(home)
        assert (done.paused, done.erased) == (Pause.LEAP, 0)
        cosign(home, start + 40 * DAY - HOUR)
        assert run(home).erased == 1


def test_only_a_witness_that_is_known_and_this_logs_own_checkpoint_count(here: Place) -> None:
    start = here.clock.moment
    with here.open() as home:
        home.subjects.instruct("acme", [])
        assert newest_cosignature(home) is None
        cosign(home, start + HOUR)
        assert newest_cosignature(home) == start + HOUR
        cosign(home, start + 9 * DAY, by=OTHER, under=WITNESS)  # signed by nobody known
        assert newest_cosignature(home) is None
        cosign(home, start + 2 * HOUR, by=OTHER, under=OTHER)
        assert newest_cosignature(home) == start + 2 * HOUR
        vkey = WITNESS.verifier.vkey
        text = f"another.example\n{parse_note(home.owned_log().checkpoint).text}"
        line = WITNESS.cosign_text(text, timestamp=9)
        forged = format_note(text, [line]).decode()
        remember(home.folder, Remembered(vkey=vkey, url="https://w.example", note=forged))
        with pytest.raises(VerificationFailed):
            newest_cosignature(home)
        with pytest.raises(VerificationFailed):
            run(home)


def test_a_cosignature_of_the_far_future_is_not_believed(here: Place) -> None:
    with here.open() as home:
        home.subjects.instruct("acme", [])
        log = home.owned_log()
        log.publish()
        note = parse_note(log.checkpoint)
        line = WITNESS.cosign_text(note.text, timestamp=2**62)
        signed = format_note(note.text, [*note.signatures, line]).decode()
        vkey = WITNESS.verifier.vkey
        remember(home.folder, Remembered(vkey=vkey, url="https://w.example", note=signed))
        found = clock_of(home).look(here.clock.moment)
        assert (found.witness_ahead, found.state.trusted) == (True, None)
        assert late_in(home, found) == ()
