"""The closed words of log entries: which kinds there are and what may stand in their fields."""

from __future__ import annotations

from enum import StrEnum


class EntryKind(StrEnum):
    """What happened. The fields of each kind stand in `entries.FIELDS`."""

    HOME_CREATED = "home.created"
    POLICY_ACTIVATED = "policy.activated"
    NOTICE_PUBLISHED = "notice.published"
    SUBJECT_CREATED = "subject.created"
    SUBJECT_CHANGED = "subject.changed"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_EXPIRED = "consent.expired"
    CONSENT_OBJECTED = "consent.objected"
    CONSENT_OBJECTION_LIFTED = "consent.objection_lifted"
    ORGANISATION_INSTRUCTED = "organisation.instructed"
    CAPTURE_DONE = "capture.done"
    CONVERSATION_SIGNALLED = "conversation.signalled"
    ACCESS_INTENT = "access.intent"
    ACCESS_DONE = "access.done"
    USE_RECORDED = "use.recorded"
    RUN_PLANNED = "run.planned"
    STAGE_DONE = "stage.done"
    ARTEFACTS_DESTROYED = "artefacts.destroyed"
    UNLEARNING_DONE = "unlearning.done"
    MODEL_PUBLISHED = "model.published"
    IMPACT_OPENED = "impact.opened"
    IMPACT_MOVED = "impact.moved"
    DATASET_DONE = "dataset.done"
    KEY_EPOCH = "key.epoch"
    JOURNAL_APPLIED = "journal.applied"
    RECEIPT_ISSUED = "receipt.issued"
    ERASURE_REQUESTED = "erasure.requested"
    ERASURE_CANCELLED = "erasure.cancelled"
    ERASURE_STARTED = "erasure.started"
    ERASURE_KEYS_REMOVED = "erasure.keys_removed"
    ERASURE_IRRECOVERABLE = "erasure.irrecoverable"
    HOLD_PLACED = "hold.placed"
    HOLD_CHANGED = "hold.changed"
    HOLD_RELEASED = "hold.released"
    RETENTION_RUN = "retention.run"
    CLOCK_PAUSED = "clock.paused"
    CLOCK_CONFIRMED = "clock.confirmed"
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"
    REQUEST_OPENED = "request.opened"
    REQUEST_CLOSED = "request.closed"
    CONTENT_REPORTED = "content.reported"
    DATASET_REVISED = "dataset.revised"
    AUDIT_DONE = "audit.done"
    USE_REFUSED = "use.refused"
    ACCOUNT_ADDED = "account.added"
    ACCOUNT_ENDED = "account.ended"
    ROLE_GIVEN = "role.given"
    ROLE_ENDED = "role.ended"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - a word, no secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a word, no secret
    EXCEPTION_OPENED = "exception.opened"
    EXCEPTION_APPROVED = "exception.approved"
    EXCEPTION_CLOSED = "exception.closed"
    EXCEPTION_REFUSED = "exception.refused"
    EXCEPTION_NOTIFIED = "exception.notified"
    EXCEPTION_ANSWERED = "exception.answered"
    FLAG_RAISED = "flag.raised"


class ChangedField(StrEnum):
    """Which attribute of a person changed; never its value."""

    PLAN = "plan"
    TIER = "tier"
    REGION = "region"
    ORGANISATION = "organisation"
    REALM = "realm"
    AGE_BAND = "age_band"
    STATUS = "status"


class GrantScope(StrEnum):
    """How far a grant reaches."""

    GENERAL = "general"
    DATASET = "dataset"
    RUN = "run"
    PARTNER = "partner"


class CaptureSource(StrEnum):
    """Through which door conversations came in."""

    API = "api"
    GATEWAY = "gateway"
    IMPORT = "import"
    WEB = "web"
    DEMO = "demo"


class Actor(StrEnum):
    """Who asked for an access: a role, never a person."""

    SUBJECT = "subject"
    SERVICE = "service"
    ENGINEERING = "engineering"
    SUPPORT = "support"
    TRUST_AND_SAFETY = "trust_and_safety"
    LEGAL_COUNSEL = "legal_counsel"
    RESEARCH = "research"
    RATER = "rater"
    PRIVACY_OFFICER = "privacy_officer"
    AUDITOR = "auditor"
    ORGANISATION = "organisation"
    PARTNER = "partner"


class AccessAction(StrEnum):
    """What the opened data is for, as an act."""

    BUILD = "build"
    SHOW = "show"
    PROVE = "prove"
    EXPORT = "export"
    PREVIEW = "preview"
    TRAIN = "train"


class AccessReason(StrEnum):
    """Why the access was asked for."""

    DATASET_BUILD = "dataset_build"
    TRAINING_RUN = "training_run"
    SUBJECT_REQUEST = "subject_request"
    SERVICE = "service"
    REVIEW = "review"
    RESEARCH = "research"
    AUDIT = "audit"
    LEGAL_ORDER = "legal_order"
    EMERGENCY = "emergency"


