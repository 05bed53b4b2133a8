"""A check is what the gate decides, for many at once, as of the latest change."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.doors import Doors
from volens.access.model import Scope
from volens.api.check import CheckRoute
from volens.app.access import tokens_of
from volens.app.home import Home
from volens.app.retention import new_request
from volens.client.answer import verify_answer
from volens.consent.model import GENERAL, Act, ConsentEvent, NoticeRef, ScopeKind
from volens.consent.model import Scope as GrantScope
from volens.core.canonical import canonical_json
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import CONSENT_PURPOSES, Purpose
from volens.core.regions import Region
from volens.core.time import format_moment
from volens.gate.facts import Use
from volens.log.kinds import ErasureScope
from volens.vault.subjects import NewSubject, Subject

AT = "/v1/choices:check"
_TOO_MANY = json.dumps({"purpose": "sale", "subjects": [*map(str, range(1001))]}).encode()


@pytest.fixture
def route(doors: Doors) -> CheckRoute:
    return CheckRoute(doors.doorway)


@pytest.fixture
def client(doors: Doors, route: CheckRoute) -> TestClient:
    app = Starlette(routes=[Route(AT, route, methods=["POST"])])
    return doors.client(app, doors.service)


class _Decision(TypedDict):
    subject: str
    permit: bool
    reasons: list[str]


class _Answer(TypedDict):
    decisions: list[_Decision]
    valid_until: str


def _check(client: TestClient, purpose: str, *subjects: str) -> _Answer:
    answer = client.post(AT, json={"purpose": purpose, "subjects": list(subjects)})
    assert answer.status_code == 200, answer.text
    found: _Answer = answer.json()
    return found


def _event(
    home: Home,
    person: Subject,
    purpose: Purpose,
    act: Act,
    *,
    scope: GrantScope = GENERAL,
    notice: NoticeRef | None = None,
    expires: datetime | None = None,
) -> ConsentEvent:
    return ConsentEvent(
        id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
        subject=person.id,
        purpose=purpose,
        act=act,
        at=home.clock.now(),
        scope=scope,
        notice=notice,
        expires=expires,
        channel="api",
    )


def _grant(
    home: Home,
    person: Subject,
    purpose: Purpose,
    *,
    scope: GrantScope = GENERAL,
    expires: datetime | None = None,
) -> None:
    notice = next(one for one in home.policy.pack.notices if purpose in one.purposes)
    ref = NoticeRef(id=notice.id, language=notice.language, sha256=notice.hash)
    event = _event(home, person, purpose, Act.GRANT, scope=scope, notice=ref, expires=expires)
    home.ledger.record([event])


def _person(doors: Doors) -> Subject:
    assert doors.person.subject is not None
    return doors.person.subject


def test_a_choice_counts_at_the_next_question(doors: Doors, client: TestClient) -> None:
    person, purpose = _person(doors), Purpose.BATCH_TRAINING
    asked = (purpose.value, person.id)
    assert not _check(client, *asked)["decisions"][0]["permit"]
    doors.run(lambda home: _grant(home, person, purpose))
    assert _check(client, *asked)["decisions"][0]["permit"]
    event = doors.run(lambda home: _event(home, person, purpose, Act.WITHDRAW))
    doors.run(lambda home: home.ledger.journal(event))  # by any process; nobody drained it yet
    assert _check(client, *asked)["decisions"][0]["reasons"] == ["grant_withdrawn"]


def test_nothing_is_taken_anew_while_nothing_changes(
    doors: Doors, client: TestClient, route: CheckRoute
) -> None:
    for _ in range(4):
        _check(client, "batch_training", _person(doors).id, "bob")
    before = route.taken
    for _ in range(3):
        _check(client, "batch_training", _person(doors).id, "bob")
    assert route.taken == before


def test_an_answer_ends_with_the_yes(doors: Doors, client: TestClient) -> None:
    person, purpose = _person(doors), Purpose.BATCH_TRAINING
    ends = doors.run(lambda home: home.clock.now()) + timedelta(hours=1)
    doors.run(lambda home: _grant(home, person, purpose, expires=ends))
    answer = _check(client, purpose.value, person.id, "bob")
    assert answer["decisions"][0]["permit"]
    assert answer["valid_until"] == format_moment(ends)
    assert _check(client, purpose.value, "bob")["valid_until"] > answer["valid_until"]
    doors.where.clock.step(timedelta(hours=1))
    after = _check(client, purpose.value, person.id)
    assert after["decisions"][0] == {
        "permit": False,
        "reasons": ["grant_expired"],
        "subject": person.id,
    }


def test_nobody_and_somebody_else_are_denied(client: TestClient) -> None:
    names = ["nobody", "sub_nonsense", format_id(IdKind.SUBJECT, bytes(16)), 'a"b\\', "\u00e9"]
    found = _check(client, "provide_service", *names)["decisions"]
    assert [one["subject"] for one in found] == names
    assert {tuple(one["reasons"]) for one in found} == {("subject_unknown",)}
    assert not any(one["permit"] for one in found)


def test_names_that_look_alike_are_not_alike(doors: Doors, client: TestClient) -> None:
    doors.run(lambda home: _add(home, "jos\u00e9"))
    found = _check(client, "provide_service", "jos\u00e9", "jose\u0301", "JOS\u00c9")["decisions"]
    assert [one["reasons"] == ["subject_unknown"] for one in found] == [False, True, True]


def _add(home: Home, reference: str, plan: str = "free") -> Subject:
    (made,) = home.subjects.add([NewSubject(reference=reference, plan=plan, region=Region.EU)])
    return made


@pytest.mark.parametrize("sign", [False, True])
def test_answers_for_several_purposes_are_those_for_each(
    doors: Doors, client: TestClient, sign: bool
) -> None:
    doors.run(lambda home: _grant(home, _person(doors), Purpose.BATCH_TRAINING))
    names = [_person(doors).id, "ada", "bob", 'q"\\', "b\u00e9"]
    purposes = ["batch_training", "keep_history", "sale"]
    for _ in range(4):  # the first looks themselves change the home
        _check(client, purposes[0], *names)
    each = [
        client.post(AT, json={"purpose": one, "subjects": names, "sign": sign}).json()
        for one in purposes
    ]
    assert [one["purpose"] for one in each] == purposes
    assert [one["decisions"][0]["permit"] for one in each] == [True, True, False]
    body = {"purposes": purposes, "subjects": names, "sign": sign}
    answer = client.post(AT, json=body)
    assert answer.content == canonical_json({"answers": each})
    one = client.post(AT, json={**body, "purposes": purposes[:1]})
    assert one.content == canonical_json({"answers": each[:1]})


def test_a_choice_counts_at_the_next_question_for_each_purpose(
    doors: Doors, client: TestClient, route: CheckRoute
) -> None:
    person, body = _person(doors), {"purposes": ["batch_training", "human_feedback"]}
    asked = {**body, "subjects": [person.id]}
    for _ in range(4):
        client.post(AT, json=asked)
    before = route.taken
    client.post(AT, json=asked)
    assert route.taken == before
    doors.run(lambda home: _grant(home, person, Purpose.HUMAN_FEEDBACK))
    answers = client.post(AT, json=asked).json()["answers"]
    assert [one["decisions"][0]["permit"] for one in answers] == [False, True]
    event = doors.run(lambda home: _event(home, person, Purpose.HUMAN_FEEDBACK, Act.WITHDRAW))
    doors.run(lambda home: home.ledger.journal(event))
    answers = client.post(AT, json=asked).json()["answers"]
    assert [one["decisions"][0]["permit"] for one in answers] == [False, False]
    assert {one["mark"] for one in answers} == {answers[0]["mark"]}
    assert {one["at"] for one in answers} == {answers[0]["at"]}


def test_a_signed_answer_verifies_with_the_log_s_key(doors: Doors, client: TestClient) -> None:
    body = {"purpose": "keep_history", "subjects": ["ada", 'q"', "b\u00e9"], "sign": True}
    answer = client.post(AT, json=body)
    verifier = doors.run(lambda home: home.signer.verifier)
    read = verify_answer(answer.content, verifier)
    assert [one.subject for one in read.decisions] == body["subjects"]
    assert read.decisions[0].permit


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"purpose":"sale","subjects":[]}', "check_form"),
        (b'{"purpose":"nonsense","subjects":["a"]}', "check_form"),
        (b'{"purpose":"sale","subjects":["a","a"]}', "check_form"),
        (b'{"purpose":"sale","subjects":["a",1]}', "check_form"),
        (b'{"purpose":"sale","subjects":[""]}', "check_form"),
        (b'{"purpose":"sale","subjects":["a"],"sign":1}', "check_form"),
        (b'{"purpose":"sale","purposes":["sale"],"subjects":["a"]}', "check_form"),
        (b'{"purposes":["sale","sale"],"subjects":["a"]}', "check_form"),
        (b'{"purposes":[],"subjects":["a"]}', "check_form"),
        (b'{"purpose":"sale","subjects":["a"],"consent":true}', "check_form"),
        (b'{"purpose":"sale","purpose":"sale","subjects":["a"]}', "duplicate_key"),
        (b'{"purpose":"sale","subjects":["\\ud800"]}', "json_surrogate"),
        (b'{"purpose":"sale","subjects":[[[["a"]]]]}', "json_depth"),
        (b"", "json_syntax"),
        (_TOO_MANY, "check_form"),
        (b'{"purpose":"sale","subjects":["' + b"a" * 257 + b'"]}', "check_form"),
        (b" " * (1024 * 1024 + 1), "too_large"),
    ],
)
def test_what_is_no_question_is_refused(client: TestClient, body: bytes, code: str) -> None:
    answer = client.post(AT, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 413}
    assert answer.json()["code"] == code


def test_it_takes_a_token_that_is_good_for_asking(doors: Doors, client: TestClient) -> None:
    app = client.app
    body = {"purpose": "sale", "subjects": ["ada"]}
    assert doors.client(app).post(AT, json=body).status_code == 401
    assert doors.client(app, doors.person).post(AT, json=body).status_code == 401
    other = doors.client(app, doors.program(Scope.METRICS)).post(AT, json=body)
    assert (other.status_code, other.json()["code"]) == (403, "scope_missing")
    wrong = doors.client(app)
    wrong.headers["Authorization"] = "Bearer vol_wrong"
    assert wrong.post(AT, json=body).status_code == 401


def test_a_token_ends_at_once(doors: Doors, client: TestClient) -> None:
    body = {"purpose": "sale", "subjects": ["ada"]}
    assert client.post(AT, json=body).status_code == 200
    doors.run(lambda home: tokens_of(home).revoke(doors.service.token.id))
    assert client.post(AT, json=body).status_code == 401


def test_a_token_ends_by_itself(doors: Doors, client: TestClient) -> None:
    body = {"purpose": "sale", "subjects": ["ada"]}
    assert client.post(AT, json=body).status_code == 200
    doors.where.clock.step(timedelta(days=400))
    assert client.post(AT, json=body).status_code == 401


def _erase(scope: ErasureScope) -> Callable[[Home, Subject], None]:
    def act(home: Home, person: Subject) -> None:
        asked = new_request(home, home.entropy.draw(16), scope, person)
        home.erasures.request(asked)

    return act


def _granted(scope: GrantScope = GENERAL) -> Callable[[Home, Subject], None]:
    def act(home: Home, person: Subject) -> None:
        for purpose in sorted(CONSENT_PURPOSES):
            if any(purpose in one.purposes for one in home.policy.pack.notices):
                _grant(home, person, purpose, scope=scope)

    return act


def _said(act: Act, purpose: Purpose) -> Callable[[Home, Subject], None]:
    def do(home: Home, person: Subject) -> None:
        home.ledger.journal(_event(home, person, purpose, act))

    return do


def _set(**fields: str | None) -> Callable[[Home, Subject], None]:
    def act(home: Home, person: Subject) -> None:
        home.subjects.change(person, fields)

    return act


_ACTS = st.sampled_from(
    [
        _granted(),
        _granted(GrantScope(kind=ScopeKind.DATASET, target="d")),
        _said(Act.WITHDRAW, Purpose.BATCH_TRAINING),
        _said(Act.OBJECT, Purpose.KEEP_HISTORY),
        _said(Act.OBJECT, Purpose.SERVICE_IMPROVEMENT),
        _erase(ErasureScope.HISTORY),
        _erase(ErasureScope.ACCOUNT),
        _set(status="restricted"),
        _set(age_band="minor"),
        _set(tier="private"),
        _set(plan="nonsense"),
        _set(organisation="acme"),
    ]
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=st.lists(_ACTS, max_size=3), step=st.integers(0, 3))
def test_a_check_is_what_the_gate_decides(
    doors: Doors, client: TestClient, acts: list[Callable[[Home, Subject], None]], step: int
) -> None:
    """Each example adds a person, so that the next ones meet a home with more in it."""
    name = doors.run(lambda home: f"person {home.subjects.count()}")
    person = doors.run(lambda home: _add(home, name))
    for act in acts:
        doors.run(lambda home, act=act: act(home, home.subjects.find(person.id)))
        doors.where.clock.step(timedelta(minutes=step))
    everybody = doors.run(lambda home: [one.id for one in home.subjects.all()])
    for purpose in Purpose:
        answer = _check(client, purpose.value, *everybody, name)
        found = {one["subject"]: (one["permit"], one["reasons"]) for one in answer["decisions"]}
        assert found[name] == found[person.id]
        decided = doors.run(lambda home, purpose=purpose: _decided(home, everybody, purpose))
        assert {one: found[one] for one in everybody} == {
            one: (permit, reasons) for one, (permit, reasons, _) in decided.items()
        }
        assert answer["valid_until"] == min(until for *_, until in decided.values())


def _decided(
    home: Home, everybody: list[str], purpose: Purpose
) -> dict[str, tuple[bool, list[str], str]]:
    found = {}
    for one in everybody:
        decision = home.gate.decide(home.subjects.find(one), Use(purpose=purpose.value))
        reasons = [reason.value for reason in decision.reasons]
        found[one] = (decision.permit, reasons, format_moment(decision.valid_until))
    return found
