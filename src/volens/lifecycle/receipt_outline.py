"""What a receipt shows to people, before it becomes a page, a paper or a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from volens.core.time import format_moment
from volens.holds.erasure import ErasureState
from volens.lifecycle import receipt_words as words
from volens.lifecycle.receipt import Shown
from volens.lifecycle.receipt_form import ErasureReceipt
from volens.log.kinds import EntryKind

_UNTIL_MINUTES = len("2026-01-31T09:30:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline, or one step in a store."""

    label: str
    at: datetime | None
    """None: it has not happened yet."""
    note: str
    """What shows it, or how it was done."""

    @property
    def iso(self) -> str:
        """The moment as machines read it; empty if it has not happened."""
        return format_moment(self.at) if self.at else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A receipt in words; every form shows all of it."""

    language: str
    direction: str
    """``ltr`` or ``rtl``."""
    title: str
    lead: str
    """Where it stands, in one or two sentences."""
    warning: str
    """That it is late; else empty."""
    facts: tuple[tuple[str, str], ...]
    timeline: tuple[Moment, ...]
    steps: tuple[Moment, ...]
    method: tuple[str, ...]
    """How it is erased, in paragraphs; none if it is not."""
    checking: tuple[str, str, str]
    """Before the command, the command, and after it."""
    checkpoint: str
    """The signed note that the last entry was proven under."""
    name: str
    """What its files are called, without an ending."""
    subject_line: str
    """What a message with it is headed."""


def outline(shown: Shown, *, language: str = words.FALLBACK) -> Outline:
    """Say in words what a receipt that holds shows.

    Args:
        shown: what `verify_receipt` returned.
        language: a language tag; English if there are no words in it.
    """
    receipt = shown.receipt
    language = words.language_for(language)
    means = [words.MEANS[language]]
    if receipt.state is ErasureState.CANCELLED:
        means = []
    elif not receipt.done:
        means.append(words.KEPT[language])
    name = file_name(receipt)
    return Outline(
        language=language,
        direction=words.LANGUAGES[language],
        title=words.TITLE[receipt.kind.value][language],
        lead=words.STATE[receipt.state][language],
        warning=words.LATE[language] if is_late(receipt) else "",
        facts=tuple(_facts(receipt, language)),
        timeline=tuple(_timeline(receipt, language)),
        steps=tuple(_steps(receipt, language)),
        method=tuple(means),
        checking=(
            words.CHECKING[language],
            f"volens verify {name}.json --key VKEY",
            words.PROVES[language],
        ),
        checkpoint=shown.note,
        name=name,
        subject_line=f"{words.SUBJECT_LINE[receipt.kind.value][language]} {receipt.reference}",
    )


def is_late(receipt: ErasureReceipt) -> bool:
    """Say whether it was promised earlier than it was done, or is overdue."""
    if receipt.state is ErasureState.CANCELLED:
        return False
    return (receipt.times.irrecoverable or receipt.issued) > receipt.promised_by


def file_name(receipt: ErasureReceipt) -> str:
    """Return what its files are called, without an ending."""
    return f"{receipt.reference}.{receipt.kind.value}"


def label(name: str, language: str) -> str:
    """Return one of the fixed labels."""
    return words.LABEL[name][language]


def readable(moment: datetime) -> str:
    """Write a moment for people: to the second, UTC."""
    return format_moment(moment)[:_UNTIL_MINUTES].replace("T", " ")


def _facts(receipt: ErasureReceipt, language: str) -> list[tuple[str, str]]:
    facts = [
        ("reference", receipt.reference),
        ("scope", words.SCOPE[receipt.scope][language]),
        ("cause", words.CAUSE[receipt.cause][language]),
    ]
    if receipt.conversations:
        facts.append(("conversations", ", ".join(receipt.conversations)))
    facts += [
        ("promised_by", f"{readable(receipt.promised_by)} UTC"),
        ("issued", f"{readable(receipt.issued)} UTC"),
        ("contact", receipt.contact),
        ("controller", receipt.controller),
    ]
    return [(label(name, language), value) for name, value in facts]


def _timeline(receipt: ErasureReceipt, language: str) -> list[Moment]:
    times = receipt.times
    stated = label("stated", language)
    places = {one.step.kind: one.step.index for one in receipt.logged}

    def proven(kind: EntryKind) -> str:
        return f"{label('entry', language)} {places[kind]}" if kind in places else ""

    rows: list[tuple[str, datetime | None, str]] = [
        ("requested", times.requested, proven(EntryKind.ERASURE_REQUESTED)),
        ("access_ended", times.access_ended, stated),
    ]
    if times.cancelled is not None:
        rows.append(("cancelled", times.cancelled, proven(EntryKind.ERASURE_CANCELLED)))
    else:
        if times.keys_removed is None:
            rows.append(("cool_off_ends", times.cool_off_ends, stated))
        if times.held_until is not None:
            rows.append(("held_until", times.held_until, stated))
        rows += [
            ("keys_removed", times.keys_removed, proven(EntryKind.ERASURE_KEYS_REMOVED)),
            ("irrecoverable", times.irrecoverable, proven(EntryKind.ERASURE_IRRECOVERABLE)),
        ]
    return [Moment(label=label(name, language), at=at, note=note) for name, at, note in rows]


def _steps(receipt: ErasureReceipt, language: str) -> list[Moment]:
    return [
        Moment(
            label=_said(words.STORE, step.store, language),
            at=step.at,
            note=_said(words.METHOD, step.method, language),
        )
        for step in receipt.steps
    ]


def _said(vocabulary: Mapping[str, words.Text], word: str, language: str) -> str:
    found = vocabulary.get(word)
    return found[language] if found else word.replace("_", " ")
