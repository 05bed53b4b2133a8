"""One home with a little in it, made once; each try works on a copy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.homes import Parts, Place, add, place
from tests.support.stores import act, policy, talk
from tests.support.tracing import can_trace
from volens.consent.model import Act
from volens.log.kinds import CaptureSource


@pytest.fixture(scope="session", autouse=True)
def _tracing() -> None:
    if not can_trace():
        pytest.skip("this system does not let a process trace its child (ptrace)")


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ada said yes and has two conversations; Bo said nothing and has one."""
    found = place(tmp_path_factory.mktemp("lived_in"))
    found.create()
    with Parts(found) as home:
        ada, bo = add(home, "ada", "bo")
        captured = {ada: [talk("ada a"), talk("ada b")], bo: [talk("bo a")]}
        home.vault.capture(captured, source=CaptureSource.IMPORT)
        home.ledger.record([act(1, ada, Act.GRANT)])
    assert policy()  # loaded before any fork
    return found


@pytest.fixture
def copies(tmp_path: Path) -> Callable[[Place], Place]:
    """Copy a home as often as wanted."""
    count = iter(range(1_000_000))

    def copy(of: Place) -> Place:
        return of.copy(tmp_path / str(next(count)))

    return copy
