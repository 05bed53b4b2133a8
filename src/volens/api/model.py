"""What every body and every answer of the REST door has in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StrictBool

from volens.core.time import format_moment

MAX_WORD = 64
Moment = Annotated[datetime, PlainSerializer(format_moment, return_type=str)]
"""A moment in UTC, written as everywhere in Volens: ``2026-01-31T12:00:00.000Z``."""
Flag = StrictBool
Word = Annotated[str, Field(min_length=1, max_length=MAX_WORD)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Body(BaseModel):
    """What comes in. A member that is not named is refused, whatever it is (no mass assignment).

    So nobody sets a consent, role, tenant, plan or region by naming it somewhere.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Told(BaseModel):
    """What goes out: only what is named."""

    model_config = ConfigDict(frozen=True)


class Problem(Told):
    """What went wrong (RFC 9457)."""

    type: str
    """Where `code` is explained."""
    title: str
    status: int
    code: str
    detail: str
    hint: str | None = None
    instance: str | None = None