class AccessOutcome(StrEnum):
    """How an access ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    ABANDONED = "abandoned"


class DatasetFormat(StrEnum):
    """In which form a dataset left the gate."""

    SEALED = "sealed"
    PARQUET = "parquet"
    JSONL = "jsonl"


class KeyEvent(StrEnum):
    """What happened to an epoch of the key-encryption key."""

    CREATED = "created"
    ROTATED = "rotated"
    DESTROYED = "destroyed"


class ReceiptKind(StrEnum):
    """What a receipt attests."""

    CONSENT = "consent"
    ERASURE = "erasure"
    USE = "use"
    MEMBERSHIP = "membership"
    ABSENCE = "absence"
    ACCESS = "access"


class ErasureScope(StrEnum):
    """How much is erased."""

    CONVERSATION = "conversation"
    HISTORY = "history"
    ACCOUNT = "account"


class ErasureCause(StrEnum):
    """What made an erasure due."""

    REQUEST = "request"
    SCHEDULE = "schedule"
    HOLD_RELEASED = "hold_released"
    RESTORE = "restore"


class HoldClass(StrEnum):
    """Which kind of hold; a legal one goes before a safety one, both before the schedule."""

    LEGAL = "legal"
    SAFETY = "safety"


class HoldEnd(StrEnum):
    """Why a hold ended."""

    RELEASED = "released"
    EXPIRED = "expired"


class RefusalCause(StrEnum):
    """What showed that a request was for a use that is refused."""

    DECLARED = "declared"
    RECOGNISED = "recognised"


class TimeSource(StrEnum):
    """Who confirmed what time it is."""

    WITNESS = "witness"
    OFFICER = "officer"


class AccountSort(StrEnum):
    """Whose account it is that somebody signs in with."""

    PERSON = "person"
    STAFF = "staff"


class ImpactCause(StrEnum):
    """Why records that a model was trained on may not be used any more."""

    WITHDRAWAL = "withdrawal"
    OBJECTION = "objection"
    ERASURE = "erasure"
    CHANGE = "change"
    """Anything else: a yes that ran out, a plan, an instruction, the policy."""


class ImpactState(StrEnum):
    """Where a model that was touched stands (R80)."""

    BLOCKED = "blocked"
    """It is given out no more."""
    LEFT_OUT = "left_out"
    """The records were taken out before it was trained to its end."""
    RETRAINED = "retrained"
    """It was trained again without them: exact, replayed and proven."""
    NOT_POSSIBLE = "not_possible"
    """A copy was given out before; nothing takes it back, and the person is told."""
    ALLOWED_AGAIN = "allowed_again"
    """The records may be used again, and were never taken out."""


class StaffRole(StrEnum):
    """Which role a member of staff was given."""

    SUPPORT = "support"
    TRUST_AND_SAFETY = "trust_and_safety"
    RESEARCH = "research"
    RATER = "rater"
    ENGINEERING = "engineering"
    PRIVACY_OFFICER = "privacy_officer"
    LEGAL_COUNSEL = "legal_counsel"
    AUDITOR = "auditor"
    ORGANISATION_ADMIN = "organisation_admin"


class RequestKind(StrEnum):
    """Which right a person exercises (GDPR Art. 15-21; CCPA sale and sharing)."""

    ACCESS = "access"
    PORTABILITY = "portability"
    ERASURE = "erasure"
    RECTIFICATION = "rectification"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    DO_NOT_SELL = "do_not_sell"


class RequestOutcome(StrEnum):
    """How a rights request ended."""

    FULFILLED = "fulfilled"
    PARTLY = "partly"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ExceptionClass(StrEnum):
    """For what an exception may be opened (R23-R27); supervisory access where the law asks it."""

    ILLEGAL_CONTENT = "illegal_content"
    PHYSICAL_HARM = "physical_harm"
    SYSTEM_ABUSE = "system_abuse"
    LEGAL_ORDER = "legal_order"
    CHILD_PROTECTION = "child_protection"
    SUPERVISORY_ACCESS = "supervisory_access"


class ExceptionEnd(StrEnum):
    """How an exception ended."""

    CLOSED = "closed"
    """By hand, before its time."""
    EXPIRED = "expired"
    REFUSED = "refused"
    """By the second person: it was never open."""


class RefusalGround(StrEnum):
    """Why a request for an exception opened nothing at all."""

    INFORMAL = "informal"
    """Asked for without a formal order."""
    NO_JURISDICTION = "no_jurisdiction"
    INVALID = "invalid"
    """The order does not hold: not signed, expired, of the wrong issuer."""
    TOO_BROAD = "too_broad"
    NOT_IMMEDIATE = "not_immediate"
    """The test found no immediate danger."""


class KeepAnswer(StrEnum):
    """What the person said when asked whether the material of an exception may be kept."""

    KEEP = "keep"
    ERASE = "erase"
    SILENCE = "silence"
    """No answer in time, which erases as `erase` does."""


class FlagCategory(StrEnum):
    """What a safety classifier saw, or a person reported."""

    ILLEGAL = "illegal"
    DANGER = "danger"
    SELF_HARM = "self_harm"
    VIOLENCE = "violence"
    HATE = "hate"
    SEXUAL = "sexual"
    CHILD_SAFETY = "child_safety"
    TERRORISM = "terrorism"
    ABUSE = "abuse"
    """Attempts to break safety measures."""
    PRIVACY = "privacy"
    WRONG = "wrong"
    OTHER = "other"


class FlagSeverity(StrEnum):
    """How bad it looks; the queue goes by it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"
