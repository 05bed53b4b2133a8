"""Stored keys are bound to their place in the very bytes that the format's page says."""

import hashlib
import hmac
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from tests.support.ports import SeededEntropy
from volens.core.errors import Unavailable, VerificationFailed, VolensError
from volens.crypto.binding import capture_commitment, manifest_leaf
from volens.crypto.envelope import derive, open_envelope
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import EPOCH_ROOT, KEY_PAGE, METADATA, Holder, KeyStore
from volens.crypto.opening import Opener, commitments_of, leaves_of
from volens.crypto.pages import ROWS_PER_PAGE, unpack_page
from volens.crypto.sealing import Sealer
from volens.storage.engine import create_tables, open_database

ADA, BO = Holder(number=1, raw=b"a" * 16), Holder(number=2, raw=b"b" * 16)
SCOPE, LOOKUP, TENANT = "civilian-eu", b"l" * 32, b"t" * 16


class Keys:
    def __init__(self, folder: Path) -> None:
        self.entropy = SeededEntropy(3)
        self.engine = open_database(folder / "keys.db")
        create_tables(self.engine, METADATA)
        self.service = FileKeyService(folder / "keks", entropy=self.entropy)
        self.store = self.fresh()
        self.sealer = Sealer(self.store, lookup_key=LOOKUP, entropy=self.entropy)
        self.sealer.open_scope(SCOPE)
        self.sealer.add_accounts(SCOPE, [ADA, BO])

    def fresh(self) -> KeyStore:
        """Return a key store that has unwrapped nothing yet."""
        return KeyStore(self.engine, self.service, entropy=self.entropy)

    def root(self) -> bytes:
        with self.engine.connect() as db:
            wrapped = db.execute(select(EPOCH_ROOT.c.wrapped)).scalar_one()
        binding = b"volens/epoch-root/v1\x00civilian-eu\x001"
        return self.service.unwrap(SCOPE, 1, wrapped, binding)

    def change(self, holder: Holder, **values: object) -> None:
        with self.engine.begin() as db:
            where = KEY_PAGE.c.subject_no == holder.number
            db.execute(update(KEY_PAGE).where(where).values(**values))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def ids(count: int, first: int = 0) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in range(first, first + count)]


def code(error: pytest.ExceptionInfo[VolensError]) -> str:
    return error.value.code


def test_every_page_opens_by_hand_with_the_binding_that_is_written_down(keys: Keys) -> None:
    wanted = ids(2 * ROWS_PER_PAGE + 1)
    account = keys.store.add_salts({ADA: wanted})[ADA.raw]
    with keys.engine.connect() as db:
        query = select(KEY_PAGE).where(KEY_PAGE.c.subject_no == 1).order_by(KEY_PAGE.c.page)
        rows = db.execute(query).all()
    assert [(row.page, row.scope, row.epoch) for row in rows] == [(n, SCOPE, 1) for n in range(3)]
    pages = [
        unpack_page(
            open_envelope(
                keys.root(),
                row.sealed,
                key_id=ADA.raw,
                associated=b"volens/key-page/v1\x00" + ADA.raw + b"%d\x00civilian-eu\x001" % number,
            )
        )
        for number, row in enumerate(rows)
    ]
    assert [len(page.salts) for page in pages] == [ROWS_PER_PAGE, ROWS_PER_PAGE, 1]
    assert [page.account_key for page in pages] == [account.key, b"", b""]
    assert {c: s for page in pages for c, s in page.salts.items()} == account.salts
    assert list(account.salts) == wanted
    assert len({row.sealed[18:30] for row in rows}) == 3  # nonces


def test_a_page_opens_in_no_other_scope_epoch_or_place(keys: Keys) -> None:
    keys.store.open_scope("civilian-us")
    for values in ({"scope": "civilian-us"}, {"page": 1}):
        keys.change(ADA, **values)
        with pytest.raises(VerificationFailed):
            keys.fresh().account(ADA)
        keys.change(ADA, scope=SCOPE, page=0)
    keys.change(ADA, epoch=2)
    with pytest.raises(Unavailable) as refused:
        keys.fresh().account(ADA)
    assert code(refused) == "key_missing"
    keys.change(ADA, epoch=1)
    assert keys.fresh().account(ADA) == keys.store.account(ADA)


