"""An answer counts only as it was signed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.client.answer import (
    Answer,
    signature_of,
    verify_answer,
    verify_answers,
    write_answer,
)
from volens.core.canonical import canonical_json, read_strict
from volens.core.errors import VerificationFailed
from volens.log.note import Signer, parse_vkey

VECTOR = json.loads((Path(__file__).parent / "vectors/answer.json").read_text())
SIGNER = Signer(name="volens.example/home", seed=bytes.fromhex(VECTOR["seed"]))
SIGNED = canonical_json(VECTOR["answer"])


def _answer() -> Answer:
    return verify_answer(SIGNED, parse_vkey(VECTOR["vkey"]))


def test_the_vector_reads_and_is_written_again_byte_for_byte() -> None:
    assert SIGNER.verifier.vkey == VECTOR["vkey"]
    assert write_answer(_answer(), SIGNER) == SIGNED


def test_members_may_stand_in_any_order() -> None:
    turned = json.dumps(dict(reversed(VECTOR["answer"].items()))).encode()
    assert verify_answer(turned, SIGNER.verifier) == _answer()


def test_an_answer_without_a_signature_is_none() -> None:
    with pytest.raises(VerificationFailed) as raised:
        verify_answer(write_answer(_answer()), SIGNER.verifier)
    assert raised.value.code == "answer_unsigned"


def test_another_key_of_the_same_name_is_refused() -> None:
    other = Signer(name=SIGNER.name, seed=bytes(32))
    with pytest.raises(VerificationFailed) as raised:
        verify_answer(write_answer(_answer(), other), SIGNER.verifier)
    assert raised.value.code == "signature_invalid"


def test_what_was_not_signed_is_refused_word_by_word() -> None:
    changed = SIGNED.replace(b'"permit":false', b'"permit":true')
    with pytest.raises(VerificationFailed) as raised:
        verify_answer(changed, SIGNER.verifier)
    assert raised.value.code == "answer_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"purpose": "Batch Training"},
        {"decisions": []},
        {"decisions": [{"subject": "ann", "permit": 1, "reasons": ["granted"]}]},
        {"decisions": [{"subject": "ann", "permit": True, "reasons": []}]},
        {"decisions": [{"subject": "ann", "permit": True, "reasons": "granted"}]},
        {"at": "2026-01-31T09:30:00Z"},
        {"valid_until": None},
        {"mark": ""},
        {"policy": {"name": "x", "version": "1"}},
    ],
)
def test_a_signed_answer_of_another_shape_is_refused(change: dict[str, object]) -> None:
    document = {**VECTOR["answer"], **change}
    del document["signature"]
    signed = {**document, "signature": signature_of(document, SIGNER)}
    with pytest.raises(VerificationFailed) as raised:
        verify_answer(canonical_json(signed), SIGNER.verifier)
    assert raised.value.code == "answer_invalid"


def test_answers_for_several_purposes_are_verified_each() -> None:
    other = canonical_json({**VECTOR["answer"], "signature": None})
    found = verify_answers(b'{"answers":[%b,%b]}' % (SIGNED, SIGNED), SIGNER.verifier)
    assert found == (_answer(), _answer())
    for wrong in (
        b'{"answers":[%b,%b]}' % (SIGNED, other),
        b'{"answers":[%b,%b]}' % (SIGNED, SIGNED.replace(b"sub_", b"sab_")),
        b'{"answers":[%b],"more":1}' % SIGNED,
        b'{"answers":[]}',
        b'{"answers":[%b]}' % b",".join([SIGNED] * 17),
        b"[%b]" % SIGNED,
        SIGNED,
    ):
        with pytest.raises(VerificationFailed):
            verify_answers(wrong, SIGNER.verifier)


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 255))
def test_a_changed_byte_is_always_found(place: int, byte: int) -> None:
    changed = SIGNED[:place] + bytes([byte]) + SIGNED[place + 1 :]
    if changed == SIGNED:
        return
    with pytest.raises(VerificationFailed):
        verify_answer(changed, SIGNER.verifier)
    assert read_strict(SIGNED)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(VerificationFailed):
        verify_answer(data, SIGNER.verifier)
