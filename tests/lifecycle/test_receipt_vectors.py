"""The published receipts hold, say what the page says, and are what the code writes."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.docs.pages import vectors
from tests.lifecycle.test_receipt_pages import states
from volens.core.canonical import canonical_json
from volens.core.errors import VerificationFailed
from volens.holds.erasure import ErasureState
from volens.lifecycle.receipt import verify_receipt
from volens.log.entries import commit, parse_entry
from volens.log.note import parse_vkey

FOLDER = Path(__file__).parent / "vectors"


@pytest.mark.parametrize("state", list(ErasureState))
def test_a_published_receipt_holds_and_is_what_the_code_writes(state: ErasureState) -> None:
    data = (FOLDER / f"{state.value}.json").read_bytes()
    page = vectors("erasure-receipt")
    key = parse_vkey(page["key"])
    found = verify_receipt(data, key).receipt
    assert (found.state, found.done) == (state, state is ErasureState.IRRECOVERABLE)
    assert hashlib.sha256(data).hexdigest() == page[state.value]
    assert states()[state] == data


@pytest.mark.parametrize("state", list(ErasureState))
def test_any_changed_byte_of_a_published_receipt_is_found(state: ErasureState) -> None:
    data = (FOLDER / f"{state.value}.json").read_bytes()
    key = parse_vkey(vectors("erasure-receipt")["key"])
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises(VerificationFailed):
            verify_receipt(bytes(changed), key)


def test_the_commitment_opens_as_the_page_says() -> None:
    page = vectors("erasure-receipt")
    body = json.loads((FOLDER / "access_ended.json").read_bytes())
    (first,) = body["log"]
    raw = bytes.fromhex(page["reference.raw"])
    assert body["reference"] == page["reference"]
    assert first["opening"]["salt"] == page["salt"]
    assert commit(bytes.fromhex(page["salt"]), raw).hex() == page["commitment"]
    entry = parse_entry(first["entry"].encode())
    assert entry.fields["commitment"] == bytes.fromhex(page["commitment"])


def test_the_signature_is_over_what_the_page_says() -> None:
    body = json.loads((FOLDER / "irrecoverable.json").read_bytes())
    page = vectors("erasure-receipt")
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    message = b"volens-erasure-receipt/v1 " + canonical_json(unsigned)
    assert hashlib.sha256(message).hexdigest() == page["signed"]
    assert body["signature"] == page["signature"]
