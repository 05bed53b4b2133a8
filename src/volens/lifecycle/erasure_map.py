"""The erasure map: every column and every class of file, what it holds, and how that is erased.

It is data. A test walks all tables and a real home and fails on anything that is not on it; the
eraser refuses to start while a store on it has no target. It also serves as the inventory of fields
that a person or an auditor is shown (R96).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from typing import Final

from volens.lifecycle.map_doors import DOOR_ROWS
from volens.lifecycle.map_rows import MapRow, Method, When, file_row
from volens.lifecycle.map_tables import TABLE_ROWS
from volens.lifecycle.map_training import TRAINING_ROWS
from volens.log.kinds import ErasureScope

_FILES: Final = (
    file_row("volens.json", "which home this is"),
    file_row("lock", "the process that owns the home"),
    file_row("main.db", "the tables above"),
    file_row("keys/keys.db", "the tables above"),
    file_row(
        "*.db-journal",
        "pages of a transaction that is not finished",
        store="rows",
        method=Method.FILE_REPLACED,
        when=When.DONE,
    ),
    file_row(
        "journal/choices",
        "choices that wait to be recorded",
        store="choices",
        method=Method.FILE_REPLACED,
        when=When.DONE,
    ),
    file_row(
        "journal/erasures",
        "requests that wait to be recorded",
        store="erasures",
        method=Method.FILE_REPLACED,
        when=When.DONE,
    ),
    file_row("journal/epoch", "three counters, by which running uses hear of a change"),
    file_row(
        "log/*",
        "what was done, under salted commitments; no name, no text, no id",
        store="rows",
        method=Method.UNLINKED,
        when=When.ACCOUNT,
    ),
    file_row("policy/*", "rules and notices"),
    file_row("witnesses.json", "who cosigned the log"),
    file_row(
        "datasets/*/rows.bin",
        "row numbers of the conversations in a dataset",
        store="datasets",
        method=Method.VALUE_CLEARED,
        when=When.CONVERSATION,
    ),
    file_row(
        "datasets/*/removed.leaves",
        "what a holder of the dataset has to remove; random-looking numbers",
        store="datasets",
        method=Method.REMOVAL_LISTED,
        when=When.CONVERSATION,
    ),
    file_row(
        "datasets/*/manifest.leaves",
        "random-looking numbers that a conversation's secret opens",
        store="keys",
        method=Method.UNLINKED,
        when=When.CONVERSATION,
    ),
    file_row(
        "runs/*/*.ckpt",
        "what was trained on a conversation, sealed under a key of its own",
        store="runs",
        method=Method.KEY_REMOVED,
        when=When.CONVERSATION,
    ),
    file_row(
        "runs/*/*.plan.json",
        "random-looking numbers that a conversation's secret opens, by their place in a run",
        store="keys",
        method=Method.UNLINKED,
        when=When.CONVERSATION,
    ),
    *(
        file_row(f"runs/*/*.{name}", "what came of a run: digests, places in the log")
        for name in ("run.json", "unlearning.json")
    ),
    *(
        file_row(f"datasets/*/{name}", "what a dataset is: counts, rules, signature")
        for name in ("manifest.json", "statement.dsse.json", "checkpoint")
    ),
    *(
        file_row(
            pattern,
            "a file that was being written when a process stopped; the next write replaces it",
            store="rows",
            method=Method.FILE_REPLACED,
            when=When.DONE,
        )
        for pattern in (".*.new", "*/.*.new")
    ),
    file_row(
        "*.kek",
        "the key of a generation, outside the home",
        store="epochs",
        method=Method.EPOCH_DESTROYED,
        when=When.EPOCH,
    ),
    file_row("served", "where the home is served; nothing else"),
    file_row(
        "addresses/*",
        "where receipts of an erasure go, sealed; until the last of them went",
        store="addresses",
        method=Method.KEY_REMOVED,
        when=When.DONE,
    ),
    file_row(
        "mail-*.key",
        "what one such address is sealed with, outside the home",
        store="addresses",
        method=Method.KEY_REMOVED,
        when=When.DONE,
    ),
    file_row("audits/*", "signed reports; they name nobody"),
    file_row("*.stamp", "how far each database is, outside the home"),
    file_row("register.key", "what the register below is sealed with, outside the home"),
    file_row(
        "taken-back",
        "what people took back, sealed, so that a restored backup does not undo it; 35 days",
        store="register",
        method=Method.FILE_REPLACED,
        when=When.DONE,
    ),
    file_row("log.seed", "signs the log, outside the home"),
    file_row("lookup.key", "finds equal names and sources, outside the home"),
)
ERASURE_MAP: Final[tuple[MapRow, ...]] = (*TABLE_ROWS, *TRAINING_ROWS, *DOOR_ROWS, *_FILES)
OF_THEIR_OWN: Final = frozenset({"erasures", "epochs", "register", "addresses"})
"""Stores that no target clears: the ledger of erasures, key epochs, the register of what was taken
back and the addresses for receipts forget by themselves."""


def inventory() -> tuple[MapRow, ...]:
    """Return everything that is kept anywhere, with how and when it goes (R96)."""
    return ERASURE_MAP


def stores_to_clear() -> frozenset[str]:
    """Return every store that needs a target."""
    return frozenset(row.store for row in ERASURE_MAP if row.store) - OF_THEIR_OWN


@cache
def stores_of(scope: ErasureScope) -> frozenset[str]:
    """Return the stores that hold anything which an erasure of this scope removes."""
    if scope is ErasureScope.ACCOUNT:
        return stores_to_clear()
    return frozenset(row.store for row in ERASURE_MAP if row.when is When.CONVERSATION)


def row_of_column(place: str, column: str) -> MapRow | None:
    """Return the row of one column, such as ("main.db subject", "id")."""
    return next((row for row in ERASURE_MAP if (row.place, row.column) == (place, column)), None)


def row_of_file(path: str) -> MapRow | None:
    """Return the row of the first class of files that a path, from the home or custody, is in."""
    return next(
        (row for row in ERASURE_MAP if not row.column and fnmatchcase(path, row.place)), None
    )
