"""The rights desk of an opened home, wired."""

from __future__ import annotations

import functools

from volens.app.home import Home
from volens.app.retention import new_request
from volens.rights.agents import AgentDoor
from volens.rights.desk import RightsDesk
from volens.rights.effects import Effects
from volens.rights.store import RequestStore


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
        home=home.identity.region,
        clock=home.clock,
        entropy=home.entropy,
    )


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
