"""Facts to classes: a naive second mapping agrees, and no unknown word is ever permitted."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.packs import AT, PLAIN, grant, notice_hash, subject, tiers_pack, tiers_policy, use
from volens.core.purposes import Purpose, Signal, Tier
from volens.policy.classify import (
    ConversationFacts,
    GrantFacts,
    OrganisationFacts,
    SubjectFacts,
    UseFacts,
    classify,
)
from volens.policy.model import GrantState, ReasonCode, TierState

JUNK = "no such word"
PURPOSES = [*(purpose.value for purpose in Purpose), JUNK]
HASHES = [*sorted({notice.hash for notice in tiers_pack().notices}), "f" * 64]
NAMES = st.sampled_from(["", "one", "two"])
PURPOSE_SETS = st.frozensets(st.sampled_from(PURPOSES), max_size=6)


def words(*known: str) -> st.SearchStrategy[str]:
    return st.sampled_from([*known, JUNK])


GRANTS = st.builds(
    GrantFacts,
    status=words("not_granted", "granted", "granted", "withdrawn", "expired"),
    notice=st.sampled_from(HASHES),
    dataset=NAMES,
    run=NAMES,
    partner=NAMES,
    expires_at=st.sampled_from(
        [None, AT - timedelta(seconds=1), AT, AT + timedelta(seconds=1), AT + timedelta(days=1)]
    ),
)
SUBJECTS = st.builds(
    SubjectFacts,
    plan=words("free", "pro", "business", "enterprise", "api", "gov"),
    region=words("eu", "us", "cn", "ca", "other"),
    tier=st.none() | words("public", "restricted", "private", "isolated"),
    realm=words("civilian", "government"),
    age_band=words("adult", "minor", "unknown"),
    status=words("active", "restricted", "erasing", "closed"),
    tenant=NAMES,
    organisation=st.none()
    | st.builds(OrganisationFacts, instructed=PURPOSE_SETS, removed=PURPOSE_SETS),
    grants=st.dictionaries(
        st.sampled_from(PURPOSES), st.lists(GRANTS, max_size=3).map(tuple), max_size=4
    ),
    notices_shown=st.frozensets(st.sampled_from(HASHES)),
    objections=PURPOSE_SETS,
)
CONVERSATIONS = st.builds(
    ConversationFacts,
    signal=words("none", "temporary", "do_not_remember", "excluded"),
    tier=st.none() | words("public", "restricted", "private", "isolated"),
)
USES = st.builds(
    UseFacts,
    purpose=st.sampled_from(PURPOSES),
    region=words("eu", "us", "cn", "ca", "other"),
    at=st.just(AT),
    realm=words("civilian", "government"),
    tenant=NAMES,
    dataset=NAMES,
    run=NAMES,
    partner=NAMES,
    exception_open=st.booleans(),
    mechanisms=st.frozensets(st.sampled_from(["privacy_guarantee", "erasable_memory", ""])),
)

# The plain second opinion: what each plan allows, written out.
PLAN_TIER = {
    "free": "public",
    "pro": "private",
    "business": "private",
    "enterprise": "isolated",
    "api": "private",
    "gov": "isolated",
}
CHOICES = {
    "pro": {"public", "restricted"},
    "business": {"restricted"},
    "api": {"public", "restricted", "isolated"},
}
OPENNESS = {"basis": 0, "basis_inside": 1, "grant": 2, "named_grant": 3, "exception": 4, "never": 5}


def naive(s: SubjectFacts, c: ConversationFacts, u: UseFacts) -> dict[str, str | None]:
    """Map facts to words of a class, one plain condition after another."""
    pack = tiers_pack()
    words: dict[str, str | None] = {}
    known = u.purpose in PURPOSES[:-1]
    words["purpose"] = u.purpose if known else None
    words["tier"] = naive_tier(s, c, u)
    words["grant"] = naive_grant(s, u)
    shown = any(
        notice.hash in s.notices_shown and u.purpose in notice.purposes for notice in pack.notices
    )
    words["basis"] = (
        "objected"
        if known and u.purpose in s.objections
        else "current"
        if known and shown
        else "notice_missing"
    )
    if JUNK in {s.region, u.region}:
        words["locality"] = "unknown"
    elif s.region != u.region:
        words["locality"] = "elsewhere"
    else:
        words["locality"] = "home" if s.tenant == u.tenant else "outside_tenant"
    words["realm"] = "same" if s.realm == u.realm != JUNK else "crossing"
    grown = s.age_band == "adult" or (s.age_band == "unknown" and s.region == "us")
    words["age"] = "cleared" if grown and s.region != JUNK else "not_cleared"
    words["organisation"] = naive_organisation(s, u)
    if s.status != "active":
        words["block"] = "closed" if s.status == JUNK else s.status
    else:
        words["block"] = "excluded" if c.signal == JUNK else c.signal
    mechanism = {
        "active_learning": "erasable_memory",
        "aggregated_research": "privacy_guarantee",
        "partner_aggregates": "privacy_guarantee",
    }.get(u.purpose)
    present = mechanism in u.mechanisms if mechanism else u.exception_open
    words["support"] = "present" if present else "absent"
    return words


def naive_organisation(s: SubjectFacts, u: UseFacts) -> str:
    if s.organisation is None:
        return "not_instructed" if s.plan in {"business", "enterprise", "gov"} else "none"
    contract = u.purpose in {"provide_service", "keep_history", "safety_monitoring"}
    ok = (contract or u.purpose in s.organisation.instructed) and (
        u.purpose not in s.organisation.removed
    )
    return "instructed" if ok else "not_instructed"


def naive_tier(s: SubjectFacts, c: ConversationFacts, u: UseFacts) -> str:
    if s.plan not in PLAN_TIER:
        return "plan_unknown"
    tier = s.tier or PLAN_TIER[s.plan]
    if tier != PLAN_TIER[s.plan] and tier not in CHOICES.get(s.plan, set()):
        return "unknown"
    if s.plan == "business" and tier == "restricted" and s.organisation is None:
        return "unknown"
    if c.tier is None:
        return tier
    if c.tier == JUNK:
        return "unknown"
    row = tiers_pack().matrix.get(u.purpose)  # type: ignore[call-overload]
    if row is None:
        return tier
    mine, other = OPENNESS[row[Tier(tier)]], OPENNESS[row[Tier(c.tier)]]
    return c.tier if other > mine else tier


def naive_grant(s: SubjectFacts, u: UseFacts) -> str:
    states = set()
    for g in s.grants.get(u.purpose, ()):
        if u.purpose == JUNK or g.status in {"not_granted", JUNK}:
            continue
        accepted = {n.hash for n in tiers_pack().notices if u.purpose in n.purposes}
        ended = g.expires_at is not None and g.expires_at <= u.at
        if g.status == "withdrawn":
            states.add("withdrawn")
        elif g.status == "expired" or ended:
            states.add("expired")
        elif g.notice not in accepted:
            states.add("stale_notice")
        elif (g.dataset, g.run, g.partner) == ("", "", ""):
            states.add("active")
        else:
            fits = (
                g.dataset in {"", u.dataset}
                and g.run in {"", u.run}
                and g.partner in {"", u.partner}
            )
            if u.purpose == "partner_training" and "" in {g.run, g.partner}:
                fits = False
            states.add("active_named_match" if fits else "scope_mismatch")
    order = (
        "active_named_match",
        "active",
        "stale_notice",
        "scope_mismatch",
        "expired",
        "withdrawn",
    )
    return next((state for state in order if state in states), "none")


def check_mapping(s: SubjectFacts, c: ConversationFacts, u: UseFacts) -> None:
    found = classify(tiers_pack(), s, c, u)
    words = {name: getattr(found.attributes, name) for name in naive(s, c, u)}
    assert words == naive(s, c, u)
    ends = [
        g.expires_at
        for g in s.grants.get(u.purpose, ())
        if g.status == "granted" and g.expires_at is not None and g.expires_at > u.at
    ]
    if u.purpose != JUNK and ends:
        assert found.valid_until == min(ends)
    else:
        assert found.valid_until.year == 9999


@settings(max_examples=1500, deadline=None)
@given(SUBJECTS, CONVERSATIONS, USES)
def test_a_naive_mapping_agrees(s: SubjectFacts, c: ConversationFacts, u: UseFacts) -> None:
    check_mapping(s, c, u)


def drawn_subject(rng: random.Random) -> SubjectFacts:
    def some(words: list[str], most: int) -> list[str]:
        return rng.sample(words, rng.randint(0, most))

    def drawn_grant() -> GrantFacts:
        return GrantFacts(
            status=rng.choice(["not_granted", "granted", "granted", "withdrawn", "expired", JUNK]),
            notice=rng.choice(HASHES),
            dataset=rng.choice(["", "", "one"]),
            run=rng.choice(["", "", "one", "two"]),
            partner=rng.choice(["", "", "one"]),
            expires_at=rng.choice([None, AT, AT + timedelta(days=1), AT - timedelta(days=1)]),
        )

    organisation = OrganisationFacts(
        instructed=frozenset(some(PURPOSES, 20)), removed=frozenset(some(PURPOSES, 3))
    )
    return SubjectFacts(
        plan=rng.choice(["free", "pro", "business", "enterprise", "api", "gov", JUNK]),
        region=rng.choice(["eu", "eu", "us", "cn", "ca", "other", JUNK]),
        tier=rng.choice([None, None, *Tier, JUNK]),
        realm=rng.choice(["civilian", "civilian", "government", JUNK]),
        age_band=rng.choice(["adult", "adult", "minor", "unknown", JUNK]),
        status=rng.choice(["active", "active", "restricted", "erasing", "closed", JUNK]),
        tenant=rng.choice(["", "one"]),
        organisation=rng.choice([None, organisation]),
        grants={
            purpose: tuple(drawn_grant() for _ in range(rng.randint(0, 3)))
            for purpose in some(PURPOSES, 20)
        },
        notices_shown=frozenset(some(HASHES, 10)),
        objections=frozenset(some(PURPOSES, 10)),
    )


def drawn_use(rng: random.Random) -> UseFacts:
    return UseFacts(
        purpose=rng.choice(PURPOSES),
        region=rng.choice(["eu", "eu", "us", "cn", "ca", "other", JUNK]),
        at=AT,
        realm=rng.choice(["civilian", "civilian", "government", JUNK]),
        tenant=rng.choice(["", "one"]),
        dataset=rng.choice(["", "one"]),
        run=rng.choice(["", "one", "two"]),
        partner=rng.choice(["", "one"]),
        exception_open=rng.random() < 0.5,
        mechanisms=frozenset(rng.sample(["privacy_guarantee", "erasable_memory"], 1)),
    )


@pytest.mark.slow
def test_a_naive_mapping_agrees_on_a_million_cases() -> None:
    rng = random.Random(2025)
    subjects = [drawn_subject(rng) for _ in range(20_000)]
    uses = [drawn_use(rng) for _ in range(2_000)]
    chats = [
        ConversationFacts(signal=signal, tier=tier)
        for signal in (*Signal, JUNK)
        for tier in (None, *Tier, JUNK)
    ]
    for _ in range(1_000_000):
        check_mapping(rng.choice(subjects), rng.choice(chats), rng.choice(uses))


GOOD = subject(plan="pro", tier="public", grants=grant(Purpose.BATCH_TRAINING), tenant="t")
GOOD_USE = use(Purpose.BATCH_TRAINING, tenant="t")


def test_the_good_case_is_permitted() -> None:
    decision = tiers_policy().decide(GOOD, PLAIN, GOOD_USE)
    assert decision.permit
    assert decision.reasons == (ReasonCode.GRANTED,)
    assert decision.rules == ("training-with-grant",)
    assert decision.policy == tiers_pack().ref


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("plan", ReasonCode.PLAN_UNKNOWN),
        ("tier", ReasonCode.TIER_UNKNOWN),
        ("region", ReasonCode.REGION_UNKNOWN),
        ("realm", ReasonCode.REALM_CROSSING),
        ("age_band", ReasonCode.AGE_NOT_CLEARED),
        ("status", ReasonCode.BLOCKED_CLOSED),
    ],
)
def test_an_unknown_word_about_a_person_denies_with_a_reason(
    field: str, reason: ReasonCode
) -> None:
    decision = tiers_policy().decide(replace(GOOD, **{field: JUNK}), PLAIN, GOOD_USE)
    assert not decision.permit
    assert reason in decision.reasons


@pytest.mark.parametrize(
    ("conversation", "reason"),
    [
        (ConversationFacts(signal=JUNK), ReasonCode.SIGNAL_EXCLUDED),
        (ConversationFacts(tier=JUNK), ReasonCode.TIER_UNKNOWN),
        (ConversationFacts(tier="isolated"), ReasonCode.TIER_NEVER),
        (ConversationFacts(tier="private"), ReasonCode.GRANT_SCOPE),
    ],
)
def test_what_a_chat_says_only_narrows(conversation: ConversationFacts, reason: ReasonCode) -> None:
    decision = tiers_policy().decide(GOOD, conversation, GOOD_USE)
    assert not decision.permit
    assert reason in decision.reasons


@given(CONVERSATIONS, SUBJECTS, USES)
@settings(max_examples=300, deadline=None)
def test_no_chat_opens_what_its_person_has_closed(
    c: ConversationFacts, s: SubjectFacts, u: UseFacts
) -> None:
    if tiers_policy().decide(s, c, u).permit:
        assert tiers_policy().decide(s, PLAIN, u).permit


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"purpose": JUNK}, ReasonCode.PURPOSE_UNKNOWN),
        ({"region": JUNK}, ReasonCode.REGION_UNKNOWN),
        ({"region": "us"}, ReasonCode.REGION_MISMATCH),
        ({"realm": JUNK}, ReasonCode.REALM_CROSSING),
        ({"realm": "government"}, ReasonCode.REALM_CROSSING),
    ],
)
def test_a_use_from_elsewhere_is_denied_with_its_reason(
    changes: dict[str, str], reason: ReasonCode
) -> None:
    decision = tiers_policy().decide(GOOD, PLAIN, replace(GOOD_USE, **changes))
    assert not decision.permit
    assert reason in decision.reasons


def test_a_new_account_starts_with_training_off_on_every_plan() -> None:
    everything = OrganisationFacts(instructed=frozenset(PURPOSES))
    asked = [p for p, info in tiers_pack().purposes.items() if info.legal_basis == "consent"]
    assert len(asked) == 6
    for plan, tier, purpose in product(tiers_pack().plans, (None, *Tier), asked):
        new = subject(plan=plan, tier=tier, organisation=everything)
        decision = tiers_policy().decide(new, PLAIN, use(purpose))
        assert not decision.permit
        assert ReasonCode.NO_GRANT in decision.reasons


def test_an_organisation_account_needs_the_instruction_and_the_grant() -> None:
    purpose = Purpose.SAFETY_TRAINING
    instructed = OrganisationFacts(instructed=frozenset({purpose.value}))
    both = subject(plan="business", organisation=instructed, grants=grant(purpose))
    assert tiers_policy().decide(both, PLAIN, use(purpose)).permit
    for missing, reason in (
        (replace(both, grants={}), ReasonCode.NO_GRANT),
        (replace(both, organisation=None), ReasonCode.ORGANISATION_INSTRUCTION_MISSING),
        (
            replace(both, organisation=OrganisationFacts()),
            ReasonCode.ORGANISATION_INSTRUCTION_MISSING,
        ),
        (
            replace(both, organisation=replace(instructed, removed=frozenset({purpose.value}))),
            ReasonCode.ORGANISATION_INSTRUCTION_MISSING,
        ),
    ):
        assert tiers_policy().decide(missing, PLAIN, use(purpose)).reasons == (reason,)


def test_an_organisation_can_take_away_even_what_the_contract_covers() -> None:
    removed = OrganisationFacts(removed=frozenset({"keep_history"}))
    facts = subject(plan="enterprise", organisation=removed)
    assert tiers_policy().decide(facts, PLAIN, use(Purpose.PROVIDE_SERVICE)).permit
    assert not tiers_policy().decide(facts, PLAIN, use(Purpose.KEEP_HISTORY)).permit


def test_a_grant_under_a_notice_that_says_less_is_stale() -> None:
    from volens.policy.packs import load_pack  # noqa: PLC0415 - only this test reads history

    old = load_pack("consent-first", "clarifications-2025-02")
    text = next(n.hash for n in old.notices if Purpose.BATCH_TRAINING in n.purposes)
    assert text != notice_hash(Purpose.BATCH_TRAINING)
    facts = replace(GOOD, grants=grant(Purpose.BATCH_TRAINING, notice=text))
    decision = tiers_policy().decide(facts, PLAIN, GOOD_USE)
    assert decision.reasons == (ReasonCode.NOTICE_STALE,)


def test_a_partner_run_needs_a_grant_that_names_both() -> None:
    purpose = Purpose.PARTNER_TRAINING
    asked = use(purpose, partner="partner-a", run="r1")
    for names, state in (
        ({"partner": "partner-a", "run": "r1"}, GrantState.ACTIVE_NAMED_MATCH),
        ({"partner": "partner-a"}, GrantState.SCOPE_MISMATCH),
        ({"run": "r1"}, GrantState.SCOPE_MISMATCH),
        ({"partner": "other", "run": "r1"}, GrantState.SCOPE_MISMATCH),
        ({}, GrantState.ACTIVE),
    ):
        facts = subject(grants=grant(purpose, **names))
        assert classify(tiers_pack(), facts, PLAIN, asked).attributes.grant is state
        permit = tiers_policy().decide(facts, PLAIN, asked).permit
        assert permit is (state is GrantState.ACTIVE_NAMED_MATCH)


def test_a_tier_that_the_plan_does_not_offer_is_unknown() -> None:
    for plan, tier in (("free", "private"), ("gov", "public"), ("business", "public")):
        facts = subject(plan=plan, tier=tier)
        found = classify(tiers_pack(), facts, PLAIN, use(Purpose.BATCH_TRAINING))
        assert found.attributes.tier is TierState.UNKNOWN


def test_a_leaf_implies_no_other_leaf() -> None:
    for granted in (Purpose.BATCH_TRAINING, Purpose.SAFETY_TRAINING, Purpose.SERVICE_IMPROVEMENT):
        facts = subject(grants=grant(granted))
        for purpose, info in tiers_pack().purposes.items():
            if info.legal_basis == "consent" and purpose is not granted:
                assert not tiers_policy().decide(facts, PLAIN, use(purpose)).permit
