"""History is a choice like any other: off is an objection, and the gate reads it."""

import pytest

from tests.support.homes import Place, add
from volens.app.history import history_on, history_switch, set_history
from volens.core.purposes import Purpose
from volens.gate.facts import Use


def test_history_is_on_until_its_person_switches_it_off_and_on_again(here: Place) -> None:
    with here.open() as home:
        ada, bo = add(home, "ada", "bo")
        assert history_on(home, ada)
        assert set_history(home, ada, on=True) is None
        off = set_history(home, ada, on=False)
        assert off is not None
        assert (off.purpose, off.channel) == (Purpose.KEEP_HISTORY, "web")
        assert set_history(home, ada, on=False) is None
        assert not history_on(home, ada)
        assert not history_switch(home, ada)
        assert history_on(home, bo)
    with here.open() as home:
        assert not history_on(home, ada)
        on = set_history(home, ada, on=True, channel="api")
        assert on is not None
        assert history_on(home, ada)
        assert [item.event.id for item in home.ledger.history(ada.id)] == [off.id, on.id]


@pytest.mark.parametrize("status", ["restricted", "erasing", "closed"])
def test_nothing_is_kept_for_an_account_that_is_not_active(here: Place, status: str) -> None:
    with here.open() as home:
        (ada,) = add(home, "ada")
        ada = home.subjects.change(ada, {"status": status})
        assert not history_on(home, ada)
        assert history_switch(home, ada)


def test_the_switch_is_about_nothing_but_history(here: Place) -> None:
    with here.open() as home:
        (ada,) = add(home, "ada")
        set_history(home, ada, on=False)
        for purpose in (Purpose.PROVIDE_SERVICE, Purpose.SAFETY_MONITORING):
            assert home.gate.decide(ada, Use(purpose=purpose.value)).permit
