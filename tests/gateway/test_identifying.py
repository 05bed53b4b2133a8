"""Asking a picture or a recording who somebody is goes nowhere; asking for other things does."""

from collections.abc import Mapping, Sequence

import pytest

from tests.docs.pages import ROOT
from tests.gateway.questions import AFTERWARDS, SEEN
from volens.core.canonical import Json
from volens.core.purposes import Purpose
from volens.gateway.identifying import identifying, plain

PICTURE: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}
RECORDING: Json = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
FACE, VOICE = Purpose.FACE_RECOGNITION, Purpose.VOICE_ANALYSIS


def asked(text: str, *parts: Json, role: str = "user") -> Purpose | None:
    content: Json = [{"type": "text", "text": text}, *parts]
    return identifying({"messages": [{"role": role, "content": content}]})


@pytest.mark.parametrize(
    "text",
    [
        "Who is this?",
        "who's that",
        "Who is this man?",
        "Who are these people in the second row?",
        "Who is the woman in the red coat?",
        "Please identify the person in this photo.",
        "Can you recognise the guy on the left?",
        "Tell me who this is",
        "I need you to find out who she is",
        "What is her name?",
        "What's this man's full name?",
        "Give me the name of the person standing at the door",
        "Run facial recognition on it",
        "face-match these two",
        "Compare the two faces",
        "Is this the same person as in the first photo?",
        "W\u200bho\u200b is th\u00adis?",
        "\uff37ho is this?",
        "WHO IS\n\n   THIS",
        "Wer ist das?",
        "Wie heißt sie?",
        "Erkennst du die Frau auf dem Bild?",
        "¿Quién es esta mujer?",
        "identifica a la persona",
        "Qui est-ce ?",
        "この人は誰ですか",
        "这是谁",
        "من هذا الرجل؟",
    ],
)
def test_asking_who_is_in_a_picture_is_face_recognition(text: str) -> None:
    assert asked(text, PICTURE) is FACE
    assert asked(text) is None  # without a picture it is a question like any other


@pytest.mark.parametrize(
    "text",
    [
        "Who is speaking?",
        "whose voice is this",
        "Identify the speaker in the recording",
        "Make a voiceprint of it",
        "Do speaker verification against the first file",
        "Are these the same speaker?",
        "Wer spricht da?",
        "¿Quién está hablando?",
    ],
)
def test_asking_who_speaks_is_voice_analysis(text: str) -> None:
    assert asked(text, RECORDING) is VOICE
    assert asked(text) is None


def test_prints_and_manners_have_their_own_purpose() -> None:
    assert asked("Whose fingerprint is on it?", PICTURE) is Purpose.FINGERPRINT_MATCHING
    assert asked("Do these palm prints match?", PICTURE) is Purpose.FINGERPRINT_MATCHING
    wanted = Purpose.BEHAVIOURAL_BIOMETRICS
    assert asked("Identify her by her gait", PICTURE) is wanted
    assert asked("Who is it, judging by the typing rhythm?", RECORDING) is wanted


@pytest.mark.parametrize(
    "text",
    [
        "Who painted this?",
        "Who wrote this letter?",
        "Who is this book by?",
        "Who is this letter addressed to?",
        "Who is the author of this paper?",
        "Identify the bird in this photo",
        "Identify this plant, please",
        "What is the name of this building?",
        "Describe the person's clothes",
        "How many people are in the picture?",
        "Is the person smiling?",
        "What emotion fits the scene?",
        "Read the text on the sign",
        "Which font is this?",
        "Recognise the handwriting and write it out",
        "Name three things in the room",
        "What's the name of the font?",
        "Wer ist der Autor dieses Buches?",
        "Beschreibe das Bild",
        "¿Quién es el autor del cuadro?",
        "Describe this person for a blind reader",
        "Crop the face out of the picture",
    ],
)
def test_other_questions_about_a_picture_pass(text: str) -> None:
    assert asked(text, PICTURE) is None


@pytest.mark.parametrize(
    "text",
    [
        "Transcribe this, with a new line for each speaker",
        "Who is this song by?",
        "Which language is spoken here?",
        "Summarise what the caller wants",
        "Is the voice clear enough for a podcast?",
    ],
)
def test_other_questions_about_a_recording_pass(text: str) -> None:
    assert asked(text, RECORDING) is None


def test_the_question_and_the_picture_may_stand_in_different_messages_and_parts() -> None:
    request: Json = {
        "messages": [
            {"role": "system", "content": "Always identify the person in the photo."},
            {"role": "user", "content": [PICTURE]},
            {"role": "user", "content": "go on"},
        ]
    }
    assert isinstance(request, dict)
    assert identifying(request) is FACE
    spread: Json = [{"type": "text", "text": "Who is"}, PICTURE, {"type": "text", "text": "this?"}]
    assert identifying({"messages": [{"role": "user", "content": spread}]}) is FACE


def test_what_the_assistant_said_is_no_request() -> None:
    assert asked("I can't tell you who this is.", PICTURE, role="assistant") is None


def test_a_file_of_unknown_kind_counts_as_a_picture_and_a_text_file_does_not() -> None:
    assert asked("Who is this?", {"type": "file", "file": {"file_id": "file-1"}}) is FACE
    paper: Json = {
        "type": "file",
        "file": {"filename": "a.pdf", "file_data": "data:application/pdf"},
    }
    assert asked("Who is this?", paper) is None


@pytest.mark.parametrize(
    "request_", [{}, {"messages": 3}, {"messages": [None, 3, {"content": {}}]}]
)
def test_odd_requests_are_no_request_for_anything(request_: dict[str, Json]) -> None:
    assert identifying(request_) is None


def test_a_long_text_is_read_at_both_ends_and_quickly() -> None:
    assert asked("x" * 500_000 + " who is this?", PICTURE) is FACE
    assert asked("who is " * 100_000, PICTURE) is None
    assert len(plain("y" * 500_000)) < 50_000


_WHO = {"face": PICTURE, "voice": RECORDING, "print": PICTURE, "manner": PICTURE}
_OTHERS = {"other": PICTURE, "other_recorded": RECORDING}


def _measured(questions: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Return which questions of who somebody is pass, and which others are refused."""
    missed = [
        text for name, part in _WHO.items() for text in questions[name] if asked(text, part) is None
    ]
    refused = [
        text for name, part in _OTHERS.items() for text in questions[name] if asked(text, part)
    ]
    return missed, refused


def test_of_questions_in_words_that_were_looked_at_few_pass() -> None:
    missed, refused = _measured(SEEN)
    assert sum(map(len, SEEN.values())) == 227
    assert len(missed) <= 5, missed
    assert refused == ["Compare the faces of the two clocks"]


def test_of_questions_in_other_words_the_page_says_how_many_are_recognised() -> None:
    missed, refused = _measured(AFTERWARDS)
    wanted = sum(len(AFTERWARDS[name]) for name in _WHO)
    others = sum(len(AFTERWARDS[name]) for name in _OTHERS)
    page = " ".join((ROOT / "docs/gateway.md").read_text("utf-8").split())
    assert f"{wanted - len(missed)} of {wanted}" in page, (wanted, missed)
    assert f"{len(refused)} of {others}" in page, (others, refused)


def test_vowel_marks_and_stretched_letters_of_arabic_change_nothing() -> None:
    assert asked("هل تَعْرِفُ هذا الشَّخص؟", PICTURE) is FACE
    assert asked("هل تعـــرف هذا الشخص؟", PICTURE) is FACE
    assert asked("اقرأ النص من هذه الصورة", PICTURE) is None
