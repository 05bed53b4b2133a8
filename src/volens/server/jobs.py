"""What happens by itself while a home is served (R36): nobody has to remember it.

    publish    what was logged is under a signed checkpoint within a second
    drain      what was journaled beside the owner is in the log and the tables
    retention  what is due goes, once a day; what was missed is caught up with
    requests   people's requests that are answered by now are closed
    audit      every invariant is checked, in the rhythm of the home's region
    safety     leases and cases whose time is over end, people are told of looks they may know of
    webhooks   other systems are told of changes of choices
    backup     a copy a day, where a folder is named for it
    witness    known witnesses cosign, so that the clock can be trusted
    receipts   who gave an address is told how far an erasure is

Each is tried again when it fails, and none stops another (`runner`). What takes long is done in
steps, with other acts between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from volens.app.auditing import evidence_of
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.impact import look, trained_on
from volens.app.mailing import Letter, deliver, note_delivered, waiting_letters, write_letter
from volens.app.retention import clock_of, late_in, retention_of
from volens.app.rights import rights_desk
from volens.app.safety import safety_of
from volens.app.thread import HomeThread, Steps
from volens.app.witnesses import Remembered, remember, remembered
from volens.audit.model import Report
from volens.audit.register import overdue_since
from volens.audit.report import sign_report
from volens.audit.run import every_days, run_audit
from volens.core.errors import VolensError
from volens.core.ids import ErasureId
from volens.core.time import parse_moment
from volens.lifecycle.retention import RetentionRun
from volens.lifecycle.trusted_time import Judgement
from volens.log.note import parse_vkey
from volens.log.witness_http import submit
from volens.server.backups import back_up, last_backup
from volens.server.runner import WELL, Found, Job
from volens.server.schedule import Rhythm

MOST_ERASED: Final = 100
"""How many erasures one step does: so long others wait at most."""
_SECOND: Final = timedelta(seconds=1)
_AGAIN: Final = timedelta(hours=1)
"""After so long what alarms is looked at again."""
RHYTHMS: Final[Mapping[str, Rhythm]] = {
    "publish": Rhythm(every=_SECOND / 5, late_after=timedelta(seconds=10)),
    "drain": Rhythm(every=_SECOND / 5, late_after=timedelta(minutes=1)),
    "retention": Rhythm(every=timedelta(days=1), late_after=timedelta(hours=36)),
    "backup": Rhythm(every=timedelta(days=1), late_after=timedelta(hours=36)),
    "requests": Rhythm(every=timedelta(hours=1), late_after=timedelta(hours=6)),
    "witness": Rhythm(every=timedelta(hours=1), late_after=timedelta(days=2)),
    "receipts": Rhythm(every=timedelta(minutes=1), late_after=timedelta(hours=1)),
    "impact": Rhythm(every=timedelta(minutes=1), late_after=timedelta(hours=1)),
    "safety": Rhythm(every=timedelta(seconds=10), late_after=timedelta(minutes=5)),
    "webhooks": Rhythm(every=timedelta(seconds=1), late_after=timedelta(minutes=15)),
    "watch": Rhythm(every=timedelta(minutes=1), late_after=timedelta(hours=1)),
}
_AUDIT_EARLY: Final = timedelta(days=1)
"""So much before it would be overdue an audit is made."""


async def _nothing() -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was found overdue when it was last looked at."""

    erasures: int = 0
    requests: int = 0
    audit: bool = False
    clock_paused: str = ""

    @property
    def alarms(self) -> list[str]:
        """What somebody has to look at, as words."""
        return [
            *(["erasures_overdue"] if self.erasures else []),
            *(["requests_overdue"] if self.requests else []),
            *(["audit_overdue"] if self.audit else []),
            *([f"clock_paused:{self.clock_paused}"] if self.clock_paused else []),
        ]


