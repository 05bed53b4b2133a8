"""The closed vocabulary of the rules: purposes, tiers, plans and the states a choice can be in.

The words are fixed here so that no file can misspell one; what they permit is policy data. Purposes
are disjoint leaves: a grant names leaves and no leaf implies another.
"""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """Why data would be used (GDPR Art. 5(1)(b)); the last group is prohibited for good."""

    PROVIDE_SERVICE = "provide_service"
    KEEP_HISTORY = "keep_history"
    SAFETY_MONITORING = "safety_monitoring"
    SAFETY_REVIEW = "safety_review"
    SAFETY_TRAINING = "safety_training"
    SERVICE_IMPROVEMENT = "service_improvement"
    ACTIVE_LEARNING = "active_learning"
    BATCH_TRAINING = "batch_training"
    HUMAN_FEEDBACK = "human_feedback"
    AGGREGATED_RESEARCH = "aggregated_research"
    PARTNER_AGGREGATES = "partner_aggregates"
    PARTNER_TRAINING = "partner_training"
    GOVERNMENT_TRAINING = "government_training"
    LEGAL_ORDER = "legal_order"
    EMERGENCY = "emergency"
    FACE_RECOGNITION = "face_recognition"
    VOICE_ANALYSIS = "voice_analysis"
    FINGERPRINT_MATCHING = "fingerprint_matching"
    BEHAVIOURAL_BIOMETRICS = "behavioural_biometrics"
    SALE = "sale"
    TARGETED_ADVERTISING = "targeted_advertising"
    MARKETING_SHARING = "marketing_sharing"
    PROFILING_WITH_OUTSIDE_DATA = "profiling_with_outside_data"


PROHIBITED = frozenset(
    {
        Purpose.FACE_RECOGNITION,
        Purpose.VOICE_ANALYSIS,
        Purpose.FINGERPRINT_MATCHING,
        Purpose.BEHAVIOURAL_BIOMETRICS,
        Purpose.SALE,
        Purpose.TARGETED_ADVERTISING,
        Purpose.MARKETING_SHARING,
        Purpose.PROFILING_WITH_OUTSIDE_DATA,
    }
)
"""No tier, grant, role or setting permits these (R49-R54)."""

CONSENT_PURPOSES = frozenset(
    {
        Purpose.SAFETY_TRAINING,
        Purpose.SERVICE_IMPROVEMENT,
        Purpose.ACTIVE_LEARNING,
        Purpose.BATCH_TRAINING,
        Purpose.HUMAN_FEEDBACK,
        Purpose.PARTNER_TRAINING,
    }
)
"""Purposes whose only basis is an active grant of the person, in every tier (R01, R62)."""


DATASET_PURPOSES = CONSENT_PURPOSES - {Purpose.ACTIVE_LEARNING}
"""Purposes for which a dataset may be built at all: each rests on a grant of the person. What rests
on another basis (keeping history, say) is used where it lies; learning in real time leaves no
copy."""


class Tier(StrEnum):
    """The most that may be asked for (R13); a matrix column, not an order."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    PRIVATE = "private"
    ISOLATED = "isolated"


class Realm(StrEnum):
    """Which of the two separate worlds data or a use belongs to (R76, R77)."""

    CIVILIAN = "civilian"
    GOVERNMENT = "government"


class ConsentStatus(StrEnum):
    """The state of one person's consent to one purpose (R08; DPV consent status terms)."""

    NOT_GRANTED = "not_granted"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class AgeBand(StrEnum):
    """What is known of a person's age."""

    ADULT = "adult"
    MINOR = "minor"
    UNKNOWN = "unknown"


class SubjectStatus(StrEnum):
    """Whether a person's data is blocked from every use (the `blocked` term of the rule)."""

    ACTIVE = "active"
    RESTRICTED = "restricted"
    ERASING = "erasing"
    CLOSED = "closed"


class Signal(StrEnum):
    """A negative signal that came with one conversation or that its person set on it."""

    NONE = "none"
    TEMPORARY = "temporary"
    DO_NOT_REMEMBER = "do_not_remember"
    EXCLUDED = "excluded"
