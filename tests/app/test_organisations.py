"""What organisations instruct changes in one way, whoever asks."""

import pytest

from tests.support.homes import Place
from volens.app.home import Home
from volens.app.organisations import Agreed, instructable, prepare, record, standing
from volens.core.errors import InvalidInput
from volens.core.purposes import PROHIBITED, Purpose
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind
from volens.policy.retention import Days, RetentionClass

CHATS, DELETED = RetentionClass.ACTIVE_CONVERSATIONS, RetentionClass.DELETED_CHATS
NOBODY_S = {"sale", "government_training", "keep_history", "provide_service"}


def _change(
    home: Home, purposes: set[str] | None, keeping: Days | None, agreed: Agreed
) -> tuple[set[str], dict[RetentionClass, int]]:
    record(home, prepare(home, "acme", purposes, keeping, agreed=agreed))
    now = standing(home, "acme")
    return set(now.purposes), dict(now.keeping)


def test_an_administrator_decides_less_than_whoever_runs_the_home(here: Place) -> None:
    with here.open() as home:
        theirs = set(instructable(home.policy))
        all_of_them = set(instructable(home.policy, Agreed.REPLACE))
    assert theirs < all_of_them
    assert all_of_them - theirs == {
        Purpose.SAFETY_REVIEW,
        Purpose.LEGAL_ORDER,
        Purpose.EMERGENCY,
    }
    assert not all_of_them & (PROHIBITED | {Purpose(one) for one in NOBODY_S})


@pytest.mark.parametrize("agreed", Agreed)
@pytest.mark.parametrize("wrong", sorted(NOBODY_S | {"nonsense"}))
def test_nobody_instructs_what_the_matrix_does_not_have(
    here: Place, agreed: Agreed, wrong: str
) -> None:
    with here.open() as home:
        size = home.owned_log().size
        with pytest.raises(InvalidInput) as raised:
            prepare(home, "acme", {"batch_training", wrong}, None, agreed=agreed)
        assert raised.value.code == "outside_matrix"
        assert (home.owned_log().size, standing(home, "acme").version) == (size, 0)


def test_what_was_agreed_elsewhere_stays_or_goes_as_the_caller_says(here: Place) -> None:
    with here.open() as home:
        first = {"legal_order", "batch_training"}
        assert _change(home, first, None, Agreed.REPLACE)[0] == first
        with pytest.raises(InvalidInput):
            prepare(home, "acme", {"legal_order"}, None, agreed=Agreed.KEEP)
        after = _change(home, {"human_feedback"}, None, Agreed.KEEP)[0]
        assert after == {"legal_order", "human_feedback"}
        assert _change(home, set(), None, Agreed.KEEP)[0] == {"legal_order"}
        assert _change(home, set(), None, Agreed.REPLACE)[0] == set()


def test_what_is_not_given_stays(here: Place) -> None:
    with here.open() as home:
        _change(home, {"batch_training"}, {CHATS: 90}, Agreed.KEEP)
        assert _change(home, None, {DELETED: 25}, Agreed.KEEP) == (
            {"batch_training"},
            {DELETED: 25},
        )
        assert _change(home, {"human_feedback"}, None, Agreed.KEEP) == (
            {"human_feedback"},
            {DELETED: 25},
        )
        assert _change(home, None, {}, Agreed.REPLACE) == ({"human_feedback"}, {})


@pytest.mark.parametrize(("days", "code"), [(31, "retention_too_long"), (1, "retention_too_short")])
def test_times_are_checked_whoever_asks(here: Place, days: int, code: str) -> None:
    with here.open() as home, pytest.raises(InvalidInput) as raised:
        prepare(home, "acme", None, {DELETED: days}, agreed=Agreed.REPLACE)
    assert raised.value.code == code


def test_a_time_from_before_that_a_later_policy_refuses_stands_in_no_one_s_way(
    here: Place,
) -> None:
    """It lengthens nothing: the policy's shorter time holds anyway."""
    with here.open() as home:
        home.subjects.instruct("acme", [], keeping={DELETED: 31})
        assert _change(home, {"batch_training"}, None, Agreed.KEEP)[0] == {"batch_training"}
        with pytest.raises(InvalidInput):
            prepare(home, "acme", None, {DELETED: 32}, agreed=Agreed.KEEP)


def test_each_change_is_logged_and_the_next_version(here: Place) -> None:
    with here.open() as home:
        for number in (1, 2):
            change = prepare(home, "acme", {"batch_training"}, None, agreed=Agreed.KEEP)
            size = home.owned_log().size
            made = record(home, change)
            assert (made.version, made.log_index) == (number, size)
            entry = parse_entry(home.owned_log().entry(size))
            assert entry.kind is EntryKind.ORGANISATION_INSTRUCTED
            assert standing(home, "other").version == 0


def test_two_states_are_alike_only_if_nothing_changed(here: Place) -> None:
    with here.open() as home:
        states = [standing(home, "acme").state, standing(home, "other").state]
        _change(home, {"batch_training"}, {CHATS: 90}, Agreed.KEEP)
        states.append(standing(home, "acme").state)
        assert standing(home, "acme").state == states[-1]
        _change(home, {"batch_training"}, {CHATS: 90}, Agreed.KEEP)
        states.append(standing(home, "acme").state)
    assert len(set(states)) == 4
