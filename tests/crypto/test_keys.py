"""Keys live in three places at once; without any one of them nothing opens."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from tests.support.ports import SeededEntropy
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed, VolensError
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import EPOCH_ROOT, KEY_PAGE, METADATA, Holder, KeyStore
from volens.crypto.opening import OpenedAccount, Opener, Segment, open_record
from volens.crypto.pages import (
    ROWS_PER_PAGE,
    AccountRows,
    Page,
    pack_page,
    split_page,
    unpack_page,
)
from volens.crypto.sealing import Sealer
from volens.storage.engine import create_tables, open_database

ALICE, BOB = Holder(number=1, raw=b"a" * 16), Holder(number=2, raw=b"b" * 16)
TENANT = b"t" * 16


class Keys:
    """A key store with its sealer and opener, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entropy = SeededEntropy(7)
        self.engine = open_database(folder / "keys.db")
        create_tables(self.engine, METADATA)
        self.service = FileKeyService(folder / "keks", entropy=entropy)
        store = KeyStore(self.engine, self.service, entropy=entropy)
        self.store = store
        self.sealer = Sealer(store, lookup_key=bytes(32), entropy=entropy)
        self.opener = Opener(store, entropy=entropy)
        self.sealer.open_scope("civilian-eu")
        self.sealer.add_accounts("civilian-eu", [ALICE, BOB])

    def fresh_opener(self) -> Opener:
        entropy = SeededEntropy(8)
        return Opener(KeyStore(self.engine, self.service, entropy=entropy), entropy=entropy)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def seal(keys: Keys, holder: Holder, numbers: range) -> list[Segment]:
    """Seal one block for each conversation."""
    names = [name(number) for number in numbers]
    drawn = keys.sealer.draw({holder: names}, {holder: len(names)})
    blocks = [drawn.seal(holder, [(name(n), 0)], b"text %d" % n, tenant=TENANT) for n in numbers]
    return [(block.id, block.envelope) for block in blocks]


def texts(
    opener: Opener, holder: Holder, items: list[Segment], tenant: bytes = TENANT
) -> list[bytes | None]:
    """Open as in bulk and as a few; both must agree, also about what they refuse."""
    asked = [(holder, items)]
    in_bulk = _outcome(lambda: next(opener.open_many(asked, tenant=tenant)), items)
    few = _outcome(lambda: next(opener.open_many(asked, tenant=tenant, few=True)), items)
    if isinstance(in_bulk, VolensError):
        assert isinstance(few, VolensError)
        assert (type(few), few.code) == (type(in_bulk), in_bulk.code)
        raise few
    assert few == in_bulk
    return in_bulk


def _outcome(
    read: Callable[[], OpenedAccount | None], items: list[Segment]
) -> list[bytes | None] | VolensError:
    try:
        opened = read()
    except VolensError as error:
        return error
    if opened is None:
        return [None] * len(items)
    for block in opened.blocks:
        member, _ = block.member(0)
        if member not in opened.erased:
            assert len(opened.keys.of(member)) == 32
    return [
        None if block.member(0)[0] in opened.erased else bytes(block.body)
        for block in opened.blocks
    ]


def test_what_is_sealed_opens_over_several_pages(keys: Keys) -> None:
    numbers = range(2 * ROWS_PER_PAGE + 3)
    items = seal(keys, ALICE, numbers)
    assert texts(keys.fresh_opener(), ALICE, items) == [b"text %d" % n for n in numbers]


def test_a_second_capture_keeps_the_keys_of_the_first(keys: Keys) -> None:
    first, second = seal(keys, ALICE, range(5)), seal(keys, ALICE, range(5, 300))
    assert None not in texts(keys.opener, ALICE, first + second)


def test_a_block_opens_only_in_its_own_place(keys: Keys) -> None:
    one, two = seal(keys, ALICE, range(2))
    for other, tenant in (((one[0], two[1]), TENANT), ((two[0], one[1]), TENANT), (one, b"T" * 16)):
        with pytest.raises(VerificationFailed):
            texts(keys.opener, ALICE, [other], tenant)


