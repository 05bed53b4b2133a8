"""Rules as read, heads as covered, class codes and the table: each answer to the value."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.policy.packs import AT, PLAIN, grant, subject, tiers_pack, tiers_policy, use
from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import PROHIBITED, Purpose
from volens.core.time import FAR_FUTURE
from volens.policy.cedar import covers_prohibited, permitted_actions, read_rules
from volens.policy.classify import ConversationFacts, account_tier, classify, narrower
from volens.policy.decision import Policy
from volens.policy.model import (
    CLASS_COUNT,
    DIGITS,
    PURPOSE_CLASSES,
    SIZE,
    STRIDE,
    AgeState,
    BasisState,
    Block,
    ClassAttributes,
    Decision,
    GrantState,
    Locality,
    ReasonCode,
    Support,
    TierState,
    _strides,
    decode,
    encode,
    every_class,
)
from volens.policy.pack import Rule
from volens.policy.table import DecisionTable

GRANTED = (
    '@id("one") @reason("granted") @row("2") @en("Yes.") @de("Ja.")\n'
    'permit (principal, action == Action::"batch_training", resource);\n'
)
BLOCKED = (
    '@id("two") @reason_from("block") @en("No.")\nforbid (principal, action, resource)'
    ' when { context.block != "none" };\n'
)
NEVER = '@id("three") @reason("prohibited") @en("Never.") forbid (principal, action, resource);\n'


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(InvalidInput) as refused:
        act()
    return refused.value.code


def test_rules_are_read_with_all_their_notes() -> None:
    one, two, three = read_rules(GRANTED + BLOCKED + NEVER, base=True, file="x.cedar")
    assert replace(one, body="") == Rule(
        id="one",
        base=True,
        permits=True,
        reason="granted",
        reason_from="",
        rows="2",
        text={"en": "Yes.", "de": "Ja."},
        body="",
    )
    assert replace(two, body="") == Rule(
        id="two",
        base=True,
        permits=False,
        reason="",
        reason_from="block",
        rows="",
        text={"en": "No."},
        body="",
    )
    assert (three.id, three.permits, three.reason) == ("three", False, "prohibited")
    assert not read_rules(NEVER, base=False, file="x")[0].base
    assert len({one.body, two.body, three.body}) == 3


def test_the_body_of_a_rule_is_what_it_means_and_not_how_it_is_spaced() -> None:
    (plain,) = read_rules(BLOCKED, base=True, file="x")
    (spaced,) = read_rules(BLOCKED.replace("when {", "when\n  {"), base=True, file="x")
    (other,) = read_rules(BLOCKED.replace('"none"', '"closed"'), base=True, file="x")
    assert plain.body == spaced.body != other.body


@pytest.mark.parametrize(
    "rule",
    [
        NEVER.replace('@id("three") ', ""),
        NEVER.replace('@id("three")', '@id("")'),
        NEVER.replace(' @en("Never.")', ""),
        NEVER.replace(' @en("Never.")', ' @de("Nie.")'),
        NEVER.replace(' @en("Never.")', ' @en("")'),
        NEVER.replace("@reason", '@note("x") @reason'),
        NEVER.replace(' @reason("prohibited")', ""),
        NEVER.replace('"prohibited"', '"because"'),
        NEVER.replace('"prohibited"', '"granted"'),
        GRANTED.replace('"granted"', '"no_grant"'),
        GRANTED.replace('@reason("granted")', '@reason_from("block")'),
        BLOCKED.replace('"block"', '"purpose"', 1),
        BLOCKED.replace("@reason_from", '@reason("prohibited") @reason_from'),
        NEVER.replace("principal", "principal == ?principal"),
        "this is not cedar",
    ],
)
def test_a_rule_without_name_text_or_known_reason_is_refused(rule: str) -> None:
    assert refusal(lambda: read_rules(GRANTED + rule, base=True, file="x")) == "policy_invalid"


def test_rules_stand_in_the_order_of_the_file_beyond_ten() -> None:
    cedar = "".join(NEVER.replace("three", f"rule {number}") for number in range(12))
    names = [rule.id for rule in read_rules(cedar, base=True, file="x")]
    assert names == [f"rule {number}" for number in range(12)]


def test_permitting_heads_name_the_actions_they_cover() -> None:
    several = GRANTED.replace('"one"', '"several"').replace(
        '== Action::"batch_training"', 'in [Action::"learning", Action::"legal_order"]'
    )
    every = GRANTED.replace('"one"', '"every"').replace(' == Action::"batch_training"', "")
    nameless = 'permit (principal, action == Action::"emergency", resource);\n'
    assert permitted_actions(BLOCKED + GRANTED + several + NEVER + every + nameless, "x") == {
        "one": frozenset({"batch_training"}),
        "several": frozenset({"learning", "legal_order"}),
        "every": None,
        "policy5": frozenset({"emergency"}),
    }
    assert refusal(lambda: permitted_actions("this is not cedar", "x")) == "policy_invalid"


def test_a_head_covers_what_nobody_may_permit_by_name_by_group_or_by_naming_nothing() -> None:
    everything = (*sorted(PROHIBITED), Purpose.GOVERNMENT_TRAINING, None)
    one = min(PROHIBITED)
    government = Purpose.GOVERNMENT_TRAINING
    for actions, covered in (
        (None, everything),
        (set(), ()),
        ({"batch_training"}, ()),
        ({"prohibited"}, tuple(sorted(PROHIBITED))),
        ({one.value}, (one,)),
        ({"learning"}, (government,)),
        ({government.value}, (government,)),
        ({"unknown"}, (None,)),
        ({"prohibited", "learning", "unknown"}, everything),
        ({one.value, "learning", "unknown"}, (one, government, None)),
    ):
        head = None if actions is None else frozenset(actions)
        assert covers_prohibited(head) == covered


def test_class_codes_count_through_all_classes_without_a_gap() -> None:
    assert _strides() == STRIDE
    stride = 1
    for name, values in reversed(DIGITS):
        assert (STRIDE[name], SIZE[name]) == (stride, len(values))
        stride *= len(values)
    assert (STRIDE["purpose"], stride) == (PURPOSE_CLASSES, CLASS_COUNT)
    for code in (0, 1, PURPOSE_CLASSES - 1, PURPOSE_CLASSES, 123_456, CLASS_COUNT - 1):
        assert encode(decode(code)) == code
    for code in (-1, CLASS_COUNT):
        assert refusal(lambda code=code: decode(code)) == "class_code"


@pytest.mark.parametrize("purpose", [next(iter(Purpose)), Purpose.BATCH_TRAINING, None])
def test_every_class_of_a_purpose_comes_once_and_in_order(purpose: Purpose | None) -> None:
    codes = [encode(one) for one in every_class(purpose)]
    assert codes == list(range(codes[0], codes[0] + PURPOSE_CLASSES))
    assert {decode(codes[0]).purpose, decode(codes[-1]).purpose} == {purpose}


class Rules:
    """Stands in for the rules: permits what is supported, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[ClassAttributes] = []

    def decide(self, attributes: ClassAttributes) -> Decision:
        self.asked.append(attributes)
        permit = attributes.support is Support.PRESENT
        return Decision(
            permit=permit,
            reasons=(ReasonCode.GRANTED if permit else ReasonCode.NO_GRANT,),
            policy=tiers_pack().ref,
            rules=(),
            valid_until=AT,
        )


