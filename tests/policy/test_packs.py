"""Packs: strict to read, stable to hash, and refused when they would permit what must never be."""

import hashlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.policy.packs import TIERS, altered, read, tiers_files, tiers_pack, with_rule
from volens.core.canonical import canonical_json
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.purposes import PROHIBITED, Purpose
from volens.policy.pack import PackKind
from volens.policy.packs import SHIPPED, list_packs, load_pack, next_version_from, version_in_force

TOML, CEDAR, FORM, INVALID = "pack.toml", "policy.cedar", "pack_form", "policy_invalid"
HISTORY = ["acceptable-use-2023", "usage-policy-2024", "clarifications-2025-02", "tiers-2025-05"]


def refusal(files: dict[str, bytes]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read(files)
    return caught.value


def permit_rule(head: str, when: str = "") -> str:
    return (
        f'\n@id("mine")\n@reason("granted")\n@en("x")\npermit (principal, {head}, resource){when};'
    )


@pytest.mark.parametrize("purpose", sorted(PROHIBITED))
def test_a_rule_that_permits_a_prohibited_use_is_refused_by_name(purpose: Purpose) -> None:
    error = refusal(with_rule(permit_rule(f'action == Action::"{purpose}"')))
    assert error.code == "pack_refused"
    assert "'mine'" in error.message
    assert purpose in error.message
    assert "base-no-" in error.message


@pytest.mark.parametrize(
    ("head", "named"),
    [
        ("action", "base-no-"),
        ('action in Action::"prohibited"', "base-no-"),
        ('action in [Action::"keep_history", Action::"sale"]', "base-no-sale (R51)"),
        ('action in Action::"learning"', "base-no-government-training (R77)"),
        ('action == Action::"government_training"', "base-no-government-training (R77)"),
        ('action == Action::"unknown"', "base-known-purpose (R07)"),
    ],
)
def test_a_head_that_reaches_a_prohibited_use_is_refused_whatever_its_condition(
    head: str, named: str
) -> None:
    error = refusal(with_rule(permit_rule(head, ' when { context.tier == "nowhere" }')))
    assert error.code == "pack_refused"
    assert named in error.message


def test_a_rule_that_trains_without_a_grant_is_refused_by_name() -> None:
    rule = permit_rule('action == Action::"batch_training"', ' when { context.tier == "public" }')
    error = refusal(with_rule(rule))
    assert error.code == "pack_refused"
    assert "'mine'" in error.message
    assert "base-consent-needs-grant (R01)" in error.message


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (
            '[matrix.batch_training]\npublic = "grant"',
            '[matrix.batch_training]\npublic = "basis"',
            "base-consent-needs-grant (R01)",
        ),
        (
            '[matrix.government_training]\npublic = "never"',
            '[matrix.government_training]\npublic = "grant"',
            "base-no-government-training (R77)",
        ),
        ("[purposes.government_training]", "[purposes.sale]", "base-no-sale (R51)"),
        (
            '[matrix.batch_training]\npublic = "grant"',
            '[matrix.batch_training]\npublic = "always"',
            "comparison",
        ),
        (
            'accepted_ages = ["adult", "unknown"]',
            'accepted_ages = ["adult", "minor"]',
            "base-known-age",
        ),
    ],
)
def test_a_matrix_against_a_base_rule_is_refused_by_name(old: str, new: str, named: str) -> None:
    error = refusal(altered("pack.toml", old, new))
    assert named in error.message
    assert "pack.toml" in error.message


def test_cedar_and_matrix_that_differ_do_not_load() -> None:
    error = refusal(
        altered(
            "pack.toml",
            'restricted = "grant"\nprivate = "grant"',
            'restricted = "never"\nprivate = "grant"',
        )
    )
    assert error.code == "pack_disagrees"
    assert "safety_training" in error.message


