"""Every check can fail: a home is broken in one way, and exactly that check sees it."""

import re
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
    Asking,
    Gone,
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
from tests.support.stores import BUILDER, TRAINING, act, policy, talk
from volens.app.auditing import evidence_of
from volens.app.witnesses import Remembered, remember
from volens.audit.checks import CHECKS
from volens.audit.evidence import Evidence
from volens.audit.model import Finding, Outcome
from volens.audit.report import sign_report
from volens.audit.run import run_audit
from volens.consent.model import Act, NoticeRef
from volens.core.ids import (
    ConversationId,
    ErasureId,
    HoldId,
    IdKind,
    SubjectId,
    format_id,
    parse_id,
)
from volens.core.purposes import SubjectStatus
from volens.holds.erasure import AFTER_HOLD, COOL_OFF, PROMISE, ROTATION, Erasure, ErasureState
from volens.holds.model import Hold
from volens.log.checkpoint import Checkpoint, sign_checkpoint
from volens.log.kinds import (
    AccessOutcome,
    CaptureSource,
    EntryKind,
    ErasureCause,
    ErasureScope,
    HoldClass,
    HoldEnd,
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
    assert {one.id for one in CHECKS} - looked == {*idle, "audits.kept", "models.cases_open"}


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


def another_policy_before(where: Place) -> None:
    row = "INSERT INTO policy_in_force SELECT 0, name, version, sha256, 0, 1 FROM policy_in_force"
    sql(where, row)


def no_instruction(where: Place) -> None:
    sql(where, "UPDATE organisation SET instructions = 'batch_training'")


def set_back(where: Place) -> None:
    """Put yesterday's database in place, and what custody remembers of it; the log went on."""
    put_back = keeping(where)
    with where.open() as home:
        for name in ("eve", "fay"):
            add(home, name)
            where.clock.step(timedelta(minutes=1))
    put_back()


def keeping(where: Place) -> Callable[[], None]:
    """Keep the database and its stamp as they are; return what puts them back."""
    (custody,) = where.kek.iterdir()
    kept = {path: path.read_bytes() for path in (where.folder / "main.db", custody / "main.stamp")}

    def put_back() -> None:
        for path, data in kept.items():
            path.write_bytes(data)

    return put_back


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
    sql(where, "UPDATE consent_state SET objected = 1")


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
    """Say that the dataset holds a chat of Bo, who never said yes: a leaf tells otherwise."""
    with where.open(writing=False) as home:
        (_, own) = home.vault.of_subject(home.subjects.find("bo"))
        rows = struct.pack("<4q", *[own.number] * 4)
    (kept_of(where) / "rows.bin").write_bytes(rows)


def rows_in_another_order(where: Place) -> None:
    path = kept_of(where) / "rows.bin"
    rows = struct.unpack("<4q", path.read_bytes())
    path.write_bytes(struct.pack("<4q", *reversed(rows)))


def let_in(where: Place, name: str) -> None:
    """Build with a gate that was made to believe that somebody says yes, then tidy up."""
    with where.open(writing=False) as home:
        raw = home.subjects.find(name).holder.raw
    query = "SELECT grants FROM consent_state WHERE subject = ?"
    with sqlite3.connect(where.folder / "main.db") as db:
        before = db.execute(query, (raw,)).fetchone()
        (willing,) = db.execute(
            "SELECT max(grants) FROM consent_state WHERE grants LIKE '%granted%'"
        ).fetchone()
        row = "INSERT OR REPLACE INTO consent_state VALUES ('batch_training', ?, ?, 0)"
        db.execute(row, (raw, willing))
    db.close()
    with where.open() as home:
        out = where.folder.parent / "more"
        assert built(home, out).manifest.counts.records > 4
    with sqlite3.connect(where.folder / "main.db") as db:
        if before is None:
            db.execute("DELETE FROM consent_state WHERE subject = ?", (raw,))
        else:
            db.execute("UPDATE consent_state SET grants = ? WHERE subject = ?", (*before, raw))
    db.close()


def somebody_who_never_said_yes(where: Place) -> None:
    let_in(where, "bo")


def somebody_who_took_it_back(where: Place) -> None:
    with where.open() as home:
        home.subjects.change(home.subjects.find("dee"), {"plan": "free"})
    where.clock.step(timedelta(minutes=1))
    let_in(where, "dee")


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
    sql(where, "UPDATE conversation SET block_no = 99 WHERE no = 3")


def ciphertext_of_nothing(where: Place) -> None:
    """Lose the rows of both chats of Bo; their block stays."""
    with where.open(writing=False) as home:
        bo = home.subjects.find("bo").number
    sql(where, "DELETE FROM conversation WHERE subject_no = ?", bo)


def ciphertext_without_its_key(where: Place) -> None:
    sql(where, "UPDATE block SET id = ? WHERE no = 1", bytes(16))


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
    Path(where.folder / "audits" / "000001.json").symlink_to("/")


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
    ("log.rows_have_entries", another_policy_before),
    ("log.entries_have_rows", set_back),
    ("log.witnesses_fresh", long_ago),
    ("log.witnesses_fresh", another_log),
    ("consent.states_are_the_fold", a_state_nobody_chose),
    ("consent.states_are_the_fold", a_state_of_nobody),
    ("consent.grants_name_a_notice", a_notice_nobody_published),
    ("datasets.only_the_willing", somebody_who_never_said_yes),
    ("datasets.only_the_willing", somebody_who_took_it_back),
    ("datasets.rows_are_the_leaves", rows_in_another_order),
    ("datasets.only_the_willing", a_signal_then),
    ("datasets.match_the_log", a_changed_leaf),
    ("datasets.match_the_log", another_statement),
    ("keys.match_rows", no_ciphertext),
    ("keys.match_rows", ciphertext_of_nothing),
    ("keys.match_rows", ciphertext_without_its_key),
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


def test_a_log_that_fails_leaves_what_rests_on_it_unseen_and_never_held(here: Place) -> None:
    change_a_log_byte(here)
    report = look(here)
    rest = {"log.rows_have_entries", "log.entries_have_rows", "access.logged_first"}
    assert rest < unseen(report)
    assert report.log_root == ""
    assert report.failed == 1 + len(unseen(report))


def lax(evidence: Evidence) -> Policy:
    """Return the policy with one prohibition turned into its opposite, past the door of rules."""
    pack = evidence.policy.pack
    head = '(principal, action == Action::"sale", resource);'
    assert f"forbid {head}" in pack.cedar
    turned = replace(pack.rules["base-no-sale"], base=False, permits=True, reason="basis")
    return Policy(
        replace(
            pack,
            cedar=pack.cedar.replace(f"forbid {head}", f"permit {head}"),
            rules={**pack.rules, "base-no-sale": turned},
        )
    )


def test_a_policy_without_its_prohibitions_is_found(here: Place) -> None:
    report = look(here, change=lambda evidence: replace(evidence, policy=lax(evidence)))
    assert "rules.prohibitions_in_force" in broken(report)
    assert texts(report, "rules.prohibitions_in_force") == [
        "base rules that are not loaded: base-no-sale",
        "classes of prohibited purposes that the policy permits",
    ]


def test_a_policy_that_decides_but_is_not_in_force_is_found(here: Place) -> None:
    def other(evidence: Evidence) -> Evidence:
        ref = replace(evidence.policy.ref, hash="ab" * 32)
        return replace(evidence, policy=Policy(replace(evidence.policy.pack, ref=ref)))

    report = look(here, change=other)
    assert broken(report) == {"rules.prohibitions_in_force"}


def test_files_of_the_pack_in_force_that_are_changed_after_opening_are_found(here: Place) -> None:
    def edited(evidence: Evidence) -> Evidence:
        (folder,) = (here.folder / "policy").iterdir()
        file = folder / "pack.toml"
        file.write_text(file.read_text("utf-8") + "# more\n", "utf-8")
        return evidence

    report = look(here, change=edited)
    assert broken(report) == {"rules.prohibitions_in_force"}


def test_a_pack_that_would_permit_a_sale_is_refused_again(here: Place) -> None:
    def edited(evidence: Evidence) -> Evidence:
        (folder,) = (here.folder / "policy").iterdir()
        file = folder / "policy.cedar"
        rule = '@id("own")\n@reason("basis")\n@row("R01")\n@en("x")\n@de("x")\n'
        rule += 'permit(principal, action == Action::"sale", resource);'
        file.write_text(file.read_text("utf-8") + rule, "utf-8")
        return evidence

    report = look(here, change=edited)
    assert broken(report) == {"rules.prohibitions_in_force"}
    assert texts(report, "rules.prohibitions_in_force") == [
        "the pack in force is refused: pack_refused"
    ]


def test_whose_access_has_ended_and_can_still_be_used_is_found(here: Place) -> None:
    with here.open(writing=False) as home:
        ada = home.subjects.find("ada")
    gone = Gone(accounts=frozenset({ada.holder.raw, bytes(16)}))
    report = look(here, change=having(ended=gone))
    assert broken(report) == {"access.ended_means_ended"}
    (found,) = result(report, "access.ended_means_ended").look.violations
    assert (found.count, found.numbers) == (1, (ada.number,))


def test_a_conversation_that_has_ended_and_is_not_marked_is_found(here: Place) -> None:
    with here.open(writing=False) as home:
        (first, _) = home.vault.of_subject(home.subjects.find("ada"))
    gone = Gone(conversations=frozenset({parse_id(IdKind.CONVERSATION, first.id)}))
    report = look(here, change=having(ended=gone))
    assert broken(report) == {"access.ended_means_ended"}
    with here.open() as home:
        home.removal.end_access([(first.number, here.clock.now())])
    report = look(here, change=having(ended=gone))
    assert report.failed == 0
    assert result(report, "access.ended_means_ended").look.looked_at == 1


def test_a_closed_account_that_nothing_may_use_is_in_order(here: Place) -> None:
    with here.open() as home:
        ada = home.subjects.find("ada")
        home.subjects.change(ada, {"status": SubjectStatus.CLOSED.value})
    report = look(here)
    assert report.failed == 0
    assert result(report, "access.ended_means_ended").look.looked_at > 0


T0 = policy().pack.effective_from


def erasure(state: ErasureState, **moments: object) -> Erasure:
    return Erasure(
        id=ErasureId(format_id(IdKind.ERASURE, bytes(16))),
        scope=ErasureScope.ACCOUNT,
        cause=ErasureCause.REQUEST,
        subject=SubjectId(format_id(IdKind.SUBJECT, bytes(16))),
        conversations=(),
        requested=T0,
        cool_off_ends=T0 + COOL_OFF,
        promised_by=T0 + PROMISE,
        state=state,
        access_ended=T0,
        **moments,  # type: ignore[arg-type]  # the moments of later states
    )


INSTANT = timedelta(milliseconds=1)
SOON = T0 + timedelta(days=8)


@pytest.mark.parametrize(
    ("value", "after", "late"),
    [
        (erasure(ErasureState.KEYS_REMOVED, keys_removed=SOON), PROMISE - INSTANT, False),
        (erasure(ErasureState.KEYS_REMOVED, keys_removed=SOON), PROMISE, True),
        (erasure(ErasureState.ACCESS_ENDED), COOL_OFF, False),
        (erasure(ErasureState.ACCESS_ENDED), COOL_OFF + ROTATION - INSTANT, False),
        (erasure(ErasureState.ACCESS_ENDED), COOL_OFF + ROTATION, True),
        (erasure(ErasureState.ACCESS_ENDED), PROMISE, True),
        (erasure(ErasureState.HELD), PROMISE * 9, False),
        (
            erasure(ErasureState.KEYS_REMOVED, keys_removed=SOON, freed=T0 + PROMISE),
            PROMISE + AFTER_HOLD - INSTANT,
            False,
        ),
        (
            erasure(ErasureState.KEYS_REMOVED, keys_removed=SOON, freed=T0 + PROMISE),
            PROMISE + AFTER_HOLD,
            True,
        ),
        (erasure(ErasureState.ACCESS_ENDED, freed=T0 + PROMISE), PROMISE + ROTATION, True),
        (erasure(ErasureState.CANCELLED, cancelled=SOON), PROMISE * 9, False),
        (
            erasure(ErasureState.IRRECOVERABLE, keys_removed=SOON, irrecoverable=SOON + COOL_OFF),
            PROMISE * 9,
            False,
        ),
        (erasure(ErasureState.IRRECOVERABLE, irrecoverable=SOON), PROMISE, True),
        (
            erasure(ErasureState.IRRECOVERABLE, keys_removed=SOON, irrecoverable=T0),
            PROMISE,
            True,
        ),
    ],
)
def test_an_erasure_is_late_from_its_border_on(
    here: Place, value: Erasure, after: timedelta, late: bool
) -> None:
    report = look(here, change=having(erasures=Registers([value]), at=T0 + after))
    assert (broken(report) == {"erasures.in_time"}) is late
    assert result(report, "erasures.in_time").look.looked_at == 1


def hold(days: int, **more: object) -> Hold:
    return Hold(
        id=HoldId(format_id(IdKind.HOLD, bytes(16))),
        hold_class=HoldClass.SAFETY,
        subject=SubjectId(format_id(IdKind.SUBJECT, bytes(16))),
        conversations={ConversationId(format_id(IdKind.CONVERSATION, bytes(16))): ()},
        authority="docket-7",
        reviewer="counsel-2",
        placed=T0,
        until=T0 + timedelta(days=days),
        **more,  # type: ignore[arg-type]  # how it ended
    )


@pytest.mark.parametrize(
    ("value", "after", "wrong"),
    [
        (hold(30), timedelta(days=30) - INSTANT, False),
        (hold(30), timedelta(days=30), True),
        (hold(30, end=HoldEnd.EXPIRED), timedelta(days=31), False),
        (hold(30, released=T0 + INSTANT, end=HoldEnd.RELEASED), timedelta(days=31), False),
    ],
)
def test_a_hold_ends_at_its_end(here: Place, value: Hold, after: timedelta, wrong: bool) -> None:
    report = look(here, change=having(holds=Registers([value]), at=T0 + after))
    assert (broken(report) == {"holds.in_time"}) is wrong


@pytest.mark.parametrize(
    ("value", "late"),
    [
        (Asking(due=T0 + INSTANT), False),
        (Asking(due=T0), True),
        (Asking(due=T0, closing="answered"), False),
    ],
)
def test_a_rights_request_is_late_from_its_border_on(
    here: Place, value: Asking, late: bool
) -> None:
    report = look(here, change=having(requests=Registers([value]), at=T0))
    assert (broken(report) == {"requests.in_time"}) is late


def logged_only(where: Place, kind: EntryKind, fields: dict[str, object]) -> None:
    with where.open() as home:
        told = {"commitment": b"\x01" * 32, **fields}
        home.recorder.record(kind, told)  # type: ignore[arg-type]  # a mix of field types
    where.clock.step(timedelta(minutes=1))


ERASING = {"scope": ErasureScope.ACCOUNT, "cause": ErasureCause.REQUEST, "due": T0}
HOLDING = {"class": HoldClass.LEGAL, "until": T0}


def test_erasures_that_no_register_is_there_for_are_no_pass(here: Place) -> None:
    logged_only(here, EntryKind.ERASURE_REQUESTED, ERASING)
    report = look(here, change=having(erasures=None))
    assert "erasures.in_time" in unseen(report)
    report = look(here, change=having(erasures=Registers()))
    assert result(report, "erasures.in_time").outcome is Outcome.HELD
    (told,) = result(report, "erasures.in_time").look.remarks
    assert told.count == 1


def test_several_holds_that_are_logged_and_not_kept_are_a_database_set_back(here: Place) -> None:
    logged_only(here, EntryKind.HOLD_PLACED, HOLDING)
    assert look(here).failed == 0
    logged_only(here, EntryKind.HOLD_PLACED, HOLDING)
    assert broken(look(here)) == {"log.entries_have_rows"}


def test_a_hold_that_is_kept_is_in_order(here: Place) -> None:
    with here.open() as home:
        ada = home.subjects.find("ada")
        (first, _) = home.vault.of_subject(ada)
        now = here.clock.now()
        one = replace(
            hold(1),
            subject=ada.id,
            conversations={first.id: ()},
            placed=now,
            until=now + timedelta(days=30),
        )
        home.holds.place(one, now)
    assert look(here).failed == 0
    here.clock.step(timedelta(days=30))
    assert broken(look(here)) == {"holds.in_time"}


def test_one_act_that_was_stopped_before_its_rows_is_a_remark(here: Place) -> None:
    put_back = keeping(here)
    with here.open() as home:
        add(home, "eve", "fay")
    put_back()
    report = look(here)
    assert report.failed == 0
    assert remarks(report, "log.entries_have_rows") == [
        "entries of an act that was stopped before its rows were stored"
    ]
    assert remarks(report, "keys.match_rows") == ["key pages of accounts that never came to be"]


def test_who_took_it_back_since_is_owed_and_not_blamed(here: Place) -> None:
    with here.open() as home:
        home.ledger.record([act(9, home.subjects.find("ada"), Act.WITHDRAW)])
    report = look(here)
    assert report.failed == 0
    (owed,) = result(report, "datasets.only_the_willing").look.remarks
    assert "owing removal" in owed.text
    assert owed.count == 2


def test_who_took_it_back_in_the_journal_is_owed_too(here: Place) -> None:
    with here.open(writing=False) as home:
        home.ledger.journal(act(9, home.subjects.find("ada"), Act.WITHDRAW))
        report = run_audit(evidence_of(home), clock=here.clock)
    assert report.failed == 0
    assert result(report, "datasets.only_the_willing").look.remarks[0].count == 2


def test_a_row_number_that_was_given_anew_blames_nobody(here: Place) -> None:
    """The last conversation goes, and its number comes back for a chat of somebody else."""
    with here.open() as home:
        (_, last) = home.vault.of_subject(home.subjects.find("cem"))
    here.clock.step(timedelta(minutes=1))
    sql(
        here,
        "UPDATE conversation SET captured_ms = captured_ms + 86400000 WHERE no = ?",
        last.number,
    )
    report = look(here)
    assert report.failed == 0
    assert remarks(report, "datasets.only_the_willing") == [
        "dataset 1: records of conversations that are not here any more"
    ]


def test_an_intent_without_an_end_is_an_upper_bound(here: Place) -> None:
    with here.open() as home:
        assert home.gate.select(TRAINING, BUILDER).permitted == 4
    report = look(here)
    assert report.failed == 0
    (told,) = remarks(report, "access.logged_first")
    assert told == "intents without an end: at most 4 conversations were opened under them"


@pytest.mark.parametrize(("wanted", "missing"), [(0, 0), (1, 0), (2, 1)])
def test_as_many_fresh_witnesses_as_were_asked_for(here: Place, wanted: int, missing: int) -> None:
    report = look(here, witnesses=wanted)
    assert broken(report) == ({"log.witnesses_fresh"} if missing else set())
    found = result(report, "log.witnesses_fresh").look.violations
    assert [one.count for one in found] == ([missing] if missing else [])


def test_without_a_witness_the_report_says_so(here: Place) -> None:
    (here.folder / "witnesses.json").unlink()
    report = look(here)
    assert report.failed == 0
    assert remarks(report, "log.witnesses_fresh") != []


def test_a_cosignature_is_fresh_to_its_last_moment(here: Place) -> None:
    here.clock.step(timedelta(days=30))
    assert broken(look(here)) == set()


def test_a_check_that_breaks_is_not_a_pass(here: Place) -> None:
    with sqlite3.connect(here.folder / "keys" / "keys.db") as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("DROP TABLE key_page")
    db.close()
    report = look(here)
    rest = {"keys.match_rows", "tenants.apart", "datasets.rows_are_the_leaves"}
    assert unseen(report) == rest
    assert all(one.outcome is not Outcome.HELD for one in report.results if one.look.not_checked)


def test_rows_that_were_swapped_for_others_are_found_twice(here: Place) -> None:
    another_persons_rows(here)
    wanted = {"datasets.only_the_willing", "datasets.rows_are_the_leaves"}
    assert broken(look(here)) == wanted


def test_findings_name_nobody(here: Place) -> None:
    for make in (another_persons_rows, no_ciphertext, another_region, a_key_of_nobody):
        make(here)
    report = look(here)
    assert len(broken(report)) == 4
    with here.open(writing=False) as home:
        names = {person.id for person in home.subjects.all()}
        names |= {
            held.id for person in home.subjects.all() for held in home.vault.of_subject(person)
        }
    document = str(report.document())
    assert not [name for name in names if name in document]
    assert not [name for name in PEOPLE if re.search(rf"\b{name}\b", document)]


def test_a_finding_lists_few_places_and_counts_all(here: Place) -> None:
    with here.open() as home:
        (gus,) = add(home, "gus")
        home.vault.capture({gus: [talk(f"g{n}") for n in range(30)]}, source=CaptureSource.IMPORT)
    sql(here, "UPDATE conversation SET block_no = 99 WHERE no > 9")
    (found,) = result(look(here), "keys.match_rows").look.violations
    assert found == Finding(
        text="conversations without ciphertext", count=29, numbers=tuple(range(10, 30))
    )


def test_the_next_build_of_a_willing_person_is_in_order(here: Place) -> None:
    with here.open() as home:
        home.ledger.record([act(9, home.subjects.find("bo"), Act.GRANT)])
        here.clock.step(timedelta(minutes=1))
        assert built(home, here.folder.parent / "more").manifest.counts.records == 5
    report = look(here)
    assert report.failed == 0
    assert result(report, "datasets.only_the_willing").look.looked_at == 9
