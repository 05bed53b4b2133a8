"""The rows of the field inventory (R96): data, written by hand and compared with the schema.

A new column or file class needs its row here; a test and a check of the audit fail without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ACCOUNT = "while the account exists; erased with it"
CHAT = "while the chat exists; erased with it or with the account"
HOUSE = "as long as this home; it is about nobody"
PUBLIC = "for good: it holds nothing personal, and proofs rest on it"

CONTRACT = "contract (Art. 6(1)(b))"
DUTY = "legal obligation (Art. 6(1)(c)): showing that consent was given (Art. 7(1))"
NOBODY = "none needed: not personal data"

NO_PERSON = "nobody: the machine compares it"
SERVICE = "the service itself; the person in their export"
STAFF = "staff with access to accounts; the person"
EVERYBODY = "everybody"
OPERATOR = "whoever runs this home"

CLEAR, SEALED, DIGEST, RANDOM = "in the clear", "sealed", "keyed digest", "random bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One column, or one class of files: what, why, on what basis, how long, for whom."""

    column: str
    what: str
    why: str
    basis: str
    kept: str
    seen_by: str
    form: str = CLEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class TableClass:
    """The columns of one table."""

    name: str
    held: tuple[Held, ...]
    counted_by: str = ""
    """How rows about one person are found (`inventory.held_of`); empty: it is about nobody."""
    database: str = "main.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClass:
    """Files of one kind in a home."""

    name: str
    pattern: re.Pattern[str]
    held: Held


def _rows(
    told: dict[str, tuple[str, ...]], *, basis: str, kept: str, seen_by: str
) -> tuple[Held, ...]:
    """Make rows of ``column: (what, why[, form[, seen_by]])``; the rest is common to the table."""
    made = []
    for column, (what, why, *more) in told.items():
        form = more[0] if more else CLEAR
        made.append(
            Held(
                column=column,
                what=what,
                why=why,
                basis=basis,
                kept=kept,
                seen_by=more[1] if len(more) > 1 else seen_by,
                form=form,
            )
        )
    return tuple(made)


_NUMBER = ("row number", "joins rows inside this home")
_PLACE = ("place in the public log", "shows that it was logged, and when")

