"""Reason codes said to people, and what to do about each."""

from __future__ import annotations

from volens.policy.model import ReasonCode

REASONS: dict[str, str] = {
    ReasonCode.POLICY_ERROR: "the policy could not be read or asked, so the answer is no",
    ReasonCode.PROHIBITED: "this use is prohibited for good: nobody can allow it",
    ReasonCode.PURPOSE_UNKNOWN: "nobody knows this purpose",
    ReasonCode.PLAN_UNKNOWN: "the policy does not know the account's plan",
    ReasonCode.TIER_UNKNOWN: "the account's tier is not known",
    ReasonCode.REALM_CROSSING: "the data belongs to the other realm",
    ReasonCode.REGION_MISMATCH: "the data lives in another region and stays there",
    ReasonCode.REGION_UNKNOWN: "the region is not known",
    ReasonCode.OUTSIDE_TENANT: "this use must stay inside the account's own organisation",
    ReasonCode.BLOCKED_ERASING: "it is being erased",
    ReasonCode.BLOCKED_CLOSED: "the account is closed",
    ReasonCode.BLOCKED_RESTRICTED: "the account is restricted",
    ReasonCode.SIGNAL_TEMPORARY: "it was a temporary chat",
    ReasonCode.SIGNAL_DO_NOT_REMEMBER: "it was marked not to be remembered",
    ReasonCode.SIGNAL_EXCLUDED: "the person left this conversation out",
    ReasonCode.TIER_NEVER: "the account's tier never permits this purpose",
    ReasonCode.AGE_NOT_CLEARED: "the person's age is not cleared for this in their region",
    ReasonCode.ORGANISATION_INSTRUCTION_MISSING: "their organisation has not instructed it",
    ReasonCode.NO_GRANT: "the person has not said yes",
    ReasonCode.GRANT_WITHDRAWN: "the person took their yes back",
    ReasonCode.GRANT_EXPIRED: "the person's yes has run out",
    ReasonCode.NOTICE_STALE: "the yes was given to an earlier, narrower notice",
    ReasonCode.GRANT_SCOPE: "the yes does not name this very dataset, run or partner",
    ReasonCode.NOTICE_MISSING: "the person has not been told about this use",
    ReasonCode.OBJECTION_UPHELD: "the person objected",
    ReasonCode.EXCEPTION_MISSING: "this needs a recorded exception, and none is open",
    ReasonCode.MECHANISM_MISSING: "the safeguard that this purpose needs does not exist yet",
    ReasonCode.TABLE_EXPIRED: "this policy version has ended",
    ReasonCode.GRANTED: "the person said yes",
    ReasonCode.BASIS: "it rests on a legal basis other than consent, and they were told",
    ReasonCode.EXCEPTION_OPEN: "a recorded exception is open",
    ReasonCode.USED_BY_DEFAULT: "this policy uses it without asking",
    # what a build leaves out for other reasons than consent
    "duplicate": "the same person said the same before",
    "third_party_only": "what the person's turns hold is other people's content only",
    "no_user_turn": "the person says nothing in it",
    "no_assistant_turn": "the assistant says nothing in it",
    "attachment_missing": "a file belongs to it that is not here",
    "too_short": "it is too short",
    "too_long": "it is too long",
    "format_unfit": "this form can't carry it",
}
NEXT: dict[str, str] = {
    ReasonCode.PURPOSE_UNKNOWN: "volens policy show lists the purposes",
    ReasonCode.NO_GRANT: "volens consent grant {subject} {purpose}",
    ReasonCode.GRANT_WITHDRAWN: "only the person can say yes again",
    ReasonCode.NOTICE_STALE: "show the new notice: volens consent grant {subject} {purpose}",
    ReasonCode.GRANT_SCOPE: "name the dataset, run or partner with --dataset, --run or --partner",
    ReasonCode.SIGNAL_EXCLUDED: "volens conversation include ID",
    ReasonCode.ORGANISATION_INSTRUCTION_MISSING: "volens organisation instruct NAME {purpose}",
    ReasonCode.TIER_NEVER: "volens policy explain {plan}",
    ReasonCode.PLAN_UNKNOWN: "volens policy show lists the plans",
    ReasonCode.OBJECTION_UPHELD: "volens consent object --lift {subject} {purpose}",
}


def reason_words(code: str) -> str:
    """Return a reason in plain words; a code without words is shown as it is."""
    return REASONS.get(code, code.replace("_", " "))
