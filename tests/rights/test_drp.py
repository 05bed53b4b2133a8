"""Data Rights Protocol 1.0: whose message, for whom, for how long; what an agent is told."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.rights.test_requests import request
from tests.support.stores import START
from volens.core.errors import InvalidInput, VerificationFailed, VolensError
from volens.core.ids import ErasureId, IdKind, RequestId, format_id
from volens.core.time import format_moment
from volens.log.kinds import RequestKind, RequestOutcome
from volens.log.note import Verifier
from volens.rights.drp import (
    MAX_BYTES,
    WISHES,
    Agent,
    Exercise,
    Exercised,
    parse_directory,
    request_of,
    signing_agent,
    status,
    verify_exercise,
    verify_revocation,
    verify_setup,
    wire_id,
)
from volens.rights.requests import (
    REASONS,
    ExtensionReason,
    FromAgent,
    Reason,
    RightsRequest,
    VerifiedBy,
    close,
    extend,
    start,
    verify,
)

# Signed by libsodium (PyNaCl 1.6.2, SigningKey.sign) with the seed of RFC 8032, 7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
VERIFY_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
LIBSODIUM = (
    b"XgxYwmli9VZYTrXYDOK7e8wcBQjHHCdy+Ptof9iEOQmAac7CRTuz+eQylgshHEuEhn8Be4P1Qjt9uKwg8DAVAnsKICAi"
    b"YWdlbnQtaWQiOiAiQUdFTlRfT05FIiwKICAiYnVzaW5lc3MtaWQiOiAiVk9MRU5TX1RFU1QiLAogICJpc3N1ZWQtYXQi"
    b"OiAiMjAyNi0wMS0wMVQwMDowMDowMFoiLAogICJleHBpcmVzLWF0IjogIjIwMjYtMDEtMDFUMDA6MTA6MDBaIiwKICAi"
    b"YWdlbnQtcmVxdWVzdC1pZCI6ICJhLTEiLAogICJkcnAudmVyc2lvbiI6ICIxLjAiLAogICJleGVyY2lzZSI6ICJkZWxl"
    b"dGlvbiIsCiAgInJlZ2ltZSI6ICJjY3BhIiwKICAicmVsYXRpb25zaGlwcyI6IFsKICAgICJhY2NvdW50IgogIF0sCiAg"
    b"Im5hbWUiOiAiQW5hIEV4YW1wbGUiLAogICJlbWFpbCI6ICJhbmFAZXhhbXBsZS5vcmciLAogICJlbWFpbF92ZXJpZmll"
    b"ZCI6IHRydWUKfQ=="
)
BUSINESS = "VOLENS_TEST"
MINUTE, MS = timedelta(minutes=1), timedelta(milliseconds=1)
AGENT = Agent(
    id="AGENT_ONE", verifier=Verifier(name="AGENT_ONE", public=base64.b64decode(VERIFY_KEY))
)
OTHER_SEED = b"\x07" * 32
OTHER = Agent(
    id="AGENT_TWO",
    verifier=Verifier(
        name="AGENT_TWO",
        public=Ed25519PrivateKey.from_private_bytes(OTHER_SEED).public_key().public_bytes_raw(),
    ),
)


def document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """Return a request; a change to None leaves the member out."""
    members = {
        "agent-id": "AGENT_ONE",
        "business-id": BUSINESS,
        "issued-at": "2026-01-01T00:00:00Z",
        "expires-at": "2026-01-01T00:10:00Z",
        "agent-request-id": "a-1",
        "drp.version": "1.0",
        "exercise": "deletion",
        "email": "ana@example.org",
        "email_verified": True,
        **{name.replace("__", "-"): value for name, value in changes.items()},
    }
    return {name: value for name, value in members.items() if value is not None}


def sign(body: bytes, seed: bytes = SEED) -> bytes:
    """Sign in libsodium's combined mode, in base64."""
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(body)
    return base64.b64encode(signature + body)


def signed(**changes: Any) -> bytes:  # noqa: ANN401 - whatever JSON holds
    return sign(json.dumps(document(**changes)).encode())


