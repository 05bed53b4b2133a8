"""Promises of the pages that no single room can show."""

from pathlib import Path

import pytest

from tests.support.stores import Stores, act, talk
from volens.consent.model import Act
from volens.core.purposes import Purpose
from volens.gate.facts import Use

OBJECTABLE = (Purpose.SAFETY_MONITORING, Purpose.KEEP_HISTORY)


@pytest.mark.parametrize("purpose", OBJECTABLE)
def test_an_objection_counts_alone_and_in_bulk_and_so_does_its_lifting(
    purpose: Purpose, tmp_path: Path
) -> None:
    stores = Stores(tmp_path)
    ana, ben = stores.add("ana", "ben")
    stores.capture(ana, talk("1", "Hello", "Hi"), talk("2", "Tea?", "Yes"))
    stores.capture(ben, talk("3", "Hello", "Hi"))
    use = Use(purpose=purpose.value)
    assert stores.gate.preview(use)[0] == 3
    stores.ledger.record([act(1, ana, Act.OBJECT, purpose=purpose)])
    assert not stores.gate.decide(ana, use).permit
    assert stores.gate.decide(ben, use).permit
    assert stores.gate.preview(use)[0] == 1
    stores.ledger.record([act(2, ana, Act.LIFT_OBJECTION, purpose=purpose)])
    assert stores.gate.decide(ana, use).permit
    assert stores.gate.preview(use)[0] == 3
