"""Signed notes: published vectors, then what must not open."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.log.support import SIGNER, WITNESS
from volens.core.errors import InvalidInput, VerificationFailed, VolensError
from volens.log.note import (
    KeyType,
    Signature,
    Signer,
    Verifier,
    format_note,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)

# From the specification (c2sp.org/signed-note) ...
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRK"
    "uwHjG1Yu72IneyaQM=\n"
).encode()
# ... and from the tests of Go's golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED_BASE64 = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb"
    "6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33"
    "WWd1RvMc+QQ=\n"
)
BOTH = f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode()
CHECKPOINT_TEXT = "example.com/log\n1\n" + "A" * 43 + "=\n"


def names(note_bytes: bytes, *vkeys: str) -> list[str]:
    note = open_note(note_bytes, [parse_vkey(vkey) for vkey in vkeys])
    return [one.verifier.name for one in note.verified]


def test_the_note_of_the_specification_opens() -> None:
    assert open_note(FOO_NOTE, [parse_vkey(FOO)]).text == "This is an example message.\n"


def test_a_seed_signs_the_published_note() -> None:
    signer = Signer(name="PeterNeumann", seed=b64decode(PETER_SEED_BASE64)[1:])
    assert signer.verifier.vkey == PETER
    assert sign_note(TEXT, signer) == f"{TEXT}\n{PETER_LINE}".encode()


def test_known_signatures_are_checked_and_unknown_ones_kept_aside() -> None:
    assert names(BOTH, PETER) == ["PeterNeumann"]
    assert names(BOTH, PETER, ENOCH) == ["PeterNeumann", "EnochRoot"]
    note = open_note(BOTH, [parse_vkey(PETER)])
    assert [one.line() for one in note.unknown] == [ENOCH_LINE]
    assert format_note(note.text, note.signatures) == BOTH


def test_a_note_by_unknown_keys_alone_does_not_open() -> None:
    for verifiers in ([], [parse_vkey(FOO)]):
        with pytest.raises(VerificationFailed, match="PeterNeumann"):
            open_note(BOTH, verifiers)


def test_a_known_signature_that_does_not_hold_spoils_the_note() -> None:
    wrong = ENOCH_LINE.replace("HzmZa0", "HzmZb0").replace("rwz+eBzm", "rwz+eBzn")
    with pytest.raises(VerificationFailed) as refusal:
        names(f"{TEXT}\n{PETER_LINE}{wrong}".encode(), PETER, ENOCH)
    assert refusal.value.code == "bad_signature"
    assert names(f"{TEXT}\n{PETER_LINE}{wrong}".encode(), PETER) == ["PeterNeumann"]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}\n{PETER_LINE}".encode()[:-1],
        f"\x01{TEXT}\n{PETER_LINE}".encode(),
        f"{TEXT}\r\n{PETER_LINE}".encode(),
        b"\xff" + f"{TEXT}\n{PETER_LINE}".encode(),
        f"{TEXT}\n{PETER_LINE}Unexpected line.\n".encode(),
        f"{TEXT}\n{PETER_LINE}{PETER_LINE}".encode(),
        f"{TEXT}\n{PETER_LINE * 101}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Bad Name')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Bad+Name')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', '')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('— ', '- ')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('JnAM=', 'JnAN=')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('JnAM=', 'JnAM')}".encode(),
        f"{TEXT}\n— PeterNeumann x08gow==\n".encode(),
        b"x" * (1024 * 1024 + 1),
        b"",
    ],
)
def test_what_is_not_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        names(data, PETER)
    assert refusal.value.code == "note_form"


def test_every_changed_byte_of_a_note_is_found() -> None:
    for at in range(len(FOO_NOTE)):
        for bit in range(8):
            changed = bytearray(FOO_NOTE)
            changed[at] ^= 1 << bit
            with pytest.raises(VerificationFailed):
                open_note(bytes(changed), [parse_vkey(FOO)])


def test_every_mangled_verifier_key_is_refused() -> None:
    bad = [PETER[:stop] for stop in range(len(PETER))] + [PETER[start:] for start in (1, 5, 13, 22)]
    bad += [PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :] for at in range(len(PETER))]
    bad += [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ]
    for text in bad:
        with pytest.raises(InvalidInput):
            parse_vkey(text)


def test_a_published_log_key_and_checkpoint_agree() -> None:
    """From the tests of a public witness: the key id and signature of a log named by its hash."""
    name = "sigsum.org/v1/tree/985ea163f5af026723561354f51f2ebcdcf2af809ce254ccfb64aa9aadd80f90"
    key = "52c05edad1bf5feffa81354faae59a655d9a9a1a793ed2f62c39c26c0be2aecd"
    note = (
        f"{name}\n1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— {name} "
        "7BKT0gOfNZ1J0So9unY3BZtm2YkPIoNYM/dce0Z2avJDs8dxN6ts9bOSwwrVrbjm6P9K3ZxpK6jJngOG6YvGGzV/l"
        "wo=\n"
    )
    opened = open_note(note.encode(), [Verifier(name=name, public=bytes.fromhex(key))])
    assert len(opened.verified) == 1


def test_two_keys_that_share_name_and_id_are_refused() -> None:
    with pytest.raises(InvalidInput, match="share"):
        names(BOTH, PETER, PETER)


def test_a_cosignature_holds_for_its_text_and_time_alone() -> None:
    line = WITNESS.cosign_text(CHECKPOINT_TEXT, timestamp=1679315147)
    note = format_note(CHECKPOINT_TEXT, [line])
    (found,) = open_note(note, [WITNESS.verifier]).verified
    assert found.timestamp == 1679315147
    assert parse_vkey(WITNESS.verifier.vkey) == WITNESS.verifier
    message = f"cosignature/v1\ntime 1679315147\n{CHECKPOINT_TEXT}".encode()
    WITNESS.verifier.verify_bytes(message, line.value[8:])
    for at in range(len(line.value)):
        value = bytearray(line.value)
        value[at] ^= 1
        bad = Signature(name=line.name, key_id=line.key_id, value=bytes(value))
        with pytest.raises(VerificationFailed):
            open_note(format_note(CHECKPOINT_TEXT, [bad]), [WITNESS.verifier])
    for value in (line.value[:-1], line.value + b"x", line.value[8:]):
        bad = Signature(name=line.name, key_id=line.key_id, value=value)
        with pytest.raises(VerificationFailed):
            open_note(format_note(CHECKPOINT_TEXT, [bad]), [WITNESS.verifier])


def test_a_key_signs_only_what_its_type_is_for() -> None:
    with pytest.raises(InvalidInput):
        WITNESS.sign_text("text\n")
    with pytest.raises(InvalidInput):
        SIGNER.cosign_text("text\n", timestamp=1)
    for timestamp in (0, 2**63):
        with pytest.raises(InvalidInput):
            WITNESS.cosign_text("text\n", timestamp=timestamp)


def test_one_public_key_has_another_id_for_another_type_or_name() -> None:
    public = SIGNER.verifier.public
    ids = {
        Verifier(name=name, public=public, key_type=kind).key_id
        for name in ("a", "b")
        for kind in KeyType
    }
    assert len(ids) == 4


def test_keys_of_another_shape_are_refused() -> None:
    for make in (
        lambda: Signer(name="a", seed=bytes(31)),
        lambda: Signer(name="a b", seed=bytes(32)),
        lambda: Signer(name="", seed=bytes(32)),
        lambda: Verifier(name="a+b", public=bytes(32)),
        lambda: Verifier(name="a\u2003b", public=bytes(32)),
        lambda: Verifier(name="a", public=bytes(33)),
    ):
        with pytest.raises(InvalidInput):
            make()


def test_a_signer_shows_no_key() -> None:
    signer = Signer(name="example.org/x", seed=b"secret-secret-secret-secret-secr")
    assert repr(signer) == f"Signer(example.org/x+{signer.verifier.key_id.hex()})"


@pytest.mark.parametrize("text", ["no newline", "tab\t\n", "bell\x07\n", ""])
def test_a_text_that_cannot_stand_in_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(InvalidInput):
        sign_note(text, SIGNER)


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\n")).map(
    lambda t: t + "\n"
)


@given(TEXTS)
def test_what_is_signed_opens_as_the_same_text(text: str) -> None:
    note = open_note(sign_note(text, SIGNER), [SIGNER.verifier])
    assert note.text == text
    assert note.unknown == ()


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_note_in_its_one_spelling_or_refused(data: bytes) -> None:
    for prefix in (b"", f"{TEXT}\n".encode()):
        try:
            note = parse_note(prefix + data)
        except VolensError:
            continue
        assert format_note(note.text, note.signatures) == prefix + data