def read(data: bytes, at: Any = START + MINUTE) -> Exercised:  # noqa: ANN401 - a moment
    return verify_exercise(data, agent=AGENT, business=BUSINESS, at=at)


def refusal(deed: Callable[[], object]) -> tuple[type, str]:
    with pytest.raises(VolensError) as error:
        deed()
    return type(error.value), error.value.code


def test_what_libsodium_signed_is_read() -> None:
    asked = read(LIBSODIUM)
    assert (asked.agent, asked.number, asked.exercise) == ("AGENT_ONE", "a-1", Exercise.DELETION)
    assert asked.identity.verified() == ("ana@example.org",)
    assert asked.issued == START
    assert asked.expires == START + 10 * MINUTE
    assert json.loads(asked.body)["relationships"] == ["account"]
    assert read(LIBSODIUM + b"\n") == asked


def test_no_word_about_the_person_shows_in_a_repr() -> None:
    assert "ana@" not in repr(read(LIBSODIUM))


@given(st.integers(0, 8 * len(base64.b64decode(LIBSODIUM)) - 1))
def test_one_changed_bit_anywhere_is_refused(bit: int) -> None:
    raw = bytearray(base64.b64decode(LIBSODIUM))
    raw[bit // 8] ^= 1 << bit % 8
    assert refusal(lambda: read(base64.b64encode(raw))) == (VerificationFailed, "bad_signature")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not base64!",
        LIBSODIUM.rstrip(b"="),
        LIBSODIUM.replace(b"/", b"_").replace(b"+", b"-"),
        LIBSODIUM[:100] + b"\n" + LIBSODIUM[100:],
        LIBSODIUM[:-3] + b"R==",  # the same bytes, spelt otherwise
        base64.b64encode(bytes(64)),
        "é".encode(),
        b"A" * (2 * MAX_BYTES + 4),
    ],
)
def test_what_is_not_base64_of_a_signed_document_is_refused(data: bytes) -> None:
    assert refusal(lambda: read(data)) == (VerificationFailed, "drp_encoding")


def test_another_agents_key_or_name_is_refused() -> None:
    body = json.dumps(document()).encode()
    assert refusal(lambda: read(sign(body, OTHER_SEED))) == (VerificationFailed, "bad_signature")
    in_his_name = signed(agent__id="AGENT_TWO")
    assert refusal(lambda: read(in_his_name)) == (VerificationFailed, "drp_agent")


def test_a_message_meant_for_another_business_is_refused() -> None:
    data = signed(business__id="SOMEBODY_ELSE")
    assert refusal(lambda: read(data)) == (VerificationFailed, "drp_business")


def test_a_message_is_good_strictly_between_its_two_moments() -> None:
    data = signed()
    assert refusal(lambda: read(data, START)) == (VerificationFailed, "drp_early")
    assert read(data, START + MS)
    assert read(data, START + 10 * MINUTE - MS)
    assert refusal(lambda: read(data, START + 10 * MINUTE)) == (VerificationFailed, "drp_expired")


def test_a_message_that_stays_good_for_more_than_a_day_is_refused() -> None:
    day = signed(expires__at="2026-01-02T00:00:00Z")
    assert read(day)
    longer = signed(expires__at="2026-01-02T00:00:01Z")
    assert refusal(lambda: read(longer)) == (InvalidInput, "drp_window")


