"""A backup holds no keys and brings nobody back, whatever else of the home is lost."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.homes import Place, add
from tests.support.stores import BATCH, BUILDER, TRAINING, act, talk
from volens.access.model import Role, Scope
from volens.app.access import accounts_of, roles_of, sessions_of, tokens_of
from volens.app.backup import DATABASES, FILES, FOLDERS, LIFETIME, MANIFEST, make_backup
from volens.app.creation import UNFINISHED
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.identity import IDENTITY
from volens.app.manifest import verify_manifest
from volens.app.restoring import Plan, plan_restore, restore
from volens.consent.model import Act, encode_event
from volens.core.errors import InvalidInput, NotFound, Unavailable, VerificationFailed, VolensError
from volens.core.purposes import ConsentStatus, Signal
from volens.crypto.epochs import EpochState
from volens.holds.erasure import COOL_OFF, new_erasure
from volens.log.entries import parse_entry
from volens.log.kinds import CaptureSource, EntryKind, ErasureCause, ErasureScope
from volens.log.verify import verify_directory
from volens.storage.journal import Journal
from volens.vault.model import unpack_payload

SECOND = timedelta(seconds=1)
EU = "civilian-eu"


@pytest.fixture
def lived_in(here: Place) -> Place:
    """Ada and Bo said yes; each has a conversation."""
    with here.open() as home:
        ada, bo = add(home, "ada", "bo")
        home.vault.capture({ada: [talk("ada a")], bo: [talk("bo a")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(1, ada, Act.GRANT), act(2, bo, Act.GRANT)])
    return here


@pytest.fixture
def backup(lived_in: Place, tmp_path: Path) -> Path:
    with lived_in.open() as home:
        return make_backup(home, tmp_path / "backup").folder


def again(where: Place, name: str = "restored") -> Place:
    """Name another home with the same custody."""
    return Place(folder=where.folder.parent / name, kek=where.kek, clock=where.clock)


def plan(where: Place, backup: Path, **given: object) -> Plan:
    return plan_restore(backup, environment=where.environment, clock=where.clock, **given)  # type: ignore[arg-type]


def put(where: Place, what: Plan) -> Place:
    to = again(where)
    restore(what, to.folder, environment=where.environment, clock=where.clock)
    return to


def texts(home: Home) -> list[str]:
    selection = home.gate.select(TRAINING, BUILDER)
    return [
        turn.text
        for batch in home.gate.open(selection)
        for payload in batch.payloads
        for turn in unpack_payload(payload).turns[:1]
    ]


def withdraw(where: Place, name: str, number: int) -> None:
    with where.open() as home:
        home.ledger.record([act(number, home.subjects.find(name), Act.WITHDRAW)])


def kinds(home: Home) -> list[EntryKind]:
    log = home.owned_log()
    return [parse_entry(entry).kind for entry in log.entries(0, log.size)]


class TestMaking:
    def test_the_three_parts_stand_apart_and_the_manifest_names_every_file(
        self, lived_in: Place, backup: Path
    ) -> None:
        assert {path.name for path in backup.iterdir()} == {MANIFEST, "main", "keys", "log"}
        files = {
            path.relative_to(backup).as_posix() for path in backup.rglob("*") if path.is_file()
        }
        with lived_in.open() as home:
            manifest = verify_manifest((backup / MANIFEST).read_bytes(), home.signer.verifier)
            log = home.owned_log()
            made = parse_entry(log.entry(manifest.log_size - 1))
            verifier = log.verifier
        assert set(manifest.files) == files - {MANIFEST}
        assert {"main/main.db", "keys/keys.db", "main/journal/choices", "main/volens.json"} <= files
        assert made.kind is EntryKind.BACKUP_MADE
        assert made.fields["size"] == manifest.log_size - 1
        report = verify_directory(backup / "log", [verifier])
        assert (report.checkpoint.size, report.checkpoint.root) == (
            manifest.log_size,
            manifest.log_root,
        )

    def test_every_place_of_a_home_is_in_it(self, lived_in: Place) -> None:
        places = {*DATABASES.values(), *FILES.values(), *FOLDERS.values(), "journal", "lock"}
        tops = {place.split("/")[0] for place in places}
        assert {path.name for path in lived_in.folder.iterdir()} <= tops

    def test_no_secret_of_custody_is_in_it(self, lived_in: Place, backup: Path) -> None:
        with lived_in.open() as home:
            home.rotation.rotate(EU)
        (custody,) = lived_in.kek.iterdir()
        secrets = {
            path.name: path.read_bytes()
            for path in custody.iterdir()
            if path.suffix in {".kek", ".key", ".seed"}
        }
        assert len(secrets) == 5
        for path in backup.rglob("*"):
            assert path.name not in {one.name for one in custody.iterdir()}
            if path.is_file():
                data = path.read_bytes()
                assert not any(
                    secret in data or secret.hex().encode() in data for secret in secrets.values()
                ), path

    def test_it_does_not_go_where_the_home_or_its_keys_are(self, lived_in: Place) -> None:
        (custody,) = lived_in.kek.iterdir()
        with lived_in.open() as home:
            before = home.owned_log().size
            for out in (lived_in.folder / "b", lived_in.folder / "log" / "b", custody / "b"):
                with pytest.raises(InvalidInput) as refused:
                    make_backup(home, out)
                assert refused.value.code == "backup_inside"
            for out in (lived_in.folder.parent, lived_in.kek.parent / "no" / "b"):
                with pytest.raises(InvalidInput):
                    make_backup(home, out)
            assert home.owned_log().size == before

    def test_a_reader_makes_none(self, lived_in: Place, tmp_path: Path) -> None:
        with lived_in.open(writing=False) as home, pytest.raises(Unavailable):
            make_backup(home, tmp_path / "b")
        assert not (tmp_path / "b").exists()


class TestRestoring:
    def test_what_was_there_is_there(self, lived_in: Place, backup: Path) -> None:
        shutil.rmtree(lived_in.folder)
        to = put(lived_in, plan(lived_in, backup))
        assert not (to.folder / UNFINISHED).exists()
        with to.open() as home:
            assert texts(home) == ["hello from ada a", "hello from bo a"]
            assert EntryKind.BACKUP_RESTORED in kinds(home)
            add(home, "cy")
            assert home.owned_log().check(deep=True)
        with to.open(writing=False) as home:
            assert home.subjects.count() == 3

    def test_who_withdrew_since_stays_out_though_only_backup_and_custody_are_left(
        self, lived_in: Place, backup: Path
    ) -> None:
        withdraw(lived_in, "ada", 10)
        shutil.rmtree(lived_in.folder)
        what = plan(lived_in, backup)
        assert (what.withdrawn, what.erased) == (1, 0)
        to = put(lived_in, what)
        with to.open() as home:
            ada = home.subjects.find("ada")
            assert home.ledger.states(ada.id)[BATCH].status_at(to.clock.now()) is (
                ConsentStatus.WITHDRAWN
            )
            assert texts(home) == ["hello from bo a"]
            assert home.ledger.pending() == []
            log = home.owned_log()
            entries = [parse_entry(entry) for entry in log.entries(0, log.size)]
            (restored,) = [one for one in entries if one.kind is EntryKind.BACKUP_RESTORED]
            assert (restored.fields["withdrawn"], restored.fields["erased"]) == (1, 0)

    def test_a_withdrawal_that_no_owner_has_taken_in_counts_too(
        self, lived_in: Place, backup: Path
    ) -> None:
        with lived_in.open(writing=False) as home:
            home.ledger.journal(act(10, home.subjects.find("ada"), Act.WITHDRAW))
        shutil.rmtree(lived_in.folder)
        with put(lived_in, plan(lived_in, backup)).open() as home:
            assert texts(home) == ["hello from bo a"]

    def test_a_withdrawal_from_while_custody_was_away_is_handed_over_by_the_owner(
        self, lived_in: Place, backup: Path
    ) -> None:
        (custody,) = lived_in.kek.iterdir()
        kept = custody / "taken-back"
        with lived_in.open(writing=False) as home:
            kept.rename(custody / "away")
            home.ledger.journal(act(10, home.subjects.find("ada"), Act.WITHDRAW))
            assert not home.gate.decide(home.subjects.find("ada"), TRAINING).permit
            (custody / "away").rename(kept)
        lived_in.open().close()
        shutil.rmtree(lived_in.folder)
        with put(lived_in, plan(lived_in, backup)).open() as home:
            assert texts(home) == ["hello from bo a"]

    def test_if_the_register_is_lost_no_backup_from_before_is_restored(
        self, lived_in: Place, backup: Path, tmp_path: Path
    ) -> None:
        (custody,) = lived_in.kek.iterdir()
        lived_in.clock.step(SECOND)
        (custody / "taken-back").unlink()
        with pytest.raises(Unavailable) as missing:
            plan(lived_in, backup)
        assert missing.value.code == "register"
        with lived_in.open() as home:
            made = make_backup(home, tmp_path / "newer").folder
        with pytest.raises(VerificationFailed) as refused:
            plan(lived_in, backup)
        assert refused.value.code == "register_dropped"
        assert plan(lived_in, made)

    def test_a_yes_from_before_the_backup_stands_and_one_from_after_is_not_made_up(
        self, lived_in: Place, tmp_path: Path
    ) -> None:
        withdraw(lived_in, "ada", 10)
        with lived_in.open() as home:
            home.ledger.record([act(11, home.subjects.find("ada"), Act.GRANT)])
            made = make_backup(home, tmp_path / "backup").folder
            (cy,) = add(home, "cy")
            home.ledger.record([act(12, cy, Act.GRANT)])
        shutil.rmtree(lived_in.folder)
        with put(lived_in, plan(lived_in, made)).open() as home:
            assert texts(home) == ["hello from ada a", "hello from bo a"]
            with pytest.raises(NotFound):
                home.subjects.find("cy")

    def test_an_erasure_since_is_asked_for_again_and_one_taken_back_is_not(
        self, lived_in: Place, backup: Path
    ) -> None:
        with lived_in.open() as home:
            ada, bo = (home.subjects.find(name) for name in ("ada", "bo"))
            asked = [
                home.erasures.request(
                    new_erasure(raw * 16, ErasureScope.ACCOUNT, one.id, home.clock.now())
                )
                for raw, one in ((b"a", ada), (b"b", bo))
            ]
            home.erasures.cancel(asked[1].id, home.clock.now())
        shutil.rmtree(lived_in.folder)
        what = plan(lived_in, backup)
        assert (what.withdrawn, what.erased) == (0, 1)
        to = put(lived_in, what)
        with to.open() as home:
            assert texts(home) == ["hello from bo a"]
            assert [one.id for one in home.erasures.all()] == [asked[0].id]
            assert eraser_of(home).run(home.clock.now()).erased == 0
            lived_in.clock.step(COOL_OFF)
            assert eraser_of(home).run(home.clock.now()).erased == 1
            with pytest.raises(NotFound):
                home.subjects.find("ada")
            assert texts(home) == ["hello from bo a"]

    def test_an_erasure_that_was_done_since_is_done_again(
        self, lived_in: Place, backup: Path
    ) -> None:
        with lived_in.open() as home:
            wanted = new_erasure(
                b"a" * 16, ErasureScope.ACCOUNT, home.subjects.find("ada").id, home.clock.now()
            )
            home.erasures.request(wanted)
            lived_in.clock.step(COOL_OFF)
            assert eraser_of(home).run(home.clock.now()).erased == 1
        shutil.rmtree(lived_in.folder)
        with put(lived_in, plan(lived_in, backup)).open() as home:
            assert texts(home) == ["hello from bo a"]
            assert eraser_of(home).run(home.clock.now()).erased == 1
            with pytest.raises(NotFound):
                home.subjects.find("ada")

    def test_the_journals_of_the_old_home_count_where_the_register_has_nothing(
        self, lived_in: Place, backup: Path, tmp_path: Path
    ) -> None:
        with lived_in.open() as home:
            ada = home.subjects.find("ada")
        Journal(lived_in.folder / "journal" / "choices").append(
            encode_event(act(10, ada, Act.WITHDRAW))
        )
        shutil.copytree(lived_in.folder / "journal", tmp_path / "old-journal")
        shutil.rmtree(lived_in.folder)
        what = plan(lived_in, backup, journals=tmp_path / "old-journal")
        assert what.withdrawn == 1

    def test_the_newer_log_goes_on(self, lived_in: Place, backup: Path, tmp_path: Path) -> None:
        withdraw(lived_in, "ada", 10)
        with lived_in.open() as home:
            (held,) = home.vault.of_subject(home.subjects.find("bo"))
            bo = home.subjects.find("bo")
            home.vault.set_signal(held, Signal.EXCLUDED, bo.holder)
            size = home.owned_log().size
        shutil.copytree(lived_in.folder / "log", tmp_path / "old-log")
        shutil.rmtree(lived_in.folder)
        what = plan(lived_in, backup, newer_log=tmp_path / "old-log")
        assert (what.withdrawn, what.unnamed) == (1, 1)
        to = put(lived_in, what)
        with to.open() as home:
            assert home.owned_log().size > size
            assert kinds(home)[size] is EntryKind.BACKUP_RESTORED
            assert texts(home) == ["hello from bo a"]

    def test_what_somebody_signs_in_with_ends_again(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            until = home.clock.now() + timedelta(days=30)
            gone, kept = (accounts_of(home).add_staff(name) for name in ("gone", "kept"))
            for account in (gone, kept):
                for role in (Role.RATER, Role.SUPPORT):
                    roles_of(home).give(account, role, until=until)
            secrets = [tokens_of(home).issue(one, [Scope.FLAGS])[0] for one in ("gone", "kept")]
            session = sessions_of(home).open(kept.id)
            copied = make_backup(home, tmp_path / "early").folder
            accounts_of(home).end(gone)
            roles_of(home).end(kept, Role.RATER)
            tokens_of(home).revoke(tokens_of(home).all()[0].id)
        shutil.copytree(here.folder / "log", tmp_path / "old-log")
        shutil.rmtree(here.folder)
        to = put(here, plan(here, copied, newer_log=tmp_path / "old-log"))
        with to.open() as home:
            assert accounts_of(home).by_id(gone.id).ended is not None
            assert accounts_of(home).by_id(kept.id).roles == {Role.SUPPORT}
            found = [tokens_of(home).find(secret) is not None for secret in secrets]
            assert found == [False, True]
            assert sessions_of(home).find(session) is None

    def test_a_log_that_knows_of_more_than_can_be_named_is_not_passed_over(
        self, lived_in: Place, backup: Path, tmp_path: Path
    ) -> None:
        (custody,) = lived_in.kek.iterdir()
        kept = (custody / "taken-back").read_bytes()
        withdraw(lived_in, "ada", 10)
        shutil.copytree(lived_in.folder / "log", tmp_path / "old-log")
        (custody / "taken-back").write_bytes(kept)  # somebody put an old register back
        with pytest.raises(VerificationFailed) as refused:
            plan(lived_in, backup, newer_log=tmp_path / "old-log")
        assert refused.value.code == "acts_missing"
        assert plan(lived_in, backup, newer_log=tmp_path / "old-log", incomplete=True)

    def test_an_erasure_that_a_schedule_asked_for_is_not_missed(
        self, lived_in: Place, backup: Path, tmp_path: Path
    ) -> None:
        def logged(cause: ErasureCause) -> Path:
            with lived_in.open() as home:
                fields = {
                    "commitment": bytes(32),
                    "scope": ErasureScope.CONVERSATION,
                    "cause": cause,
                    "due": lived_in.clock.now(),
                }
                home.recorder.record(EntryKind.ERASURE_REQUESTED, fields)
            return Path(shutil.copytree(lived_in.folder / "log", tmp_path / cause.value))

        assert plan(lived_in, backup, newer_log=logged(ErasureCause.SCHEDULE)).erased == 0
        with pytest.raises(VerificationFailed) as refused:
            plan(lived_in, backup, newer_log=logged(ErasureCause.REQUEST))
        assert refused.value.code == "acts_missing"

    def test_another_log_is_no_newer_log(
        self, lived_in: Place, backup: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(lived_in.folder / "log", tmp_path / "shorter")
        early = tmp_path / "early"
        with lived_in.open() as home:
            make_backup(home, early)
        with pytest.raises(VerificationFailed) as refused:
            plan(lived_in, early, newer_log=backup / "log")
        assert refused.value.code == "log_fork"

    def test_the_old_home_is_refused_from_then_on(self, lived_in: Place, backup: Path) -> None:
        put(lived_in, plan(lived_in, backup))
        for writing in (True, False):
            with pytest.raises(VerificationFailed) as refused:
                lived_in.open(writing=writing)
            assert refused.value.code == "database_rolled_back"

    def test_a_backup_is_restored_for_30_days_and_no_millisecond_longer(
        self, lived_in: Place, backup: Path
    ) -> None:
        lived_in.clock.step(LIFETIME)
        assert plan(lived_in, backup)
        lived_in.clock.step(timedelta(milliseconds=1))
        with pytest.raises(Unavailable) as refused:
            plan(lived_in, backup)
        assert refused.value.code == "backup_too_old"

    def test_a_backup_dies_with_its_key_epoch(self, lived_in: Place, backup: Path) -> None:
        with lived_in.open() as home:
            home.rotation.rotate(EU)
            assert plan(lived_in, backup)
            home.rotation.destroy_expired(at_once=True)
        with pytest.raises(Unavailable) as refused:
            plan(lived_in, backup)
        assert refused.value.code == "backup_keys_gone"

    def test_epochs_of_the_lost_home_end_too_before_anything_is_irrecoverable(
        self, lived_in: Place, backup: Path
    ) -> None:
        lived_in.clock.step(timedelta(days=1))
        with lived_in.open() as home:
            home.rotation.rotate(EU)  # epoch 2 is not in the backup
        lived_in.clock.step(timedelta(days=1))
        removed = lived_in.clock.now()
        lived_in.clock.step(timedelta(days=1))
        to = put(lived_in, plan(lived_in, backup))
        with to.open() as home:
            states = [one.epoch.state for one in home.rotation.status()]
            assert states == [EpochState.RETIRED, EpochState.RETIRED, EpochState.LIVE]
            assert texts(home) == ["hello from ada a", "hello from bo a"]
            border = home.rotation.irrecoverable_before()
            assert border is not None
            assert border < removed
            home.rotation.destroy_expired(at_once=True)
            border = home.rotation.irrecoverable_before()
            assert border is not None
            assert border >= removed
        assert [path.name for path in to.kek.rglob("*.kek")] == [f"{EU}.000003.kek"]

    def test_no_home_is_overwritten(self, lived_in: Place, backup: Path) -> None:
        what = plan(lived_in, backup)
        with pytest.raises(InvalidInput) as refused:
            restore(what, lived_in.folder, environment=lived_in.environment, clock=lived_in.clock)
        assert refused.value.code == "home_exists"
        with lived_in.open() as home:
            assert home.subjects.count() == 2


class TestChangedBackups:
    @pytest.mark.parametrize(
        "change",
        [
            lambda under: (under / "main" / "main.db").write_bytes(b"x"),
            lambda under: (under / "keys" / "keys.db").unlink(),
            lambda under: (under / "main" / "more").write_bytes(b""),
            lambda under: (under / "main" / "link").symlink_to("/etc/passwd"),
            lambda under: (under / MANIFEST).write_bytes(b"{}"),
            lambda under: (under / "log" / "checkpoint").write_bytes(b"x"),
        ],
    )
    def test_what_was_changed_is_not_restored(
        self, lived_in: Place, backup: Path, change: Callable[[Path], object]
    ) -> None:
        change(backup)
        with pytest.raises(VerificationFailed):
            plan(lived_in, backup)

    def test_every_changed_byte_of_the_manifest_is_found(
        self, lived_in: Place, backup: Path
    ) -> None:
        data = (backup / MANIFEST).read_bytes()
        with lived_in.open(writing=False) as home:
            verifier = home.signer.verifier
        for at in range(0, len(data), 7):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with pytest.raises(VolensError):
                verify_manifest(changed, verifier)

    def test_without_a_manifest_or_identity_it_is_no_backup(
        self, lived_in: Place, backup: Path
    ) -> None:
        for name in (MANIFEST, f"main/{IDENTITY}"):
            (backup / name).rename(backup.parent / "kept")
            with pytest.raises(NotFound) as refused:
                plan(lived_in, backup)
            assert refused.value.code == "no_backup"
            (backup.parent / "kept").rename(backup / name)
