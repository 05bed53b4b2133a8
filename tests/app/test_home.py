"""An opened home: one owner, readers that can't write, and nothing without its keys."""

import multiprocessing
import re
import shutil
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.support.homes import Place, add, place
from tests.support.stores import BATCH, BUILDER, TRAINING, act, talk
from volens.app import policies
from volens.app.identity import IDENTITY, LOOKUP_FILE, SEED_FILE, Identity
from volens.consent.model import Act
from volens.core.errors import InvalidInput, NotFound, Unavailable, VerificationFailed
from volens.core.purposes import ConsentStatus, Signal
from volens.log.kinds import CaptureSource
from volens.log.verify import verify_directory

SPAWN = multiprocessing.get_context("spawn")
WAIT_SECONDS = 60


def own(under: Path, opened: Event, finish: Event) -> None:
    with place(under).open():
        opened.set()
        finish.wait(WAIT_SECONDS)


def test_no_home_is_said_with_the_way_to_make_one(tmp_path: Path) -> None:
    for writing in (True, False):
        with pytest.raises(NotFound) as refused:
            place(tmp_path).open(writing=writing)
        assert refused.value.code == "home_missing"
        assert "init" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_second_owner_is_refused_or_waits_and_readers_come_in(
    here: Place, tmp_path: Path
) -> None:
    opened, finish = SPAWN.Event(), SPAWN.Event()
    owner = SPAWN.Process(target=own, args=(tmp_path, opened, finish))
    owner.start()
    try:
        assert opened.wait(WAIT_SECONDS)
        with pytest.raises(Unavailable) as refused:
            here.open()
        assert refused.value.code == "home_in_use"
        assert str(owner.pid) in refused.value.message
        with here.open(writing=False) as reader:
            assert reader.subjects.count() == 0
        finish.set()
        with here.open(wait_seconds=WAIT_SECONDS) as home:
            assert home.owned_log().size > 0
    finally:
        finish.set()
        owner.join(WAIT_SECONDS)
        if owner.is_alive():
            owner.kill()
            owner.join()
    assert owner.exitcode == 0


def test_a_reader_writes_nothing_but_what_takes_away(here: Place) -> None:
    with here.open() as home:
        (ada,) = add(home, "ada")
        home.vault.capture({ada: [talk("a")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(1, ada, Act.GRANT)])
    before = {path: path.read_bytes() for path in here.folder.rglob("*") if path.is_file()}
    with here.open(writing=False) as home:
        (held,) = home.vault.of_subject(ada)
        for attempt in (
            lambda: home.ledger.record([act(2, ada, Act.GRANT)]),
            lambda: add(home, "bo"),
            lambda: home.subjects.change(ada, {"plan": "pro"}),
            lambda: home.subjects.instruct("acme", []),
            lambda: home.vault.capture({ada: [talk("b")]}, source=CaptureSource.IMPORT),
            lambda: home.vault.set_signal(held, Signal.NONE, ada.holder),
            lambda: home.gate.select(TRAINING, BUILDER),
            lambda: home.gate.show(held, ada, TRAINING, BUILDER),
            home.owned_log,
            home.datasets,
        ):
            with pytest.raises((Unavailable, OperationalError)):
                attempt()
        assert home.gate.decide(ada, TRAINING).permit
    assert before == {path: path.read_bytes() for path in here.folder.rglob("*") if path.is_file()}
    with here.open(writing=False) as home:
        home.ledger.journal(act(3, ada, Act.WITHDRAW))
        assert not home.gate.decide(ada, TRAINING).permit
    with here.open() as home:
        assert home.ledger.pending() == []
        status = home.ledger.states(ada.id)[BATCH].status_at(here.clock.now())
        assert status is ConsentStatus.WITHDRAWN


def test_what_is_written_is_there_after_closing_and_the_log_verifies(here: Place) -> None:
    with here.open() as home:
        (ada,) = add(home, "ada")
        home.vault.capture({ada: [talk("a"), talk("b")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(1, ada, Act.GRANT)])
        verifier, size = home.owned_log().verifier, home.owned_log().size
    report = verify_directory(here.folder / "log", [verifier])
    assert (report.checkpoint.size, report.pending) == (size, 0)
    with here.open() as home:
        selection = home.gate.select(TRAINING, BUILDER)
        assert sum(batch.size for batch in home.gate.open(selection)) == 2


@pytest.mark.parametrize("missing", ["", SEED_FILE, LOOKUP_FILE])
@pytest.mark.parametrize("writing", [True, False])
def test_without_its_key_folder_a_home_does_not_open(
    here: Place, missing: str, *, writing: bool
) -> None:
    (custody,) = here.kek.iterdir()
    if missing:
        (custody / missing).unlink()
    else:
        shutil.rmtree(here.kek)
    for _ in range(2):  # nothing stays locked
        with pytest.raises(Unavailable) as refused:
            here.open(writing=writing)
        assert refused.value.code == "custody_missing"
        assert "VOLENS_KEK_DIR" in refused.value.hint


def test_without_the_kek_content_is_unavailable_and_the_rest_works(here: Place) -> None:
    with here.open() as home:
        (ada,) = add(home, "ada")
        home.vault.capture({ada: [talk("a")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(1, ada, Act.GRANT)])
    (kek,) = here.kek.rglob("*.kek")
    kek.unlink()
    with here.open() as home:
        selection = home.gate.select(TRAINING, BUILDER)
        with pytest.raises(Unavailable) as refused:
            list(home.gate.open(selection))
        assert refused.value.code == "kek_missing"
        assert "VOLENS_KEK_DIR" in refused.value.hint
        home.ledger.record([act(2, ada, Act.WITHDRAW)])
    assert not kek.exists()


def test_a_changed_policy_file_stops_the_home_and_restoring_it_helps(here: Place) -> None:
    (path,) = (here.folder / "policy").rglob("pack.toml")
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b"May 2025", b"May 2026"))
    for writing in (True, False, True):
        with pytest.raises(InvalidInput) as refused:
            here.open(writing=writing)
        assert refused.value.code == "policy_changed"
    path.write_bytes(kept)
    here.open().close()


def test_a_changed_log_stops_the_owner_and_lets_go_of_the_home(here: Place) -> None:
    path = here.folder / "log" / "checkpoint"
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b"\n", b"\nx", 1))
    for _ in range(2):
        with pytest.raises(VerificationFailed):
            here.open()
    path.write_bytes(kept)
    here.open().close()