class Jobs:
    """The work of each job on one home."""

    def __init__(
        self,
        thread: HomeThread,
        *,
        home: Home,
        environment: Mapping[str, str],
        deliver_webhooks: Callable[[], Awaitable[object]] = _nothing,
        witnesses: Sequence[Remembered] = (),
        backups: Path | None = None,
        lag: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """Use a home that `thread` owns.

        Args:
            thread: where acts run.
            home: that home, of which only what is safe in any thread is used here: its log, the
                stamps of its journals, its clock.
            environment: where the mail server is named.
            deliver_webhooks: tells webhooks what they have not been told yet.
            witnesses: whom to ask besides those that cosigned before.
            backups: where a backup is made each day; None: nowhere.
            lag: told at each publication how long the oldest entry waited for it, in seconds.
        """
        self._thread = thread
        self._log = home.owned_log()
        self._ledger, self._erasures = home.ledger, home.erasures
        self.clock = home.clock
        self._lag = lag
        self._deliver = deliver_webhooks
        self._backups = backups
        self._environment = environment
        self._witnesses = tuple(witnesses)
        self._stamps: object = None
        self._unpublished: float | None = None
        self._looked: tuple[bytes, ...] | None = None
        self.watched = Watched()
        self.log_failed = False
        """Whether the log refuses everything until the home is opened anew."""

    def listed(self) -> list[Job]:
        """Return all jobs, each with the moment at which it was last done."""
        retention, audit, days = self._thread.run_here(_last_done)
        early = timedelta(days=days) - _AUDIT_EARLY
        now = self.clock.now()
        works = {
            "publish": self.publish,
            "drain": self.drain,
            "witness": self.cosign,
            "requests": self.settle_requests,
            "receipts": self.mail,
            "impact": self.look_at_models,
            "safety": self.end_leases,
            "webhooks": self.tell_others,
            "watch": self.watch,
        }
        jobs = [
            Job(name=name, rhythm=RHYTHMS[name], work=work, since=now - RHYTHMS[name].every)
            for name, work in works.items()
        ]
        jobs.append(
            Job(
                name="retention",
                rhythm=RHYTHMS["retention"],
                work=self.retain,
                since=retention,
            )
        )
        if self._backups is not None:
            made = last_backup(self._backups) or now - RHYTHMS["backup"].every
            jobs.append(Job(name="backup", rhythm=RHYTHMS["backup"], work=self.back_up, since=made))
        rhythm = Rhythm(every=early, late_after=timedelta(days=days))
        jobs.append(Job(name="audit", rhythm=rhythm, work=self.audit, since=audit))
        return jobs

    async def publish(self) -> Found:
        """Put what was logged under a checkpoint. It needs no turn in the home's thread."""
        loop = asyncio.get_running_loop()
        if self._log.size == self._log.published_size:
            self._unpublished = None
            return WELL
        begun = loop.time() if self._unpublished is None else self._unpublished
        try:
            await asyncio.to_thread(self._log.publish)
        except VolensError as error:
            self.log_failed = error.code == "log_failed"
            raise
        self._unpublished = None
        self._lag(loop.time() - begun)
        return WELL

    def look_at_log(self) -> None:
        """Note since when an entry waits for its checkpoint; called often."""
        if self._unpublished is None and self._log.size != self._log.published_size:
            self._unpublished = asyncio.get_running_loop().time()

    async def drain(self) -> Found:
        """Take in what was journaled, if anything was."""
        stamps = await asyncio.to_thread(self._journal_stamps)
        if stamps != self._stamps:
            await self._thread.run(_drain)
            self._stamps = await asyncio.to_thread(self._journal_stamps)
        return WELL

    async def retain(self) -> Found:
        """Let go what is due, in steps; witnesses are asked first, so that the clock counts."""
        with suppress(VolensError):  # it alarms by itself; a leap pauses destruction without it
            await self.cosign()
        run = await self._thread.run_steps(_retain)
        self._looked = None  # a yes may have run out
        await self.settle_requests()
        await self._thread.run_steps(_compact)
        await self.watch()
        if run.paused:
            return Found(alarm=f"clock_paused:{run.paused.value}", again=_AGAIN)
        return Found(again=_AGAIN) if run.overdue else WELL

    async def settle_requests(self) -> Found:
        """Close the requests of people that are answered by now."""
        await self._thread.run(lambda home: len(rights_desk(home).settle()))
        return WELL

    async def audit(self) -> Found:
        """Check every invariant, sign and keep the report.

        It is looked at beside the owner first. What does not hold then may be an act that was just
        being done: so all of it is looked at once more with the home held, and that counts.
        """
        report = await self._thread.aside(_audited)
        if report.failed:
            report = await self._thread.run(_audited)
        await self._thread.run(partial(_keep, report))
        return Found(alarm="audit_failed" if report.failed else "")

    async def back_up(self) -> Found:
        """Make a backup, and remove those that can't be restored any more."""
        folder = self._backups
        assert folder is not None
        await self._thread.run(lambda home: back_up(home, folder))
        return WELL

    async def end_leases(self) -> Found:
        """End leases and cases whose time is over, and do what follows from that."""
        await self._thread.run(lambda home: safety_of(home).run(home.clock.now()))
        return WELL

    async def look_at_models(self) -> Found:
        """Open impact cases for what may not be used any more, if anything changed."""
        changed = await self._thread.run(trained_on)
        if changed != self._looked:
            await self._thread.run(look)
            self._looked = changed
        return WELL

    async def tell_others(self) -> Found:
        """Tell webhooks what they have not been told; one that fails is tried again by itself."""
        await self._deliver()
        return WELL

    async def cosign(self) -> Found:
        """Have every known witness cosign; the network is waited for outside the home's thread."""
        folder = await self._thread.run(lambda home: home.folder)
        known = {one.vkey: one for one in (*self._witnesses, *remembered(folder))}
        trouble: VolensError | None = None
        for one in known.values():
            try:
                signed = await asyncio.to_thread(self._ask, one)
            except VolensError as error:
                trouble = error  # the others are asked all the same
                continue
            await self._thread.run(partial(_remember, signed))
        if trouble is not None:
            raise trouble
        return WELL

    async def mail(self) -> Found:
        """Send what people with an address have not been told yet; then forget the address."""
        trouble: VolensError | None = None
        for name in await self._thread.run(waiting_letters):
            try:
                letter = await self._thread.run(partial(self._write, name))
                if letter is None:
                    continue
                await asyncio.to_thread(deliver, letter, self._environment)
                await self._thread.run(partial(_note, letter))
            except VolensError as error:
                trouble = error
        if trouble is not None:
            raise trouble
        return WELL

    async def watch(self) -> Found:
        """Look what is overdue."""
        self.watched = await self._thread.run(_watch)
        return WELL

    def _write(self, name: ErasureId, home: Home) -> Letter | None:
        return write_letter(home, name, self._environment)

    def _ask(self, witness: Remembered) -> Remembered:
        self._log.publish()
        submit(self._log, witness.url, parse_vkey(witness.vkey))
        note = self._log.checkpoint.decode("utf-8")
        return Remembered(vkey=witness.vkey, url=witness.url, note=note)

    def _journal_stamps(self) -> object:
        return (self._ledger.stamp(), self._erasures.stamp())


def _last_done(home: Home) -> tuple[datetime, datetime, int]:
    state = clock_of(home).state()
    last = home.audits.last()
    audited = parse_moment(home.identity.created) if last is None else last.at
    return state.seen, audited, every_days(home.policy, home.identity.region)


def _remember(witness: Remembered, home: Home) -> None:
    remember(home.folder, witness)


def _note(letter: Letter, home: Home) -> None:
    note_delivered(home, letter)


def _drain(home: Home) -> None:
    for drain in home.drains().values():
        drain()


def _retain(home: Home) -> Steps[RetentionRun]:
    run = retention_of(home, eraser_of(home))
    return run.steps(home.clock.now(), most=MOST_ERASED)


def _compact(home: Home) -> Steps[None]:
    for number in list(home.removal.scattered()):
        yield
        home.removal.compact(home.subjects.by_number(number))


def _audited(home: Home) -> Report:
    return run_audit(evidence_of(home), clock=home.clock)


def _keep(report: Report, home: Home) -> None:
    home.audits.keep(report, sign_report(report, home.signer))


def _watch(home: Home) -> Watched:
    now = home.clock.now()
    judged: Judgement = clock_of(home).look(now)
    last = home.audits.last()
    overdue = overdue_since(
        None if last is None else last.at,
        parse_moment(home.identity.created),
        every_days(home.policy, home.identity.region),
        now,
    )
    return Watched(
        erasures=len(late_in(home, judged)),
        requests=sum(place.late for place in rights_desk(home).queue()),
        audit=overdue is not None,
        clock_paused=judged.paused.value if judged.paused else "",
    )
