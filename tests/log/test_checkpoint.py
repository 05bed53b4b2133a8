"""Checkpoints: the specification's examples, then the one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.log.support import ORIGIN, SIGNER, WITNESS
from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from volens.log.merkle import EMPTY_ROOT
from volens.log.note import Signer, format_note, parse_note

# c2sp.org/tlog-checkpoint
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
OTHER = Signer(name="example.org/other", seed=b"o" * 32)


def test_the_example_of_the_specification() -> None:
    checkpoint = parse_checkpoint(EXAMPLE)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == EXAMPLE


def test_extension_lines_are_read() -> None:
    assert parse_checkpoint(EXAMPLE + "one\ntwo\n").extensions == ("one", "two")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        EXAMPLE[:-1],
        EXAMPLE + "\n",
        EXAMPLE + "one",
        EXAMPLE + "one\n\ntwo\n",
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "+20852163"),
        EXAMPLE.replace("20852163", " 20852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("20852163", ""),
        EXAMPLE.replace("20852163", "٣"),
        EXAMPLE.replace("20852163", "9" * 19),
        EXAMPLE.replace("20852163", "9" * 5000),
        EXAMPLE.replace("2I=", "2J="),
        EXAMPLE.replace("2I=", "2I"),
        EXAMPLE.replace("CsUY", ""),
        EXAMPLE.replace("example.com/behind-the-sofa", ""),
        "a\n1\n",
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        parse_checkpoint(text)
    assert refusal.value.code == "checkpoint_form"


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_is_signed_opens_the_same(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=root)
    signed = open_checkpoint(sign_checkpoint(checkpoint, SIGNER), [SIGNER.verifier])
    assert signed.checkpoint == checkpoint
    assert signed.cosigned == ()


def test_a_cosignature_alone_makes_no_checkpoint() -> None:
    text = Checkpoint(origin=ORIGIN, size=1, root=bytes(32)).text()
    cosigned = format_note(text, [WITNESS.cosign_text(text, timestamp=1)])
    with pytest.raises(VerificationFailed, match="no known key of the log"):
        open_checkpoint(cosigned, [SIGNER.verifier, WITNESS.verifier])
    with pytest.raises(VerificationFailed, match="no known key of the log"):
        open_checkpoint(cosigned, [SIGNER.verifier, WITNESS.verifier], origin=ORIGIN)
    both = format_note(
        text, [*parse_note(sign_note_for(text)).signatures, WITNESS.cosign_text(text, timestamp=1)]
    )
    signed = open_checkpoint(both, [SIGNER.verifier, WITNESS.verifier])
    assert signed.cosigned == (WITNESS.name,)


def sign_note_for(text: str) -> bytes:
    return format_note(text, [SIGNER.sign_text(text)])


def test_a_checkpoint_of_another_log_is_refused() -> None:
    note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=1, root=bytes(32)), OTHER)
    with pytest.raises(VerificationFailed) as refusal:
        open_checkpoint(note, [OTHER.verifier])
    assert refusal.value.code == "checkpoint_origin"
    assert open_checkpoint(note, [OTHER.verifier], origin=ORIGIN).checkpoint.size == 1
    with pytest.raises(VerificationFailed):
        open_checkpoint(note, [OTHER.verifier], origin="example.org/third")


def test_an_empty_tree_has_one_root() -> None:
    for root, ok in ((EMPTY_ROOT, True), (bytes(32), False)):
        note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=0, root=root), SIGNER)
        if ok:
            assert open_checkpoint(note, [SIGNER.verifier]).checkpoint.size == 0
        else:
            with pytest.raises(VerificationFailed, match="size 0"):
                open_checkpoint(note, [SIGNER.verifier])


@pytest.mark.parametrize(
    "parts",
    [
        {"origin": ""},
        {"origin": "a\nb"},
        {"size": -1},
        {"size": 2**63},
        {"root": bytes(31)},
        {"extensions": ("",)},
        {"extensions": ("a\n2",)},
    ],
)
def test_what_cannot_be_a_checkpoint_is_not_made(parts: dict[str, object]) -> None:
    given_parts = {"origin": ORIGIN, "size": 1, "root": bytes(32)} | parts
    with pytest.raises(InvalidInput):
        Checkpoint(**given_parts)  # type: ignore[arg-type]
