"""Regions: where data lives. A closed list; unknown regions are refused at the door."""

from __future__ import annotations

from enum import StrEnum


class Region(StrEnum):
    """A home region with a law profile of its own (R64-R68)."""

    EU = "eu"
    US = "us"
    CN = "cn"
    CA = "ca"
    OTHER = "other"
