"""Whatever goes wrong in the rules or in the question is a deny with ``policy_error``."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.policy.packs import AT, PLAIN, grant, notice_hash, subject, tiers_pack, tiers_policy, use
from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import PROHIBITED, Purpose
from volens.policy.admission import grid
from volens.policy.cedar import CONTEXT, Answer, Engine
from volens.policy.decision import Policy, judge
from volens.policy.model import ClassAttributes, GrantState, ReasonCode, Support, TierState
from volens.policy.reference import decide_reference

BEST = ClassAttributes(
    purpose=Purpose.BATCH_TRAINING,
    tier=TierState.PUBLIC,
    grant=GrantState.ACTIVE,
    support=Support.PRESENT,
)
# Fits every schema, and errs whenever it is evaluated: a Long can't hold the sum.
ERRING = "when { 9223372036854775807 + 1 == 0 }"
RULES = sorted(tiers_pack().rules)
POLICY_ERROR = (False, (ReasonCode.POLICY_ERROR,), ())


def erring(rule: str) -> Policy:
    """Return the shipped policy with one rule whose condition errs first of all."""
    cedar = tiers_pack().cedar
    head = re.search(
        rf'@id\("{rule}"\).*?\n(?:permit|forbid) \((.*?)resource\s*\)', cedar, re.DOTALL
    )
    assert head
    broken = cedar[: head.end()] + "\n" + ERRING + cedar[head.end() :]
    return Policy(replace(tiers_pack(), cedar=broken))


def reached(rule: str) -> ClassAttributes:
    """Return a class that the head of `rule` speaks about and that is permitted if possible."""
    head = re.search(rf'@id\("{rule}"\).*?(action.*?), ?\s*resource', tiers_pack().cedar, re.DOTALL)
    assert head
    named = re.findall(r'Action::"(\w+)"', head[1])
    groups = {
        "service": Purpose.KEEP_HISTORY,
        "consent": Purpose.BATCH_TRAINING,
        "aggregate": Purpose.AGGREGATED_RESEARCH,
        "exceptional": Purpose.EMERGENCY,
        "learning": Purpose.BATCH_TRAINING,
    }
    if not named:
        return BEST
    if named[0] == "unknown":
        return replace(BEST, purpose=None)
    return replace(BEST, purpose=groups.get(named[0]) or Purpose(named[0]))


@pytest.mark.parametrize("rule", RULES)
def test_an_error_in_any_one_rule_denies(rule: str) -> None:
    attributes = reached(rule)
    decision = erring(rule).decide_class(attributes)
    assert (decision.permit, decision.reasons, decision.rules) == POLICY_ERROR


def test_cedar_itself_would_have_permitted_past_the_erring_forbid() -> None:
    """The reason for the wrapper: Cedar skips an erring forbid and allows."""
    import cedarpy  # noqa: PLC0415 - only this test asks the engine behind the wrapper's back

    policy = erring("base-consent-needs-grant")
    ungranted = {name: str(getattr(BEST, name)) for name in CONTEXT}
    request = {
        "principal": 'Subject::"s"',
        "action": 'Action::"batch_training"',
        "resource": 'Conversation::"c"',
        "context": ungranted,
    }
    result = cedarpy.is_authorized(request, policy.pack.cedar, [], policy.pack.schema)
    assert result.allowed
    assert result.diagnostics.errors
    answer = Engine(policy.pack.cedar, policy.pack.schema).ask(BEST)
    assert answer.errors
    assert not answer.allowed


@pytest.mark.parametrize("missing", CONTEXT)
def test_a_missing_attribute_is_an_error_and_never_an_allow(missing: str) -> None:
    engine = Engine(tiers_pack().cedar, tiers_pack().schema)
    context = {name: str(getattr(BEST, name)) for name in CONTEXT if name != missing}
    answer = engine.ask_in_context("batch_training", context)
    assert not answer.allowed
    assert answer.errors
    assert judge(tiers_pack(), answer, BEST) == POLICY_ERROR


def test_an_action_that_does_not_exist_is_an_error() -> None:
    engine = Engine(tiers_pack().cedar, tiers_pack().schema)
    answer = engine.ask_in_context("train_on_everything", {})
    assert not answer.allowed
    assert answer.errors


@pytest.mark.parametrize(
    "answer",
    [
        Answer(allowed=True, rules=(), errors=()),
        Answer(allowed=False, rules=(), errors=()),
        Answer(allowed=True, rules=("training-with-grant",), errors=("oops",)),
        Answer(allowed=True, rules=("a-rule-nobody-knows",), errors=()),
        Answer(allowed=True, rules=("base-no-sale",), errors=()),
        Answer(allowed=False, rules=("training-with-grant",), errors=()),
        Answer(allowed=False, rules=("base-known-tier",), errors=()),
    ],
)
def test_an_answer_without_a_known_reason_is_a_deny(answer: Answer) -> None:
    assert judge(tiers_pack(), answer, BEST) == POLICY_ERROR


def test_rules_that_cedar_refuses_do_not_become_an_engine() -> None:
    with pytest.raises(InvalidInput, match="typo"):
        Engine(
            '@id("typo") permit (principal, action, resource) when { context.tire == "x" };',
            tiers_pack().schema,
        )
    with pytest.raises(InvalidInput) as caught:
        Engine("permit (", tiers_pack().schema)
    assert caught.value.code == "policy_invalid"


def test_nothing_is_answered_past_the_end_of_a_version() -> None:
    policy = Policy(tiers_pack(), next_version_from=AT)
    facts = subject(grants=grant(Purpose.BATCH_TRAINING))
    before = policy.decide(facts, PLAIN, use(Purpose.BATCH_TRAINING, at=AT - timedelta(seconds=1)))
    assert before.permit
    assert before.valid_until == AT
    after = policy.decide(facts, PLAIN, use(Purpose.BATCH_TRAINING, at=AT))
    assert (after.permit, after.reasons) == (False, (ReasonCode.TABLE_EXPIRED,))
    with pytest.raises(Denied) as caught:
        policy.table().decision(0, AT)
    assert caught.value.code == "table_expired"


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_is_idle_without_it_some_answer_changes(rule: str) -> None:
    cedar = tiers_pack().cedar
    lone = re.search(rf'@id\("{rule}"\).*?;\n', cedar, re.DOTALL)
    assert lone
    pack = replace(tiers_pack(), cedar=cedar.replace(lone[0], ""))
    policy = Policy(pack)
    prohibited = (replace(BEST, purpose=purpose) for purpose in PROHIBITED)
    for attributes in (*prohibited, replace(BEST, purpose=None), *grid()):
        decision = policy.decide_class(attributes)
        if (decision.permit, decision.reasons) != decide_reference(pack, attributes):
            return
    pytest.fail(f"nothing depends on {rule}")


def test_facts_that_cannot_be_read_are_a_deny() -> None:
    naive = AT.replace(tzinfo=None)
    facts = subject(grants=grant(Purpose.BATCH_TRAINING))
    decision = tiers_policy().decide(facts, PLAIN, use(Purpose.BATCH_TRAINING, at=naive))
    assert (decision.permit, decision.reasons) == (False, (ReasonCode.POLICY_ERROR,))


def test_a_grant_that_will_end_bounds_the_decision() -> None:
    ends = AT + timedelta(days=3)
    facts = subject(grants=grant(Purpose.BATCH_TRAINING, expires_at=ends))
    assert notice_hash(Purpose.BATCH_TRAINING) in tiers_pack().accepted_notices(
        Purpose.BATCH_TRAINING
    )
    decision = tiers_policy().decide(facts, PLAIN, use(Purpose.BATCH_TRAINING))
    assert decision.permit
    assert decision.valid_until == ends
    over = tiers_policy().decide(facts, PLAIN, use(Purpose.BATCH_TRAINING, at=ends))
    assert over.reasons == (ReasonCode.GRANT_EXPIRED,)
