"""Plain language, tables, comparisons and diffs say what the decisions do."""

from itertools import pairwise, product

import pytest

from tests.policy.packs import AT, grant, subject, tiers_pack, tiers_policy
from volens.core.errors import NotFound
from volens.core.purposes import Purpose, Tier
from volens.policy.classify import GrantFacts
from volens.policy.compare import compare
from volens.policy.decision import Policy
from volens.policy.diff import Person, diff_packs, diff_text, effect_of
from volens.policy.explain import (
    explain_text,
    matrix_table,
    plan_table,
    prohibitions,
    stage_table,
    terms,
)
from volens.policy.model import (
    BasisState,
    ClassAttributes,
    GrantState,
    Locality,
    OrganisationState,
    Support,
    TierState,
    every_class,
)
from volens.policy.needs import need
from volens.policy.pack import Cell
from volens.policy.packs import list_packs, load_pack
from volens.policy.reference import decide_reference

CELLS = [(purpose, tier) for purpose in tiers_pack().matrix for tier in Tier]
LANGUAGES = {"en": "never", "de": "nie"}


def version(name: str) -> Policy:
    return Policy(load_pack("consent-first", name))


@pytest.mark.parametrize("listing", list_packs(), ids=lambda item: f"{item.name}-{item.version}")
def test_what_is_found_by_asking_is_what_the_matrix_says(listing: object) -> None:
    policy = Policy(load_pack(listing.name, listing.version))  # type: ignore[attr-defined]
    for purpose, row in policy.pack.matrix.items():
        for tier, cell in row.items():
            assert need(policy, purpose, tier).cell is cell


def line_of(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"- {label}: "))


