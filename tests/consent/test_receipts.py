"""A receipt shows one choice, offline; any byte of it that is changed is found."""

import base64
import json
from pathlib import Path

import pytest

from tests.support.homes import Place, add, place
from tests.support.stores import act
from volens.app.home import Home
from volens.consent.model import Act
from volens.consent.receipts import issue_receipt, summary, verify_receipt
from volens.consent.store import Recorded
from volens.core.canonical import canonical_json
from volens.core.errors import VerificationFailed
from volens.log.note import Verifier


@pytest.fixture
def here(tmp_path: Path) -> Place:
    made = place(tmp_path)
    made.create()
    return made


def receipt(home: Home, recorded: Recorded) -> bytes:
    log = home.owned_log()
    log.publish()
    index = recorded.log_index
    return issue_receipt(
        recorded, entry=log.entry(index), proof=log.prove(index), signer=home.signer
    )


def receipts(here: Place) -> tuple[list[bytes], Verifier]:
    """Return the receipts of a grant, its withdrawal and an objection."""
    with here.open() as home:
        (ada,) = add(home, "ada")
        acts = [act(1, ada, Act.GRANT), act(2, ada, Act.WITHDRAW), act(3, ada, Act.OBJECT)]
        done = home.ledger.record(acts)
        return [receipt(home, one) for one in done], home.signer.verifier


def test_a_receipt_says_what_was_chosen_and_where_it_stands_in_the_log(here: Place) -> None:
    made, verifier = receipts(here)
    found = [verify_receipt(data, verifier) for data in made]
    assert [one.event.act for one in found] == [Act.GRANT, Act.WITHDRAW, Act.OBJECT]
    assert [json.loads(data)["status"].rpartition("#")[2] for data in made] == [
        "ConsentGiven",
        "ConsentWithdrawn",
        "ConsentRefused",
    ]
    assert found[0].controller == verifier.name
    assert found[0].checkpoint.size == found[0].log_index_at_most
    assert "grant batch_training (general)" in summary(found[0])


def test_any_changed_byte_is_found(here: Place) -> None:
    made, verifier = receipts(here)
    for place_in_it in range(len(made[0])):
        changed = bytearray(made[0])
        changed[place_in_it] ^= 1
        with pytest.raises(VerificationFailed):
            verify_receipt(bytes(changed), verifier)


def test_any_cut_and_any_addition_is_found(here: Place) -> None:
    made, verifier = receipts(here)
    for length in range(0, len(made[0]), 7):
        with pytest.raises(VerificationFailed):
            verify_receipt(made[0][:length], verifier)
    with pytest.raises(VerificationFailed):
        verify_receipt(made[0] + b"\n", verifier)


def test_parts_of_two_receipts_do_not_make_a_third(here: Place) -> None:
    """Not even with a signature of the right key: the entry commits to the very event."""
    made, verifier = receipts(here)
    given, taken = (json.loads(data) for data in made[:2])
    with here.open(writing=False) as home:
        signer = home.signer
    for part in ("event", "salt", "entry", "proof", "status"):
        mixed = {**given, part: taken[part]}
        del mixed["signature"]
        signature = signer.sign_bytes(b"volens-consent-receipt/v1 " + canonical_json(mixed))
        mixed["signature"] = base64.b64encode(signature).decode("ascii")
        with pytest.raises(VerificationFailed):
            verify_receipt(canonical_json(mixed), verifier)


def test_another_homes_key_verifies_nothing(here: Place, tmp_path: Path) -> None:
    made, _ = receipts(here)
    other = place(tmp_path / "other")
    other.create(seed=3)
    with other.open(writing=False) as home, pytest.raises(VerificationFailed):
        verify_receipt(made[0], home.signer.verifier)


def test_a_receipt_outlives_the_home_and_the_salt_hides_the_event_without_it(here: Place) -> None:
    made, verifier = receipts(here)
    document = json.loads(made[0])
    assert document["event"]["subject"] not in document["entry"]
    assert verify_receipt(made[0], verifier).event.id == document["event"]["id"]
