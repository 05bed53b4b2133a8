"""Check: the rows that the home kept of a dataset are those of its signed leaves.

Without it the replay of choices would rest on a file that nobody signed. Each leaf is made anew
from the keys; the secrets that it takes are not shown to this room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from volens.audit.manifests import Kept, kept_datasets
from volens.audit.model import Finding, Look, found
from volens.audit.survey import Survey
from volens.core.ids import IdKind, parse_id
from volens.core.time import to_millis
from volens.crypto.keystore import Holder
from volens.datasets.manifest import LEAVES_FILE
from volens.datasets.model import LEAF_BYTES

_PEOPLE_AT_ONCE = 900


def rows_are_the_leaves(survey: Survey) -> Look:
    """Make the leaf of every row of every kept dataset anew and compare it with the signed one."""
    looked = 0
    violations: list[Finding] = []
    remarks: list[Finding] = []
    for kept in kept_datasets(survey.evidence.folder / "datasets"):
        if isinstance(kept, int):
            continue  # `datasets.match_the_log` tells of it
        looked += len(kept.rows)
        wrong, gone = _compare(survey, kept)
        name = f"dataset {kept.place}"
        violations += found(f"{name}: rows whose conversation has another leaf", wrong)
        remarks += found(f"{name}: rows that no key is left of to compare", gone)
    return Look(looked_at=looked, violations=violations, remarks=remarks)


def _compare(survey: Survey, kept: Kept) -> tuple[list[int], list[int]]:
    """Return the conversation numbers whose leaf is another, and those without a leaf to make."""
    data = (kept.folder / LEAVES_FILE).read_bytes()
    created_ms = to_millis(kept.manifest.created)
    wrong, gone = [], []
    places: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(kept.rows):
        chat = survey.chats.get(number)
        if chat is None or chat.captured_ms > created_ms or chat.subject_no not in survey.people:
            gone.append(number)
        else:
            places[chat.subject_no].append(place)
    for place, leaf in _made(survey, kept, places):
        if leaf is None:
            gone.append(kept.rows[place])
        elif leaf != data[place * LEAF_BYTES : (place + 1) * LEAF_BYTES]:
            wrong.append(kept.rows[place])
    return wrong, gone


def _made(
    survey: Survey, kept: Kept, places: Mapping[int, Sequence[int]]
) -> Iterator[tuple[int, bytes | None]]:
    """Yield each place in the manifest with the leaf that its conversation has there."""
    people = sorted(places)
    dataset = parse_id(IdKind.DATASET, kept.manifest.dataset)
    for start in range(0, len(people), _PEOPLE_AT_ONCE):
        some = people[start : start + _PEOPLE_AT_ONCE]
        wanted = [
            (
                Holder(number=number, raw=survey.people[number].raw),
                [survey.chats[kept.rows[place]].raw for place in places[number]],
            )
            for number in some
        ]
        made = survey.evidence.leaf_roll.leaves(dataset, wanted)
        for number, leaves in zip(some, made, strict=True):
            yield from zip(places[number], leaves, strict=True)
