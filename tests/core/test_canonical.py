"""Canonical JSON out, strict JSON in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.canonical import MAX_INTEGER, canonical_json, read_canonical, read_strict
from volens.core.errors import InvalidInput

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


def test_the_example_of_rfc_8785_section_3_2_2() -> None:
    document = rb"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    assert canonical_json(read_strict(document)) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@given(JSON)
def test_what_is_written_is_read_back_and_written_the_same(value: object) -> None:
    data = canonical_json(value)  # type: ignore[arg-type] - any JSON value
    assert canonical_json(read_canonical(data)) == data


@pytest.mark.parametrize(
    ("code", "document"),
    [
        ("duplicate_key", b'{"a":1,"a":2}'),
        ("duplicate_key", b'[{"x":{"a":1,"\\u0061":2}}]'),
        ("json_number", b"[NaN]"),
        ("json_number", b"[-Infinity]"),
        ("json_number", b"[1e999]"),
        ("json_number", b"9007199254740992"),
        ("json_number", b"1" * 5000),
        ("json_surrogate", b'"\\ud800"'),
        ("json_surrogate", b'[["\\uDC00"]]'),
        ("json_surrogate", b'{"\\ud800":1}'),
        ("json_depth", b"[" * 65 + b"]" * 65),
        ("json_depth", b"[" * 100_000),
        ("json_encoding", b'"\xff"'),
        ("json_encoding", b'"\xed\xa0\x80"'),
        ("json_syntax", b"\xef\xbb\xbf{}"),
        ("json_syntax", b"{} {}"),
        ("json_syntax", b""),
        ("json_syntax", b"{'a':1}"),
        ("json_syntax", b'"\x01"'),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(code: str, document: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_strict(document)
    assert refusal.value.code == code


def test_a_document_over_the_size_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most 3"):
        read_strict(b"[1,2]", max_bytes=3)


def test_a_surrogate_pair_is_a_character() -> None:
    assert read_strict(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    assert read_strict(b'"' + b"[" * 100 + b'"') == "[" * 100


def test_a_readable_document_in_another_form_is_not_canonical() -> None:
    with pytest.raises(InvalidInput, match="canonical"):
        read_canonical(b'{"a": 1}')


@pytest.mark.parametrize("value", [float("nan"), 2**60, "\ud800", {"a": float("inf")}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        canonical_json(value)  # type: ignore[arg-type] - bad on purpose