def says_never(purpose: Purpose, tier: Tier, language: str) -> bool:
    text = explain_text(tiers_policy(), tier, language)
    line = line_of(text, tiers_pack().purposes[purpose].label[language])
    return line.endswith(f": {LANGUAGES[language]}.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_says_never_exactly_where_a_wide_grid_of_classes_is_denied(language: str) -> None:
    denied = set(CELLS)
    for grant_, basis, place, organisation, support in product(
        GrantState, BasisState, Locality, OrganisationState, Support
    ):
        for purpose, tier in tuple(denied):
            attributes = ClassAttributes(
                purpose=purpose,
                tier=TierState(tier),
                grant=grant_,
                basis=basis,
                locality=place,
                organisation=organisation,
                support=support,
            )
            if decide_reference(tiers_pack(), attributes)[0]:
                denied.remove((purpose, tier))
    assert denied == {cell for cell in CELLS if says_never(*cell, language)}


@pytest.mark.slow
@pytest.mark.parametrize("purpose", list(tiers_pack().matrix))
def test_the_text_says_never_exactly_where_every_class_is_denied(purpose: Purpose) -> None:
    open_tiers = {
        attributes.tier
        for attributes in every_class(purpose)
        if tiers_policy().decide_class(attributes).permit
    }
    for tier, language in product(Tier, LANGUAGES):
        assert says_never(purpose, tier, language) is (TierState(tier) not in open_tiers)


def test_the_text_of_a_plan_is_that_of_its_tier() -> None:
    text = explain_text(tiers_policy(), "pro")
    assert "Level: Private." in text
    assert line_of(text, "Training models").startswith("- Training models: only with your yes to")
    assert line_of(text, "Finding and fixing faults").endswith(": only with your yes.")
    assert "What people write is never sold." in text
    assert "Was Menschen schreiben, wird nie verkauft." in explain_text(tiers_policy(), "pro", "de")
    with pytest.raises(NotFound, match="enterprise"):
        explain_text(tiers_policy(), "platinum")


def test_the_plan_table_says_only_with_your_yes() -> None:
    table = plan_table(tiers_policy())
    with_yes = table.columns.index("Only with your yes")
    rows = {row[0]: row for row in table.rows}
    assert "Training models" in rows["Free"][with_yes]
    assert "Training models" not in rows["Pro"][with_yes]
    assert "Making the assistant safer" in rows["Pro"][with_yes]
    assert rows["Enterprise"][with_yes] == "nothing"
    assert {name: row[-1] for name, row in rows.items()} == {
        "Free": "high",
        "Pro": "medium, mostly safety",
        "Business": "low to none",
        "Enterprise": "none",
        "API": "varies with the level chosen",
        "Government": "none",
    }
    assert {name: row[1] for name, row in rows.items()}["Government"] == "Isolated"


def test_the_stages_carry_their_impact() -> None:
    impacts = [row[-1] for row in stage_table(tiers_policy()).rows]
    assert impacts == ["low", "medium", "high", "low"]
    german = stage_table(tiers_policy(), "de").rows
    assert [row[-1] for row in german] == ["gering", "mittel", "hoch", "gering"]


def test_the_matrix_table_has_a_row_for_each_purpose() -> None:
    table = matrix_table(tiers_policy())
    assert len(table.rows) == 15
    assert table.columns[2:] == ("Public", "Restricted", "Private", "Isolated")
    assert table.rows[0][1] == "the contract with you"


def test_terms_are_defined_once() -> None:
    assert "weights" in terms(tiers_policy())["batch_training"][1]
    assert set(terms(tiers_policy())) >= {"active_learning", "safety_training", "human_feedback"}


def test_the_prohibitions_are_those_of_the_base() -> None:
    assert len(prohibitions(tiers_policy())) == 5
    for item in list_packs():
        assert len(prohibitions(Policy(load_pack(item.name, item.version)))) == 5


def test_the_archetypes_differ_as_they_behave() -> None:
    names = [
        "consent-first",
        "opt-out-by-hand",
        "limited-options",
        "varies-by-product",
        "content-across-platforms",
    ]
    policies = [Policy(load_pack(name)) for name in names]
    lines = {line.pack: line for line in compare(policies, AT)}
    ours = lines["consent-first"]
    assert ours.default_use == "not used for training"
    assert ours.opt_out == "not needed: off until the person says yes"
    assert ours.training_method == "only chats of people who said yes"
    assert all(not outcome.used_by_default for outcome in ours.outcomes)
    for name in names[1:]:
        assert any(outcome.used_by_default for outcome in lines[name].outcomes)
    assert lines["opt-out-by-hand"].opt_out == "yes, but the person has to act"
    assert lines["limited-options"].opt_out == "only on some plans: pro"
    assert lines["varies-by-product"].training_method == (
        "by default on some plans, with a yes on others"
    )
    assert lines["content-across-platforms"].opt_out == "no"
    assert lines["content-across-platforms"].default_use == "used for training"


def test_the_diff_to_the_tiers_names_cells_plans_and_stale_notices() -> None:
    before, after = version("clarifications-2025-02").pack, tiers_pack()
    diff = diff_packs(before, after)
    cells = {(c.purpose, c.tier): (c.before, c.after) for c in diff.cells}
    assert cells[Purpose.BATCH_TRAINING, Tier.PRIVATE] == (Cell.GRANT, Cell.NAMED_GRANT)
    assert cells[Purpose.BATCH_TRAINING, Tier.RESTRICTED] == (Cell.GRANT, Cell.NEVER)
    assert cells[Purpose.PARTNER_TRAINING, Tier.PUBLIC] == (None, Cell.NAMED_GRANT)
    assert (Purpose.BATCH_TRAINING, Tier.PUBLIC) not in cells
    assert "pro" in diff.plans.changed
    assert diff.stale == (Purpose.BATCH_TRAINING, Purpose.AGGREGATED_RESEARCH)
    text = diff_text(diff, before, after)
    assert "- Training models, private: grant -> named grant" in text
    assert "- plan pro: public -> private (may choose public by person" in text
    assert "- Training models: a yes to the earlier notice no longer counts" in text
    assert "- Numbers for research: to be shown anew" in text


def test_nothing_differs_between_a_version_and_itself() -> None:
    diff = diff_packs(tiers_pack(), tiers_pack())
    named = (diff.plans, diff.rules, diff.notices, diff.tables)
    assert diff.cells == diff.stale == ()
    assert all(n.added == n.removed == n.changed == () for n in named)


def test_the_effect_names_people_and_counts_conversations() -> None:
    before, after = version("clarifications-2025-02"), tiers_policy()
    old_text = next(n.hash for n in before.pack.notices if Purpose.BATCH_TRAINING in n.purposes)
    safety = grant(Purpose.SAFETY_TRAINING)
    both_texts = {
        Purpose.BATCH_TRAINING: (
            GrantFacts(status="granted", notice=old_text),
            *grant(Purpose.BATCH_TRAINING)[Purpose.BATCH_TRAINING],
        )
    }
    partner = grant(Purpose.PARTNER_TRAINING, partner="partner-a", run="r1")
    stale = grant(Purpose.BATCH_TRAINING, notice=old_text)
    people = [
        Person(key="stale", facts=subject(grants=stale), conversations=5),
        Person(key="pro", facts=subject(plan="pro", grants=both_texts), conversations=7),
        Person(key="new", facts=subject(grants=grant(Purpose.BATCH_TRAINING)), conversations=11),
        Person(key="kept", facts=subject(grants=both_texts), conversations=13),
        Person(key="safe", facts=subject(plan="pro", grants=safety | partner), conversations=17),
    ]
    training, safer = effect_of(
        before,
        after,
        people,
        purposes=[Purpose.BATCH_TRAINING, Purpose.SAFETY_TRAINING],
        at=AT,
    )
    assert training.lost == ("stale", "pro")
    assert training.conversations_lost == 12
    assert training.gained == ("new",)
    assert training.conversations_gained == 11
    assert (safer.gained, safer.lost) == ((), ())


def test_the_history_tells_its_own_changes() -> None:
    versions = [item.version for item in list_packs() if item.name == "consent-first"]
    for one, two in pairwise(versions):
        before, after = version(one).pack, version(two).pack
        text = diff_text(diff_packs(before, after), before, after)
        for change in after.changes:
            assert change.summary["en"] in text
