"""Tiles: the specification's examples, then round trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.tiles import (
    TileName,
    decode_bundle,
    encode_bundle,
    level_tiles,
    parse_tile_path,
    tile_levels,
    tile_root,
)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (TileName(level=0, index=1234067), "tile/0/x001/x234/067"),
        (TileName(level=0, index=0), "tile/0/000"),
        (TileName(level=2, index=0, width=1), "tile/2/000.p/1"),
        (TileName(level=None, index=273, width=112), "tile/entries/273.p/112"),
        (TileName(level=63, index=1000), "tile/63/x001/000"),
    ],
)
def test_the_paths_of_the_specification(name: TileName, path: str) -> None:
    assert name.path == path
    assert parse_tile_path(path) == name


def test_the_tree_of_70_000_of_the_specification() -> None:
    counts = [70_000, 70_000 // 256, 70_000 // 256**2]
    tiles = [list(level_tiles(level, count)) for level, count in enumerate(counts)]
    widths = [[tile.width for tile in level] for level in tiles]
    assert widths == [[256] * 273 + [112], [256, 17], [1]]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p",
        "tile/0/000.p/1.tmp",
        "tile/entry/000",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/\u0660\u0660\u0660",
        "checkpoint",
        "",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        parse_tile_path(path)


@given(st.none() | st.integers(0, 63), st.integers(0, 2**60), st.integers(1, 256))
def test_every_tile_has_one_path(level: int | None, index: int, width: int) -> None:
    name = TileName(level=level, index=index, width=width)
    assert parse_tile_path(name.path) == name


@given(st.lists(st.binary(max_size=300)))
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


@given(st.lists(st.binary(max_size=30), min_size=1), st.data())
def test_a_bundle_that_breaks_off_is_refused_or_ends_at_an_entry(
    entries: list[bytes], data: st.DataObject
) -> None:
    whole = encode_bundle(entries)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        found = decode_bundle(cut)
    except VerificationFailed:
        return
    assert encode_bundle(found) == cut


def test_an_entry_has_at_most_65_535_bytes() -> None:
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(InvalidInput):
        encode_bundle([bytes(65_536)])


def test_the_root_of_a_full_tile_is_the_root_of_its_tree() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(256)]
    assert tile_root(tile_levels(b"".join(leaves))) == MerkleTree(leaves).root()
