"""The vectors of the format pages are what the code writes."""

import hashlib
import re
from pathlib import Path

from tests.docs.pages import ROOT, rows, vectors
from tests.support.ports import SeededEntropy
from volens.app.creation import ROOMS_WITH_TABLES
from volens.app.identity import Identity
from volens.consent.model import Act, decode_event, encode_event
from volens.core.ids import IdKind, format_id, parse_id
from volens.core.purposes import Purpose, Realm, Signal
from volens.core.regions import Region
from volens.core.time import format_moment
from volens.crypto import keystore
from volens.crypto.binding import (
    bind_block,
    capture_commitment,
    manifest_leaf,
    record_binding,
)
from volens.crypto.blocks import pack_block, unpack_block
from volens.crypto.envelope import derive, open_envelope, seal_envelope
from volens.crypto.keyservice import FileKeyService
from volens.crypto.pages import (
    AccountKeys,
    Page,
    conversation_keys,
    pack_page,
    record_key,
    unpack_page,
)
from volens.datasets import leaves
from volens.holds.erasure import ErasureState, decode_request, encode_request
from volens.lifecycle.map_rows import Method, When
from volens.log.entries import FIELDS, commit
from volens.log.kinds import (
    AccessAction,
    AccessOutcome,
    AccessReason,
    AccountSort,
    Actor,
    CaptureSource,
    ChangedField,
    DatasetFormat,
    ErasureCause,
    ErasureScope,
    ExceptionClass,
    ExceptionEnd,
    FlagCategory,
    FlagSeverity,
    GrantScope,
    HoldClass,
    HoldEnd,
    ImpactCause,
    ImpactState,
    KeepAnswer,
    KeyEvent,
    ReceiptKind,
    RefusalCause,
    RefusalGround,
    RequestKind,
    RequestOutcome,
    StaffRole,
    TimeSource,
)
from volens.storage.engine import open_database
from volens.storage.journal import Journal
from volens.storage.stamps import Applied, Stamp
from volens.vault.blocks import Columns, Entry, pack_body
from volens.vault.model import Role, TurnFlag, unpack_payload


def test_ids_are_written_as_the_page_says() -> None:
    page = vectors("README")
    assert format_id(IdKind.SUBJECT, bytes.fromhex(page["id.raw"])) == page["id.text"]
    assert parse_id(IdKind.SUBJECT, page["id.text"]).hex() == page["id.raw"]


def test_an_envelope_is_sealed_as_the_page_says() -> None:
    page = {name: bytes.fromhex(value) for name, value in vectors("envelope").items()}
    assert derive(page["key"], b"volens/envelope/v1", page["key_id"]) == page["derived"]
    sealed = seal_envelope(
        page["key"],
        page["plaintext"],
        key_id=page["key_id"],
        nonce=page["nonce"],
        associated=page["associated"],
    )
    assert sealed == page["envelope"]
    assert len(sealed) == 78 + len(page["plaintext"])


def test_a_block_is_packed_and_sealed_as_the_page_says() -> None:
    page = {name: bytes.fromhex(value) for name, value in vectors("block").items()}
    body = pack_body([Entry(number=1, batch=1, position=0, payload=page["payload"])])
    assert body == page["body"]
    _, secret = conversation_keys(page["account_key"], page["conversation"], page["salt"])
    plaintext = pack_block([(page["conversation"], 0)], [secret], body)
    assert plaintext == page["plaintext"]
    key = AccountKeys(page["account_key"]).of_block(page["block"], page["block_salt"])
    assert key == page["block_key"]
    assert bind_block(page["tenant"], page["person"], page["block"]) == page["binding"]
    sealed = seal_envelope(
        key,
        plaintext,
        key_id=page["block"],
        nonce=page["nonce"],
        associated=page["binding"],
    )
    assert sealed == page["envelope"]
    assert Columns.of([unpack_block(plaintext).body]).payload(0) == page["payload"]


