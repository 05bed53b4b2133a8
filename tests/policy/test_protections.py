"""Each word of the protections table stands for controls, and each control is kept by something."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from volens.core.errors import InvalidInput
from volens.core.purposes import CONSENT_PURPOSES, Purpose, Tier
from volens.policy.decision import Policy
from volens.policy.explain import protection_table
from volens.policy.pack import Cell, PackKind
from volens.policy.packs import SHIPPED, list_packs, load_pack, read_pack
from volens.policy.protections import (
    CONTROLS,
    Area,
    Control,
    longest_look,
    priority_plans,
    protections,
    protections_of,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/protections.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| `([^`]+)` \| `([^`]+)::([^`]+)` \|$", re.MULTILINE)
OURS = [one for one in list_packs() if one.kind is PackKind.ENFORCEABLE]


def test_every_control_has_a_keeper_and_a_test_that_exist() -> None:
    kept = {name: rest for name, *rest in ROW.findall(PAGE)}
    assert set(kept) == {control.value for control in Control}
    for code, file, test in kept.values():
        assert (ROOT / "src/volens" / code).is_file()
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_control_belongs_to_one_area() -> None:
    assert [c for area in Area for c in CONTROLS[area]].__len__() == len(Control)
    assert set().union(*CONTROLS.values()) == set(Control)


@pytest.mark.parametrize("one", OURS, ids=lambda one: one.version)
def test_what_a_plan_is_promised_is_what_its_tier_does(one: object) -> None:
    pack = load_pack(getattr(one, "name"), getattr(one, "version"))  # noqa: B009 - of a listing
    assert {row.plan for row in protections(pack)} == set(pack.plans)
    for row in protections(pack):
        tier = pack.plans[row.plan].default_tier
        cells = {pack.cell(purpose, tier) for purpose in CONSENT_PURPOSES}
        assert (Control.NEVER_TRAINED in row.controls) <= (cells == {Cell.NEVER})
        assert (Control.PRIVATE_BY_DEFAULT in row.controls) <= (tier is Tier.PRIVATE)
        assert cells <= {Cell.NEVER, Cell.GRANT, Cell.NAMED_GRANT}
        assert longest_look(pack, row.plan) <= timedelta(minutes=15)


def test_the_newest_pack_says_what_the_queue_and_the_leases_do() -> None:
    pack = load_pack("consent-first")
    assert priority_plans(pack) == {"pro", "business", "enterprise", "gov"}
    assert longest_look(pack, "free") == timedelta(minutes=15)
    assert longest_look(pack, "pro") == longest_look(pack, "unheard-of") == timedelta(minutes=5)
    assert protections_of(pack, "unheard-of") == frozenset()
    assert pack.cell(Purpose.BATCH_TRAINING, Tier.ISOLATED) is Cell.NEVER


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_table_is_shown_in_words(language: str) -> None:
    found = protection_table(Policy(load_pack("consent-first")), language)
    assert len(found.columns) == 1 + len(Area)
    assert all(all(row) for row in found.rows)


def _files() -> dict[str, bytes]:
    folder = SHIPPED / "consent-first" / "tiers-2025-05"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["deletion_queue_standard", "same_rights"]', '["deletion_queue_fast"]'),
        ('["deletion_queue_standard", "same_rights"]', '["passkeys"]'),
        ('["deletion_queue_standard", "same_rights"]', "[]"),
        ('["deletion_queue_standard", "same_rights"]', '["same_rights"]'),
        ("[tables.protections.free]", "[tables.protections.gold]"),
    ],
)
def test_a_pack_that_promises_what_nothing_keeps_does_not_load(old: str, new: str) -> None:
    files = _files()
    text = files["pack.toml"].decode("utf-8")
    assert old in text
    with pytest.raises(InvalidInput) as raised:
        read_pack({**files, "pack.toml": text.replace(old, new, 1).encode("utf-8")})
    assert raised.value.code == "pack_form"
