"""The field inventory of files: one row for each class of files that a home may hold."""

from __future__ import annotations

from volens.audit.inventory_model import (
    DUTY,
    EVERYBODY,
    HOUSE,
    NOBODY,
    OPERATOR,
    PUBLIC,
    SERVICE,
    FileClass,
    file_of,
)

_TLOG = r"log/(checkpoint|pending|tile/.*)(\.tmp)?"
FILES: tuple[FileClass, ...] = (
    file_of(
        "volens.json",
        r"volens\.json",
        ("which home this is", "nothing opens without", NOBODY, HOUSE, OPERATOR),
    ),
    file_of(
        "lock",
        r"lock",
        ("number of the process that writes", "one writes at a time", NOBODY, HOUSE, OPERATOR),
    ),
    file_of(
        "main.db",
        r"main\.db(-journal)?",
        ("the tables of main.db", "see the tables", "see the tables", "see the tables", OPERATOR),
        "see the tables",
    ),
    file_of(
        "keys/keys.db",
        r"keys/keys\.db(-journal)?",
        ("the tables of keys.db", "see the tables", "see the tables", "see the tables", OPERATOR),
        "see the tables",
    ),
    file_of(
        "journal/choices",
        r"journal/\.?choices(\.new)?",
        (
            "choices taken back, until they are recorded",
            "taking back works at once, on a full disk too",
            DUTY,
            "until the next act that writes",
            SERVICE,
        ),
    ),
    file_of(
        "journal/erasures",
        r"journal/\.?erasures(\.new)?",
        (
            "requests to erase, until they are recorded",
            "asking works at once, on a full disk too",
            DUTY,
            "until the next act that writes",
            SERVICE,
        ),
    ),
    file_of(
        "journal/epoch",
        r"journal/\.?epoch(\.\d+)?",
        (
            "counters of changes; nothing about anybody",
            "running uses hear at once of what is taken back",
            DUTY,
            "as long as the home",
            SERVICE,
        ),
    ),
    file_of(
        "log/",
        _TLOG,
        (
            "what was decided and done, never to whom",
            "anybody can check it",
            NOBODY,
            PUBLIC,
            EVERYBODY,
        ),
    ),
    file_of(
        "policy/NAME@VERSION/",
        r"policy/\.?[a-z0-9-]+@[a-z0-9.-]+/.+",
        ("rules and notices that were in force", "shows what counted", NOBODY, HOUSE, EVERYBODY),
    ),
    file_of(
        "witnesses.json",
        r"witnesses\.json",
        ("who cosigned the log", "the log can't be set back", NOBODY, HOUSE, EVERYBODY),
    ),
    file_of(
        "datasets/",
        r"datasets/dst_[a-z2-7]{26}/(manifest\.json|manifest\.leaves|statement\.dsse\.json|checkpoint|rows\.bin|removed\.leaves)",
        (
            "which conversations are in which dataset, by row number and commitment",
            "proofs for the person; finding what must be removed after a withdrawal",
            DUTY,
            "as long as the dataset exists",
            SERVICE,
        ),
        "row numbers and keyed digests",
    ),
    file_of(
        "runs/",
        r"runs/run_[a-z2-7]{26}/(run_[a-z2-7]{26}\.(plan|run|unlearning)\.json|[0-9a-f]{64}\.ckpt)",
        (
            "which records were trained on, by commitment; what came of it, sealed",
            "forgetting exactly, and proving it",
            DUTY,
            "as long as the run is kept; a checkpoint until a record in it is erased",
            SERVICE,
        ),
        "keyed digests; sealed under keys of their own",
    ),
    file_of(
        "served",
        r"\.?served(\.new)?",
        ("where the home is served", "who finds it locked is told", NOBODY, HOUSE, OPERATOR),
    ),
    file_of(
        "addresses/",
        r"addresses/\.?era_[a-z2-7]{26}(\.new)?",
        (
            "where receipts of an erasure go, sealed",
            "the person is told without asking",
            DUTY,
            "until the last receipt went",
            SERVICE,
        ),
    ),
    file_of(
        "audits/",
        r"audits/\.?[0-9]{6}\.json(\.new)?",
        ("signed audit reports: counts, no names", "shows what held when", NOBODY, HOUSE, OPERATOR),
    ),
)
