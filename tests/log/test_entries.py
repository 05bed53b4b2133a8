"""Log entries: one vector of each kind, then what is refused."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose, Signal
from volens.log.entries import FIELDS, Entry, commit, encode_entry, parse_entry
from volens.log.fields import (
    COMMITMENT,
    COUNT,
    FLAG,
    LANGUAGE,
    MOMENT,
    PACK,
    PACK_VERSION,
    PUBLIC_HASH,
    ROOT,
    FieldType,
)
from volens.log.kinds import (
    AccessAction,
    AccessReason,
    Actor,
    ChangedField,
    EntryKind,
    GrantScope,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "entries.json").read_text("utf-8"))
AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
HASH = bytes(range(32))
CONSENT = {
    "commitment": HASH,
    "purpose": Purpose.BATCH_TRAINING,
    "scope": GrantScope.GENERAL,
    "notice_hash": HASH,
}
INTENT = {
    "purpose": Purpose.BATCH_TRAINING,
    "actor": Actor.SERVICE,
    "action": AccessAction.BUILD,
    "reason": AccessReason.DATASET_BUILD,
    "policy_hash": HASH,
    "count": 3,
    "root": HASH,
}


@pytest.mark.parametrize("text", VECTORS)
def test_every_vector_reads_and_writes_back_the_same(text: str) -> None:
    entry = parse_entry(text.encode())
    assert encode_entry(entry) == text.encode()


def test_there_is_a_vector_of_each_kind() -> None:
    assert {parse_entry(text.encode()).kind for text in VECTORS} == set(EntryKind) == set(FIELDS)


@pytest.mark.parametrize("text", VECTORS)
def test_no_field_can_be_left_out_added_or_emptied(text: str) -> None:
    document = json.loads(text)
    types = FIELDS[EntryKind(document["kind"])]
    for name in document:
        for changed in (
            {key: value for key, value in document.items() if key != name},
            document | {name: None},
            document | {name: ""},
            document | {name: "Maria Garcia"},
            document | {name: [["x"]]},
            document | {name: -1},
            document | {name: {}},
            document | {"subject": "sub_aaaaaaaaaaaaaaaaaaaaaaaaaa"},
        ):
            if name in types and types[name].optional and len(changed) < len(document):
                continue  # it may be left out; see the tests below
            with pytest.raises(InvalidInput):
                parse_entry(canonical_json(changed))


def test_no_field_has_a_type_beyond_the_closed_list() -> None:
    plain = {COMMITMENT, COUNT, FLAG, LANGUAGE, MOMENT, PACK, PACK_VERSION, PUBLIC_HASH, ROOT}
    readers = {one.read for one in plain}
    for types in FIELDS.values():
        for one in types.values():
            assert one.read in readers or is_word(one)


def is_word(one: FieldType) -> bool:
    return one.read.__qualname__.startswith(("word.", "words."))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (EntryKind.HOME_CREATED, {"count": 1}),
        (EntryKind.SUBJECT_CREATED, {}),
        (EntryKind.SUBJECT_CREATED, {"commitment": HASH[:-1]}),
        (EntryKind.SUBJECT_CREATED, {"commitment": HASH.hex()}),
        (EntryKind.SUBJECT_CHANGED, {"commitment": HASH, "field": "tier"}),
        (EntryKind.SUBJECT_CHANGED, {"commitment": HASH, "field": Signal.NONE}),
        (EntryKind.JOURNAL_APPLIED, {"count": -1}),
        (EntryKind.JOURNAL_APPLIED, {"count": True}),
        (EntryKind.JOURNAL_APPLIED, {"count": 2**53}),
        (EntryKind.JOURNAL_APPLIED, {"count": "1"}),
        (EntryKind.CONSENT_GRANTED, CONSENT | {"name": "x"}),
        (
            EntryKind.NOTICE_PUBLISHED,
            {"notice_hash": HASH, "purposes": (), "language": "en"},
        ),
        (
            EntryKind.NOTICE_PUBLISHED,
            {
                "notice_hash": HASH,
                "purposes": (Purpose.LEGAL_ORDER, Purpose.BATCH_TRAINING),
                "language": "en",
            },
        ),
        (
            EntryKind.NOTICE_PUBLISHED,
            {"notice_hash": HASH, "purposes": [Purpose.LEGAL_ORDER], "language": "en"},
        ),
        (
            EntryKind.NOTICE_PUBLISHED,
            {"notice_hash": HASH, "purposes": (Purpose.LEGAL_ORDER,), "language": "english"},
        ),
        (
            EntryKind.POLICY_ACTIVATED,
            {"pack": "a b", "version": "1", "pack_hash": HASH, "effective": AT},
        ),
        (
            EntryKind.POLICY_ACTIVATED,
            {"pack": "a", "version": "1", "pack_hash": HASH, "effective": "2026"},
        ),
        (EntryKind.ACCESS_INTENT, {k: v for k, v in INTENT.items() if k != "root"}),
        (EntryKind.ACCESS_INTENT, INTENT | {"commitment": HASH}),
    ],
)
def test_what_the_table_does_not_list_is_not_written(
    kind: EntryKind, fields: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        encode_entry(Entry(kind=kind, at=AT, fields=fields))  # type: ignore[arg-type]
    assert refusal.value.code in {"entry_fields", "entry_value"}


def test_an_access_names_what_it_opens_by_root_or_by_commitment() -> None:
    for fields in (INTENT, {k: v for k, v in INTENT.items() if k != "root"} | {"commitment": HASH}):
        entry = Entry(kind=EntryKind.ACCESS_INTENT, at=AT, fields=fields)
        assert parse_entry(encode_entry(entry)) == entry


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("entry_version", b'{"at":"2026-01-31T09:30:00.000Z","kind":"home.created","v":2}'),
        ("entry_version", b'{"at":"2026-01-31T09:30:00.000Z","kind":"home.created","v":true}'),
        ("entry_version", b'{"at":"2026-01-31T09:30:00.000Z","kind":"home.created"}'),
        ("entry_version", b"[]"),
        ("entry_kind", b'{"at":"2026-01-31T09:30:00.000Z","kind":"home.gone","v":1}'),
        ("entry_value", b'{"at":1,"kind":"home.created","v":1}'),
        ("time_form", b'{"at":"2026-01-31","kind":"home.created","v":1}'),
        ("not_canonical", b'{"kind":"home.created","at":"2026-01-31T09:30:00.000Z","v":1}'),
    ],
)
def test_what_is_not_an_entry_is_refused(code: str, data: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_entry(data)
    assert refusal.value.code == code


def test_a_commitment_is_hmac_over_length_prefixed_parts() -> None:
    expected = hmac.new(HASH, b"\0\0\0\2ab\0\0\0\1c", hashlib.sha256).digest()
    assert commit(HASH, b"ab", b"c") == expected


@given(st.lists(st.binary(max_size=8)), st.lists(st.binary(max_size=8)))
def test_other_parts_or_another_salt_give_another_commitment(
    first: list[bytes], second: list[bytes]
) -> None:
    assert (commit(HASH, *first) == commit(HASH, *second)) == (first == second)
    assert commit(HASH, *first) != commit(HASH[::-1], *first)


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        commit(HASH[:16], b"x")


def test_the_page_of_the_format_lists_every_kind_field_and_word() -> None:
    root = Path(__file__).parent.parent.parent
    page = (root / "docs" / "formats" / "log-entries.md").read_text("utf-8")
    for kind, fields in FIELDS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind}` |")]
        assert row.count("`: ") == len(fields)
        assert all(f"`{name}`: " in row for name in fields)
    for words in (Purpose, Signal, Actor, AccessAction, AccessReason, ChangedField, GrantScope):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {words.__name__} |")]
        assert row.split("|")[2].strip() == ", ".join(f"`{word}`" for word in words)