def test_a_missing_first_or_middle_page_is_told_from_no_page(keys: Keys) -> None:
    keys.store.add_salts({ADA: ids(3 * ROWS_PER_PAGE)})
    for number in (1, 0):
        with keys.engine.begin() as db:
            db.execute(
                delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == 1, KEY_PAGE.c.page == number)
            )
        with pytest.raises(VerificationFailed) as refused:
            keys.store.account(ADA)
        assert code(refused) == "key_pages"
    with keys.engine.begin() as db:
        db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == 1))
    with pytest.raises(Unavailable) as missing:
        keys.store.account(ADA)
    assert code(missing) == "key_missing"
    assert list(keys.store.accounts([ADA, BO])) == [None, keys.store.account(BO)]


def test_a_scope_never_opened_has_its_code(keys: Keys) -> None:
    with pytest.raises(Unavailable) as refused:
        keys.store.add_accounts("civilian-cn", [ADA])
    assert code(refused) == "key_scope_missing"


def test_salts_once_drawn_stay_over_captures_and_stores(keys: Keys) -> None:
    first = keys.store.add_salts({ADA: ids(ROWS_PER_PAGE - 1), BO: ids(2)})
    again = keys.fresh().add_salts({ADA: ids(ROWS_PER_PAGE + 2)})[ADA.raw]
    assert again.key == first[ADA.raw].key
    assert dict(list(again.salts.items())[: ROWS_PER_PAGE - 1]) == first[ADA.raw].salts
    assert len(set(again.salts.values())) == ROWS_PER_PAGE + 2
    assert list(keys.fresh().accounts([ADA, BO])) == [again, first[BO.raw]]
    assert first[BO.raw].salts.keys() == set(ids(2))
    assert again.key != first[BO.raw].key


def test_more_people_than_one_query_takes_are_found_in_order(keys: Keys) -> None:
    many = [Holder(number=n, raw=n.to_bytes(16, "big")) for n in range(10, 1912)]
    keys.store.add_accounts(SCOPE, many)
    found = list(keys.fresh().accounts([ADA, *many]))
    assert None not in found
    assert len({account.key for account in found if account}) == len(many) + 1
    assert found[-1] == keys.store.account(many[-1])


def test_a_look_up_digest_is_the_one_that_is_written_down(keys: Keys) -> None:
    expected = hmac.new(LOOKUP, b"reference\x00ada", hashlib.sha256).digest()[:16]
    assert keys.sealer.lookup(b"reference", b"ada") == expected


def test_a_reference_opens_by_hand_and_only_for_its_holder(keys: Keys) -> None:
    sealed = keys.sealer.seal_references({ADA: "ad\u00e4", BO: "bo"})
    key = derive(keys.store.account(ADA).key, b"volens/reference/v1", ADA.raw)[:32]
    associated = b"volens/reference/v1\x00" + ADA.raw
    opened = open_envelope(key, sealed[ADA], key_id=ADA.raw, associated=associated)
    assert opened == "ad\u00e4".encode()
    opener = Opener(keys.store, entropy=keys.entropy)
    with pytest.raises(VerificationFailed):
        list(opener.open_references([(ADA, sealed[BO])]))
    nobody = Holder(number=9, raw=b"n" * 16)
    items = [(ADA, sealed[ADA]), (nobody, b""), (BO, sealed[BO])]
    assert list(opener.open_references([items[0], items[2], items[1]])) == ["ad\u00e4", "bo", None]
    with pytest.raises(Unavailable) as refused:
        keys.sealer.seal_references({nobody: "x"})
    assert code(refused) == "key_missing"


