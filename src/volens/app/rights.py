"""The rights desk of an opened home, wired."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from volens.app.home import Home
from volens.app.own_data import exporter_of
from volens.app.retention import new_request
from volens.core.errors import NotFound
from volens.policy.protections import priority_plans
from volens.rights.agents import AgentDoor
from volens.rights.desk import RightsDesk
from volens.rights.effects import Effects
from volens.rights.requests import RightsRequest
from volens.rights.store import RequestStore
from volens.vault.subjects import Subject

if TYPE_CHECKING:
    from volens.rights.export import ExportResult, OnProgress


def request_store(home: Home) -> RequestStore:
    """Return the register of rights requests."""
    return RequestStore(home.main, home.recorder)


def rights_desk(home: Home) -> RightsDesk:
    """Return the desk that answers rights requests."""
    pack = home.policy.pack
    return RightsDesk(
        request_store(home),
        home.subjects,
        Effects(
            home.subjects,
            home.ledger,
            home.vault,
            home.erasures,
            pack,
            asked=functools.partial(new_request, home),
        ),
        profiles=pack.regions,
        priority=priority_plans(pack),
        home=home.identity.region,
        clock=home.clock,
        entropy=home.entropy,
    )


class CopyAsFile:
    """Makes the copy that a request asks for as a file (`volens.rights.desk.Exporter`).

    The file comes first, then the closing of the request: if it stops in between, the file is there
    and logged, the request stays open, and the copy is made again into another file.
    """

    def __init__(self, home: Home, out: Path, *, on_progress: OnProgress | None = None) -> None:
        """Write to `out`, a file that does not exist yet."""
        self._home = home
        self._out = out
        self._on_progress = on_progress
        self._written: ExportResult | None = None

    def hand_over(self, subject: Subject, request: RightsRequest) -> None:
        """Write the copy; done and logged when it returns.

        Raises:
            InvalidInput, NotFound, Unavailable: as `volens.rights.export.Exporter.write`.
        """
        del request  # what is handed over is the same whatever was asked with
        self._written = exporter_of(self._home).write(
            subject, self._out, on_progress=self._on_progress
        )

    @property
    def written(self) -> ExportResult:
        """What was written.

        Raises:
            NotFound: ``copy_missing`` if nothing was handed over.
        """
        if self._written is None:
            raise NotFound("copy_missing", "nothing was handed over")
        return self._written


def agent_door(home: Home, business: str) -> AgentDoor:
    """Return the door for authorised agents, who know this business as `business`."""
    return AgentDoor(
        rights_desk(home),
        request_store(home),
        home.subjects,
        home.sealer,
        business=business,
        clock=home.clock,
    )
