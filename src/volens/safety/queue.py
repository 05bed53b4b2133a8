"""The review queue: what classifiers flagged and people reported, and nothing else (R31).

An item is metadata: which conversation, which turns, how bad. Whose it is stays unsaid; what was
said takes a case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from volens.access.exception_store import CaseRegister
from volens.access.exceptions import Case, CaseState
from volens.access.model import Principal, PrincipalKind, Role
from volens.core.errors import Denied
from volens.core.ids import ConversationId
from volens.core.ports import Clock
from volens.holds.reports import Report, ReportReason, ReportStore
from volens.log.kinds import FlagCategory, FlagSeverity
from volens.safety.flags import FlagStore
from volens.safety.model import Flag, Origin, QueueItem
from volens.vault.store import Held, Vault

_MANY: Final = 10**9
SEVERITY_OF: Final[Mapping[ReportReason, FlagSeverity]] = {
    ReportReason.CHILD_SAFETY: FlagSeverity.URGENT,
    ReportReason.SELF_HARM: FlagSeverity.URGENT,
    ReportReason.DANGER: FlagSeverity.URGENT,
    ReportReason.VIOLENCE: FlagSeverity.HIGH,
    ReportReason.ILLEGAL: FlagSeverity.HIGH,
    ReportReason.HATE: FlagSeverity.MEDIUM,
    ReportReason.SEXUAL: FlagSeverity.MEDIUM,
    ReportReason.PRIVACY: FlagSeverity.MEDIUM,
    ReportReason.WRONG: FlagSeverity.LOW,
    ReportReason.OTHER: FlagSeverity.LOW,
}
"""How soon a report is looked at, by the word that its person chose."""
_RANK: Final = {severity: rank for rank, severity in enumerate(FlagSeverity)}


class ReviewQueue:
    """Lists what may be reviewed."""

    def __init__(
        self,
        flags: FlagStore,
        reports: ReportStore,
        cases: CaseRegister,
        vault: Vault,
        *,
        clock: Clock,
    ) -> None:
        """Put together what `flags` and `reports` hold."""
        self._flags = flags
        self._reports = reports
        self._cases = cases
        self._vault = vault
        self._clock = clock

    def items(self, who: Principal, *, skip: int = 0, limit: int = 100) -> list[QueueItem]:
        """Return what waits, the worst first and of those the oldest.

        Raises:
            Denied: ``exception_role`` unless `who` has the role trust and safety.
        """
        return self._all(who)[skip : skip + limit]

    def count(self, who: Principal) -> int:
        """Return how much waits.

        Raises:
            Denied: as `items`.
        """
        return len(self._all(who))

    def turns_of(self, held: Held) -> frozenset[int]:
        """Return the turns of a conversation that were flagged or reported: no others may be named.

        A report about the whole chat offers all its turns: its person asked for that.
        """
        found = {turn for flag in self._flags.of_conversation(held.number) for turn in flag.turns}
        for report in self._reports.of_subject(held.subject_no):
            if report.conversation == held.id:
                found |= set(range(held.turns)) if report.turn is None else {report.turn}
        return frozenset(found)

    def _all(self, who: Principal) -> list[QueueItem]:
        if who.kind is not PrincipalKind.STAFF or Role.TRUST_AND_SAFETY not in who.roles:
            raise Denied(
                "exception_role",
                "only trust and safety sees what was flagged or reported",
                hint="it takes trust_and_safety",
            )
        flags: dict[ConversationId, list[Flag]] = defaultdict(list)
        for flag in self._flags.listed(limit=_MANY):
            flags[flag.conversation].append(flag)
        reports: dict[ConversationId, list[Report]] = defaultdict(list)
        for report in self._reports.listed(limit=_MANY):
            reports[report.conversation].append(report)
        names = sorted({*flags, *reports})
        cases = self._by_conversation(names)
        found = [
            self._item(name, flags[name], reports[name], cases.get(name, [])) for name in names
        ]
        return sorted(
            (item for item in found if item is not None),
            key=lambda item: (-_RANK[item.severity], item.first, item.conversation),
        )

    def _by_conversation(
        self, names: Iterable[ConversationId]
    ) -> Mapping[ConversationId, list[Case]]:
        found: dict[ConversationId, list[Case]] = defaultdict(list)
        for case in self._cases.on(list(names)):
            for name in case.turns:
                found[name].append(case)
        return found

    def _item(
        self,
        name: ConversationId,
        flags: list[Flag],
        reports: list[Report],
        cases: list[Case],
    ) -> QueueItem | None:
        """Return the item, or None if a case that is over has dealt with all of it."""
        at = self._clock.now()
        moments = [*(flag.raised for flag in flags), *(report.at for report in reports)]
        last = max(moments)
        live = [one for one in cases if one.state(at) in {CaseState.WAITING, CaseState.OPEN}]
        dealt = any(
            one.opened is not None and one.opened >= last for one in cases if one not in live
        )
        if dealt and not live:
            return None
        whole = any(report.turn is None for report in reports)
        turns = {turn for flag in flags for turn in flag.turns}
        turns |= {report.turn for report in reports if report.turn is not None}
        if whole:
            turns = set(range(self._vault.find_ended(name).turns))
        severities = [flag.severity for flag in flags]
        severities += [SEVERITY_OF[report.because] for report in reports]
        categories = {flag.category for flag in flags}
        categories |= {FlagCategory(report.because.value) for report in reports}
        return QueueItem(
            conversation=name,
            turns=tuple(sorted(turns)),
            whole=whole,
            categories=tuple(sorted(categories)),
            severity=max(severities, key=_RANK.__getitem__),
            origins=(*([Origin.CLASSIFIER] * bool(flags)), *([Origin.PERSON] * bool(reports))),
            first=min(moments),
            last=last,
            cases=tuple(one.id for one in live),
        )
