"""Cases, flags and reviews on an opened home, wired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from volens.access.exception_store import CaseStore
from volens.access.exceptions import Case
from volens.app.home import Home
from volens.app.retention import clock_of
from volens.gate.accesses import AccessLeaves
from volens.log.kinds import HoldClass
from volens.safety.account_basics import BasicsDesk
from volens.safety.cases import CaseDesk
from volens.safety.erasing import SafetyTarget
from volens.safety.flags import FlagStore
from volens.safety.leases import LeaseStore
from volens.safety.notices import NoticeDesk
from volens.safety.queue import ReviewQueue
from volens.safety.rating import RatingDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRun:
    """What one run did."""

    ended: int
    """Leases that had run out."""
    expired: int
    """Cases whose time was over."""
    told: int
    erased: int
    """Cases whose material went."""


class Safety:
    """The desks of one home; make it anew for each act."""

    def __init__(self, home: Home) -> None:
        """Wire the desks over `home`."""
        self._home = home
        self._store = CaseStore(home.main, home.recorder)
        self.flags = FlagStore(home.main, home.recorder, clock=home.clock, entropy=home.entropy)
        self.queue = ReviewQueue(
            self.flags, home.reports(), self._store, home.vault, clock=home.clock
        )
        self._leases = LeaseStore(home.main, home.gate, self._store, AccessLeaves(home.main))
        pack = home.policy.pack
        self.cases = CaseDesk(
            self._store,
            self.queue,
            self._leases,
            home.viewer,
            home.vault,
            region=home.identity.region,
            clock=home.clock,
            entropy=home.entropy,
        )
        self.rating = RatingDesk(
            home.gate,
            home.viewer,
            self._leases,
            home.vault,
            home.subjects,
            pack=pack,
            clock=home.clock,
        )
        self.notices = NoticeDesk(
            home.main,
            self._store,
            self._leases,
            self.flags,
            home.subjects,
            home.recorder,
            release=self._release_holds,
        )
        self.basics = BasicsDesk(home.subjects)

    def run(self, at: datetime) -> SafetyRun:
        """Do what is due: end leases and cases, tell people, erase what may not be kept.

        Idempotent; the server calls it every minute, the daily run and ``volens case run`` too.
        """
        ended = self._leases.end_due(at)
        expired = self.cases.expire(at)
        done = self.notices.run(at, trusted=clock_of(self._home).look(at).until)
        return SafetyRun(ended=ended, expired=expired, told=done.told, erased=done.erased)

    def target(self) -> SafetyTarget:
        """Return what an erasure does to all of it."""
        return SafetyTarget(self._home.main, self._store, self.flags, self._leases, self.notices)

    def _release_holds(self, case: Case, at: datetime) -> None:
        """End the safety holds whose authority is the case: the daily run erases what they kept."""
        for hold in self._home.holds.of_subject(case.subject):
            mine = hold.authority == case.id and hold.hold_class is HoldClass.SAFETY
            if mine and hold.end is None:
                self._home.holds.release(hold.id, at)


def safety_of(home: Home) -> Safety:
    """Return the desks of a home that was opened for writing."""
    return Safety(home)
