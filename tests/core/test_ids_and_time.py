"""Ids and moments have exactly one spelling."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, format_id, parse_id
from volens.core.time import format_moment, from_millis, parse_moment, to_millis


@given(st.sampled_from(IdKind), st.binary(min_size=16, max_size=16))
def test_an_id_is_read_back(kind: IdKind, raw: bytes) -> None:
    assert parse_id(kind, format_id(kind, raw)) == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sub_",
        "cnv_aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "sub_AAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sub_aaaaaaaaaaaaaaaaaaaaaaaaab",
        "sub_aaaaaaaaaaaaaaaaaaaaaaaaaa======",
        "sub_a1aaaaaaaaaaaaaaaaaaaaaaaa",
        "sub_aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_id(IdKind.SUBJECT, text)


def test_an_id_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput):
        format_id(IdKind.SUBJECT, b"short")


@given(st.integers(-(10**13), 10**14))
def test_a_moment_is_read_back(millis: int) -> None:
    assert to_millis(parse_moment(format_moment(from_millis(millis)))) == millis


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000+00:00",
        "2026-01-01T00:00:00.000+01:00",
        "2026-01-01 00:00:00.000Z",
        "2026-13-01T00:00:00.000Z",
        "20260101T000000.000000Z0",
        "yesterday",
    ],
)
def test_any_other_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_moment(text)


def test_a_moment_without_a_timezone_is_refused() -> None:
    with pytest.raises(InvalidInput):
        format_moment(datetime(2026, 1, 1))  # noqa: DTZ001 - naive on purpose