TABLES: tuple[TableClass, ...] = (
    TableClass(
        name="subject",
        counted_by="no",
        held=_rows(
            {
                "no": _NUMBER,
                "id": ("id of the account", "names the account without a name", RANDOM),
                "reference_digest": (
                    "digest of the product's name for the person",
                    "finds the account",
                    DIGEST,
                    NO_PERSON,
                ),
                "reference_sealed": (
                    "the product's name for the person",
                    "tells the product whom an answer is about",
                    SEALED,
                ),
                "plan": ("plan", "decides what the account may be asked for"),
                "tier": ("tier, if another than the plan's", "limits what may be asked for"),
                "region": ("region", "decides which law applies and where the data stays"),
                "realm": ("civilian or government", "keeps the two apart"),
                "age_band": ("adult, minor or unknown", "keeps minors' data out of training"),
                "organisation": ("the organisation behind the account", "its instruction counts"),
                "status": ("active, restricted, erasing or closed", "blocks every use"),
                "created_ms": ("when the account came", "order and schedules"),
            },
            basis=CONTRACT,
            kept=ACCOUNT,
            seen_by=STAFF,
        ),
    ),
    TableClass(
        name="organisation",
        held=_rows(
            {
                "name": ("short name of an organisation", "finds its instruction"),
                "instructions": ("purposes it allows", "a processor acts on instructions"),
                "changed_ms": ("when it last changed them", "shows which one counted"),
            },
            basis="legal obligation (Art. 28(3)(a))",
            kept="while the organisation has accounts here",
            seen_by=STAFF,
        ),
    ),
    TableClass(
        name="leaf",
        counted_by="subject_no",
        held=_rows(
            {
                "subject_no": ("whom a log entry is about", "finds the person's entries"),
                "log_index": _PLACE,
                "salt": ("salt of the entry's commitment", "opens the entry", RANDOM, NO_PERSON),
                "opening": ("what the entry commits to", "opens the entry"),
            },
            basis=DUTY,
            kept=ACCOUNT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="capture_batch",
        held=_rows(
            {
                "no": _NUMBER,
                "log_index": _PLACE,
                "commitments": (
                    "commitments to conversations",
                    "proofs of what was captured when",
                    DIGEST,
                    NO_PERSON,
                ),
            },
            basis=DUTY,
            kept=PUBLIC,
            seen_by=OPERATOR,
        ),
    ),
    TableClass(
        name="conversation",
        counted_by="subject_no",
        held=_rows(
            {
                "no": _NUMBER,
                "id": ("id of the conversation", "names it without a word of it", RANDOM),
                "subject_no": ("whose it is", "every right and every choice hangs on it"),
                "source": ("which product it came from", "tells sources apart"),
                "source_digest": (
                    "digest of its id at the source",
                    "a second import changes nothing",
                    DIGEST,
                    NO_PERSON,
                ),
                "content_digest": (
                    "digest of what it says",
                    "finds out whether a copy is newer",
                    DIGEST,
                    NO_PERSON,
                ),
                "created_ms": ("when it began", "order; shown to the person"),
                "updated_ms": ("when it last changed", "order; shown to the person"),
                "captured_ms": ("when it came here", "schedules"),
                "signal": ("a sign against using it", "keeps it out of every use"),
                "turns": ("how many turns", "shown to the person"),
                "size_bytes": ("how large", "shown to the person; room"),
                "sequence": ("how often its content was replaced", "binds the ciphertext"),
                "batch_no": ("its capture", "proofs of what was captured when"),
                "position": ("its place in the capture", "proofs of what was captured when"),
                "block_no": ("where its ciphertext is", "finds it"),
                "ended_ms": ("when access to it ended", "nobody reads it before it is erased"),
            },
            basis=CONTRACT,
            kept=CHAT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="block",
        counted_by="subject_no",
        held=_rows(
            {
                "no": _NUMBER,
                "subject_no": ("whose it is", "every right and every choice hangs on it"),
                "id": ("id of the block", "finds its key", RANDOM),
                "envelope": (
                    "what was said",
                    "keeping the history; anything else needs its own basis",
                    SEALED,
                    "the person; others only through the gate, logged first",
                ),
            },
            basis=CONTRACT,
            kept=CHAT,
            seen_by=NO_PERSON,
        ),
    ),
    TableClass(
        name="obsolete_key",
        counted_by="subject_no",
        held=_rows(
            {
                "subject_no": ("whose key", "drops it"),
                "key_id": ("which key is to be dropped next", "drops it", RANDOM),
            },
            basis=DUTY,
            kept="until the key is dropped, at the next start at the latest",
            seen_by=NO_PERSON,
        ),
    ),
    TableClass(
        name="consent_event",
        counted_by="subject_raw",
        held=_rows(
            {
                "seq": ("order of the acts", "later ones count"),
                "id": ("id of the act", "counts each act once", RANDOM),
                "subject": ("whose act", "every decision asks for it"),
                "purpose": ("for which purpose", "a yes counts for what it names"),
                "body": ("the act: scope, notice, end, channel", "shows what was agreed to"),
                "log_index": _PLACE,
                "salt": ("salt of the entry's commitment", "opens the entry", RANDOM, NO_PERSON),
            },
            basis=DUTY,
            kept=ACCOUNT,
            seen_by=STAFF,
        ),
    ),
    TableClass(
        name="consent_state",
        counted_by="subject_raw",
        held=_rows(
            {
                "purpose": ("for which purpose", "decisions"),
                "subject": ("whose choice", "decisions"),
                "grants": ("what the acts add up to", "decisions"),
                "objected": ("whether they objected", "decisions"),
            },
            basis=DUTY,
            kept=ACCOUNT,
            seen_by=STAFF,
        ),
    ),
    TableClass(
        name="policy_in_force",
        held=_rows(
            {
                "no": _NUMBER,
                "name": ("name of a policy", "shows which rules counted when"),
                "version": ("its version", "shows which rules counted when"),
                "sha256": ("hash of its files", "shows that they were not changed"),
                "since_ms": ("since when", "shows which rules counted when"),
                "log_index": _PLACE,
            },
            basis=NOBODY,
            kept=HOUSE,
            seen_by=EVERYBODY,
        ),
    ),
    TableClass(
        name="audit",
        held=_rows(
            {
                "no": _NUMBER,
                "at_ms": ("when the audit was", "an overdue audit raises an alarm"),
                "log_index": _PLACE,
                "salt": ("salt of the entry's commitment", "opens the entry", RANDOM, NO_PERSON),
                "report_digest": ("hash of the report", "shows that it was not changed"),
                "checks": ("how many checks", "the last result at a glance"),
                "failed": ("how many failed", "the last result at a glance"),
            },
            basis=NOBODY,
            kept=HOUSE,
            seen_by=OPERATOR,
        ),
    ),
    TableClass(
        name="epoch_root",
        database="keys.db",
        held=_rows(
            {
                "scope": ("realm and region of the keys", "keeps realms and regions apart"),
                "epoch": ("which generation of keys", "old ones are destroyed"),
                "wrapped": ("the epoch's key, wrapped", "opens key pages", SEALED, NO_PERSON),
            },
            basis=NOBODY,
            kept="until the epoch is destroyed",
            seen_by=OPERATOR,
        ),
    ),
    TableClass(
        name="key_page",
        database="keys.db",
        counted_by="subject_no",
        held=_rows(
            {
                "subject_no": ("whose keys", "finds them"),
                "page": ("which page", "finds them"),
                "scope": ("realm and region", "keeps realms and regions apart"),
                "epoch": ("which generation of keys", "old ones are destroyed"),
                "sealed": ("account key and salts", "without them nothing opens", SEALED),
            },
            basis="security of processing (Art. 32)",
            kept=ACCOUNT,
            seen_by=NO_PERSON,
        ),
    ),
)


def _file(
    name: str, pattern: str, told: tuple[str, str, str, str, str], form: str = CLEAR
) -> FileClass:
    what, why, basis, kept, seen_by = told
    held = Held(column=name, what=what, why=why, basis=basis, kept=kept, seen_by=seen_by, form=form)
    return FileClass(name=name, pattern=re.compile(pattern), held=held)


_TLOG = r"log/(checkpoint|pending|tile/.*)(\.tmp)?"
FILES: tuple[FileClass, ...] = (
    _file(
        "volens.json",
        r"volens\.json",
        ("which home this is", "nothing opens without", NOBODY, HOUSE, OPERATOR),
    ),
    _file(
        "lock",
        r"lock",
        ("number of the process that writes", "one writes at a time", NOBODY, HOUSE, OPERATOR),
    ),
    _file(
        "main.db",
        r"main\.db(-journal)?",
        ("the tables of main.db", "see the tables", "see the tables", "see the tables", OPERATOR),
        "see the tables",
    ),
    _file(
        "keys/keys.db",
        r"keys/keys\.db(-journal)?",
        ("the tables of keys.db", "see the tables", "see the tables", "see the tables", OPERATOR),
        "see the tables",
    ),
    _file(
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
    _file(
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
    _file(
        "policy/NAME@VERSION/",
        r"policy/\.?[a-z0-9-]+@[a-z0-9.-]+/.+",
        ("rules and notices that were in force", "shows what counted", NOBODY, HOUSE, EVERYBODY),
    ),
    _file(
        "witnesses.json",
        r"witnesses\.json",
        ("who cosigned the log", "the log can't be set back", NOBODY, HOUSE, EVERYBODY),
    ),
    _file(
        "datasets/",
        r"datasets/dst_[a-z2-7]{26}/(manifest\.json|manifest\.leaves|statement\.dsse\.json|checkpoint|rows\.bin)",
        (
            "which conversations are in which dataset, by row number and commitment",
            "proofs for the person; finding what must be removed after a withdrawal",
            DUTY,
            "as long as the dataset exists",
            SERVICE,
        ),
        "row numbers and keyed digests",
    ),
    _file(
        "audits/",
        r"audits/\.?[0-9]{6}\.json(\.new)?",
        ("signed audit reports: counts, no names", "shows what held when", NOBODY, HOUSE, OPERATOR),
    ),
)
