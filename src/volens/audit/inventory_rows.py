"""The field inventory of people, chats, choices, policies and keys: data, written by hand.

It is compared with the schema that is really there: a new column needs its row here or in
`inventory_duties`; a test and a check of the audit fail without.
"""

from __future__ import annotations

from volens.audit.inventory_model import (
    ACCOUNT,
    CHAT,
    CONTRACT,
    DIGEST,
    DUTY,
    EVERYBODY,
    HOUSE,
    NO_PERSON,
    NOBODY,
    NUMBER,
    OPERATOR,
    PLACE,
    PUBLIC,
    RANDOM,
    SEALED,
    SERVICE,
    STAFF,
    TableClass,
    rows_of,
)

HOLDINGS: tuple[TableClass, ...] = (
    TableClass(
        name="subject",
        counted_by="no",
        held=rows_of(
            {
                "no": NUMBER,
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
        held=rows_of(
            {
                "name": ("short name of an organisation", "finds its instruction"),
                "instructions": ("purposes it allows", "a processor acts on instructions"),
                "keeping": ("how long it keeps chats", "a schedule of its own"),
                "changed_ms": ("when it last changed them", "shows which one counted"),
            },
            basis="legal obligation (Art. 28(3)(a))",
            kept="while the organisation has accounts here",
            seen_by=STAFF,
        ),
    ),
    TableClass(
        name="instruction",
        held=rows_of(
            {
                "organisation": ("short name of an organisation", "finds its instructions"),
                "version": ("which instruction", "accesses name the versions in force"),
                "document": ("purposes and times it gave", "instructions are documented"),
                "at_ms": ("when it gave them", "shows which one counted"),
                "log_index": ("place in the log", "finds the proof"),
                "salt": ("random bytes", "opens the log entry"),
                "commitment": ("what the log entry says", "makes the root that accesses name"),
            },
            basis="legal obligation (Art. 28(3)(a))",
            kept="while the organisation has accounts here",
            seen_by=STAFF,
        ),
    ),
    TableClass(
        name="leaf",
        counted_by="subject_no",
        held=rows_of(
            {
                "subject_no": ("whom a log entry is about", "finds the person's entries"),
                "log_index": PLACE,
                "salt": ("salt of the entry's commitment", "opens the entry", RANDOM, NO_PERSON),
                "opening": ("what the entry commits to", "opens the entry"),
            },
            basis=DUTY,
            kept=ACCOUNT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="bulk_access",
        counted_by="bit",
        held=rows_of(
            {
                "log_index": PLACE,
                "people": ("of whom something may have been opened", "tells the person so"),
            },
            basis=DUTY,
            kept=ACCOUNT,
            seen_by=SERVICE,
        ),
    ),
    TableClass(
        name="capture_batch",
        held=rows_of(
            {
                "no": NUMBER,
                "log_index": PLACE,
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
        held=rows_of(
            {
                "no": NUMBER,
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
        held=rows_of(
            {
                "no": NUMBER,
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
        held=rows_of(
            {
                "subject_no": ("whose key", "drops it"),
                "key_id": (
                    "which key is to be dropped next; empty while some are drawn",
                    "drops it",
                    RANDOM,
                ),
            },
            basis=DUTY,
            kept="until the key is dropped, at the next start at the latest",
            seen_by=NO_PERSON,
        ),
    ),
    TableClass(
        name="consent_event",
        counted_by="subject_raw",
        held=rows_of(
            {
                "seq": ("order of the acts", "later ones count"),
                "id": ("id of the act", "counts each act once", RANDOM),
                "subject": ("whose act", "every decision asks for it"),
                "purpose": ("for which purpose", "a yes counts for what it names"),
                "body": ("the act: scope, notice, end, channel", "shows what was agreed to"),
                "log_index": PLACE,
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
        held=rows_of(
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
        held=rows_of(
            {
                "no": NUMBER,
                "name": ("name of a policy", "shows which rules counted when"),
                "version": ("its version", "shows which rules counted when"),
                "sha256": ("hash of its files", "shows that they were not changed"),
                "since_ms": ("since when", "shows which rules counted when"),
                "log_index": PLACE,
            },
            basis=NOBODY,
            kept=HOUSE,
            seen_by=EVERYBODY,
        ),
    ),
    TableClass(
        name="epoch_root",
        database="keys.db",
        held=rows_of(
            {
                "scope": ("realm and region of the keys", "keeps realms and regions apart"),
                "epoch": ("which generation of keys", "old ones are destroyed"),
                "wrapped": ("the epoch's key, wrapped", "opens key pages", SEALED, NO_PERSON),
                "created_ms": ("when it began", "its end is in time"),
                "retired_ms": ("when another followed it", "its end is in time"),
                "destroyed_ms": ("when it was destroyed", "what it wrapped is irrecoverable"),
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
        held=rows_of(
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
