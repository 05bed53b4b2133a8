"""Borders: the last thing allowed and the first one refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from volens.core.canonical import MAX_DEPTH, canonical_json, read_canonical, read_strict
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, format_id, parse_id
from volens.core.time import format_moment, parse_moment, to_millis


def test_the_deepest_document_is_read_and_a_deeper_one_is_not() -> None:
    document = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert canonical_json(read_strict(document)) == document
    with pytest.raises(InvalidInput) as refusal:
        read_strict(b"[" + document + b"]")
    assert refusal.value.code == "json_depth"
    assert read_strict(b"[1]", max_depth=1) == [1]


def test_neighbours_do_not_add_up_to_depth() -> None:
    document = b"[" + b",".join([b'{"a":[]}'] * 1000) + b"]"
    assert read_strict(document, max_depth=3) == [{"a": []}] * 1000


def test_the_largest_document_is_read_and_a_larger_one_is_not() -> None:
    assert read_strict(b"[1]", max_bytes=3) == [1]
    with pytest.raises(InvalidInput) as refusal:
        read_strict(b"[12]", max_bytes=3)
    assert refusal.value.code == "json_size"


def test_refusals_carry_their_codes() -> None:
    for code, attempt in (
        ("not_canonical", lambda: canonical_json(float("nan"))),
        ("not_canonical", lambda: read_canonical(b"[ 1]")),
        ("id_length", lambda: format_id(IdKind.EVENT, b"")),
        ("id_form", lambda: parse_id(IdKind.EVENT, "evt")),
        ("time_form", lambda: parse_moment("now")),
        ("time_form", lambda: parse_moment("2026-01-01T00:00:00.000+02:00"[:24])),
        ("naive_time", lambda: format_moment(datetime(2026, 1, 1))),  # noqa: DTZ001 - naive on purpose
    ):
        with pytest.raises(InvalidInput) as refusal:
            attempt()
        assert refusal.value.code == code
        assert refusal.value.message


def test_a_moment_is_written_in_utc_wherever_it_was_taken() -> None:
    east = timezone(timedelta(hours=5, minutes=45))
    moment = datetime(2026, 1, 1, 5, 45, tzinfo=east)
    assert format_moment(moment) == "2026-01-01T00:00:00.000Z"
    assert to_millis(moment) == to_millis(datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(to_millis(moment), int)
    assert to_millis(moment + timedelta(microseconds=999)) == to_millis(moment)
