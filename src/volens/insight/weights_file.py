"""The weights file: factors by group, never by person (docs/formats/weights.md); pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, NotFound
from volens.core.members import Members
from volens.core.purposes import Purpose
from volens.core.time import format_moment, parse_moment
from volens.insight.disclosure import margin, rounded
from volens.insight.representation import Representation
from volens.insight.weighting import MOST
from volens.policy.model import PolicyRef

VERSION: Final = "volens-weights/v1"
_CODE: Final = "weights_form"
_NAME: Final = re.compile(r"[a-z]{1,40}")
_MEMBERS: Final = "version purpose at policy most people effective recommended variables"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWeight:
    """One group and its factor."""

    name: str
    values: tuple[str, ...]
    """Sorted; of these values the group is made."""
    hundredths: int
    """The factor, in hundredths; at least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """Factors for one purpose at one moment."""

    purpose: Purpose
    at: datetime
    policy: PolicyRef
    most: int
    """No weight is larger."""
    people: int
    """How many people it was made from, rounded."""
    effective: int
    """How many equally weighted people tell as much, rounded; never 0."""
    recommended: bool
    variables: tuple[tuple[str, tuple[GroupWeight, ...]], ...]

    def weight(self, values: Mapping[str, str]) -> float:
        """Return the weight of somebody with these values, such as ``{"plan": "free"}``.

        Values of variables that the file doesn't name are not looked at.

        Raises:
            NotFound: ``weight_unknown`` for a value that is in no group.
        """
        hundredths, scale = 1, 1
        for variable, groups in self.variables:
            found = [one for one in groups if values.get(variable) in one.values]
            if not found:
                hint = "make the weights anew: volens represent PURPOSE --weights FILE"
                what = f"no group of {variable} has {values.get(variable, 'nothing')[:40]!r}"
                raise NotFound("weight_unknown", what, hint=hint)
            hundredths, scale = hundredths * found[0].hundredths, scale * 100
        return min(float(self.most), hundredths / scale)

    def encode(self) -> bytes:
        """Write it as canonical JSON."""
        variables: list[Json] = [
            {
                "name": name,
                "groups": [
                    {
                        "name": one.name,
                        "values": list(one.values),
                        "factor_hundredths": one.hundredths,
                    }
                    for one in groups
                ],
            }
            for name, groups in self.variables
        ]
        return canonical_json(
            {
                "version": VERSION,
                "purpose": self.purpose.value,
                "at": format_moment(self.at),
                "policy": {
                    "name": self.policy.name,
                    "version": self.policy.version,
                    "hash": self.policy.hash,
                },
                "most": self.most,
                "people": self.people,
                "effective": self.effective,
                "recommended": self.recommended,
                "variables": variables,
            }
        )


def weights_file(
    found: Representation, *, purpose: Purpose, at: datetime, policy: PolicyRef
) -> WeightsFile:
    """Return the weights of a comparison as a file.

    Raises:
        InvalidInput: ``weights_missed`` if they don't meet the margins, or there are none.
    """
    if not found.shown.table.variables:
        hint = "groups of ten on both sides are needed; volens represent says which are left out"
        raise InvalidInput(
            "weights_missed", "nothing that people are grouped by can be shown", hint=hint
        )
    if not found.raked.converged:
        hint = "a bound of five is in the way; fill the gaps first"
        raise InvalidInput("weights_missed", "no weights meet every margin", hint=hint)
    factors = list(found.raked.factors)
    for axis in range(1, len(factors)):  # scales cancel out: only the first variable keeps one
        counts = margin(found.shown.table.used, axis)
        mean = float((counts * factors[axis]).sum() / counts.sum())
        factors[axis], factors[0] = factors[axis] / mean, factors[0] * mean
    return WeightsFile(
        purpose=purpose,
        at=at,
        policy=policy,
        most=int(MOST),
        people=found.used,
        effective=found.effective,
        recommended=found.advice.recommended,
        variables=tuple(
            (
                variable.name,
                tuple(
                    GroupWeight(name=name, values=values, hundredths=max(1, round(factor * 100)))
                    for name, values, factor in zip(
                        variable.groups, variable.members, each.tolist(), strict=True
                    )
                ),
            )
            for variable, each in zip(found.shown.table.variables, factors, strict=True)
        ),
    )


def read_weights(data: bytes) -> WeightsFile:
    """Read a weights file, strictly.

    Raises:
        InvalidInput: ``weights_form``, or as `read_canonical`.
    """
    top = Members(read_canonical(data), "weights", _CODE)
    top.exactly(_MEMBERS)
    top.constant("version", VERSION)
    if not isinstance(top.member("recommended"), bool):
        raise top.wrong("recommended", "is not true or false")
    ref = top.object("policy")
    ref.exactly("name version hash")
    listed = top.member("variables")
    if not isinstance(listed, list) or not listed:
        raise top.wrong("variables", "is not a list of at least one")
    made = WeightsFile(
        purpose=top.purpose("purpose"),
        at=top.parsed("at", parse_moment),
        policy=PolicyRef(
            name=ref.word("name"), version=ref.word("version"), hash=ref.digest("hash").hex()
        ),
        most=_whole(top, "most"),
        people=_whole(top, "people"),
        effective=_whole(top, "effective"),
        recommended=bool(top.member("recommended")),
        variables=tuple(_variable(value, at) for at, value in enumerate(listed)),
    )
    if len({name for name, _ in made.variables}) < len(made.variables):
        raise top.wrong("variables", "names one twice")
    if rounded(made.people) != made.people:
        raise top.wrong("people", "is not rounded")
    return made


def _variable(value: Json, at: int) -> tuple[str, tuple[GroupWeight, ...]]:
    one = Members(value, f"weights.variables[{at}]", _CODE)
    one.exactly("name groups")
    listed = one.member("groups")
    if not isinstance(listed, list) or not listed:
        raise one.wrong("groups", "is not a list of at least one")
    groups = tuple(
        _group(group, f"weights.variables[{at}].groups[{n}]") for n, group in enumerate(listed)
    )
    held = [value for group in groups for value in group.values]
    if len(set(held)) < len(held) or len({group.name for group in groups}) < len(groups):
        raise one.wrong("groups", "has a name or a value twice")
    return one.matching("name", _NAME), groups


def _group(value: Json, place: str) -> GroupWeight:
    one = Members(value, place, _CODE)
    one.exactly("name values factor_hundredths")
    values = one.member("values")
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(item, str) for item in values)
        or values != sorted(set(values))
    ):
        raise one.wrong("values", "is not a sorted list of different strings")
    return GroupWeight(
        name=one.text("name"), values=tuple(values), hundredths=_whole(one, "factor_hundredths")
    )


def _whole(members: Members, name: str) -> int:
    number = members.number(name)
    if number < 1:
        raise members.wrong(name, "is not at least 1")
    return number
