"""The erasure map is whole: nothing is kept anywhere that is not on it."""

import importlib
import pkgutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from sqlalchemy import MetaData

import volens
from tests.lifecycle.world import World
from tests.support.stores import TRAINING
from volens.crypto import keystore
from volens.datasets.model import Format
from volens.holds.erasure import COOL_OFF
from volens.lifecycle.erasure_map import (
    ERASURE_MAP,
    OF_THEIR_OWN,
    inventory,
    row_of_column,
    row_of_file,
    stores_to_clear,
)
from volens.lifecycle.map_rows import Method, When
from volens.log.kinds import ErasureScope
from volens.storage import stamps

NOT_OURS = ("volens.bench", "volens.cli")
"""Rooms that keep nothing: benches make their own tables in folders of their own."""


def real_columns() -> Iterator[tuple[str, str]]:
    """Every column of every table that any module of the product defines."""
    seen: set[int] = set()
    for module in pkgutil.walk_packages(volens.__path__, "volens."):
        if module.name.startswith(NOT_OURS):
            continue
        for found in vars(importlib.import_module(module.name)).values():
            if not isinstance(found, MetaData) or id(found) in seen:
                continue
            seen.add(id(found))
            databases = {keystore.METADATA: ["keys.db"], stamps.METADATA: ["main.db", "keys.db"]}
            kept_in = product(databases.get(found, ["main.db"]), found.sorted_tables)
            for database, table in kept_in:
                yield from ((f"{database} {table.name}", one.name) for one in table.columns)


def test_every_column_of_every_table_is_on_the_map_and_no_other() -> None:
    mapped = [(row.place, row.column) for row in ERASURE_MAP if row.column]
    assert len(mapped) == len(set(mapped))
    assert sorted(mapped) == sorted(set(real_columns()))


def test_a_column_that_is_not_on_the_map_would_be_found() -> None:
    assert row_of_column("main.db subject", "id") is not None
    assert row_of_column("main.db subject", "shoe_size") is None
    assert row_of_file("datasets/dst_x/rows.bin") is not None
    assert row_of_file("search/index.bin") is None


def test_every_file_of_a_used_home_is_on_the_map(world: World, tmp_path: Path) -> None:
    willing = [world.person(f"person-{number}", 6, willing=True) for number in range(2)]
    builder = world.home.datasets()
    builder.build(TRAINING, tmp_path / "plain", form=Format.OPENAI)
    builder.build(TRAINING, tmp_path / "sealed")
    world.request(ErasureScope.ACCOUNT, willing[0])
    world.where.clock.step(COOL_OFF)
    world.eraser.run(world.now)
    (world.where.folder / "journal" / ".erasures.new").write_bytes(b"")
    paths = [
        str(path.relative_to(root))
        for root in (world.where.folder, *world.where.kek.iterdir())
        for path in root.rglob("*")
        if path.is_file()
    ]
    assert any(path.endswith("removed.leaves") for path in paths)
    assert any(path.endswith(".kek") for path in paths)
    assert [path for path in paths if row_of_file(path) is None] == []


def test_everything_that_goes_has_a_store_and_nothing_else_has_one() -> None:
    for row in inventory():
        assert bool(row.store) == (row.method is not Method.KEPT), row
        assert (row.when is When.NEVER) == (row.method is Method.KEPT), row
        assert row.holds


def test_every_store_has_a_target_and_every_target_is_on_the_map(world: World) -> None:
    cleared = {store for target in world.eraser._targets for store in target.stores}
    assert cleared == stores_to_clear()
    methods = {method for target in world.eraser._targets for method in target.stores.values()}
    assert methods <= set(Method)
    assert {row.store for row in ERASURE_MAP} - cleared == {"", *OF_THEIR_OWN}
