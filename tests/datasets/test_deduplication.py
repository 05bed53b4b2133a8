"""What counts as said before, and by whom."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.datasets.deduplication import (
    Deduplicator,
    fingerprint,
    normalise,
    resemblance,
    sketch,
)

KEY = b"k" * 32
WORDS = [f"word{number}" for number in range(5_000)]


def prose(seed: int, count: int = 400) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def test_case_white_space_and_composition_make_no_difference() -> None:
    assert normalise("Straße  zum\nMEER") == normalise("STRASSE zum meer")
    assert normalise("cafe\u0301") == normalise("caf\u00e9")
    assert normalise("Hello  World") == normalise("hello world")
    assert normalise("one") != normalise("two")


def test_a_second_equal_record_of_a_person_is_left_out() -> None:
    seen = Deduplicator(key=KEY)
    assert seen.first_time(b"a", ["How?", "Like this."])
    assert not seen.first_time(b"a", ["how?", "like  THIS."])
    assert seen.first_time(b"a", ["How?", "Like that, in another way."])


def test_equal_records_of_two_people_both_stay() -> None:
    seen = Deduplicator(key=KEY)
    assert seen.first_time(b"a", ["the same words"])
    assert seen.first_time(b"b", ["the same words"])


def test_where_one_text_ends_makes_a_difference() -> None:
    assert fingerprint(KEY, ["ab", "c"]) != fingerprint(KEY, ["a", "bc"])


def test_a_public_record_is_left_out_for_everybody() -> None:
    public = frozenset({fingerprint(KEY, ["We the People"])})
    seen = Deduplicator(public, key=KEY)
    assert not seen.first_time(b"a", ["we the people"])
    assert not seen.first_time(b"b", ["We  the  People"])
    assert seen.first_time(b"b", ["we the person"])


def test_a_fingerprint_says_nothing_without_its_key() -> None:
    assert fingerprint(KEY, ["hello"]) != fingerprint(b"other", ["hello"])
    assert len(fingerprint(KEY, ["hello"])) == 16


def test_a_subject_that_comes_twice_is_an_error() -> None:
    seen = Deduplicator(key=KEY)
    seen.first_time(b"a", ["x"])
    seen.first_time(b"b", ["x"])
    with pytest.raises(InvalidInput, match="two places"):
        seen.first_time(b"a", ["y"])


def test_a_record_with_few_changed_words_is_a_near_duplicate() -> None:
    seen = Deduplicator(key=KEY)
    text = prose(1)
    assert seen.first_time(b"a", [text])
    assert not seen.first_time(b"a", [text.replace(text.split()[17], "changed", 1)])
    assert seen.first_time(b"a", [prose(2)])
    assert Deduplicator(key=KEY, threshold=1.0).first_time(b"a", [text])


def test_with_threshold_one_only_equal_records_go() -> None:
    seen = Deduplicator(key=KEY, threshold=1.0)
    assert seen.first_time(b"a", [prose(1)])
    assert seen.first_time(b"a", [prose(1) + " end"])
    assert not seen.first_time(b"a", [prose(1)])


def test_a_near_duplicate_of_any_earlier_record_is_found_not_only_of_the_last() -> None:
    seen = Deduplicator(key=KEY)
    assert all(seen.first_time(b"a", [prose(number)]) for number in range(30))
    assert not any(seen.first_time(b"a", [prose(number) + " end"]) for number in range(30))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.1}, "threshold"),
        ({"key": b"k" * 65}, "key_size"),
        ({"public": frozenset({b"short"})}, "fingerprint_size"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Deduplicator(**options)
    assert refused.value.code == code


def shingles(data: bytes) -> set[bytes]:
    return {data[at : at + 8] for at in range(max(1, len(data) - 7))}


def jaccard(one: bytes, other: bytes) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=8, max_size=60), st.binary(min_size=8, max_size=60))
def test_for_short_texts_the_resemblance_is_exact(one: bytes, other: bytes) -> None:
    other = one[: len(one) // 2] + other
    assert resemblance(sketch(one), sketch(other)) == pytest.approx(jaccard(one, other))


@pytest.mark.parametrize("changed", [0, 5, 20, 60, 150, 400])
def test_for_long_texts_the_estimate_is_within_four_standard_errors(changed: int) -> None:
    words = prose(3).split()
    other = [*words[: len(words) - changed], *prose(4).split()[:changed]]
    one_bytes, other_bytes = " ".join(words).encode(), " ".join(other).encode()
    exact = jaccard(one_bytes, other_bytes)
    error = (exact * (1 - exact) / 128) ** 0.5
    assert abs(resemblance(sketch(one_bytes), sketch(other_bytes)) - exact) <= 4 * error + 1e-9


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3_000))
def test_a_sketch_is_the_smallest_hashes_of_all_shingles(data: bytes) -> None:
    made = sketch(data)
    apart = [sketch(data[at : at + 8])[0] for at in range(max(1, len(data) - 7))]
    assert np.array_equal(made, np.unique(np.array(apart, dtype=np.uint64))[:128])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5)), max_size=30))
def test_the_answers_depend_on_a_persons_own_records_only(stream: list[tuple[int, str]]) -> None:
    stream = sorted(stream, key=lambda item: item[0])
    together = Deduplicator(key=KEY)
    answers = [together.first_time(bytes([who]), [text]) for who, text in stream]
    for person in range(4):
        alone = Deduplicator(key=KEY)
        own = [alone.first_time(b"x", [text]) for who, text in stream if who == person]
        assert own == [
            answer for answer, (who, _) in zip(answers, stream, strict=True) if who == person
        ]


def test_the_oldest_sketches_go_and_equal_records_are_still_found() -> None:
    seen = Deduplicator(key=KEY)
    records = [f"{number} " + prose(number, count=30) for number in range(4_200)]
    assert all(seen.first_time(b"a", [record]) for record in records)
    assert len(seen._sketches) == 4_096
    assert max(seen._sketches) - min(seen._sketches) == 4_095
    assert not seen.first_time(b"a", [records[0]])
    assert seen.first_time(b"a", [records[0] + " end"])
    assert not seen.first_time(b"a", [records[4_000] + " end"])


_SPOKEN = st.text(
    alphabet=st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(
            " \t\n\x1e\x1f\x85\xa0\u2003\u2014\u3000\u0301\u0130\u03a3\u1e9e\ufb03eEéÉßẞ"
        ),
    ),
    max_size=12,
)


@given(st.lists(_SPOKEN, min_size=1, max_size=5), st.lists(_SPOKEN, min_size=1, max_size=5))
def test_utf8_and_text_are_told_apart_alike(one: list[str], other: list[str]) -> None:
    as_text, as_bytes = Deduplicator(key=KEY), Deduplicator(key=KEY)
    for texts in (one, other, [*one], [text.swapcase() for text in one]):
        encoded = [text.encode() for text in texts]
        assert as_bytes.first_time_utf8(b"a", encoded) == as_text.first_time(b"a", texts)
        public = Deduplicator(frozenset({fingerprint(KEY, texts)}), key=KEY)
        assert not public.first_time_utf8(b"a", encoded)