def test_a_stored_block_without_its_key_is_no_erasure_but_a_fault(keys: Keys) -> None:
    ((block, envelope),) = seal(keys, ALICE, range(1))
    keys.store.drop_salts({ALICE: [block]})
    with pytest.raises(VerificationFailed) as refusal:
        texts(keys.opener, ALICE, [(block, envelope)])
    assert refusal.value.code == "block_key_missing"


def test_a_conversation_whose_own_key_is_gone_is_named_as_erased(keys: Keys) -> None:
    items = seal(keys, ALICE, range(3))
    keys.store.drop_salts({ALICE: [name(1), name(9)], BOB: [name(1)]})
    assert texts(keys.fresh_opener(), ALICE, items) == [b"text 0", None, b"text 2"]
    with pytest.raises(Unavailable) as refusal:
        keys.opener.capture_secret(ALICE, name(1))
    assert refusal.value.code == "key_missing"


def test_another_persons_keys_open_nothing(keys: Keys) -> None:
    (item,) = seal(keys, ALICE, range(1))
    seal(keys, BOB, range(1))
    with pytest.raises(VerificationFailed):
        texts(keys.opener, BOB, [item])


def test_without_the_account_there_is_nothing_to_open(keys: Keys) -> None:
    items = seal(keys, ALICE, range(3))
    with keys.engine.begin() as db:
        db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == ALICE.number))
    assert texts(keys.opener, ALICE, items) == [None, None, None]


def test_without_the_kek_nothing_opens(keys: Keys) -> None:
    items = seal(keys, ALICE, range(1))
    keys.service.destroy("civilian-eu", 1)
    keys.service.destroy("civilian-eu", 1)
    with pytest.raises(Unavailable) as refusal:
        texts(keys.fresh_opener(), ALICE, items)
    assert refusal.value.code == "kek_missing"


def test_a_key_page_moved_to_another_person_is_refused(keys: Keys) -> None:
    with keys.engine.begin() as db:
        query = select(KEY_PAGE.c.sealed).where(KEY_PAGE.c.subject_no == ALICE.number)
        page = db.execute(query).scalar()
        db.execute(update(KEY_PAGE).where(KEY_PAGE.c.subject_no == BOB.number).values(sealed=page))
    for read in (keys.store.account, keys.store.rows):
        with pytest.raises(VerificationFailed):
            read(BOB)


def test_a_missing_middle_page_is_refused(keys: Keys) -> None:
    seal(keys, ALICE, range(3 * ROWS_PER_PAGE))
    with keys.engine.begin() as db:
        db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == 1, KEY_PAGE.c.page == 1))
    for read in (keys.store.account, keys.store.rows):
        with pytest.raises(VerificationFailed) as raised:
            read(ALICE)
        assert raised.value.code == "key_pages"


def test_a_missing_first_page_is_refused(keys: Keys) -> None:
    seal(keys, ALICE, range(3 * ROWS_PER_PAGE))
    with keys.engine.begin() as db:
        db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == 1, KEY_PAGE.c.page == 0))
    for read in (keys.store.account, keys.store.rows):
        with pytest.raises(VerificationFailed):
            read(ALICE)


def test_an_epoch_root_moved_to_another_scope_is_refused(keys: Keys) -> None:
    keys.sealer.open_scope("civilian-us")
    with keys.engine.begin() as db:
        root = db.execute(
            select(EPOCH_ROOT.c.wrapped).where(EPOCH_ROOT.c.scope == "civilian-us")
        ).scalar()
        db.execute(
            update(EPOCH_ROOT).where(EPOCH_ROOT.c.scope == "civilian-eu").values(wrapped=root)
        )
    with pytest.raises(VerificationFailed):
        KeyStore(keys.engine, keys.service, entropy=SeededEntropy()).account(ALICE)


def test_opening_a_scope_twice_keeps_its_keys(keys: Keys) -> None:
    items = seal(keys, ALICE, range(1))
    keys.sealer.open_scope("civilian-eu")
    assert texts(keys.fresh_opener(), ALICE, items) == [b"text 0"]


