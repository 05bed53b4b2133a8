"""The erasure map of sign-in: accounts, sessions, second factors, tokens."""

from __future__ import annotations

from typing import Final

from volens.lifecycle.map_rows import MapRow, Method, When, table_rows

ACCESS_ROWS: Final[tuple[MapRow, ...]] = (
    *table_rows(
        "main.db account",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "no": "number of the sign-in account",
            "id": "its random id",
            "subject": "whose account it is",
            "name_digest": "finds the sign-in name; keyed",
            "name_sealed": "a member of staff's sign-in name, encrypted",
            "password": "argon2id hash of the password",
            "organisation": "whose administrator this is",
            "created_ms": "since when",
            "ended_ms": "when it ended",
            "log_index": "where in the log",
            "salt": "opens that entry",
        },
    ),
    *table_rows(
        "main.db account_role",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "no": "order of the roles",
            "account_no": "number of the sign-in account",
            "role": "role of a member of staff",
            "given_ms": "since when",
            "until_ms": "until when",
            "log_index": "where in the log",
            "salt": "opens that entry",
        },
    ),
    *table_rows(
        "main.db session",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "digest": "hash of what the browser holds",
            "account_no": "number of the sign-in account",
            "subject": "who is signed in",
            "kind": "whole, half or embedded",
            "created_ms": "since when",
            "seen_ms": "when it was last used",
            "ends_ms": "when it ends",
            "stepped_up_until_ms": "until when a second proof counts",
        },
    ),
    *table_rows(
        "main.db passkey",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "credential": "the passkey's id",
            "account_no": "number of the sign-in account",
            "public_key": "checks its signatures",
            "sign_count": "how often it signed",
            "created_ms": "since when",
            "used_ms": "when it was last used",
        },
    ),
    *table_rows(
        "main.db totp",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "account_no": "number of the sign-in account",
            "sealed": "the secret of one-time codes, encrypted",
            "last_step": "which code was used last",
            "confirmed_ms": "since when it counts",
        },
    ),
    *table_rows(
        "main.db recovery_code",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "digest": "keyed digest of a recovery code",
            "account_no": "number of the sign-in account",
        },
    ),
    *table_rows(
        "main.db challenge",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "digest": "hash of what the browser holds",
            "purpose": "what was asked of the browser",
            "account_no": "number of the sign-in account",
            "value": "what was asked, random",
            "ends_ms": "when it ends",
        },
    ),
    *table_rows(
        "main.db embed_token",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "digest": "hash of the token",
            "subject": "whom it is for",
            "token_no": "number of the API token that asked for it",
            "ends_ms": "when it ends",
        },
    ),
    *table_rows(
        "main.db login_failure",
        "access",
        Method.ROW_DELETED,
        When.ACCOUNT,
        {
            "who": "keyed digest of a sign-in name",
            "source": "keyed digest of a network or a known browser",
            "count": "how often sign-in failed",
            "since_ms": "since when it is counted",
        },
    ),
    *table_rows(
        "main.db api_token",
        "",
        Method.KEPT,
        When.NEVER,
        {
            "no": "number of the token",
            "id": "its random id",
            "digest": "hash of the token",
            "label": "a word for the program",
            "scopes": "what it is good for",
            "created_ms": "since when",
            "ends_ms": "when it ends",
            "used_ms": "the day of its last use",
            "revoked_ms": "when it was revoked",
            "log_index": "where in the log",
            "salt": "opens that entry",
        },
    ),
)
