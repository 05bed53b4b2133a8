"""Holds as values: who keeps what from being erased, on whose authority, until when.

A hold never permits a use: it keeps bytes. All moments are whole milliseconds. A hold ends by
itself *at* its end, not after it, and so does its gag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from volens.core.canonical import Json, canonical_json
from volens.core.errors import InvalidInput
from volens.core.ids import ConversationId, HoldId, IdKind, SubjectId, parse_id
from volens.core.time import format_moment, parse_moment
from volens.log.kinds import HoldClass, HoldEnd

VERSION = 1
SAFETY_MOST = timedelta(days=365)
"""The longest that turns are kept for a safety review, extensions included (R35, R41)."""
LEGAL_STEP = timedelta(days=3653)
"""How far ahead a legal hold's end may be set at a time: an end nobody lives to see is none."""
REVIEW_EVERY = timedelta(days=90)
"""How long a safety hold may go without somebody looking whether it is still needed."""
MAX_CONVERSATIONS = 10_000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold. There is none without an end.

    Raises:
        InvalidInput: ``hold_scope``, ``hold_word``, ``hold_end``, ``hold_too_long``, ``hold_gag``,
            ``hold_release``, ``id_form`` or ``naive_time``: what does not fit together is no hold.
    """

    id: HoldId
    hold_class: HoldClass
    subject: SubjectId
    conversations: Mapping[ConversationId, tuple[int, ...]] = field(default_factory=dict)
    """Which conversations, and which of their turns (by index from 0, rising; empty: all of them).
    Always named one by one: no hold covers an account as such."""
    authority: str
    """A short plain word or docket number, never a person's name."""
    reviewer: str
    """The role and number of who reviews it, never a person's name."""
    placed: datetime
    until: datetime
    gag_until: datetime | None = None
    """The person is not told before this moment; None: they are told."""
    counted_from: datetime | None = None
    """From when the days of a safety hold count, if from before its placing: it follows another on
    the same turns. None: from its placing."""
    reviewed: datetime | None = None
    """When somebody last found that it is still needed; None: not since its placing."""
    released: datetime | None = None
    """When it was ended before its time."""
    end: HoldEnd | None = None
    """Why it ended, once that is in the log; one whose time is over keeps nothing all the same."""

    def __post_init__(self) -> None:
        """Bring moments and scope into their one form, and refuse what does not fit together."""
        parse_id(IdKind.HOLD, self.id)
        parse_id(IdKind.SUBJECT, self.subject)
        _check_word("authority", self.authority)
        _check_word("reviewer", self.reviewer)
        object.__setattr__(self, "conversations", _scope(self.conversations))
        for name in ("placed", "until", "gag_until", "counted_from", "reviewed", "released"):
            moment = getattr(self, name)
            if moment is not None:
                object.__setattr__(self, name, parse_moment(format_moment(moment)))
        self._check_end()
        self._check_gag()
        if (self.released is not None) != (self.end is HoldEnd.RELEASED):
            raise InvalidInput("hold_release", f"the hold {self.id} is half released")

    @property
    def first_day(self) -> datetime:
        """Return the moment from which its days count."""
        return self.counted_from or self.placed

    def in_force(self, at: datetime) -> bool:
        """Say whether it keeps anything at `at`.

        The moment of its placing is not asked for, so that a clock that was set back loosens no
        hold; nor does one bring back a hold whose end is in the log.
        """
        return self.end is None and at < self.until

    def told(self, at: datetime) -> bool:
        """Say whether the person may know of it at `at`; once it is over there is no gag left."""
        gagged = self.gag_until is not None and at < self.gag_until
        return not (gagged and self.in_force(at))

    def review_due(self, at: datetime, every: timedelta = REVIEW_EVERY) -> bool:
        """Say whether, at `at`, somebody has to look again whether it is still needed."""
        if self.hold_class is not HoldClass.SAFETY or not self.in_force(at):
            return False
        return at >= (self.reviewed or self.placed) + every

    def _check_end(self) -> None:
        if self.until <= self.placed:
            hint = "every hold has an end, later than its placing"
            raise InvalidInput("hold_end", f"the hold {self.id} ends before it begins", hint=hint)
        if self.first_day > self.placed:
            raise InvalidInput("hold_end", f"the days of {self.id} count from after its placing")
        if self.hold_class is HoldClass.SAFETY and self.until - self.first_day > SAFETY_MOST:
            raise _too_long("a safety hold", self.first_day, SAFETY_MOST)

    def _check_gag(self) -> None:
        if self.gag_until is not None and not self.placed < self.gag_until <= self.until:
            hint = f"name a moment after its placing, at most {format_moment(self.until)}"
            raise InvalidInput("hold_gag", "a gag ends with its hold or before", hint=hint)


