"""Everybody with chats beside those who may be used now, counted in groups; opens nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Engine

from volens.gate.census import Census
from volens.insight.disclosure import PeopleTable, table_of
from volens.storage.engine import driver_of

VARIABLES: Final = ("plan", "region", "length")
"""What is known of people without opening what they said."""
NOT_KNOWN: Final[Mapping[str, str]] = {
    "language": "it is kept nowhere outside the chats, and they are not opened for this",
    "topic": "it is kept nowhere outside the chats, and they are not opened for this",
}
"""What people are not compared by, and why."""
BANDS: Final = ((4, "4 turns or fewer"), (10, "5 to 10 turns"))
LONGEST: Final = "more than 10 turns"

_PEOPLE = """
SELECT s.no, s.plan, s.region, c.turns, c.chats
FROM subject AS s
JOIN (
    SELECT subject_no, sum(turns) AS turns, count(*) AS chats FROM conversation
    WHERE ended_ms IS NULL GROUP BY subject_no
) AS c ON c.subject_no = s.no
"""


def count_people(engine: Engine, census: Census) -> PeopleTable:
    """Count the people who have chats, and those of them with one at least that may be used.

    A person counts once, however many chats there are; the length is that of the person's mean
    chat. Who may be used is the census's answer; somebody who came after it was taken is not
    counted.
    """
    counted: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    usable = {number for some in census.permitted() for number in some.subjects.tolist()}
    known = set(census.numbers.tolist())
    with engine.connect() as db:
        for number, plan, region, turns, chats in driver_of(db).execute(_PEOPLE):
            if number in known:
                cell = counted[plan, region, length_band(turns, chats)]
                cell[0] += 1
                cell[1] += number in usable
    return table_of(VARIABLES, {key: (count, used) for key, (count, used) in counted.items()})


def length_band(turns: int, chats: int) -> str:
    """Return the band of the mean length of some chats that have so many turns in all."""
    for most, name in BANDS:
        if turns <= most * chats:
            return name
    return LONGEST
