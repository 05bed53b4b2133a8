"""The tables of sign-in. No column holds a name, a password, a token or a code that can be read."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA = MetaData()

ACCOUNT = Table(
    "account",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject", LargeBinary, index=True),  # whose it is; null: a member of staff
    Column("name_digest", LargeBinary, nullable=False, unique=True),
    Column("name_sealed", LargeBinary),  # staff only; people are named by their subject
    Column("password", String),  # argon2id; null: another way to sign in
    Column("organisation", String),  # whose administrator this is
    Column("created_ms", Integer, nullable=False),
    Column("ended_ms", Integer),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
ACCOUNT_ROLE = Table(
    "account_role",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("account_no", Integer, nullable=False, index=True),
    Column("role", String, nullable=False),
    Column("given_ms", Integer, nullable=False),
    Column("until_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
SESSION = Table(
    "session",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the token
    Column("account_no", Integer, index=True),  # null: exchanged for an embed token
    Column("subject", LargeBinary, index=True),  # null: a member of staff
    Column("kind", String, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("seen_ms", Integer, nullable=False),
    Column("ends_ms", Integer, nullable=False, index=True),
    Column("stepped_up_until_ms", Integer),
    sqlite_with_rowid=False,
)
PASSKEY = Table(
    "passkey",
    METADATA,
    Column("credential", LargeBinary, primary_key=True),
    Column("account_no", Integer, nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", Integer, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("used_ms", Integer),
)
TOTP = Table(
    "totp",
    METADATA,
    Column("account_no", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("last_step", Integer, nullable=False),  # no code of this step or before counts again
    Column("confirmed_ms", Integer),  # null: shown, and not proven yet
)
RECOVERY_CODE = Table(
    "recovery_code",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # keyed
    Column("account_no", Integer, nullable=False, index=True),
)
CHALLENGE = Table(  # what was asked of a browser and not answered yet; each is taken once
    "challenge",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of what the browser holds
    Column("purpose", String, nullable=False),
    Column("account_no", Integer, index=True),
    Column("value", LargeBinary, nullable=False),
    Column("ends_ms", Integer, nullable=False),
)
API_TOKEN = Table(
    "api_token",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the token
    Column("label", String, nullable=False),  # a word for the program
    Column("scopes", String, nullable=False),  # space-separated, sorted
    Column("organisation", String),  # whose it is; null: of whoever runs the home
    Column("created_ms", Integer, nullable=False),
    Column("ends_ms", Integer, nullable=False),
    Column("used_ms", Integer),  # cut to the day
    Column("revoked_ms", Integer),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
EMBED_TOKEN = Table(
    "embed_token",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the token
    Column("subject", LargeBinary, nullable=False, index=True),
    Column("token_no", Integer, nullable=False, index=True),  # the API token that asked for it
    Column("ends_ms", Integer, nullable=False),
)
REPEAT = Table(  # answers to requests with an Idempotency-Key, for a day
    "repeat",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # keyed: who asked, and their key
    Column("subject", LargeBinary, index=True),  # whom the answer is about; null: nobody here
    Column("request", LargeBinary, nullable=False),  # keyed digest of what was asked
    Column("status", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("ends_ms", Integer, nullable=False),
)
LOGIN_FAILURE = Table(
    "login_failure",
    METADATA,
    Column("who", LargeBinary, nullable=False),  # keyed digest of the name; empty: any
    Column("source", LargeBinary, nullable=False),  # keyed digest of a network or a browser
    Column("count", Integer, nullable=False),
    Column("since_ms", Integer, nullable=False, index=True),
    UniqueConstraint("who", "source"),
)