def test_a_scope_that_was_never_opened_takes_nobody(keys: Keys) -> None:
    with pytest.raises(Unavailable):
        keys.sealer.add_accounts("civilian-cn", [Holder(number=3, raw=b"c" * 16)])


def test_references_are_sealed_and_read_back(keys: Keys) -> None:
    sealed = keys.sealer.seal_references({ALICE: "alice@example.org", BOB: "bob"})
    items = [(holder, sealed[holder]) for holder in (ALICE, BOB)]
    assert list(keys.opener.open_references(items)) == ["alice@example.org", "bob"]
    assert b"alice" not in sealed[ALICE]


def test_a_record_of_a_sealed_dataset_opens_with_its_conversations_key_only(keys: Keys) -> None:
    items = seal(keys, ALICE, range(2))
    (opened,) = keys.opener.open_many([(ALICE, items)], tenant=TENANT)
    assert opened is not None
    one, two = opened.keys.of(name(0)), opened.keys.of(name(1))
    dataset, leaf = b"d" * 16, b"l" * 32
    record = keys.opener.seal_record(one, b"row", dataset=dataset, leaf=leaf)
    assert open_record(one, record, dataset=dataset, leaf=leaf) == b"row"
    for key, in_dataset, at_leaf in (
        (two, dataset, leaf),
        (one, b"D" * 16, leaf),
        (one, dataset, b"L" * 32),
    ):
        with pytest.raises(VerificationFailed):
            open_record(key, record, dataset=in_dataset, leaf=at_leaf)


_IDS = st.binary(min_size=16, max_size=16) | st.sampled_from(
    [bytes(8) + bytes([number] * 8) for number in range(6)]  # the first halves are the same
)


@given(st.dictionaries(_IDS, st.binary(min_size=16, max_size=16), max_size=300), st.sets(_IDS))
def test_looking_a_few_up_finds_what_reading_all_finds(
    salts: dict[bytes, bytes], others: set[bytes]
) -> None:
    items = list(salts.items())
    pages = [dict(items[at : at + ROWS_PER_PAGE]) for at in range(0, len(items), ROWS_PER_PAGE)]
    packed = [pack_page(Page(account_key=b"", salts=rows)) for rows in pages]
    rows = AccountRows(b"k" * 32, [split_page(one)[1] for one in packed])
    wanted = {*list(salts)[::3], *others}
    assert rows.pick(wanted) == {one: salts[one] for one in wanted if one in salts}


def test_an_id_that_stands_twice_is_refused() -> None:
    body = b"i" * 16 + b"s" * 16
    rows = AccountRows(b"k" * 32, [body, body])
    assert rows.pick([b"j" * 16]) == {}
    with pytest.raises(VerificationFailed) as raised:
        rows.pick([b"i" * 16])
    assert raised.value.code == "key_page_form"
    assert "kkk" not in repr(rows)


def test_no_secret_shows_in_a_repr(keys: Keys) -> None:
    items = seal(keys, ALICE, range(1))
    (opened,) = keys.opener.open_many([(ALICE, items)], tenant=TENANT)
    assert opened is not None
    assert repr(opened) == "OpenedAccount()"
    assert repr(opened.blocks[0]) == "Block()"
    assert "key=" not in repr(keys.store.account(ALICE))


def test_a_scope_name_cannot_leave_the_folder(keys: Keys) -> None:
    with pytest.raises(InvalidInput):
        keys.service.create("../outside", 1)


@given(
    st.binary(min_size=32, max_size=32),
    st.dictionaries(
        st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), max_size=128
    ),
)
def test_a_page_is_read_back(key: bytes, salts: dict[bytes, bytes]) -> None:
    page = Page(account_key=key if any(key) else b"", salts=salts)
    assert unpack_page(pack_page(page)) == page


@pytest.mark.parametrize(
    "data", [b"", b"VKP2" + bytes(32), b"VKP1" + bytes(33), b"VKP1" + bytes(96)]
)
def test_what_is_not_a_page_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed):
        unpack_page(data)
