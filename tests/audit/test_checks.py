"""Every check can fail: a home is broken in one way, and exactly that check sees it."""

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.audit.conftest import WITNESS
from tests.audit.looking import (
    PEOPLE,
    Registers,
    broken,
    built,
    having,
    look,
    remarks,
    result,
    sql,
    texts,
    unseen,
)
from tests.support.homes import Place, add
from tests.support.stores import BATCH, act, policy, talk
from volens.app.auditing import evidence_of
from volens.app.witnesses import Remembered, remember
from volens.audit.checks import CHECKS
from volens.audit.evidence import Evidence, Promised
from volens.audit.model import Finding, Outcome
from volens.audit.report import sign_report
from volens.audit.run import run_audit
from volens.consent.model import Act, NoticeRef
from volens.core.ids import ErasureId, HoldId, IdKind, SubjectId, format_id
from volens.core.purposes import SubjectStatus
from volens.holds.erasure import COOL_OFF, PROMISE, ROTATION, Erasure, ErasureState
from volens.holds.model import Hold
from volens.log.checkpoint import Checkpoint, sign_checkpoint
from volens.log.kinds import (
    AccessOutcome,
    CaptureSource,
    EntryKind,
    ErasureCause,
    ErasureScope,
    HoldClass,
)
from volens.log.note import format_note, parse_note
from volens.policy.decision import Policy

Break = Callable[[Place], None]


def test_a_whole_home_holds(here: Place) -> None:
    report = look(here)
    assert (broken(report), unseen(report), report.failed) == (set(), set(), 0)
    assert [one.id for one in report.results] == [one.id for one in CHECKS]
    idle = {"access.ended_means_ended", "erasures.in_time", "holds.in_time", "requests.in_time"}
    looked = {one.id for one in report.results if one.look.looked_at}
    assert {one.id for one in CHECKS} - looked == {*idle, "audits.kept"}


def change_a_log_byte(where: Place) -> None:
    bundle = max((where.folder / "log" / "tile" / "entries").rglob("*"), key=lambda one: one.name)
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)


def salt_of(table: str, column: str = "rowid") -> Break:
    def change(where: Place) -> None:
        sql(where, f"UPDATE {table} SET salt = ? WHERE {column} = 1", b"\x01" * 32)

    return change


def other_commitments(where: Place) -> None:
    sql(where, "UPDATE capture_batch SET commitments = ? WHERE no = 1", bytes(64))


def other_pack_hash(where: Place) -> None:
    sql(where, "INSERT INTO policy_in_force SELECT 0, name, '1', sha256, 0, 0 FROM policy_in_force")


def no_instruction(where: Place) -> None:
    sql(where, "UPDATE organisation SET instructions = 'batch_training'")


def set_back(where: Place) -> None:
    """Put yesterday's database in place; the log went on."""
    kept = where.folder.parent / "kept.db"
    shutil.copy(where.folder / "main.db", kept)
    with where.open() as home:
        for name in ("eve", "fay"):
            add(home, name)
            where.clock.step(timedelta(minutes=1))
    shutil.copy(kept, where.folder / "main.db")


def long_ago(where: Place) -> None:
    where.clock.step(timedelta(days=30, milliseconds=1))


def another_log(where: Place) -> None:
    with where.open(writing=False) as home:
        signer, origin = home.signer, home.identity.origin
    point = Checkpoint(origin=origin, size=5, root=b"\x07" * 32)
    note = parse_note(sign_checkpoint(point, signer))
    seen = WITNESS.cosign_text(note.text, timestamp=int(where.clock.now().timestamp()))
    data = format_note(note.text, [*note.signatures, seen]).decode()
    url = "https://witness.example"
    remember(where.folder, Remembered(vkey=WITNESS.verifier.vkey, url=url, note=data))


def a_state_nobody_chose(where: Place) -> None:
    sql(
        where, "UPDATE consent_state SET grants = '[]' WHERE rowid IN (SELECT 1)"
    ) if False else sql(where, "UPDATE consent_state SET objected = 1")


def a_state_of_nobody(where: Place) -> None:
    sql(where, "INSERT INTO consent_state VALUES ('batch_training', ?, '[]', 0)", bytes(16))


def a_notice_nobody_published(where: Place) -> None:
    with where.open() as home:
        grant = act(9, home.subjects.find("bo"), Act.GRANT)
        notice = NoticeRef(id="own", language="en", sha256="ab" * 32)
        home.ledger.record([replace(grant, notice=notice)])


