"""The same rule as joins, for the decision benchmark: Polars and DuckDB, if they are installed."""

from __future__ import annotations

import os
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from volens.bench.decision_world import Column, World
from volens.core.time import to_millis

RULE = """
    s.region = 0 and s.realm = 0 and s.age = 0 and s.status = 0 and s.organisation <> 2
    and s."grant" = 1 and s.notice = 1 and s.expires > {now}
    and ((s.tier = 0 and s.scope <> 2) or (s.tier = 2 and s.scope = 1))
    and c.signal = 0
"""
"""The rule for `batch_training` on the benchmark's columns, in SQL."""


class Join(Protocol):
    """One contender: holds both tables in its own memory and answers with a join."""

    name: str

    def load_subjects(self, columns: dict[str, Column]) -> None:
        """Replace the subjects table; not timed."""

    def count(self, now: datetime) -> int:
        """Return how many conversations are permitted."""

    def permitted(self, now: datetime) -> npt.NDArray[np.int64]:
        """Return the numbers of the permitted conversations, ascending; not timed."""


class PolarsJoin:
    """Polars, lazy, one thread; its optimiser filters subjects before the join."""

    name = "polars join"

    def __init__(self, world: World) -> None:
        """Hold the conversations table."""
        os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when polars is first imported
        self._pl: Any = import_module("polars")
        owners = world.owners
        self._conversations = self._pl.DataFrame(
            {"subject": owners, "signal": world.signals, "number": np.arange(len(owners))}
        )
        self._subjects: Any = None

    def load_subjects(self, columns: dict[str, Column]) -> None:
        """Replace the subjects table."""
        ids = np.arange(len(columns["tier"]), dtype=np.int32)
        self._subjects = self._pl.DataFrame({"subject": ids, **columns})

    def count(self, now: datetime) -> int:
        """Return how many conversations are permitted."""
        return int(self._answer(now).select(self._pl.len()).collect().item())

    def permitted(self, now: datetime) -> npt.NDArray[np.int64]:
        """Return the numbers of the permitted conversations."""
        numbers: npt.NDArray[np.int64] = (
            self._answer(now).select("number").collect()["number"].sort().to_numpy()
        )
        return numbers

    def _answer(self, now: datetime) -> Any:  # noqa: ANN401 - an optional library's lazy frame
        col = self._pl.col
        permitted = self._subjects.lazy().filter(
            (col("region") == 0)
            & (col("realm") == 0)
            & (col("age") == 0)
            & (col("status") == 0)
            & (col("organisation") != 2)  # noqa: PLR2004 - position in OrganisationState
            & (col("grant") == 1)
            & (col("notice") == 1)
            & (col("expires") > to_millis(now))
            & (
                ((col("tier") == 0) & (col("scope") != 2))  # noqa: PLR2004 - position of mismatch
                | ((col("tier") == 2) & (col("scope") == 1))  # noqa: PLR2004 - position of private
            )
        )
        chats = self._conversations.lazy().filter(col("signal") == 0)
        return chats.join(permitted.select("subject"), on="subject", how="semi")


class DuckJoin:
    """DuckDB, native tables in memory, one thread."""

    name = "duckdb join"

    def __init__(self, world: World) -> None:
        """Hold the conversations table."""
        self._db: Any = import_module("duckdb").connect(":memory:")
        self._db.execute("set threads = 1")
        owners = world.owners
        self._load(
            "c", {"subject": owners, "signal": world.signals, "number": np.arange(len(owners))}
        )

    def load_subjects(self, columns: dict[str, Column]) -> None:
        """Replace the subjects table."""
        ids = np.arange(len(columns["tier"]), dtype=np.int32)
        self._load("s", {"subject": ids, **columns})

    def count(self, now: datetime) -> int:
        """Return how many conversations are permitted."""
        rows = self._db.execute(self._query("count(*)", now)).fetchall()
        return int(rows[0][0])

    def permitted(self, now: datetime) -> npt.NDArray[np.int64]:
        """Return the numbers of the permitted conversations."""
        found = self._db.execute(self._query("c.number", now)).fetchnumpy()["number"]
        numbers: npt.NDArray[np.int64] = np.sort(np.asarray(found))
        return numbers

    def _load(self, table: str, columns: dict[str, Column]) -> None:
        self._db.register("columns_view", dict(columns))
        statement = f"create or replace table {table} as select * from columns_view"  # noqa: S608 - own words
        self._db.execute(statement)
        self._db.unregister("columns_view")

    @staticmethod
    def _query(what: str, now: datetime) -> str:
        rule = RULE.format(now=to_millis(now))
        return f"select {what} from c join s using (subject) where {rule}"  # noqa: S608 - own words


def available_joins(world: World) -> list[Join]:
    """Return the joins whose library is installed, with the subjects loaded."""
    joins: list[Join] = []
    if find_spec("polars"):
        joins.append(PolarsJoin(world))
    if find_spec("duckdb"):
        joins.append(DuckJoin(world))
    for join in joins:
        join.load_subjects(world.columns)
    return joins