class TestIdentity:
    def test_it_is_read_as_it_was_written(self, made: Place) -> None:
        data = (made.folder / IDENTITY).read_bytes()
        assert Identity.decode(data, made.folder).encode() == data

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'"v":1', b'"v":2'),
            (b'"v":1', b'"v":1,"w":1'),
            (b'"eu"', b'"mars"'),
            (b'"civilian"', b'"Civilian"'),
            (b'"ten_', b'"sub_'),
            (b'"ten_', b'"TEN_'),
            (b"{", b" {"),
            (b"}", b"}\n"),
            (b'"realm":"civilian",', b""),
            (b'"created"', b'"made"'),
        ],
    )
    def test_anything_else_is_refused(self, here: Place, old: bytes, new: bytes) -> None:
        path = here.folder / IDENTITY
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))
        with pytest.raises(InvalidInput) as refused:
            here.open(writing=False)
        assert refused.value.code == "home_form"
        assert refused.value.hint


class TestActivation:
    def test_a_new_version_is_in_force_after_the_next_opening(
        self, here: Place, tmp_path: Path
    ) -> None:
        folder = edited_pack(here, tmp_path / "new", b'"tiers-2025-05"', b'"tiers-2025-06"')
        with here.open() as home:
            policies.activate(
                here.folder, home.main, home.recorder, str(folder), at=here.clock.now()
            )
            before = home.policy.ref.version
        with here.open() as home:
            assert (before, home.policy.ref.version) == ("tiers-2025-05", "tiers-2025-06")
            assert len(policies.history(home.main)) == 2

    def test_a_known_version_with_other_files_is_refused_and_logged_nowhere(
        self, here: Place, tmp_path: Path
    ) -> None:
        folder = edited_pack(here, tmp_path / "new", b"May 2025", b"May 2026")
        with here.open() as home:
            size = home.owned_log().size
            with pytest.raises(InvalidInput) as refused:
                policies.activate(
                    here.folder, home.main, home.recorder, str(folder), at=here.clock.now()
                )
            assert refused.value.code == "version_taken"
            assert home.owned_log().size == size
        with here.open() as home:
            assert len(policies.history(home.main)) == 1

    def test_a_pack_is_put_in_force_from_its_moment_on_and_not_before(
        self, here: Place, tmp_path: Path
    ) -> None:
        folder = edited_pack(here, tmp_path / "new", b'"tiers-2025-05"', b'"tiers-2026-02"')
        text = (folder / "pack.toml").read_text("utf-8")
        later = re.sub(r"(?m)^effective_from = .*$", "effective_from = 2026-02-01T00:00:00Z", text)
        (folder / "pack.toml").write_text(later, "utf-8")
        moment = datetime(2026, 2, 1, tzinfo=UTC)
        with here.open() as home:
            size = home.owned_log().size
            with pytest.raises(InvalidInput) as refused:
                policies.activate(
                    here.folder,
                    home.main,
                    home.recorder,
                    str(folder),
                    at=moment - timedelta(milliseconds=1),
                )
            assert refused.value.code == "not_yet_effective"
            assert home.owned_log().size == size
            policies.activate(here.folder, home.main, home.recorder, str(folder), at=moment)
        with here.open(writing=False) as home:
            assert home.policy.ref.version == "tiers-2026-02"

    def test_a_half_copied_pack_is_copied_anew(self, here: Place, tmp_path: Path) -> None:
        folder = edited_pack(here, tmp_path / "new", b'"tiers-2025-05"', b'"tiers-2025-06"')
        half = here.folder / "policy" / ".consent-first@tiers-2025-06.new"
        half.mkdir()
        (half / "pack.toml").write_bytes(b"half")
        with here.open() as home:
            policies.activate(
                here.folder, home.main, home.recorder, str(folder), at=here.clock.now()
            )
        with here.open(writing=False) as home:
            assert home.policy.ref.version == "tiers-2025-06"
        assert not half.exists()


def edited_pack(here: Place, to: Path, old: bytes, new: bytes) -> Path:
    (kept,) = (here.folder / "policy").iterdir()
    shutil.copytree(kept, to)
    text = (to / "pack.toml").read_bytes()
    assert old in text
    (to / "pack.toml").write_bytes(text.replace(old, new, 1))
    return to