def kept_of(where: Place) -> Path:
    (found,) = (where.folder / "datasets").iterdir()
    return found


def another_persons_rows(where: Place) -> None:
    """Say that the dataset holds the chats of Bo, who never said yes."""
    with where.open(writing=False) as home:
        (_, own) = home.vault.of_subject(home.subjects.find("bo"))
        rows = struct.pack("<4q", *[own.number] * 4)
    (kept_of(where) / "rows.bin").write_bytes(rows)


def the_withdrawns_rows(where: Place) -> None:
    """Say that the dataset holds the chats of Dee, who had taken it back before the build."""
    with where.open(writing=False) as home:
        (first, second) = home.vault.of_subject(home.subjects.find("dee"))
        numbers = [first.number, second.number] * 2
    (kept_of(where) / "rows.bin").write_bytes(struct.pack("<4q", *numbers))


def a_signal_then(where: Place) -> None:
    """Let a chat of the dataset have been temporary since it came."""
    with where.open(writing=False) as home:
        (first, _) = home.vault.of_subject(home.subjects.find("ada"))
    sql(where, "UPDATE conversation SET signal = 'temporary' WHERE no = ?", first.number)


def a_changed_leaf(where: Place) -> None:
    path = kept_of(where) / "manifest.leaves"
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(data)


def another_statement(where: Place) -> None:
    path = kept_of(where) / "statement.dsse.json"
    path.write_bytes(path.read_bytes()[:-1])


def no_ciphertext(where: Place) -> None:
    sql(where, "DELETE FROM sealed WHERE conversation_no = 3")


def ciphertext_of_nothing(where: Place) -> None:
    sql(where, "INSERT INTO sealed VALUES (99, x'00')")


def no_key_page(where: Place) -> None:
    sql(where, "DELETE FROM key_page WHERE subject_no = 2", database="keys/keys.db")


def a_chat_without_a_key(where: Place) -> None:
    sql(where, "UPDATE conversation SET id = ? WHERE no = 3", bytes(16))


def a_chat_nobody_committed_to(where: Place) -> None:
    sql(where, "UPDATE conversation SET position = 77 WHERE no = 3")


def a_key_of_nobody(where: Place) -> None:
    row = "INSERT INTO key_page SELECT -1, page, scope, epoch, sealed FROM key_page LIMIT 1"
    sql(where, row, database="keys/keys.db")


def keys_that_outlive_their_chats(where: Place) -> None:
    """Erase a chat's rows and forget its key, in a home that does erase."""
    with where.open() as home:
        fields = {"started": 0, "count": 1, "root": b"\x01" * 32}
        home.recorder.record(EntryKind.ERASURE_KEYS_REMOVED, fields)
        (first, _) = home.vault.of_subject(home.subjects.find("bo"))
    sql(where, "DELETE FROM sealed WHERE conversation_no = ?", first.number)
    sql(where, "DELETE FROM conversation WHERE no = ?", first.number)


def another_region(where: Place) -> None:
    sql(where, "UPDATE subject SET region = 'us' WHERE no = 2")


def another_realm(where: Place) -> None:
    sql(where, "UPDATE subject SET realm = 'government' WHERE no = 2")


def opened_unannounced(where: Place) -> None:
    fields = {"intent": 0, "count": 1, "duration_ms": 1, "outcome": AccessOutcome.COMPLETED}
    with where.open() as home:
        home.recorder.record(EntryKind.ACCESS_DONE, fields)


def opened_twice(where: Place) -> None:
    with where.open() as home:
        entries = [
            index
            for index, data in enumerate(home.owned_log().entries(0, home.owned_log().size))
            if b'"access.intent"' in data
        ]
        fields = {
            "intent": entries[0],
            "count": 1,
            "duration_ms": 1,
            "outcome": AccessOutcome.COMPLETED,
        }
        home.recorder.record(EntryKind.ACCESS_DONE, fields)


def deleted_without_care(where: Place) -> None:
    with sqlite3.connect(where.folder / "main.db") as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("CREATE TABLE loose (words TEXT)")
        db.executemany("INSERT INTO loose VALUES (?)", [("what somebody said " * 200,)] * 20)
        db.execute("DROP TABLE loose")
    db.close()


