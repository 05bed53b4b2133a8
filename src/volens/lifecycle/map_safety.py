"""The erasure map of flags, cases, views and notices."""

from __future__ import annotations

from typing import Final

from volens.lifecycle.map_rows import MapRow, Method, When, table_rows

_STORE = "safety"
_LOG_INDEX = "where in the log"
SAFETY_ROWS: Final[tuple[MapRow, ...]] = (
    *table_rows(
        "main.db flag",
        _STORE,
        Method.ROW_DELETED,
        When.CONVERSATION,
        {
            "no": "number of the flag",
            "id": "its random id",
            "subject_no": "number of the account",
            "conversation_no": "number of the flagged chat",
            "turns": "which turns",
            "category": "what a classifier saw: a word of a list",
            "severity": "how bad it looked: a word of a list",
            "classifier": "which classifier",
            "raised_ms": "when",
            "log_index": _LOG_INDEX,
            "salt": "opens that entry",
        },
    ),
    *table_rows(
        "main.db exception_case",
        _STORE,
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "no": "number of the case",
            "id": "its random id",
            "subject": "about whose turns it was",
            "exception": "class of the exception",
            "reason": "why: a word of a list",
            "record": "what was checked: words of lists and docket numbers",
            "legal_basis": "on which legal basis",
            "two_persons": "whether two persons were needed",
            "policy": "under which policy",
            "opener": "staff account that asked",
            "approver": "staff account that approved",
            "ended_by": "staff account that ended it",
            "asked_ms": "when it was asked for",
            "closes_ms": "when it ends by itself",
            "most_ms": "for how long it was asked",
            "gag_until_ms": "before when the person is not told",
            "gag_authority": "docket of who ordered that",
            "opened_ms": "when it was opened",
            "ended_ms": "when it ended",
            "ended": "how it ended",
            "told_ms": "when the person was told",
        },
    ),
    *table_rows(
        "main.db exception_turns",
        _STORE,
        Method.ROW_DELETED,
        When.CONVERSATION,
        {
            "conversation": "which chat a case names",
            "case_no": "number of the case",
            "turns": "which turns",
        },
    ),
    *table_rows(
        "main.db exception_act",
        _STORE,
        Method.ROW_DELETED,
        When.CONVERSATION,
        {
            "no": "order of the acts",
            "case_no": "number of the case",
            "act": "what was done",
            "at_ms": "when",
            "body": "the case after it",
            "log_index": _LOG_INDEX,
            "salt": "opens that entry",
        },
    ),
    *table_rows(
        "main.db lease",
        _STORE,
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "no": "number of the view",
            "case_no": "under which case",
            "subject_no": "number of the account",
            "account": "staff account that looked",
            "role": "in which role",
            "began_ms": "from when",
            "ends_ms": "until when at most",
            "ended_ms": "when it ended",
            "log_index": _LOG_INDEX,
            "told": "whether the person can open that entry",
        },
    ),
    *table_rows(
        "main.db lease",
        _STORE,
        Method.VALUE_CLEARED,
        When.CONVERSATION,
        {
            "conversation": "which chat was looked at",
            "turns": "which turns",
            "salt": "opens that entry",
        },
    ),
    *table_rows(
        "main.db exception_notice",
        _STORE,
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "case_no": "of which case the person was told",
            "subject_no": "number of the account",
            "told_ms": "when",
            "answer_by_ms": "until when they may answer",
            "answer": "what they answered",
            "answered_ms": "when",
            "erased_ms": "when what the case kept was erased",
            "log_index": _LOG_INDEX,
            "salt": "opens that entry",
        },
    ),
)
