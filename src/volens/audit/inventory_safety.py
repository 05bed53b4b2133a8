"""The field inventory of flags, cases, views and notices: data, written by hand."""

from __future__ import annotations

from volens.audit.inventory_model import (
    CHAT,
    NUMBER,
    OPENS,
    PLACE,
    RANDOM,
    TableClass,
    rows_of,
)

_BASIS = "the legal basis of the class (Art. 6(1)(c), (d) or (f)); on each case"
_KEPT = "while the account exists; what it named goes when the person says so, or is silent"
_STAFF = "whoever is on the case, the privacy officer; the person unless a gag applies"

SAFETY: tuple[TableClass, ...] = (
    TableClass(
        name="flag",
        quiet=True,
        held=rows_of(
            {
                "no": NUMBER,
                "id": ("id of a flag", "names it", RANDOM),
                "subject_no": ("whose chat", "it goes with the account"),
                "conversation_no": ("which chat", "finds what was flagged"),
                "turns": ("which turns", "no others are reviewed"),
                "category": ("what a classifier saw: a word of a list", "decides who looks"),
                "severity": ("how bad: a word of a list", "decides how soon"),
                "classifier": ("which classifier", "its mistakes can be found"),
                "raised_ms": ("when", "order"),
                "log_index": PLACE,
                "salt": OPENS,
            },
            basis="legitimate interest (Art. 6(1)(f)): basic safety; with a right to object",
            kept=CHAT,
            seen_by="trust and safety, without whose it is",
        ),
    ),
    TableClass(
        name="exception_case",
        quiet=True,
        held=rows_of(
            {
                "no": NUMBER,
                "id": ("id of a case", "names it", RANDOM),
                "subject": ("about whose turns", "the person is told"),
                "exception": ("class of the exception", "its terms apply"),
                "reason": ("why: a word of a list", "no case without a reason"),
                "record": ("what was checked: words of lists, dockets", "shows it was lawful"),
                "legal_basis": ("the legal basis", "the person is told"),
                "two_persons": ("whether it takes two persons", "it does not open without"),
                "policy": ("policy it was asked under", "shows it was lawful"),
                "opener": ("staff account that asked", "who did it can be found"),
                "approver": ("staff account that approved", "who did it can be found"),
                "ended_by": ("staff account that ended it", "who did it can be found"),
                "asked_ms": ("when it was asked for", "its days are counted"),
                "closes_ms": ("when it ends by itself", "no case without an end"),
                "most_ms": ("for how long it was asked", "no case without an end"),
                "gag_until_ms": ("before when the person is not told", "a gag ends too"),
                "gag_authority": ("docket of who ordered that", "no gag without an order"),
                "opened_ms": ("when it was opened", "its days are counted"),
                "ended_ms": ("when it ended", "nothing opens any more"),
                "ended": ("how it ended", "nothing opens any more"),
                "told_ms": ("when the person was told", "told once, and not too late"),
            },
            basis=_BASIS,
            kept=_KEPT,
            seen_by=_STAFF,
        ),
    ),
    TableClass(
        name="exception_turns",
        quiet=True,
        held=rows_of(
            {
                "conversation": ("which chat a case names", "opens no more than that"),
                "case_no": ("which case", "opens no more than that"),
                "turns": ("which turns", "opens no more than that"),
            },
            basis=_BASIS,
            kept=_KEPT,
            seen_by=_STAFF,
        ),
    ),
    TableClass(
        name="exception_act",
        quiet=True,
        held=rows_of(
            {
                "no": NUMBER,
                "case_no": ("which case", "shows what was done when"),
                "act": ("asked, approved, ended, told", "shows what was done when"),
                "at_ms": ("when", "shows what was done when"),
                "body": ("the case after it", "opens the entry"),
                "log_index": PLACE,
                "salt": OPENS,
            },
            basis=_BASIS,
            kept=_KEPT,
            seen_by=_STAFF,
        ),
    ),
    TableClass(
        name="lease",
        quiet=True,
        held=rows_of(
            {
                "no": NUMBER,
                "case_no": ("under which case", "the person is told"),
                "subject_no": ("whose turns", "the person is told"),
                "conversation": ("which chat was looked at", "the person is told"),
                "turns": ("which turns", "the person is told"),
                "account": ("staff account that looked", "who did it can be found"),
                "role": ("in which role", "the person is told"),
                "began_ms": ("from when", "how long it was viewed is logged"),
                "ends_ms": ("until when at most", "nothing stays on a screen for long"),
                "ended_ms": ("when it ended", "how long it was viewed is logged"),
                "log_index": PLACE,
                "salt": OPENS,
                "told": ("whether the person can open the entry", "a gag ends too"),
            },
            basis=_BASIS,
            kept=_KEPT,
            seen_by=_STAFF,
        ),
    ),
    TableClass(
        name="exception_notice",
        counted_by="subject_no",
        held=rows_of(
            {
                "case_no": ("of which case they were told", "shows it to them"),
                "subject_no": ("who was told", "shows it to them"),
                "told_ms": ("when", "told once, and not too late"),
                "answer_by_ms": ("until when they may answer", "no answer erases"),
                "answer": ("keep, erase, or silence", "does what they said"),
                "answered_ms": ("when", "does what they said"),
                "erased_ms": ("when it was erased", "shows that it was done"),
                "log_index": PLACE,
                "salt": OPENS,
            },
            basis="legal obligation (Art. 5(1)(a), 12-14): telling the person",
            kept="while the account exists; erased with it",
            seen_by="the person; the privacy officer",
        ),
    ),
)
