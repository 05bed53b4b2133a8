"""Card and Croissant: written from the manifest, valid for their readers, plain for people."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from volens.datasets.card import render_card
from volens.datasets.croissant import CONFORMS_TO, render_croissant
from volens.datasets.manifest import Counts, Manifest, parse_manifest
from volens.datasets.model import Format

VECTORS = Path(__file__).parent / "vectors"
FORMS = list(Format)


def manifest_of(form: Format) -> Manifest:
    """The manifest as it was when the texts were written: without the two of them."""
    whole = parse_manifest((VECTORS / form.value / "manifest.json").read_bytes())
    data = {name: ref for name, ref in whole.files.items() if name.startswith("data/")}
    return dataclasses.replace(whole, files=data)


def header(card: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    loaded: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return loaded


@pytest.mark.parametrize("form", FORMS)
def test_the_texts_follow_from_the_manifest_alone(form: Format) -> None:
    folder = VECTORS / form.value
    assert (folder / "README.md").read_text("utf-8") == render_card(manifest_of(form))
    assert (folder / "croissant.json").read_bytes() == render_croissant(manifest_of(form))


@pytest.mark.parametrize("form", FORMS)
def test_the_header_tells_a_hub_where_the_data_lie(form: Format) -> None:
    found = header(render_card(manifest_of(form)))
    assert found["license"] == "other"
    assert found["size_categories"] == ["n<1K"]
    if form is Format.SEALED:
        assert found["viewer"] is False
        assert "configs" not in found
        return
    (config,) = found["configs"]
    (files,) = config["data_files"]
    names = [path.relative_to(VECTORS / form.value) for path in VECTORS.glob(f"{form}/data/*")]
    assert any(name.match(files["path"]) for name in names)


def test_languages_stay_words_in_the_header() -> None:
    manifest = dataclasses.replace(manifest_of(Format.HF), languages={"no": 12, "other": 2})
    assert header(render_card(manifest))["language"] == ["no"]


def test_the_card_says_what_was_left_out_and_why() -> None:
    manifest = dataclasses.replace(manifest_of(Format.HF), excluded={"no_grant": 812, "minor": 3})
    card = render_card(manifest)
    assert card.index("`no_grant` | 812") < card.index("`minor` | 3")
    assert "Nothing was left out" in render_card(dataclasses.replace(manifest, excluded={}))


@pytest.mark.parametrize("form", FORMS)
def test_only_who_holds_a_readable_copy_has_a_duty(form: Format) -> None:
    card = render_card(manifest_of(form))
    assert ("## Your duty" in card) is form.discloses


@pytest.mark.parametrize(
    ("records", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**9, "n>1B")],
)
def test_sizes_are_the_categories_of_the_hub(records: int, size: str) -> None:
    counts = Counts(records=records, turns=0, payload_bytes=0)
    card = render_card(dataclasses.replace(manifest_of(Format.HF), counts=counts))
    assert header(card)["size_categories"] == [size]


@pytest.mark.parametrize("form", FORMS)
def test_croissant_has_every_property_that_the_specification_requires(form: Format) -> None:
    """Croissant 1.1, "Required" and "Modified and Added Properties"."""
    document = json.loads(render_croissant(manifest_of(form)))
    required = "@context @type conformsTo description license name url creator datePublished"
    for name in [*required.split(), "distribution"]:
        assert document[name], name
    assert document["@type"] == "sc:Dataset"
    assert document["conformsTo"] == list(CONFORMS_TO)
    for term in [key for key in document if key.startswith("rai:")]:
        assert re.fullmatch(r"rai:[a-zA-Z]+", term)


@pytest.mark.parametrize("form", FORMS)
def test_croissant_names_the_data_files_with_their_digests(form: Format) -> None:
    manifest = manifest_of(form)
    files = {
        one["contentUrl"]: one["sha256"]
        for one in json.loads(render_croissant(manifest))["distribution"]
    }
    assert files == {name: ref.sha256.hex() for name, ref in manifest.files.items()}


@pytest.mark.parametrize("form", FORMS)
def test_identifiers_are_unique_and_every_reference_leads_to_one(form: Format) -> None:
    document = json.loads(render_croissant(manifest_of(form)))
    named: list[str] = []
    referred: list[str] = []

    def walk(node: Any) -> None:  # noqa: ANN401 - any JSON
        if isinstance(node, dict):
            if "@id" in node:
                (referred if set(node) == {"@id"} else named).append(node["@id"])
            for value in node.values():
                walk(value)
        if isinstance(node, list):
            for value in node:
                walk(value)

    walk({name: value for name, value in document.items() if name != "@context"})
    assert len(named) == len(set(named))
    assert set(referred) <= set(named)
    assert bool(referred) is (form is not Format.SEALED)


@pytest.mark.parametrize("form", FORMS)
def test_every_term_is_declared_in_the_context(form: Format) -> None:
    """A term without a meaning would be dropped by a JSON-LD reader or taken from schema.org."""
    document = json.loads(render_croissant(manifest_of(form)))
    own = {"recordSet", "field", "source", "fileObject", "extract", "column", "transform"}
    assert own <= set(document["@context"])
    text = json.dumps(document.get("recordSet", []))
    used = set(re.findall(r'"([a-zA-Z]+)":', text))
    schema_org = {"name", "description"}
    assert used - schema_org <= set(document["@context"])


@pytest.mark.parametrize("form", [form for form in FORMS if form is not Format.SEALED])
def test_record_sets_name_members_that_the_rows_have(form: Format) -> None:
    document = json.loads(render_croissant(manifest_of(form)))
    (records,) = document["recordSet"]
    columns = {one["name"] for one in records["field"]}
    if form is Format.HF:
        parquet = pytest.importorskip("pyarrow.parquet")
        path = next(VECTORS.glob("hf/data/*.parquet"))
        assert columns == set(parquet.read_schema(path).names)
    else:
        line = next(VECTORS.glob(f"{form}/data/*.jsonl")).read_bytes().splitlines()[0]
        assert columns == set(json.loads(line))