BEFORE = AT - timedelta(microseconds=1)


def test_a_table_asks_each_class_once_and_gives_the_very_same_answer() -> None:
    rules = Rules()
    table = DecisionTable(rules.decide, AT)
    first = table.decision(7, BEFORE)
    assert table.decision(7, BEFORE) is first
    assert table.decision(5, BEFORE) is first  # an equal answer is kept once
    assert rules.asked == [decode(7), decode(5)]
    assert table.verdicts(np.array([5, 7, 6, 5], dtype=np.int32), BEFORE).tolist() == [1, 1, 0, 1]
    assert rules.asked == [decode(7), decode(5), decode(6)]
    assert table.verdicts(np.array([5, 6], dtype=np.int32), BEFORE).tolist() == [1, 0]
    assert len(rules.asked) == 3


def test_a_table_knows_the_first_and_the_last_class_and_none_beyond() -> None:
    table = DecisionTable(Rules().decide, AT)
    ends = np.array([0, CLASS_COUNT - 1], dtype=np.int32)
    assert table.verdicts(ends, BEFORE).tolist() == [0, 1]
    assert table.verdicts(ends[:1], BEFORE).tolist() == [0]
    assert table.verdicts(ends[:0], BEFORE).tolist() == []
    for bad in (-1, CLASS_COUNT):
        codes = np.array([3, bad], dtype=np.int32)
        assert refusal(lambda codes=codes: table.verdicts(codes, BEFORE)) == "class_code"


def test_a_table_ends_at_its_end_for_every_question() -> None:
    table = DecisionTable(Rules().decide, AT)
    codes = np.array([0], dtype=np.int32)
    for ask in (
        lambda: table.decision(0, AT),
        lambda: table.verdicts(codes, AT),
        lambda: table.fill(None, AT),
        lambda: table.require_fresh(AT),
    ):
        with pytest.raises(Denied) as refused:
            ask()
        assert refused.value.code == "table_expired"
    table.require_fresh(BEFORE)


def test_filling_a_table_asks_every_class_of_one_purpose_and_no_other() -> None:
    rules = Rules()
    table = DecisionTable(rules.decide, AT)
    table.fill(Purpose.LEGAL_ORDER, BEFORE)
    assert rules.asked == list(every_class(Purpose.LEGAL_ORDER))


