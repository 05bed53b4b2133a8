"""The field inventory of sign-in: data, written by hand, as `inventory_rows`."""

from __future__ import annotations

from volens.audit.inventory_model import (
    DIGEST,
    HOUSE,
    NO_PERSON,
    NOBODY,
    NUMBER,
    OPENS,
    OPERATOR,
    PLACE,
    RANDOM,
    SEALED,
    SERVICE,
    TableClass,
    rows_of,
)

_SAFE = "legal obligation (Art. 32): nobody else gets at the data"
_KEPT = "while the account exists, sessions for hours; erased with the person's account"

ACCESS: tuple[TableClass, ...] = (
    TableClass(
        name="account",
        counted_by="subject_raw",
        held=rows_of(
            {
                "no": NUMBER,
                "id": ("id of the sign-in account", "names it without a name", RANDOM),
                "subject": ("whose account it is", "a person signs in for themselves", RANDOM),
                "name_digest": (
                    "digest of the sign-in name",
                    "finds the account",
                    DIGEST,
                    NO_PERSON,
                ),
                "name_sealed": (
                    "sign-in name of a member of staff",
                    "a list of staff can be read",
                    SEALED,
                ),
                "password": (
                    "argon2id hash of the password",
                    "checks the password",
                    DIGEST,
                    NO_PERSON,
                ),
                "organisation": ("whose administrator this is", "limits what they see"),
                "created_ms": ("when it was added", "order"),
                "ended_ms": ("when it ended", "nobody signs in any more"),
                "log_index": PLACE,
                "salt": OPENS,
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="account_role",
        counted_by="account_raw",
        held=rows_of(
            {
                "no": NUMBER,
                "account_no": ("whose role", "decides what a member of staff may do"),
                "role": ("role: a word of a list", "decides what a member of staff may do"),
                "given_ms": ("since when", "order"),
                "until_ms": ("until when", "a role ends by itself"),
                "log_index": PLACE,
                "salt": OPENS,
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="session",
        counted_by="subject_raw",
        held=rows_of(
            {
                "digest": ("hash of the session's token", "finds the session", DIGEST, NO_PERSON),
                "account_no": ("who is signed in", "ends the session with the account"),
                "subject": ("who is signed in", "a person sees their own data", RANDOM),
                "kind": ("whole, half or embedded", "limits what it is good for"),
                "created_ms": ("when it began", "it ends after a day's work"),
                "seen_ms": ("when it was last used", "it ends when nobody uses it"),
                "ends_ms": ("when it ends", "it ends after a day's work"),
                "stepped_up_until_ms": (
                    "until when a second proof counts",
                    "guards what can't be undone",
                ),
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="passkey",
        counted_by="account_raw",
        held=rows_of(
            {
                "credential": ("id of the passkey", "finds it", RANDOM),
                "account_no": ("whose it is", "signs in with it"),
                "public_key": ("its public key", "checks its signatures"),
                "sign_count": ("how often it signed", "a copied passkey is found"),
                "created_ms": ("when it was added", "its owner tells them apart"),
                "used_ms": ("when it was last used", "its owner tells them apart"),
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="totp",
        counted_by="account_raw",
        held=rows_of(
            {
                "account_no": ("whose it is", "second factor"),
                "sealed": ("secret of the one-time codes", "checks a code", SEALED, NO_PERSON),
                "last_step": ("which code was used last", "no code counts twice"),
                "confirmed_ms": ("since when it counts", "it counts once it was shown to work"),
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="recovery_code",
        counted_by="account_raw",
        held=rows_of(
            {
                "digest": ("digest of a recovery code", "checks it", DIGEST, NO_PERSON),
                "account_no": ("whose it is", "second factor when others are lost"),
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="challenge",
        counted_by="account_raw",
        held=rows_of(
            {
                "digest": (
                    "hash of what the browser holds",
                    "finds the challenge",
                    DIGEST,
                    NO_PERSON,
                ),
                "purpose": ("what was asked", "an answer fits one question only"),
                "account_no": ("whose it is", "an answer counts for one account"),
                "value": ("what was asked", "no answer counts twice", RANDOM, NO_PERSON),
                "ends_ms": ("when it ends", "minutes"),
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="repeat",
        counted_by="subject_raw",
        held=rows_of(
            {
                "digest": ("hash of who asked and their key", "finds it", DIGEST, NO_PERSON),
                "subject": ("whom the answer is about", "goes with that account", RANDOM),
                "request": ("hash of what was asked", "tells a repeat", DIGEST, NO_PERSON),
                "status": ("how the request went", "is answered again"),
                "answer": ("the answer: ids and states", "is answered again"),
                "ends_ms": ("when it goes", "after a day"),
            },
            basis=_SAFE,
            kept="a day; erased with the account",
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="embed_token",
        counted_by="subject_raw",
        held=rows_of(
            {
                "digest": ("hash of the token", "finds it", DIGEST, NO_PERSON),
                "subject": ("whom it is for", "opens one person's pages", RANDOM),
                "token_no": ("which program asked for it", "goes with that program's token"),
                "ends_ms": ("when it ends", "minutes"),
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="login_failure",
        counted_by="failure_raw",
        held=rows_of(
            {
                "who": (
                    "digest of a sign-in name",
                    "slows down guessing",
                    DIGEST,
                    NO_PERSON,
                ),
                "source": (
                    "digest of a network or a known browser",
                    "slows down guessing",
                    DIGEST,
                    NO_PERSON,
                ),
                "count": ("how often sign-in failed", "slows down guessing"),
                "since_ms": ("since when it is counted", "it is forgotten after a day"),
            },
            basis=_SAFE,
            kept=_KEPT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="api_token",
        held=rows_of(
            {
                "no": NUMBER,
                "id": ("id of the token", "names it without showing it", RANDOM),
                "digest": ("hash of the token", "finds it", DIGEST, NO_PERSON),
                "label": ("a word for the program", "a list can be read"),
                "scopes": ("what it is good for", "limits what the program may do"),
                "organisation": ("whose it is", "limits it to one organisation"),
                "created_ms": ("when it was issued", "order"),
                "ends_ms": ("when it ends", "a token ends within a year"),
                "used_ms": ("the day of its last use", "unused ones are found and revoked"),
                "revoked_ms": ("when it was revoked", "it counts no more"),
                "log_index": PLACE,
                "salt": OPENS,
            },
            basis=NOBODY,
            kept=HOUSE,
            seen_by=OPERATOR,
        ),
    ),
)