def test_moments_may_name_another_zone_but_must_name_one() -> None:
    data = signed(issued__at="2026-01-01T01:00:00+01:00")
    assert read(data).issued == START
    for wrong in ("2026-01-01T00:00:00", "yesterday", 5, "0001-01-01T00:00:00+23:59", None):
        data = signed(issued__at=wrong)
        assert refusal(lambda data=data: read(data)) == (InvalidInput, "drp_form")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exercise": "deletion:all"}, "drp_exercise"),
        ({"exercise": None}, "drp_form"),
        ({"exercise": ["deletion"]}, "drp_form"),
        ({"email": 5}, "drp_form"),
        ({"email": "x" * 257}, "drp_form"),
        ({"email_verified": "true"}, "drp_form"),
        ({"status_callback": "http://agent.example"}, "drp_form"),
        ({"status_callback": "https://ana@agent.example"}, "drp_form"),
        ({"status_callback": "https://agent.example/a b"}, "drp_form"),
        ({"agent__request__id": "ana@example.org"}, "drp_form"),
        ({"agent__request__id": "Ana Example"}, "drp_form"),
        ({"agent__request__id": "x" * 129}, "drp_form"),
    ],
)
def test_what_is_signed_but_not_understood_is_refused(changes: dict[str, Any], code: str) -> None:
    assert refusal(lambda: read(signed(**changes))) == (InvalidInput, code)


def test_what_an_agent_may_leave_out_is_empty_and_what_it_gives_is_kept() -> None:
    bare = read(signed(agent__request__id=None))
    assert (bare.number, bare.status_callback) == ("", "")
    address = "https://agent.example/status?t=1"
    assert read(signed(status_callback=address)).status_callback == address


def test_another_version_is_refused() -> None:
    body = json.dumps({**document(), "drp.version": "0.9.4"}).encode()
    assert refusal(lambda: read(sign(body))) == (InvalidInput, "drp_version")


@pytest.mark.parametrize("body", [b"[]", b"1", b'{"a":1,"a":2}', b"{", b'{"a":NaN}'])
def test_a_signed_body_is_read_strictly(body: bytes) -> None:
    kind, _ = refusal(lambda: read(sign(body)))
    assert kind is InvalidInput


def test_members_that_the_protocol_does_not_name_and_any_regime_are_passed_over() -> None:
    asked = read(signed(regime="gdpr", favourite_colour="blue", address={"country": "PT"}))
    assert asked.exercise is Exercise.DELETION


@pytest.mark.parametrize("exercise", Exercise)
def test_every_action_of_the_protocol_is_known(exercise: Exercise) -> None:
    assert read(signed(exercise=exercise.value)).exercise is exercise
    assert WISHES[exercise].kind in RequestKind


def test_only_what_looks_like_an_address_or_a_number_names_anybody() -> None:
    hidden = read(signed(email="sub_aaaaaaaaaaaaaaaaaaaaaaaaaa", phone_number="5550100"))
    assert hidden.identity.given() == ()
    both = read(signed(phone_number="+15550100")).identity
    assert both.given() == ("ana@example.org", "+15550100")
    assert both.verified() == ("ana@example.org",)


def test_the_directory_gives_each_agent_its_key() -> None:
    entry = {"id": "AGENT_ONE", "name": "One", "verify_key": VERIFY_KEY, "web_url": "https://a.b"}
    agents = parse_directory(json.dumps([entry]).encode())
    assert agents == {"AGENT_ONE": AGENT}
    assert signing_agent(LIBSODIUM, agents) == AGENT
    only_other = {OTHER.id: OTHER}
    code = (VerificationFailed, "bad_signature")
    assert refusal(lambda: signing_agent(LIBSODIUM, only_other)) == code
    assert refusal(lambda: signing_agent(b"?", only_other)) == (VerificationFailed, "drp_encoding")
    assert signing_agent(LIBSODIUM, {OTHER.id: OTHER, AGENT.id: AGENT}) == AGENT


@pytest.mark.parametrize(
    "entries",
    [
        {},
        ["AGENT"],
        [{"id": "A B", "verify_key": VERIFY_KEY}],
        [{"id": 5, "verify_key": VERIFY_KEY}],
        [{"id": "A"}],
        [{"id": "A", "verify_key": VERIFY_KEY[:-4]}],
        [{"id": "A", "verify_key": VERIFY_KEY}] * 2,
    ],
)
def test_a_directory_with_a_doubt_in_it_is_refused(entries: object) -> None:
    data = json.dumps(entries).encode()
    assert refusal(lambda: parse_directory(data)) == (InvalidInput, "drp_directory")


