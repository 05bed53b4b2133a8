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
    CAPTURE_DONE = "capture.done"
    CONVERSATION_SIGNALLED = "conversation.signalled"
    ACCESS_INTENT = "access.intent"
    ACCESS_DONE = "access.done"
    DATASET_DONE = "dataset.done"
    KEY_EPOCH = "key.epoch"
    JOURNAL_APPLIED = "journal.applied"
    RECEIPT_ISSUED = "receipt.issued"


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
