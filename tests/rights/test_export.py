"""A person's copy: what is in it, that it is logged first, and that it can be checked."""

import json
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from tests.rights.exporting import (
    ANN,
    BRANCHING,
    NOON,
    QUOTING,
    captured,
    document,
    export,
    lines,
    part,
    plain,
)
from tests.support.homes import Place, add
from tests.support.ports import SeededEntropy
from tests.support.stores import act
from volens.app.own_data import exporter_of
from volens.consent.model import Act
from volens.consent.receipts import verify_receipt
from volens.core.errors import Denied, InvalidInput, NotFound, VerificationFailed
from volens.core.ids import ConversationId, ErasureId, HoldId, IdKind, SubjectId, format_id
from volens.core.purposes import SubjectStatus
from volens.datasets.model import Format
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.holds.erasure import Erasure, ErasureState
from volens.holds.model import Hold
from volens.holds.reports import ReportReason
from volens.log.entries import parse_entry
from volens.log.kinds import (
    AccessAction,
    AccessReason,
    Actor,
    CaptureSource,
    EntryKind,
    ErasureCause,
    ErasureScope,
    HoldClass,
)
from volens.log.note import Signer
from volens.log.store import TransparencyLog
from volens.rights.accesses import access_document, verify_access
from volens.rights.disclosures import NOT_NAMED, DatasetRegister
from volens.rights.export_check import verify_copy
from volens.rights.export_facts import Sources, erasure_facts
from volens.rights.export_file import private_file
from volens.rights.export_manifest import MANIFEST, ExportWriter, verify_export

LOOKER = Asker(actor=Actor.SERVICE, action=AccessAction.SHOW, reason=AccessReason.REVIEW)
SERVICE = Use(purpose="provide_service")


def entries(log: TransparencyLog, kind: EntryKind) -> list[int]:
    return [i for i in range(log.size) if parse_entry(log.entry(i)).kind is kind]


def test_the_file_is_for_its_owner_alone_and_lists_its_parts_in_a_fixed_order(
    here: Place, tmp_path: Path
) -> None:
    with here.open() as home:
        result = export(home, captured(home, [plain(1)]), tmp_path / "a.zip")
    assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        infos = archive.infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert [info.filename for info in infos] == [
        "README.txt",
        "account.json",
        "policy.json",
        "consents.json",
        "consents.csv",
        "accesses.jsonl",
        "accesses.csv",
        "datasets.json",
        "models.json",
        "impact.json",
        "disclosures.json",
        "holds.json",
        "erasures.json",
        "requests.json",
        "reports.json",
        "conversations.jsonl",
        "chats/00001.html",
        "left_out.json",
        "index.html",
        "manifest.json",
    ]
    assert [one.name for one in result.manifest.parts] == [info.filename for info in infos[:-1]]


def test_the_access_is_in_the_log_before_anything_is_opened_and_says_how_it_ended(
    here: Place, tmp_path: Path
) -> None:
    with here.open() as home:
        subject = captured(home, [plain(1), plain(2)])
        log = home.owned_log()
        seen: list[list[int]] = []
        exporter_of(home).write(
            subject,
            tmp_path / "a.zip",
            on_progress=lambda _done, _all: seen.append(entries(log, EntryKind.ACCESS_INTENT)),
        )
        (intent,) = entries(log, EntryKind.ACCESS_INTENT)
        (done,) = entries(log, EntryKind.ACCESS_DONE)
        assert seen == [[intent]] * 4
        fields = parse_entry(log.entry(intent)).fields
        assert (fields["actor"], fields["action"], fields["count"]) == ("subject", "export", 2)
        ended = parse_entry(log.entry(done)).fields
        assert (ended["intent"], ended["count"], ended["outcome"]) == (intent, 2, "completed")