def test_capture_secrets_are_the_ones_that_captures_commit_to(keys: Keys) -> None:
    names = ids(3)
    drawn = keys.sealer.draw({ADA: names}, {ADA: 2})
    blocks = [
        drawn.seal(ADA, [(names[0], 0), (names[1], 7)], b"body", tenant=TENANT),
        drawn.seal(ADA, [(names[2], 0)], b"other", tenant=TENANT),
    ]
    opener = Opener(keys.fresh(), entropy=keys.entropy)
    secrets = [opener.capture_secret(ADA, one) for one in names]
    for one, secret in zip(names, secrets, strict=True):
        assert capture_commitment(secret, one) == drawn.commitments[one]
    with pytest.raises(Unavailable) as refused:
        opener.capture_secret(ADA, b"?" * 16)
    assert code(refused) == "key_missing"
    items = [(block.id, block.envelope) for block in blocks]
    (opened,) = opener.open_many([(ADA, items)], tenant=TENANT)
    assert opened is not None
    assert [bytes(block.body) for block in opened.blocks] == [b"body", b"other"]
    assert opened.blocks[0].member(1) == (names[1], 7)
    assert [one.secret(n) for one in opened.blocks for n in range(one.size)] == secrets
    members = b"".join(block.rows for block in opened.blocks)
    assert commitments_of(members) == [drawn.commitments[one] for one in names]
    assert leaves_of(members, [56], dataset=b"d" * 16) == [
        manifest_leaf(secrets[1], b"d" * 16, names[1])
    ]
    assert len({block.envelope[18:30] for block in blocks}) == 2


def test_a_block_opens_by_hand_with_the_key_and_binding_that_are_written_down(keys: Keys) -> None:
    (one,) = ids(1)
    drawn = keys.sealer.draw({ADA: [one]}, {ADA: 1})
    block = drawn.seal(ADA, [(one, 3)], b"body", tenant=TENANT)
    account = keys.store.account(ADA)
    key = derive(account.key, b"volens/block/v1", block.id + account.salts[block.id])[:32]
    associated = b"volens/block/v1\x00" + TENANT + ADA.raw + block.id + b"\x00\x01"
    data = open_envelope(key, block.envelope, key_id=block.id, associated=associated)
    secret = derive(account.key, b"volens/conversation/v1", one + account.salts[one])[32:]
    row = one + secret + (3).to_bytes(8, "little")
    assert data == b"VBK1" + (1).to_bytes(4, "little") + row + b"body"


def test_dropped_salts_leave_whole_pages_and_no_byte_behind(keys: Keys) -> None:
    names = ids(3 * ROWS_PER_PAGE)
    before = keys.store.add_salts({ADA: names, BO: ids(2)})[ADA.raw]
    gone = names[5 : 2 * ROWS_PER_PAGE + 9]
    keys.store.drop_salts({ADA: gone, BO: ids(1, first=900)})
    after = keys.fresh().account(ADA)
    assert after.key == before.key
    kept = [one for one in names if one not in set(gone)]
    assert dict(after.salts) == {one: before.salts[one] for one in kept}
    with keys.engine.connect() as db:
        pages = db.execute(
            select(KEY_PAGE.c.page, KEY_PAGE.c.sealed).where(KEY_PAGE.c.subject_no == 1)
        ).all()
    assert [row.page for row in pages] == list(range(-(-len(kept) // ROWS_PER_PAGE)))
    opened = b"".join(
        open_envelope(
            keys.root(),
            row.sealed,
            key_id=ADA.raw,
            associated=b"volens/key-page/v1\x00" + ADA.raw + f"{row.page}\x00{SCOPE}\x001".encode(),
        )
        for row in pages
    )
    assert not [one for one in gone if before.salts[one] in opened]
    keys.store.drop_salts({ADA: kept})
    assert keys.fresh().account(ADA).salts == {}
    assert keys.fresh().account(BO).salts.keys() == set(ids(2))


def test_dropped_accounts_are_gone_and_the_others_stay(keys: Keys) -> None:
    keys.store.add_salts({ADA: ids(300), BO: ids(2)})
    keys.store.drop_accounts([ADA.number])
    keys.store.drop_accounts([ADA.number])
    keys.store.drop_salts({ADA: ids(3)})
    assert list(keys.fresh().accounts([ADA, BO])) == [None, keys.store.account(BO)]