def test_a_wider_condition_in_cedar_does_not_load() -> None:
    old = '["public", "private"].contains(context.tier) && context.grant == "active_named_match"'
    new = '["public", "private", "restricted"].contains(context.tier) && context.grant == "active"'
    assert refusal(altered("policy.cedar", old, new)).code == "pack_disagrees"


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "said"),
    [
        (TOML, 'kind = "enforceable"', 'kind = "enforcable"', FORM, "kind"),
        (TOML, 'default_tier = "public"', 'defualt_tier = "public"', FORM, "default_tier"),
        (TOML, 'version = "tiers', 'colour = "red"\nversion = "tiers', FORM, "colour"),
        (TOML, 'account = "person"', 'account = "person"\nnick = "x"', FORM, "nick"),
        (TOML, "[tiers.isolated]", "[tiers.secret]", FORM, "secret"),
        (TOML, 'impact = "medium"', 'impact = "huge"', FORM, "impact"),
        (TOML, "2025-05-01T00:00:00Z", "2025-05-01T00:00:00", FORM, "effective_from"),
        (TOML, 'format = "volens-policy-pack/1"', 'format = "x/2"', FORM, "format"),
        (TOML, "notices/service.en.txt", "notices/gone.en.txt", FORM, "gone"),
        (TOML, "days = 30", "days = -1", FORM, "days"),
        (TOML, "[plans.free]", "[plans.free", FORM, "TOML"),
        (CEDAR, '@reason("basis")', '@reason("because")', INVALID, "reason"),
        (CEDAR, '@reason("basis")', '@reason("no_grant")', INVALID, "permit"),
        (CEDAR, '@reason("basis")', '@reason_from("basis")', INVALID, "permit"),
        (CEDAR, '@reason("tier_never")', '@reason("granted")', INVALID, "forbid"),
        (CEDAR, '@reason_from("basis")', '@reason_from("mood")', INVALID, "forbid"),
        (CEDAR, '@id("training-with-grant")\n', "", INVALID, "@id"),
        (CEDAR, '@id("training-with-grant")', '@id("base-no-sale")', INVALID, "twice"),
        (CEDAR, "context.grant ==", "context.gratn ==", INVALID, "gratn"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_named(
    file: str, old: str, new: str, code: str, said: str
) -> None:
    error = refusal(altered(file, old, new))
    assert error.code == code
    assert said in str(error)


@pytest.mark.parametrize("missing", ["pack.toml", "policy.cedar", "notices/service.en.txt"])
def test_a_missing_file_is_refused(missing: str) -> None:
    files = tiers_files()
    del files[missing]
    assert missing in refusal(files).message


def test_a_file_that_belongs_to_nothing_is_refused() -> None:
    assert "extra.txt" in refusal({**tiers_files(), "extra.txt": b"x"}).message


def test_the_hash_is_over_every_file_and_the_base() -> None:
    base = {
        f"base/{path.name}": path.read_bytes()
        for path in (SHIPPED / "base").iterdir()
        if path.suffix in {".cedar", ".cedarschema"}
    }
    listing = [
        {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted({**tiers_files(), **base}.items())
    ]
    assert tiers_pack().hash == hashlib.sha256(canonical_json(listing)).hexdigest()
    assert read(tiers_files()).hash == tiers_pack().hash
    changed = altered("notices/service.de.txt", "Dienst", "Service")
    assert read(changed).hash != tiers_pack().hash


def test_a_folder_loads_like_the_shipped_name(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(TIERS, folder)
    assert load_pack(folder) == load_pack(str(folder)) == load_pack("consent-first")
    with pytest.raises(NotFound):
        load_pack(folder, "another")


def test_a_link_in_a_pack_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(TIERS, folder)
    (folder / "policy.cedar").unlink()
    (folder / "policy.cedar").symlink_to(TIERS / "policy.cedar")
    with pytest.raises(InvalidInput, match=r"policy\.cedar"):
        load_pack(folder)


def test_an_unknown_pack_is_named_with_what_is_known() -> None:
    with pytest.raises(NotFound, match="consent-first"):
        load_pack("consent-last")
    with pytest.raises(NotFound, match="tiers-2025-05"):
        load_pack("consent-first", "tiers-1999")


def test_the_history_is_shipped_in_order() -> None:
    shipped = [item for item in list_packs() if item.name == "consent-first"]
    assert [item.version for item in shipped] == HISTORY
    assert load_pack("consent-first").version == HISTORY[-1]
    starts = [item.effective_from for item in shipped]
    ends = [next_version_from(load_pack("consent-first", version)) for version in HISTORY]
    assert ends == [*starts[1:], None]
    assert len(load_pack("consent-first", "usage-policy-2024").changes) == 4


def test_the_version_in_force_is_the_last_that_has_begun() -> None:
    for item in list_packs():
        if item.name == "consent-first":
            assert version_in_force(item.name, item.effective_from) == item.version
    just_before = load_pack("consent-first").effective_from - timedelta(seconds=1)
    assert version_in_force("consent-first", just_before) == HISTORY[-2]
    with pytest.raises(NotFound):
        version_in_force("consent-first", datetime(2020, 1, 1, tzinfo=UTC))


def test_comparison_packs_can_never_be_put_in_force() -> None:
    kinds = {item.name: item.kind for item in list_packs()}
    assert kinds.pop("consent-first") is PackKind.ENFORCEABLE
    assert set(kinds) == {
        "opt-out-by-hand",
        "limited-options",
        "varies-by-product",
        "content-across-platforms",
    }
    for name in kinds:
        with pytest.raises(Denied) as caught:
            load_pack(name).require_enforceable()
        assert caught.value.code == "comparison_pack"
    tiers_pack().require_enforceable()


def test_every_consent_purpose_is_explained_in_english_and_german() -> None:
    for item in list_packs():
        if item.kind is PackKind.COMPARISON:
            continue
        pack = load_pack(item.name, item.version)
        for purpose, info in pack.purposes.items():
            if info.legal_basis == "consent":
                languages = {n.language for n in pack.notices if purpose in n.purposes}
                assert languages == {"en", "de"}
