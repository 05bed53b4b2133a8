"""No role opens what is not its own, whatever the policy permits and whatever case is open."""

from pathlib import Path

import pytest

from tests.support.stores import Stores, talks
from volens.core.errors import Denied
from volens.core.purposes import PROHIBITED, Purpose
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.gate.scopes import STAFF, check_scope
from volens.log.kinds import AccessAction, AccessReason, Actor, CaptureSource, EntryKind
from volens.policy.reference import EXCEPTIONAL

HISTORY = Use(purpose=Purpose.KEEP_HISTORY.value)


def asker(actor: Actor) -> Asker:
    return Asker(actor=actor, action=AccessAction.SHOW, reason=AccessReason.SERVICE)


@pytest.mark.parametrize("actor", STAFF)
def test_a_history_that_the_policy_keeps_is_opened_to_no_member_of_staff(
    tmp_path: Path, actor: Actor
) -> None:
    stores = Stores(tmp_path)
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(1))}, source=CaptureSource.API)
    (held,) = stores.vault.of_subject(ann)
    with pytest.raises(Denied) as caught:
        stores.gate.show(held, ann, HISTORY, asker(actor))
    assert caught.value.code == "role_scope"
    assert EntryKind.ACCESS_INTENT not in stores.log.kinds()
    assert stores.gate.show(held, ann, HISTORY, asker(Actor.SUBJECT)).turns


def test_nobody_has_a_role_that_sees_everything() -> None:
    for actor in Actor:
        allowed = set()
        for purpose in Purpose:
            try:
                check_scope(actor, purpose)
            except Denied:
                continue
            allowed.add(purpose)
        assert not allowed & EXCEPTIONAL or actor in STAFF
        assert allowed != set(Purpose)
        if actor in STAFF:
            assert not allowed & PROHIBITED
            assert len(allowed) <= 2


def test_support_research_and_engineering_look_at_no_conversation() -> None:
    for actor in (Actor.SUPPORT, Actor.RESEARCH, Actor.ENGINEERING, Actor.AUDITOR):
        for purpose in Purpose:
            with pytest.raises(Denied):
                check_scope(actor, purpose)