def test_past_its_end_or_with_unreadable_facts_a_policy_answers_with_a_whole_deny() -> None:
    policy = Policy(tiers_pack(), next_version_from=AT)
    late = policy.decide(subject(), PLAIN, use("batch_training"))
    unreadable = policy.decide(subject(), PLAIN, use("batch_training", at=AT.replace(tzinfo=None)))
    for answer, reason in (
        (late, ReasonCode.TABLE_EXPIRED),
        (unreadable, ReasonCode.POLICY_ERROR),
    ):
        assert answer == Decision(
            permit=False, reasons=(reason,), policy=policy.ref, rules=(), valid_until=AT
        )


def test_a_mechanism_or_an_open_exception_supports_what_asks_for_it() -> None:
    pack = tiers_pack()
    needing = [name for name, info in pack.purposes.items() if info.mechanism]
    assert needing
    for purpose in pack.purposes:
        mechanism = pack.purposes[purpose].mechanism
        for asked, present in (
            (use(purpose), False),
            (use(purpose, mechanisms=frozenset({"another"})), False),
            (use(purpose, mechanisms=frozenset({mechanism})), bool(mechanism)),
            (use(purpose, exception_open=True), not mechanism),
        ):
            found = classify(pack, subject(), PLAIN, asked).attributes.support
            assert (found is Support.PRESENT) is present


def test_another_tenant_is_outside() -> None:
    pack, home = tiers_pack(), subject(tenant="one")
    for tenant, expected in (
        ("one", Locality.HOME),
        ("two", Locality.OUTSIDE_TENANT),
        ("", Locality.OUTSIDE_TENANT),
    ):
        asked = use("batch_training", tenant=tenant)
        assert classify(pack, home, PLAIN, asked).attributes.locality is expected


def test_of_two_tiers_the_stricter_cell_counts_and_the_first_if_they_are_equal() -> None:
    pack = tiers_pack()
    public, isolated = TierState.PUBLIC, TierState.ISOLATED
    training, never = Purpose.BATCH_TRAINING, Purpose.GOVERNMENT_TRAINING
    assert narrower(pack, training, public, isolated) is isolated
    assert narrower(pack, training, isolated, public) is isolated
    assert narrower(pack, never, public, isolated) is public
    assert narrower(pack, never, isolated, public) is isolated
    assert narrower(pack, None, public, isolated) is public
    for unknown in (TierState.UNKNOWN, TierState.PLAN_UNKNOWN):
        assert narrower(pack, training, public, unknown) is unknown
        assert narrower(pack, training, unknown, isolated) is unknown
    asked = classify(
        pack, subject(), ConversationFacts(tier="isolated"), use("batch_training")
    ).attributes
    assert asked.tier is isolated


def test_an_unknown_plan_or_tier_word_is_an_unknown_tier() -> None:
    pack = tiers_pack()
    assert account_tier(pack, subject(plan="platinum")) is TierState.PLAN_UNKNOWN
    assert account_tier(pack, subject(tier="golden")) is TierState.UNKNOWN
    assert account_tier(pack, subject(plan="free", tier="isolated")) is TierState.UNKNOWN
    assert account_tier(pack, subject(plan="free", tier="public")) is TierState.PUBLIC
    assert account_tier(pack, subject(plan="pro", tier="public")) is TierState.PUBLIC


def test_a_purpose_that_the_pack_does_not_list_is_asked_as_unknown() -> None:
    pack = tiers_pack()
    matrix = {key: row for key, row in pack.matrix.items() if key is not Purpose.BATCH_TRAINING}
    policy = Policy(replace(pack, matrix=matrix))
    asked = ClassAttributes(purpose=Purpose.BATCH_TRAINING, tier=TierState.PUBLIC)
    assert ReasonCode.PURPOSE_UNKNOWN in policy.decide_class(asked).reasons
    assert ReasonCode.PURPOSE_UNKNOWN not in tiers_policy().decide_class(asked).reasons


def test_facts_that_shut_somebody_out_are_in_the_class() -> None:
    pack, asked = tiers_pack(), use("batch_training")

    def attributes(**changes: object) -> ClassAttributes:
        return classify(pack, subject(**changes), PLAIN, asked).attributes

    assert attributes(age_band="minor").age is AgeState.NOT_CLEARED
    assert attributes(notices_shown=frozenset()).basis is BasisState.NOTICE_MISSING
    assert attributes(notices_shown=frozenset({"f" * 64})).basis is BasisState.NOTICE_MISSING
    assert attributes().basis is BasisState.CURRENT
    for status in ("restricted", "erasing", "closed"):
        assert attributes(status=status).block is Block(status)
    assert tiers_policy().decide_class(attributes()).policy == pack.ref


def test_a_grant_that_ends_now_has_ended_and_ends_nothing_later() -> None:
    ending = subject(grants=grant(Purpose.BATCH_TRAINING, expires_at=AT))
    found = classify(tiers_pack(), ending, PLAIN, use("batch_training"))
    assert (found.attributes.grant, found.valid_until) == (GrantState.EXPIRED, FAR_FUTURE)
