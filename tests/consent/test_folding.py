"""What acts add up to: nothing is kept that was taken back, and nothing lost that was not."""

from datetime import timedelta

import pytest

from tests.support.stores import BATCH, START, act
from volens.consent.model import (
    Act,
    ConsentEvent,
    Scope,
    ScopeKind,
    decode_event,
    encode_event,
    fold,
)
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, SubjectId, format_id
from volens.core.purposes import ConsentStatus

ADA = SubjectId(format_id(IdKind.SUBJECT, b"a" * 16))
LETTERS = Scope(kind=ScopeKind.DATASET, target="letters")
POEMS = Scope(kind=ScopeKind.DATASET, target="poems")


def test_an_objection_and_its_lifting_leave_the_grants_as_they_are() -> None:
    given = act(1, ADA, Act.GRANT)
    for acts, objected in (
        ([given, act(2, ADA, Act.OBJECT)], True),
        ([given, act(2, ADA, Act.OBJECT), act(3, ADA, Act.LIFT_OBJECTION)], False),
    ):
        state = fold(acts)[BATCH]
        assert state.objected is objected
        assert state.status_at(START) is ConsentStatus.GRANTED


def test_an_objection_outlasts_a_grant_and_a_withdrawal() -> None:
    objected = act(1, ADA, Act.OBJECT)
    for later in (act(2, ADA, Act.GRANT), act(2, ADA, Act.WITHDRAW)):
        assert fold([objected, later])[BATCH].objected


def test_a_second_grant_of_a_scope_replaces_the_first_and_no_other() -> None:
    acts = [
        act(1, ADA, Act.GRANT, scope=LETTERS, expires=START + timedelta(days=1)),
        act(2, ADA, Act.GRANT, scope=POEMS),
        act(3, ADA, Act.GRANT, scope=LETTERS, at=START + timedelta(hours=1)),
    ]
    grants = {grant.scope: grant for grant in fold(acts)[BATCH].grants}
    assert len(fold(acts)[BATCH].grants) == 2
    assert grants[LETTERS].expires is None
    assert grants[LETTERS].since == START + timedelta(hours=1)
    assert grants[POEMS].since == START


def test_taking_back_one_scope_leaves_the_other_and_taking_back_all_leaves_none() -> None:
    acts = [act(1, ADA, Act.GRANT, scope=LETTERS), act(2, ADA, Act.GRANT, scope=POEMS)]
    one = fold([*acts, act(3, ADA, Act.WITHDRAW, scope=LETTERS)])[BATCH]
    assert {grant.scope: grant.status for grant in one.grants} == {
        POEMS: ConsentStatus.GRANTED,
        LETTERS: ConsentStatus.WITHDRAWN,
    }
    whole = fold([*acts, act(3, ADA, Act.WITHDRAW)])[BATCH]
    assert [grant.status for grant in whole.grants] == [ConsentStatus.WITHDRAWN]
    assert whole.grants[0].since == START
    assert whole.grants[0].notice is None


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("scope_form", lambda: Scope(kind=ScopeKind.GENERAL, target="x")),
        ("scope_form", lambda: Scope(kind=ScopeKind.RUN)),
        ("expiry_form", lambda: act(1, ADA, Act.WITHDRAW, expires=START + timedelta(days=1))),
        ("expiry_form", lambda: act(1, ADA, Act.GRANT, expires=START)),
        (
            "notice_form",
            lambda: ConsentEvent(
                id=act(1, ADA, Act.WITHDRAW).id,
                subject=ADA,
                purpose=BATCH,
                act=Act.GRANT,
                at=START,
            ),
        ),
        ("event_form", lambda: decode_event(b"[]")),
        ("event_form", lambda: decode_event(b"{}")),
        (
            "event_form",
            lambda: decode_event(
                encode_event(act(1, ADA, Act.GRANT)).replace(b'"expires"', b'"each":1,"expires"')
            ),
        ),
    ],
)
def test_what_is_no_act_is_refused_with_its_code(code: str, make: object) -> None:
    with pytest.raises(InvalidInput) as refusal:
        make()  # type: ignore[operator]
    assert refusal.value.code == code
    assert refusal.value.message