def check_new(hold: Hold, at: datetime) -> None:
    """Pass if `hold` may be placed at `at`.

    Raises:
        InvalidInput: ``hold_placed`` if it claims to be placed later, or is ended; ``hold_over`` if
            its time is over; ``hold_too_long``.
    """
    if hold.placed > at or hold.end is not None or hold.reviewed is not None:
        raise InvalidInput("hold_placed", f"{hold.id} is not a hold that is placed now")
    if hold.until <= at:
        hint = "name an end that is to come"
        raise InvalidInput("hold_over", f"the time of {hold.id} is over already", hint=hint)
    _check_step(hold, at)


def extend_hold(
    hold: Hold, at: datetime, *, until: datetime | None = None, gag_until: datetime | None = None
) -> Hold:
    """Return `hold` with a later end, another end of its gag, or both.

    A gag may be cut short, or prolonged while it lasts; what the person was told stays told.

    Args:
        hold: one that is in force.
        at: now.
        until: the new end; the old one again changes nothing.
        gag_until: the new end of the gag; later than now.

    Raises:
        InvalidInput: ``hold_over``, ``hold_not_longer``, ``hold_too_long`` or ``hold_gag``.
    """
    _check_in_force(hold, at)
    if until is not None and until < hold.until:
        hint = "volens hold release ends one before its time"
        raise InvalidInput("hold_not_longer", "an extension ends later, not sooner", hint=hint)
    if gag_until is not None and gag_until != hold.gag_until:
        if hold.told(at):
            hint = "a new order is a new hold"
            raise InvalidInput("hold_gag", "the person may know of this hold already", hint=hint)
        if gag_until <= at:
            raise InvalidInput("hold_gag", "a gag ends at a moment to come")
    longer = replace(hold, until=until or hold.until, gag_until=gag_until or hold.gag_until)
    if longer.until != hold.until:
        _check_step(longer, at)
    return longer


def review_hold(hold: Hold, at: datetime, reviewer: str) -> Hold:
    """Return `hold` as found still needed at `at`; its end stays where it is.

    Raises:
        InvalidInput: ``hold_over`` or ``hold_word``.
    """
    _check_in_force(hold, at)
    return replace(hold, reviewed=at, reviewer=reviewer)


def end_hold(hold: Hold, at: datetime) -> Hold:
    """Return `hold` as ended: released if it was in force at `at`, else expired by itself."""
    if hold.end is not None:
        return hold
    if at >= hold.until:
        return replace(hold, end=HoldEnd.EXPIRED)
    return replace(hold, released=max(at, hold.placed), end=HoldEnd.RELEASED)


def encode_hold(hold: Hold) -> bytes:
    """Write a hold as canonical JSON (docs/formats/holds.md): what log entries commit to."""
    scope: dict[str, Json] = {name: [*turns] for name, turns in hold.conversations.items()}
    moments: dict[str, Json] = {
        name: None if moment is None else format_moment(moment)
        for name, moment in (
            ("placed", hold.placed),
            ("until", hold.until),
            ("gag_until", hold.gag_until),
            ("counted_from", hold.counted_from),
            ("reviewed", hold.reviewed),
            ("released", hold.released),
        )
    }
    return canonical_json(
        {
            "v": VERSION,
            "id": hold.id,
            "class": hold.hold_class.value,
            "subject": hold.subject,
            "conversations": scope,
            "authority": hold.authority,
            "reviewer": hold.reviewer,
            "end": None if hold.end is None else hold.end.value,
            **moments,
        }
    )


def _check_in_force(hold: Hold, at: datetime) -> None:
    if not hold.in_force(at):
        hint = "what it kept may be going already; a new hold keeps what is still there"
        raise InvalidInput("hold_over", f"the hold {hold.id} is over", hint=hint)


def _check_step(hold: Hold, at: datetime) -> None:
    if hold.until > at + LEGAL_STEP:  # a safety hold has a nearer bound
        raise _too_long("a legal hold", at, LEGAL_STEP)


def _too_long(what: str, first: datetime, most: timedelta) -> InvalidInput:
    hint = f"at most until {format_moment(first + most)}"
    return InvalidInput("hold_too_long", f"{what} ends within {most.days:,} days", hint=hint)


def _check_word(what: str, word: str) -> None:
    if not _WORD.fullmatch(word):
        hint = "a docket number, or a role and number: letters, digits and . _ : / -, at most 64"
        raise InvalidInput("hold_word", f"not a word for {what}: {word[:40]!r}", hint=hint)


def _scope(
    conversations: Mapping[ConversationId, tuple[int, ...]],
) -> Mapping[ConversationId, tuple[int, ...]]:
    if not 0 < len(conversations) <= MAX_CONVERSATIONS:
        hint = f"name from 1 to {MAX_CONVERSATIONS:,}, one by one"
        raise InvalidInput("hold_scope", "a hold names its conversations", hint=hint)
    for name, turns in conversations.items():
        parse_id(IdKind.CONVERSATION, name)
        if any(type(turn) is not int or turn < 0 for turn in turns):
            raise InvalidInput("hold_scope", f"turns of {name} are named by index, from 0")
    return MappingProxyType(
        {name: tuple(sorted(set(conversations[name]))) for name in sorted(conversations)}
    )
