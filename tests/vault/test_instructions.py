"""Each instruction is a version of its own, the log commits to it, accesses name those in force."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.stores import BUILDER, TRAINING, Stores
from volens.core.errors import Unavailable
from volens.core.purposes import Purpose
from volens.log.kinds import EntryKind
from volens.log.merkle import MerkleTree, leaf_hash
from volens.policy.retention import RetentionClass


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def test_each_instruction_is_the_next_version_and_none_changes(stores: Stores) -> None:
    days = {RetentionClass.DELETED_CHATS: 7}
    first = stores.subjects.instruct("acme", [Purpose.BATCH_TRAINING])
    second = stores.subjects.instruct("acme", None, keeping=days)
    other = stores.subjects.instruct("bolt", [])
    assert [first.version, second.version, other.version] == [1, 2, 1]
    assert stores.subjects.instruction_versions("acme") == (first, second)
    assert json.loads(second.document) == {
        "organisation": "acme",
        "version": 2,
        "purposes": ["batch_training"],
        "keeping": ["deleted_chats=7"],
    }
    assert second.sha256 == hashlib.sha256(second.document.encode()).hexdigest()


def test_an_access_names_all_instructions_in_force(stores: Stores) -> None:
    stores.gate.select(TRAINING, BUILDER)
    stores.subjects.instruct("acme", [Purpose.BATCH_TRAINING])
    stores.subjects.instruct("bolt", [Purpose.HUMAN_FEEDBACK])
    stores.subjects.instruct("acme", [])
    stores.gate.select(TRAINING, BUILDER)
    entries = stores.log.entries
    before, after = (one for one in entries if one.kind is EntryKind.ACCESS_INTENT)
    told = [one for one in entries if one.kind is EntryKind.ORGANISATION_INSTRUCTED]
    assert [one.fields["version"] for one in told] == [1, 1, 2]
    leaves = [leaf_hash(bytes(one.fields["commitment"])) for one in told[1:]]  # type: ignore[arg-type]  # bytes
    assert "instructions" not in before.fields
    assert after.fields["instructions"] == MerkleTree(leaves).root()


def test_what_cant_be_logged_is_no_version(stores: Stores) -> None:
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.subjects.instruct("acme", [Purpose.BATCH_TRAINING])
    assert stores.subjects.instruction_versions() == ()
    assert stores.subjects.instructions_root() is None