def test_a_key_page_is_packed_and_sealed_as_the_page_says() -> None:
    text = vectors("keys")
    scope = text.pop("scope")
    page = {name: bytes.fromhex(value) for name, value in text.items()}
    opened = Page(account_key=page["account_key"], salts={page["conversation"]: page["salt"]})
    assert pack_page(opened) == page["page"]
    binding = (
        b"volens/key-page/v1\x00" + page["person"] + b"0\x00" + scope.encode("ascii") + b"\x001"
    )
    assert binding == page["page_binding"]
    sealed = open_envelope(
        page["root"], page["sealed_page"], key_id=page["person"], associated=binding
    )
    assert unpack_page(sealed) == opened
    again = seal_envelope(
        page["root"],
        page["page"],
        key_id=page["person"],
        nonce=page["nonce"],
        associated=binding,
    )
    assert again == page["sealed_page"]


def test_keys_are_derived_as_the_page_says() -> None:
    text = vectors("keys")
    del text["scope"]
    page = {name: bytes.fromhex(value) for name, value in text.items()}
    key, secret = conversation_keys(page["account_key"], page["conversation"], page["salt"])
    assert (key, secret) == (page["conversation_key"], page["capture_secret"])
    assert capture_commitment(secret, page["conversation"]) == page["commitment"]
    leaf = manifest_leaf(secret, page["dataset"], page["conversation"])
    assert leaf == page["leaf"]
    assert leaves.manifest_leaf(secret, page["dataset"], page["conversation"]) == page["leaf"]
    assert record_key(key, page["dataset"], leaf) == page["record_key"]


def test_the_file_key_service_wraps_as_the_page_says(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path, entropy=SeededEntropy(1))
    service.create("civilian-eu", 1)
    wrapped = service.wrap("civilian-eu", 1, b"root", b"bound")
    kek = (tmp_path / "civilian-eu.000001.kek").read_bytes()
    key_id = hashlib.sha256(b"civilian-eu.1").digest()[:16]
    assert open_envelope(kek, wrapped, key_id=key_id, associated=b"bound") == b"root"


def test_a_payload_reads_as_the_page_says() -> None:
    payload = unpack_payload(bytes.fromhex(vectors("payload")["payload"]))
    assert (payload.title, payload.language, payload.attachments) == ("T", "en", ("a.txt",))
    said = [(turn.role, turn.text, turn.parent, turn.rating) for turn in payload.turns]
    assert said == [
        (Role.USER, "Hello", -1, 0),
        (Role.ASSISTANT, "Hi", 0, 1),
        (Role.TOOL, "", 1, 0),
    ]
    first, _, last = payload.turns
    assert first.at is not None
    assert format_moment(first.at) == "2026-01-31T09:30:00.000Z"
    assert last.flags == TurnFlag.THIRD_PARTY | TurnFlag.OFF_PATH


def test_a_journal_frame_is_what_the_page_says(tmp_path: Path) -> None:
    page = {name: bytes.fromhex(value) for name, value in vectors("journal").items()}
    journal = Journal(tmp_path / "choices")
    journal.create()
    journal.append(page["body"])
    data = (tmp_path / "choices").read_bytes()
    assert data.startswith(page["frame"])
    assert not any(data[len(page["frame"]) :])
    assert len(data) >= 256 * 1024


def test_consent_events_read_and_commit_as_the_page_says() -> None:
    page = vectors("consent")
    for act in ("grant", "withdraw"):
        event = decode_event(page[act].encode("ascii"))
        assert event.act is Act(act)
        assert encode_event(event).decode("ascii") == page[act]
    salt = bytes.fromhex(page["salt"])
    assert commit(salt, page["grant"].encode("ascii")).hex() == page["commitment"]


def test_requests_to_erase_read_and_commit_as_the_page_says() -> None:
    page = vectors("erasure")
    for name, scope in (("one_chat", ErasureScope.CONVERSATION), ("account", ErasureScope.ACCOUNT)):
        request = decode_request(page[name].encode("ascii"))
        assert request.scope is scope
        assert encode_request(request).decode("ascii") == page[name]
        raw = parse_id(IdKind.ERASURE, request.id)
        assert raw.hex() == page["erasure"]
        assert commit(bytes.fromhex(page["salt"]), raw).hex() == page["commitment"]


