"""An old copy brings back no exception."""

from pathlib import Path

import pytest

from tests.safety.world import EVE, LEA, OLE, World
from tests.support.homes import Place
from volens.access.exceptions import CaseState
from volens.app.backup import make_backup
from volens.app.restoring import plan_restore, restore
from volens.app.safety import safety_of
from volens.core.errors import Denied
from volens.log.kinds import ExceptionClass


def test_a_case_that_was_open_in_a_backup_is_closed_in_the_restored_home(
    world: World, tmp_path: Path
) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    waiting = world.open(LEA, ExceptionClass.LEGAL_ORDER)
    backup = make_backup(world.home, tmp_path / "backup").folder
    world.safety.cases.close(EVE, case.id)
    world.home.close()
    again = Place(folder=tmp_path / "restored", kek=world.where.kek, clock=world.clock)
    given = {"environment": again.environment, "clock": again.clock}
    restore(plan_restore(backup, **given), again.folder, **given)  # type: ignore[arg-type]  # as named
    with again.open() as home:
        cases = safety_of(home).cases
        for one in (case, waiting):
            assert cases.find(OLE, one.id).state(world.clock.now()) is CaseState.CLOSED
        with pytest.raises(Denied):
            cases.look(EVE, case.id, world.chat.id)
