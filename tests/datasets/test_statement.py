"""The signed statement: DSSE vectors, domain separation, strictness."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.datasets.world import ORIGIN, OTHER_SIGNER, SIGNER, World
from volens.core.canonical import canonical_json
from volens.core.errors import VerificationFailed
from volens.datasets.manifest import Counts, Manifest
from volens.datasets.model import Format
from volens.datasets.statement import (
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    sign_statement,
    statement_of,
    verify_statement,
)
from volens.log.checkpoint import Checkpoint
from volens.log.dsse import pae
from volens.log.note import Signer, Verifier

PUBLISHED = json.loads((Path(__file__).parent / "vectors" / "dsse.json").read_bytes())


def manifest() -> Manifest:
    world = World()
    ref, _ = world.begin()
    facts = world.facts(ref)
    return Manifest(
        dataset=facts.dataset,
        purpose=facts.purpose,
        policy=facts.policy,
        format=Format.SEALED,
        redaction="none",
        counts=Counts(records=1, turns=2, payload_bytes=3),
        languages={},
        excluded={},
        merkle_root=b"\x44" * 32,
        leaves_sha256=b"\x55" * 32,
        files={},
        log=facts.log,
        created=facts.created,
        software="volens",
        recall="",
    )


def test_the_encoding_is_that_of_the_protocol_page() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


@pytest.mark.parametrize("case", PUBLISHED["vectors"], ids=[c["id"] for c in PUBLISHED["vectors"]])
def test_the_published_vectors_have_our_encoding_and_verify_with_our_key_code(
    case: dict[str, str],
) -> None:
    payload = base64.b64decode(case["payload"])
    message = pae(case["payloadType"], payload)
    assert message.hex() == case["pae"]
    verifier = Verifier(name="a", public=bytes.fromhex(PUBLISHED["public"]))
    signature = base64.b64decode(case["sig"])
    verifier.verify_bytes(message, signature)
    assert Signer(name="a", seed=bytes.fromhex(PUBLISHED["seed"])).sign_bytes(message) == signature


def test_a_statement_says_what_the_manifest_says() -> None:
    made = manifest()
    assert verify_statement(sign_statement(made, SIGNER), SIGNER.verifier) == statement_of(made)


def test_the_payload_is_an_in_toto_statement_about_the_manifest_file() -> None:
    envelope = json.loads(sign_statement(manifest(), SIGNER))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    payload = json.loads(base64.b64decode(envelope["payload"]))
    assert payload["_type"] == "https://in-toto.io/Statement/v1"
    assert payload["predicateType"] == PREDICATE_TYPE
    digest = statement_of(manifest()).manifest_sha256.hex()
    assert payload["subject"] == [{"name": "manifest.json", "digest": {"sha256": digest}}]


def test_another_key_under_the_same_name_does_not_pass() -> None:
    with pytest.raises(VerificationFailed):
        verify_statement(sign_statement(manifest(), OTHER_SIGNER), SIGNER.verifier)


def test_every_changed_byte_of_an_envelope_is_found() -> None:
    envelope = sign_statement(manifest(), SIGNER)
    for at in range(len(envelope)):
        for flip in (0x01, 0x20):
            changed = bytearray(envelope)
            changed[at] ^= flip
            with pytest.raises(VerificationFailed):
                verify_statement(bytes(changed), SIGNER.verifier)


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/json"},
        {"signatures": []},
        {"extra": 1},
        {"payload": "!"},
    ],
)
def test_other_envelopes_are_refused(change: dict[str, object]) -> None:
    envelope = {**json.loads(sign_statement(manifest(), SIGNER)), **change}
    with pytest.raises(VerificationFailed) as caught:
        verify_statement(canonical_json(envelope), SIGNER.verifier)
    assert caught.value.code == "statement_form"


SIGNED_EDITS: list[Callable[[dict[str, Any]], object]] = [
    lambda d: d.update(extra=1),
    lambda d: d.update(_type="https://in-toto.io/Statement/v0.1"),
    lambda d: d.update(predicateType="https://slsa.dev/provenance/v1"),
    lambda d: d.update(subject=[]),
    lambda d: d.update(subject={}),
    lambda d: d.update(subject=d["subject"] * 2),
    lambda d: d["subject"][0].update(extra=1),
    lambda d: d["subject"][0].update(name="other.json"),
    lambda d: d["subject"][0]["digest"].update(sha512="00"),
    lambda d: d["predicate"].update(extra=1),
]


@pytest.mark.parametrize("number", range(len(SIGNED_EDITS)))
def test_another_statement_is_refused_even_if_the_key_signed_it(number: int) -> None:
    envelope = json.loads(sign_statement(manifest(), SIGNER))
    document = json.loads(base64.b64decode(envelope["payload"]))
    SIGNED_EDITS[number](document)
    payload = canonical_json(document)
    signature = SIGNER.sign_bytes(pae(PAYLOAD_TYPE, payload))
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    with pytest.raises(VerificationFailed) as caught:
        verify_statement(canonical_json(envelope), SIGNER.verifier)
    assert caught.value.code == "statement_form"


def test_a_signature_with_a_member_more_is_refused() -> None:
    envelope = json.loads(sign_statement(manifest(), SIGNER))
    envelope["signatures"][0]["cert"] = "x"
    with pytest.raises(VerificationFailed):
        verify_statement(canonical_json(envelope), SIGNER.verifier)


def test_a_prohibited_purpose_can_not_be_read_even_if_signed() -> None:
    envelope = json.loads(sign_statement(manifest(), SIGNER))
    payload = base64.b64decode(envelope["payload"]).replace(b"batch_training", b"sale")
    signature = SIGNER.sign_bytes(pae(PAYLOAD_TYPE, payload))
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    with pytest.raises(VerificationFailed, match="prohibited"):
        verify_statement(canonical_json(envelope), SIGNER.verifier)


@given(st.text(max_size=30), st.binary(max_size=60))
def test_no_checkpoint_text_is_ever_what_a_statement_signs(kind: str, payload: bytes) -> None:
    """One key signs both: the first line of a checkpoint has no space, the encoding begins so."""
    first = pae(kind.encode("utf-8", "replace").decode(), payload).split(b"\n")[0]
    assert first.startswith(b"DSSEv1 ")
    text = Checkpoint(origin=ORIGIN, size=1, root=bytes(32)).text()
    assert b" " not in text.encode().split(b"\n")[0]
