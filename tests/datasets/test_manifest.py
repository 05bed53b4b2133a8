"""The manifest: one spelling, nothing unknown, nothing out of range."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput
from volens.datasets.manifest import OWN_FILES, FileRef, Manifest, parse_manifest
from volens.datasets.model import Format

VECTORS = Path(__file__).parent / "vectors"
HEX = "ab" * 32


def document(form: str = "trl") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / form / "manifest.json").read_bytes())
    return loaded


@pytest.mark.parametrize("form", list(Format))
def test_a_manifest_is_written_back_as_it_was_read(form: Format) -> None:
    data = (VECTORS / form.value / "manifest.json").read_bytes()
    manifest = parse_manifest(data)
    assert manifest.to_bytes() == data
    assert manifest.discloses is (form is not Format.SEALED)


def test_another_spelling_of_the_same_document_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_manifest(json.dumps(document(), indent=1).encode())
    assert caught.value.code == "not_canonical"


EDITS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("unknown member", lambda d: d.update(extra=1)),
    ("other version", lambda d: d.update(version="volens-manifest/v2")),
    ("unknown purpose", lambda d: d.update(purpose="fun")),
    ("prohibited purpose", lambda d: d.update(purpose="targeted_advertising")),
    ("unknown format", lambda d: d.update(format="csv")),
    ("dataset id of another kind", lambda d: d.update(dataset="cnv" + d["dataset"][3:])),
    ("dataset id in capitals", lambda d: d.update(dataset=d["dataset"].upper())),
    ("root in capitals", lambda d: d.update(merkle_root=HEX.upper())),
    ("short root", lambda d: d.update(merkle_root=HEX[:-2])),
    ("root as number", lambda d: d.update(merkle_root=1)),
    ("negative count", lambda d: d["counts"].update(records=-1)),
    ("count as text", lambda d: d["counts"].update(records="1")),
    ("count as truth", lambda d: d["counts"].update(records=True)),
    ("count as fraction", lambda d: d["counts"].update(records=1.5)),
    ("unknown count", lambda d: d["counts"].update(words=1)),
    ("reason with a space", lambda d: d["excluded"].update({"no grant": 1})),
    ("language as a sentence", lambda d: d["languages"].update({"a b": 1})),
    ("path upwards", lambda d: d["files"].update({"../x": d["files"]["README.md"]})),
    ("absolute path", lambda d: d["files"].update({"/x": d["files"]["README.md"]})),
    ("hidden path", lambda d: d["files"].update({".x": d["files"]["README.md"]})),
    ("deep path", lambda d: d["files"].update({"data/a/b": d["files"]["README.md"]})),
    ("backslash", lambda d: d["files"].update({"data\\a": d["files"]["README.md"]})),
    ("file without digest", lambda d: d["files"].update({"a": {"size_bytes": 1}})),
    ("intent after the checkpoint", lambda d: d["log"].update(intent=d["log"]["size"])),
    ("origin with a space", lambda d: d["log"].update(origin="a b")),
    ("origin with a plus", lambda d: d["log"].update(origin="a+b")),
    ("other timezone", lambda d: d.update(created="2026-03-01T12:00:00.000+00:00")),
    ("no disclosure", lambda d: d.update(disclosure=False)),
    ("disclosure as number", lambda d: d.update(disclosure=1)),
    ("no recall on a plain form", lambda d: d.update(recall="")),
    ("recall with a line break", lambda d: d.update(recall="a\nb")),
    ("endless recall", lambda d: d.update(recall="a" * 2001)),
]


@pytest.mark.parametrize(("name", "edit"), EDITS, ids=[name for name, _ in EDITS])
def test_what_is_out_of_range_is_refused(
    name: str, edit: Callable[[dict[str, Any]], object]
) -> None:
    changed = document()
    edit(changed)
    with pytest.raises(InvalidInput) as caught:
        parse_manifest(canonical_json(changed))
    assert caught.value.code == "manifest_form", name


@pytest.mark.parametrize("name", sorted(document()))
def test_every_member_must_be_there(name: str) -> None:
    changed = document()
    del changed[name]
    with pytest.raises(InvalidInput, match=name):
        parse_manifest(canonical_json(changed))


@pytest.mark.parametrize("name", sorted(OWN_FILES))
def test_the_files_that_bind_the_manifest_can_not_be_listed_in_it(name: str) -> None:
    changed = document()
    changed["files"][name] = changed["files"]["README.md"]
    with pytest.raises(InvalidInput):
        parse_manifest(canonical_json(changed))


@given(st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32))
def test_any_file_reference_survives_the_round_trip(size: int, digest: bytes) -> None:
    changed = document()
    changed["files"]["data/x.bin"] = {"sha256": digest.hex(), "size_bytes": size}
    manifest: Manifest = parse_manifest(canonical_json(changed))
    assert manifest.files["data/x.bin"] == FileRef(sha256=digest, size_bytes=size)
    assert manifest.to_bytes() == canonical_json(changed)


def test_what_the_reader_refuses_is_never_written() -> None:
    manifest = parse_manifest((VECTORS / "trl" / "manifest.json").read_bytes())
    broken = {name: getattr(manifest, name) for name in Manifest.__slots__}
    broken["software"] = "two\nlines"
    with pytest.raises(InvalidInput):
        Manifest(**broken).to_bytes()