def test_a_setup_message_is_checked_as_a_request_is() -> None:
    body = json.dumps(document(exercise=None, email=None)).encode()
    at = START + MINUTE
    verify_setup(sign(body), agent=AGENT, business=BUSINESS, at=at)
    for business, moment, code in (
        ("ELSE", at, "drp_business"),
        (BUSINESS, START, "drp_early"),
        (BUSINESS, START + 10 * MINUTE, "drp_expired"),
    ):
        failed = refusal(
            lambda business=business, moment=moment: verify_setup(
                sign(body), agent=AGENT, business=business, at=moment
            )
        )
        assert failed == (VerificationFailed, code)


def test_a_revocation_needs_the_agents_signature() -> None:
    verify_revocation(sign(b'{"reason":"I changed my mind"}'), agent=AGENT)
    verify_revocation(sign(b"{}"), agent=AGENT)
    forged = sign(b"{}", OTHER_SEED)
    code = (VerificationFailed, "bad_signature")
    assert refusal(lambda: verify_revocation(forged, agent=AGENT)) == code


@given(st.binary(min_size=16, max_size=16))
def test_a_request_has_one_name_on_the_wire(raw: bytes) -> None:
    name = RequestId(format_id(IdKind.REQUEST, raw))
    assert request_of(wire_id(name)) == name
    assert refusal(lambda: request_of(wire_id(name).upper() + " ")) == (
        InvalidInput,
        "drp_request_id",
    )


def by_agent(kind: RequestKind = RequestKind.ACCESS) -> RightsRequest:
    asked = replace(request(kind), agent=FromAgent(agent="AGENT_ONE", number="a-1"))
    return verify(asked, VerifiedBy.AGENT, START)


def test_the_status_of_a_request_in_progress_says_when_it_is_expected() -> None:
    one = by_agent()
    assert status(one) == {
        "request_id": wire_id(one.id),
        "agent_request_id": "a-1",
        "received_at": format_moment(START),
        "expected_by": format_moment(one.due),
        "status": "in_progress",
    }
    assert "agent_request_id" not in status(replace(one, agent=FromAgent(agent="AGENT_ONE")))
    later = extend(one, ExtensionReason.COMPLEX, until=one.due + MINUTE, at=START)
    assert status(later)["expected_by"] == format_moment(one.due + MINUTE)
    assert status(later)["processing_details"] == "more time is needed: complex"
    erasing = start(
        by_agent(RequestKind.ERASURE),
        START,
        erasure=ErasureId(format_id(IdKind.ERASURE, bytes(16))),
    )
    assert "erasure" in str(status(erasing)["processing_details"])


STATES = {
    RequestOutcome.FULFILLED: "fulfilled",
    RequestOutcome.PARTLY: "fulfilled",
    RequestOutcome.WITHDRAWN: "revoked",
    RequestOutcome.REFUSED: "denied",
}
DENIALS = {
    "suspected_fraud", "insuf_verification", "no_match", "claim_not_covered",
    "outside_jurisdiction", "too_many_requests", "other",
}  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(outcome, reason) for outcome, some in REASONS.items() for reason in sorted(some)],
)
def test_every_ending_is_said_in_the_protocols_words(
    outcome: RequestOutcome, reason: Reason
) -> None:
    told = status(close(by_agent(), outcome, reason, START))
    assert told["status"] == STATES[outcome]
    assert ("reason" in told) == (outcome is RequestOutcome.REFUSED)
    assert told.get("reason", "other") in DENIALS
    assert "expected_by" not in told


def test_who_is_not_here_or_not_shown_is_told_apart() -> None:
    refused = RequestOutcome.REFUSED
    for reason, word in (
        (Reason.NO_MATCH, "no_match"),
        (Reason.IDENTITY_NOT_SHOWN, "insuf_verification"),
        (Reason.NOT_OFFERED, "claim_not_covered"),
        (Reason.EXCESSIVE, "too_many_requests"),
        (Reason.ACCURATE, "other"),
    ):
        assert status(close(by_agent(), refused, reason, START))["reason"] == word
