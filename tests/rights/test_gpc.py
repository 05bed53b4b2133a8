"""Global Privacy Control: what counts as the signal, and the page that says it is honoured."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.rights.gpc import Support, encode_support, parse_support, signalled


@pytest.mark.parametrize(
    "headers",
    [
        [("Sec-GPC", "1")],
        [("sec-gpc", "1")],
        [("SEC-GPC", " 1\t")],
        [("Sec-GPC", "0"), ("Accept", "*/*"), ("Sec-GPC", "1")],
    ],
)
def test_one_field_that_is_exactly_1_is_the_signal(headers: list[tuple[str, str]]) -> None:
    assert signalled(headers)


@pytest.mark.parametrize("value", ["", "0", "true", "01", "1, 1", "1;q=1", '"1"', "\uff11", "1\n"])
def test_every_other_value_counts_as_no_field(value: str) -> None:
    assert not signalled([("Sec-GPC", value)])
    assert not signalled([("GPC", "1"), ("X-Sec-GPC", "1")])
    assert not signalled([])


@given(st.dates())
def test_what_is_written_is_read_again(day: date) -> None:
    assert parse_support(encode_support(day)) == Support(honoured=True, since=day)


def test_the_page_is_the_one_of_the_draft() -> None:
    assert encode_support(date(2026, 1, 31)) == b'{"gpc":true,"lastUpdate":"2026-01-31"}'


@pytest.mark.parametrize(
    ("data", "honoured", "since"),
    [
        (b'{"gpc": false}', False, None),
        (b'{"gpc": true, "version": 1, "lastUpdate": "2021-11-01"}', True, date(2021, 11, 1)),
        (b'{"gpc": true, "lastUpdate": "2021-11-01T10:00:00Z"}', True, date(2021, 11, 1)),
        (b'{"gpc": "true", "lastUpdate": "last week"}', None, None),
        (b'{"gpc": 1, "lastUpdate": 20211101}', None, None),
        (b'{"gpc": true, "lastUpdate": "2021-11-01-x"}', True, None),
        (b"{}", None, None),
    ],
)
def test_what_a_page_does_not_say_plainly_it_does_not_say(
    data: bytes, honoured: bool | None, since: date | None
) -> None:
    assert parse_support(data) == Support(honoured=honoured, since=since)


@pytest.mark.parametrize("data", [b"[]", b"true", b"", b'{"gpc":true,"gpc":false}', b"<html>"])
def test_what_is_no_such_page_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_support(data)