def open_to_others(where: Place) -> None:
    where.folder.chmod(0o755)


def a_secret_for_others(where: Place) -> None:
    (custody,) = where.kek.iterdir()
    (custody / "lookup.key").chmod(0o644)


def a_file_others_may_write(where: Place) -> None:
    (where.folder / "witnesses.json").chmod(0o666)


def a_key_in_the_home(where: Place) -> None:
    (custody,) = where.kek.iterdir()
    (kek,) = custody.glob("*.kek")
    (where.folder / "audits" / "000099.json").write_bytes(b"here it is: " + kek.read_bytes())


def an_unknown_file(where: Place) -> None:
    (where.folder / "notes.txt").write_text("remember", "utf-8")


def a_pack_that_never_counted(where: Place) -> None:
    (folder,) = (where.folder / "policy").iterdir()
    shutil.copytree(folder, where.folder / "policy" / "other@1")


def a_link(where: Place) -> None:
    os.symlink("/", where.folder / "audits" / "000001.json")


def an_untold_column(where: Place) -> None:
    with sqlite3.connect(where.folder / "main.db") as db:
        db.execute("ALTER TABLE subject ADD COLUMN nickname TEXT")
    db.close()


def an_untold_table(where: Place) -> None:
    with sqlite3.connect(where.folder / "main.db") as db:
        db.execute("CREATE TABLE gossip (subject_no INTEGER, words TEXT)")
    db.close()


def audited(where: Place) -> Path:
    with where.open() as home:
        report = run_audit(evidence_of(home), clock=where.clock)
        kept = home.audits.keep(report, sign_report(report, home.signer))
        return home.audits.path(kept.number)


def a_changed_report(where: Place) -> None:
    path = audited(where)
    path.write_bytes(path.read_bytes().replace(b"A", b"B", 1))


def a_lost_report(where: Place) -> None:
    audited(where).unlink()


BREAKS: list[tuple[str, Break]] = [
    ("log.verifies", change_a_log_byte),
    ("log.rows_have_entries", salt_of("consent_event")),
    ("log.rows_have_entries", salt_of("leaf", "subject_no")),
    ("log.rows_have_entries", other_commitments),
    ("log.rows_have_entries", no_instruction),
    ("log.entries_have_rows", set_back),
    ("log.witnesses_fresh", long_ago),
    ("log.witnesses_fresh", another_log),
    ("consent.states_are_the_fold", a_state_nobody_chose),
    ("consent.states_are_the_fold", a_state_of_nobody),
    ("consent.grants_name_a_notice", a_notice_nobody_published),
    ("datasets.only_the_willing", another_persons_rows),
    ("datasets.only_the_willing", the_withdrawns_rows),
    ("datasets.only_the_willing", a_signal_then),
    ("datasets.match_the_log", a_changed_leaf),
    ("datasets.match_the_log", another_statement),
    ("keys.match_rows", no_ciphertext),
    ("keys.match_rows", ciphertext_of_nothing),
    ("keys.match_rows", no_key_page),
    ("keys.match_rows", a_chat_without_a_key),
    ("keys.match_rows", a_chat_nobody_committed_to),
    ("keys.match_rows", a_key_of_nobody),
    ("keys.match_rows", keys_that_outlive_their_chats),
    ("tenants.apart", another_region),
    ("tenants.apart", another_realm),
    ("access.logged_first", opened_unannounced),
    ("access.logged_first", opened_twice),
    ("home.databases_set", deleted_without_care),
    ("home.files_private", open_to_others),
    ("home.files_private", a_secret_for_others),
    ("home.files_private", a_file_others_may_write),
    ("home.custody_outside", a_key_in_the_home),
    ("home.files_known", an_unknown_file),
    ("home.files_known", a_pack_that_never_counted),
    ("home.files_known", a_link),
    ("home.fields_told", an_untold_column),
    ("home.fields_told", an_untold_table),
    ("audits.kept", a_changed_report),
    ("audits.kept", a_lost_report),
]


@pytest.mark.parametrize(
    ("check", "make"), BREAKS, ids=[f"{check}-{make.__name__}" for check, make in BREAKS]
)
def test_a_home_broken_in_one_way_fails_exactly_one_check(
    here: Place, check: str, make: Break
) -> None:
    make(here)
    report = look(here)
    assert broken(report) == {check}
    assert report.failed