def test_a_copy_that_breaks_off_leaves_no_file_and_says_so_in_the_log(
    here: Place, tmp_path: Path
) -> None:
    def break_off(done: int, _all: int) -> None:
        if done == 2:
            raise RuntimeError("the power is out")

    folder = tmp_path / "out"
    folder.mkdir()
    with here.open() as home:
        subject = captured(home, [plain(1), plain(2), plain(3)])
        with pytest.raises(RuntimeError):
            exporter_of(home).write(subject, folder / "a.zip", on_progress=break_off)
        assert list(folder.iterdir()) == []
        log = home.owned_log()
        (done,) = entries(log, EntryKind.ACCESS_DONE)
        fields = parse_entry(log.entry(done)).fields
        assert (fields["outcome"], fields["count"]) == ("failed", 2)
        export(home, subject, folder / "a.zip")
    assert [path.name for path in folder.iterdir()] == ["a.zip"]


def test_while_it_is_written_a_copy_has_no_name_so_that_a_kill_leaves_nothing(
    here: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    seen: list[list[Path]] = []
    with here.open() as home:
        exporter_of(home).write(
            captured(home, [plain(1)]),
            folder / "a.zip",
            on_progress=lambda _done, _all: seen.append(list(folder.iterdir())),
        )
    assert seen == [[], []]


class TestTheFile:
    @pytest.mark.parametrize("nameless", [True, False])
    def test_it_gets_its_name_when_it_is_whole(self, tmp_path: Path, nameless: bool) -> None:
        (tmp_path / ".a.zip.new").write_bytes(b"what a kill left")
        with private_file(tmp_path / "a.zip", nameless=nameless) as file:
            file.write(b"whole")
            assert not (tmp_path / "a.zip").exists()
        assert (tmp_path / "a.zip").read_bytes() == b"whole"
        assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600
        assert (tmp_path / ".a.zip.new").exists() is nameless

    @pytest.mark.parametrize("nameless", [True, False])
    def test_it_takes_nobody_elses_name(self, tmp_path: Path, nameless: bool) -> None:
        def race() -> None:
            with private_file(tmp_path / "a.zip", nameless=nameless) as file:
                file.write(b"mine")
                (tmp_path / "a.zip").write_bytes(b"theirs")

        with pytest.raises(InvalidInput, match="there already"):
            race()
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
        assert (tmp_path / "a.zip").read_bytes() == b"theirs"

    @pytest.mark.parametrize("nameless", [True, False])
    def test_broken_off_it_leaves_nothing(self, tmp_path: Path, nameless: bool) -> None:
        def break_off() -> None:
            with private_file(tmp_path / "a.zip", nameless=nameless) as file:
                file.write(b"half")
                raise RuntimeError("the power is out")

        with pytest.raises(RuntimeError):
            break_off()
        assert list(tmp_path.iterdir()) == []


def test_nothing_is_logged_for_a_copy_that_has_no_place(here: Place, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")
    with here.open() as home:
        subject = captured(home, [plain(1)])
        with pytest.raises(InvalidInput, match="there already"):
            export(home, subject, tmp_path / "a.zip")
        with pytest.raises(NotFound):
            export(home, subject, tmp_path / "nowhere" / "a.zip")
        assert not entries(home.owned_log(), EntryKind.ACCESS_INTENT)
    assert (tmp_path / "a.zip").read_bytes() == b""


def test_the_policys_words_come_in_the_language_asked_for(here: Place, tmp_path: Path) -> None:
    with here.open() as home:
        subject = captured(home, [])
        exporter_of(home).write(subject, tmp_path / "a.zip", language="de")
        size = home.owned_log().size
        with pytest.raises(InvalidInput, match="no words"):
            exporter_of(home).write(subject, tmp_path / "b.zip", language='"><b>')
        assert home.owned_log().size == size
    assert any(
        "nur mit deinem Ja" in text for text in document(tmp_path / "a.zip", "policy")["texts"]
    )
    assert b'lang="de"' in part(tmp_path / "a.zip", "index.html")


class TestWhoMay:
    def test_a_person_whose_account_is_restricted_still_gets_their_copy(
        self, here: Place, tmp_path: Path
    ) -> None:
        with here.open() as home:
            subject = captured(home, [plain(1)])
            held = next(home.vault.of_subject(subject))
            subject = home.subjects.change(subject, {"status": SubjectStatus.RESTRICTED.value})
            with pytest.raises(Denied):
                home.gate.show(held, subject, SERVICE, LOOKER)
            result = export(home, subject, tmp_path / "a.zip")
        assert result.manifest.facts.conversations == 1

    @pytest.mark.parametrize("status", [SubjectStatus.ERASING, SubjectStatus.CLOSED])
    def test_what_is_on_its_way_out_is_left_out_and_counted(
        self, here: Place, tmp_path: Path, status: SubjectStatus
    ) -> None:
        with here.open() as home:
            subject = captured(home, [plain(1), plain(2)])
            subject = home.subjects.change(subject, {"status": status.value})
            result = export(home, subject, tmp_path / "a.zip")
        assert result.manifest.facts.conversations == 0
        assert result.manifest.facts.left_out == {f"blocked_{status.value}": 2}
        assert lines(tmp_path / "a.zip") == []
        assert document(tmp_path / "a.zip", "account")["status"] == status.value
        assert b"being erased" in part(tmp_path / "a.zip", "index.html") or (
            status is SubjectStatus.CLOSED
        )

    def test_nobody_elses_conversations_are_in_a_copy(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            captured(home, [plain(1, "I am Bob")], "bob")
            export(home, captured(home, [plain(2)]), tmp_path / "a.zip")
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            assert not any(b"I am Bob" in archive.read(name) for name in archive.namelist())

    def test_a_temporary_chat_that_is_here_is_in_the_copy(
        self, here: Place, tmp_path: Path
    ) -> None:
        with here.open() as home:
            result = export(home, captured(home, [BRANCHING, QUOTING]), tmp_path / "a.zip")
        assert result.manifest.facts.conversations == 2


class TestParts:
    def test_every_choice_comes_with_a_receipt_that_holds_offline(
        self, here: Place, tmp_path: Path
    ) -> None:
        out = tmp_path / "a.zip"
        with here.open() as home:
            subject = captured(home, [plain(1)])
            home.ledger.record([act(1, subject.id, Act.GRANT)])
            export(home, subject, out)
            verifier = home.signer.verifier
        body = document(out, "consents")
        assert body["state"]["batch_training"]["status"] == "granted"
        (event,) = body["events"]
        name = f"receipts/{event['event']['id']}.json"
        assert verify_receipt(part(out, name), verifier).event.subject == subject.id

    def test_the_account_names_the_law_and_why_it_applies(
        self, here: Place, tmp_path: Path
    ) -> None:
        out = tmp_path / "a.zip"
        with here.open() as home:
            export(home, captured(home, []), out)
        account = document(out, "account")
        assert (account["name"], account["plan"], account["tier"]) == (ANN, "free", "public")
        assert account["law"]["because"] == "the account's region is eu"
        texts = document(out, "policy")["texts"]
        assert any("only with your yes" in text for text in texts)

    def test_datasets_and_plain_copies_are_named(self, here: Place, tmp_path: Path) -> None:
        out = tmp_path / "a.zip"
        with here.open() as home:
            subject = captured(home, [plain(1), plain(2)])
            (bob,) = add(home, "bob")
            home.vault.capture({bob: [plain(3)]}, source=CaptureSource.API)
            home.ledger.record([act(1, subject.id, Act.GRANT), act(2, bob.id, Act.GRANT)])
            use = Use(purpose="batch_training")
            sealed = home.datasets().build(use, tmp_path / "sealed")
            plainly = home.datasets().build(use, tmp_path / "plain", form=Format.SHAREGPT)
            here.clock.step(timedelta(hours=1))
            home.vault.capture({subject: [plain(4)]}, source=CaptureSource.API)
            export(home, subject, out)
            register = DatasetRegister(here.folder / "datasets", home.main)
            (disclosure,) = register.disclosures(bob)
        found = {one["dataset"]: one for one in document(out, "datasets")}
        assert set(found) == {sealed.dataset, plainly.dataset}
        assert len(found[sealed.dataset]["conversations"]) == 2
        (copy,) = document(out, "disclosures")
        assert (copy["dataset"], copy["conversations"], copy["recipient"]) == (
            plainly.dataset,
            2,
            NOT_NAMED,
        )
        assert (disclosure.dataset, disclosure.conversations) == (plainly.dataset, 1)
        actions = [line["action"] for line in lines(out, "accesses.jsonl")]
        assert actions == ["build", "build", "export"]

    def test_a_build_that_left_them_out_and_one_that_failed_are_told_too(
        self, here: Place, tmp_path: Path
    ) -> None:
        out = tmp_path / "a.zip"

        def stop(done: int, total: int) -> None:
            del done, total
            raise KeyboardInterrupt

        with here.open() as home:
            subject = captured(home, [plain(1), plain(2)])
            (bob,) = add(home, "bob")
            home.vault.capture({bob: [plain(3)]}, source=CaptureSource.API)
            home.ledger.record([act(1, subject.id, Act.GRANT)])
            use = Use(purpose="batch_training")
            with pytest.raises(KeyboardInterrupt):
                home.datasets().build(use, tmp_path / "stopped", on_progress=stop)
            export(home, subject, out)
            index = lines(out, "accesses.jsonl")[0]["log_index"]
            verifier = home.signer.verifier
            told = exporter_of(home).accesses(subject)
            home.owned_log().publish()
            shown = verify_access(access_document(told[0], home.owned_log()), verifier)
            assert exporter_of(home).accesses(bob) == []
        found = lines(out, "accesses.jsonl")
        assert [(one["action"], one["what"]) for one in found] == [
            ("build", "several"),
            ("export", "own_copy"),
        ]
        assert (shown["what"], shown["log_index"], shown["outcome"]) == (
            "several",
            index,
            "abandoned",
        )

    def test_holds_erasures_requests_papers_and_reports_are_in_it(
        self, here: Place, tmp_path: Path
    ) -> None:
        out = tmp_path / "a.zip"
        with here.open() as home:
            subject = captured(home, [plain(1)])
            held = next(home.vault.of_subject(subject))
            home.reports().file(held, because=ReportReason.HATE, turn=1)
            exporter = exporter_of(home)
            exporter._sources = Sources(
                holds=_Held(subject.id, held.id, here),
                erasures=_Erased(subject.id, here),
                requests=lambda _: [{"request": "req_1"}],
                papers=lambda _: [("era_1.pdf", b"%PDF")],
            )
            exporter.write(subject, out)
            verify_export(out, home.signer.verifier)
        assert document(out, "holds")[0]["authority"] == "docket-7"
        assert "reviewer" not in document(out, "holds")[0]
        assert document(out, "erasures")[0]["state"] == "cancelled"
        assert document(out, "requests") == [{"request": "req_1"}]
        assert document(out, "reports")[0]["because"] == "hate"
        assert part(out, "papers/era_1.pdf") == b"%PDF"
        page = part(out, "index.html").decode()
        assert "docket-7" in page
        assert "cancelled" in page

    @pytest.mark.parametrize(
        ("until", "told"), [(None, "access_ended"), (NOON, "held")], ids=["gagged", "told of"]
    )
    def test_a_hold_under_a_gag_does_not_show_in_an_erasure(
        self, until: datetime | None, told: str, here: Place
    ) -> None:
        (erasure,) = _Erased(SubjectId("sub_x"), here).of_subject(SubjectId("sub_x"))
        held = replace(erasure, state=ErasureState.HELD, held_until=until)
        assert erasure_facts(held)["state"] == told
        assert erasure_facts(erasure)["state"] == "cancelled"


class _Held:
    def __init__(self, subject: SubjectId, conversation: ConversationId, here: Place) -> None:
        now = here.clock.now()
        self._subject = subject
        self._hold = Hold(
            id=HoldId(format_id(IdKind.HOLD, b"h" * 16)),
            hold_class=HoldClass.LEGAL,
            subject=subject,
            conversations={conversation: ()},
            authority="docket-7",
            reviewer="officer-2",
            placed=now,
            until=now + timedelta(days=3),
        )

    def visible_to_subject(self, subject: SubjectId, _at: object) -> list[Hold]:
        return [self._hold] if subject == self._subject else []


class _Erased:
    def __init__(self, subject: SubjectId, here: Place) -> None:
        now = here.clock.now()
        self._erasure = Erasure(
            id=ErasureId(format_id(IdKind.ERASURE, b"e" * 16)),
            scope=ErasureScope.CONVERSATION,
            cause=ErasureCause.REQUEST,
            subject=subject,
            conversations=(),
            requested=now,
            cool_off_ends=now,
            promised_by=now,
            state=ErasureState.CANCELLED,
            cancelled=now,
        )

    def of_subject(self, _subject: SubjectId) -> list[Erasure]:
        return [self._erasure]


class TestWhoHasSeen:
    def test_each_look_is_told_with_a_proof_that_holds_offline(
        self, here: Place, tmp_path: Path
    ) -> None:
        out = tmp_path / "a.zip"
        with here.open() as home:
            subject = captured(home, [plain(1)])
            held = next(home.vault.of_subject(subject))
            bob = captured(home, [plain(2)], "bob")
            home.gate.show(next(home.vault.of_subject(bob)), bob, SERVICE, LOOKER)
            home.gate.show(held, subject, SERVICE, LOOKER)
            export(home, subject, out)
            verifier = home.signer.verifier
        shown, own = (
            verify_access(line, verifier) for line in part(out, "accesses.jsonl").splitlines()
        )
        assert (shown["actor"], shown["what"], shown["outcome"]) == (
            "service",
            held.id,
            "completed",
        )
        assert (own["actor"], own["what"], own["outcome"]) == ("subject", "own_copy", None)

    def test_an_access_under_a_gag_is_not_told(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            subject = captured(home, [plain(1)])
            held = next(home.vault.of_subject(subject))
            home.gate.show(held, subject, SERVICE, LOOKER)
            (secret,) = entries(home.owned_log(), EntryKind.ACCESS_INTENT)
            told = tmp_path / "told.zip"
            exporter_of(home).write(subject, told)
            exporter = exporter_of(home)
            exporter._sources = Sources(gagged=lambda _: frozenset({secret}))
            exporter.write(subject, tmp_path / "a.zip")
            checked = verify_copy(tmp_path / "a.zip", home.signer.verifier)
        assert checked.accesses == 2
        for name, word in (("accesses.csv", b'"review"'), ("index.html", b">review<")):
            assert word not in part(tmp_path / "a.zip", name)
            assert word in part(told, name)

    def test_a_second_copy_tells_how_the_first_ended(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            subject = captured(home, [plain(1)])
            export(home, subject, tmp_path / "a.zip")
            export(home, subject, tmp_path / "b.zip")
        outcomes = [line["outcome"] for line in lines(tmp_path / "b.zip", "accesses.jsonl")]
        assert outcomes == ["completed", None]

    @pytest.mark.parametrize(
        "change",
        [
            lambda body: {**body, "actor": "support"},
            lambda body: {**body, "what": "own_copy"},
            lambda body: {**body, "salt": "00" * 32},
            lambda body: {**body, "opening": format_id(IdKind.CONVERSATION, b"x" * 16)},
            lambda body: {**body, "opening": "created"},
            lambda body: {**body, "opening": None},
            lambda body: {**body, "done": None, "done_proof": None},
            lambda body: {**body, "entry": body["done"], "proof": body["done_proof"]},
            lambda body: {**body, "done": body["entry"], "done_proof": body["proof"]},
            lambda body: {**body, "log_index": 0},
            lambda body: {**body, "extra": 1},
        ],
    )
    def test_an_access_that_says_something_else_does_not_verify(
        self, here: Place, tmp_path: Path, change: Callable[[dict[str, object]], object]
    ) -> None:
        with here.open() as home:
            subject = captured(home, [plain(1)])
            held = next(home.vault.of_subject(subject))
            home.gate.show(held, subject, SERVICE, LOOKER)
            export(home, subject, tmp_path / "a.zip")
            verifier = home.signer.verifier
        line = part(tmp_path / "a.zip", "accesses.jsonl").splitlines()[0]
        assert verify_access(line, verifier)["what"] == held.id
        changed = json.dumps(
            change(json.loads(line)), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        with pytest.raises(VerificationFailed):
            verify_access(changed.encode(), verifier)


class TestChecking:
    def test_a_copy_holds_under_its_key_and_no_other(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            subject = captured(home, [plain(1)])
            export(home, subject, tmp_path / "a.zip")
            verifier = home.signer.verifier
        assert verify_export(tmp_path / "a.zip", verifier).facts.subject == subject.id
        for name in (verifier.name, "somebody.example"):
            other = Signer(name=name, seed=b"s" * 32).verifier
            with pytest.raises(VerificationFailed):
                verify_export(tmp_path / "a.zip", other)

    @pytest.mark.parametrize(
        "change",
        [
            lambda parts: {**parts, "holds.json": b"{}"},
            lambda parts: {**parts, "index.html": parts["index.html"] + b" "},
            lambda parts: {name: data for name, data in parts.items() if name != "reports.json"},
            lambda parts: dict(reversed(parts.items())),
            lambda parts: {"extra.txt": b"", **parts},
            lambda parts: {**parts, "later.txt": b""},
            lambda parts: {
                **parts,
                MANIFEST: parts[MANIFEST].replace(b'"conversations":1', b'"conversations":2'),
            },
            lambda parts: {**parts, MANIFEST: b"{}"},
            lambda _: {},
        ],
    )
    def test_a_changed_copy_does_not_verify(
        self,
        here: Place,
        tmp_path: Path,
        change: Callable[[dict[str, bytes]], dict[str, bytes]],
    ) -> None:
        with here.open() as home:
            export(home, captured(home, [plain(1)]), tmp_path / "a.zip")
            verifier = home.signer.verifier
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for name, data in change(parts).items():
                archive.writestr(name, data)
        with pytest.raises(VerificationFailed):
            verify_export(tmp_path / "b.zip", verifier)

    def test_repacked_unchanged_it_still_verifies(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            export(home, captured(home, [plain(1)]), tmp_path / "a.zip")
            verifier = home.signer.verifier
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        assert verify_export(tmp_path / "b.zip", verifier).facts.conversations == 1

    @pytest.mark.parametrize("where", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
    def test_any_broken_byte_is_a_failed_verification_and_no_crash(
        self, here: Place, tmp_path: Path, where: float
    ) -> None:
        with here.open() as home:
            export(home, captured(home, [plain(1)]), tmp_path / "a.zip")
            verifier = home.signer.verifier
        data = bytearray((tmp_path / "a.zip").read_bytes())
        (tmp_path / "c.zip").write_bytes(data[: int(len(data) * where)])
        with pytest.raises(VerificationFailed):
            verify_export(tmp_path / "c.zip", verifier)
        (tmp_path / "d.zip").write_bytes(b"#!/bin/sh\n" + data)
        with pytest.raises(VerificationFailed):
            verify_export(tmp_path / "d.zip", verifier)

    def test_every_proof_in_a_copy_is_checked(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            subject = captured(home, [plain(1)])
            home.ledger.record([act(1, subject.id, Act.GRANT)])
            held = next(home.vault.of_subject(subject))
            home.gate.show(held, subject, SERVICE, LOOKER)
            export(home, subject, tmp_path / "a.zip")
            checked = verify_copy(tmp_path / "a.zip", home.signer.verifier)
        assert (checked.receipts, checked.accesses) == (1, 2)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda parts, _: {**parts, "accesses.jsonl": b""}, "not told"),
            (lambda _parts, _: {}, "has no accesses"),
            (
                lambda parts, other: {
                    **parts,
                    "accesses.jsonl": parts["accesses.jsonl"] + other["accesses.jsonl"],
                },
                "somebody else",
            ),
            (
                lambda parts, other: {
                    **parts,
                    **{name: data for name, data in other.items() if "receipts/" in name},
                },
                "somebody else",
            ),
            (lambda parts, _: {**parts, "receipts/evt_1.json": b"{}"}, "receipt"),
            (
                lambda parts, _: {**parts, "receipts/evt_1.json": b" " * (1 << 21)},
                "too large",
            ),
        ],
    )
    def test_a_signature_does_not_stand_in_for_a_proof(
        self,
        here: Place,
        tmp_path: Path,
        change: Callable[[dict[str, bytes], dict[str, bytes]], dict[str, bytes]],
        said: str,
    ) -> None:
        copies = []
        with here.open() as home:
            for number, name in enumerate(("bob", ANN)):
                subject = captured(home, [plain(number)], name)
                home.ledger.record([act(number, subject.id, Act.GRANT)])
                result = export(home, subject, tmp_path / f"{name}.zip")
                with zipfile.ZipFile(tmp_path / f"{name}.zip") as archive:
                    copies.append(
                        {one.name: archive.read(one.name) for one in result.manifest.parts}
                    )
            signer = home.signer
        bobs, parts = copies
        with (tmp_path / "x.zip").open("w+b") as file, ExportWriter(file) as writer:
            for name, data in change(parts, bobs).items():
                writer.add(name, data)
            writer.finish(result.manifest.facts, signer)
        verify_export(tmp_path / "x.zip", signer.verifier)
        with pytest.raises(VerificationFailed, match=said):
            verify_copy(tmp_path / "x.zip", signer.verifier)

    def test_the_manifest_lists_the_digest_of_every_part(self, here: Place, tmp_path: Path) -> None:
        with here.open() as home:
            result = export(home, captured(home, [plain(1)]), tmp_path / "a.zip")
        for one in result.manifest.parts:
            assert sha256(part(tmp_path / "a.zip", one.name)).digest() == one.sha256


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/b/c", "", ".hidden", "a b", "é", "A/b"])
def test_a_part_has_a_safe_name(tmp_path: Path, name: str) -> None:
    with (
        (tmp_path / "x.zip").open("w+b") as file,
        ExportWriter(file) as writer,
        pytest.raises(InvalidInput, match="name"),
    ):
        writer.add(name, b"")


def test_a_part_stands_once_in_an_export(tmp_path: Path) -> None:
    with (tmp_path / "x.zip").open("w+b") as file, ExportWriter(file) as writer:
        writer.add("a.json", b"")
        writer.add("b.json", b"")
        with pytest.raises(InvalidInput, match="name"):
            writer.add("a.json", b"")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_conversations(here: Place, tmp_path: Path) -> None:
    text = SeededEntropy().draw(8_000).hex()
    with here.open() as home:
        (subject,) = add(home, ANN)
        for start in range(0, 2_000, 250):  # 16 kB each, 32 MB in all
            some = [plain(number, f"{text} {number}") for number in range(start, start + 250)]
            home.vault.capture({subject: some}, source=CaptureSource.API)
        tracemalloc.start()
        result = export(home, subject, tmp_path / "a.zip")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert result.manifest.facts.conversations == 2_000
    assert peak < 12 * 1024 * 1024