def test_the_page_of_erasures_names_every_state_and_method() -> None:
    told = [name.strip("`") for name, _ in rows("docs/formats/erasure.md", 2) if name[0] == "`"]
    assert [word for word in told if word in set(ErasureState)] == [*ErasureState]
    assert [word for word in told if word in set(Method)] == [*Method]
    text = (ROOT / "docs/formats/erasure.md").read_text(encoding="utf-8")
    assert all(f"`{when}`" in text for when in When)


def test_the_identity_of_a_home_is_what_the_page_says() -> None:
    page = vectors("home")
    identity = Identity.decode(page["identity"].encode("ascii"), Path("volens.json"))
    assert parse_id(IdKind.TENANT, identity.tenant).hex() == page["tenant"]
    assert (identity.region, identity.realm) == (Region.EU, Realm.CIVILIAN)
    assert identity.encode().decode("ascii") == page["identity"]


def test_a_sealed_record_is_what_the_page_says() -> None:
    text = vectors("sealed-dataset")
    plaintext = text.pop("plaintext").encode("utf-8")
    page = {name: bytes.fromhex(value) for name, value in text.items()}
    sealed = seal_envelope(
        page["record_key"],
        plaintext,
        key_id=page["leaf"][:16],
        nonce=page["nonce"],
        associated=record_binding(page["dataset"], page["leaf"]),
    )
    assert sealed == page["envelope"]


def test_the_page_of_the_home_names_every_table_and_column() -> None:
    told = {
        table.strip("`"): [column.strip(" *") for column in columns.split(",")]
        for table, columns in rows("docs/formats/home.md", 2)
        if re.fullmatch(r"`[a-z_]+`", table) and "," in columns
    }
    metadata = [room.METADATA for room in ROOMS_WITH_TABLES]
    real = {
        name: [column.name for column in table.columns]
        for one in metadata
        for name, table in one.tables.items()
    }
    assert {name: columns for name, columns in told.items() if name in real} == real
    text = (ROOT / "docs/formats/home.md").read_text(encoding="utf-8").replace("*", "")
    for name, table in keystore.METADATA.tables.items():
        assert f"`{name}` ({', '.join(column.name for column in table.columns)})" in text


def test_the_page_of_log_entries_names_every_kind_and_field() -> None:
    told = {
        kind.strip("`"): sorted(re.findall(r"`(\w+)`:", fields))
        for kind, fields in rows("docs/formats/log-entries.md", 2)
        if re.fullmatch(r"`[a-z]+\.[a-z_]+`", kind)
    }
    assert told == {kind.value: sorted(fields) for kind, fields in FIELDS.items()}


def test_the_page_of_log_entries_lists_every_word() -> None:
    lists = (
        *(AccessAction, AccessOutcome, AccessReason, AccountSort, Actor, CaptureSource),
        ChangedField,
        *(DatasetFormat, ErasureCause, ErasureScope, GrantScope, HoldClass, HoldEnd, KeyEvent),
        *(
            ImpactCause,
            ImpactState,
            ExceptionClass,
            ExceptionEnd,
            FlagCategory,
            FlagSeverity,
            KeepAnswer,
            RefusalGround,
        ),
        *(
            Purpose,
            ReceiptKind,
            RefusalCause,
            RequestKind,
            RequestOutcome,
            Signal,
            StaffRole,
            TimeSource,
        ),
    )
    told = {
        name: words.strip("`").split("`, `")
        for name, words in rows("docs/formats/log-entries.md", 2)
        if re.fullmatch(r"[A-Z][a-zA-Z]+", name)
    }
    assert told == {one.__name__: [word.value for word in one] for one in lists}


def test_the_stamp_page(tmp_path: Path) -> None:
    page = vectors("backup")
    number, log_size = int(page["stamp.number"]), int(page["stamp.log_size"])
    path = tmp_path / "main.stamp"
    slot = bytes.fromhex(page["stamp.slot"])
    path.write_bytes(bytes(len(slot)) + slot)
    stamp = Stamp("main.db", open_database(tmp_path / "main.db"), path)
    assert stamp.remembered() == Applied(number=number, log_size=log_size)
