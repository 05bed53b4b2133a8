"""Made-up dialogues for the build benchmark: the same words for the same seed, nobody's words.

A seeded syllable model makes a vocabulary; words are drawn by Zipf's law, one in twelve ends a
sentence, and in every fifth dialogue some words are not ASCII. With the defaults a dialogue holds
about 2 KB in 2 to 20 turns, and zstd packs it about as well as prose. No dialogue is blank, foreign
or drawn twice, so screening and de-duplication keep them all and every contender's output is equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

CHUNK = 1_000
"""Dialogues drawn at once; a dialogue depends on the seed and its number only."""
_WORDS = 6_000
_ONSETS = [
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "qu",
    "r",
    "s",
    "sh",
    "sl",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
]
_VOWELS = ["a", "e", "i", "o", "u", "ea", "ee", "io", "ou", "ai"]
_CODAS = ["", "", "", "n", "r", "s", "t", "l", "nd", "st", "ng", "ck"]
_FOREIGN = str.maketrans({"a": "ä", "e": "é", "o": "ö", "u": "ü"})
_PLAIN, _CAPITAL, _ENDING, _OTHER = range(4)
_WORD_BYTES = 5.75
_SHORT, _LONG = 0.22, 0.78
"""Shares of the person's and the assistant's words in an exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogues:
    """A model that writes dialogue number n, for any n. `repr` shows its settings only."""

    seed: int
    mean_bytes: int
    _vocabulary: npt.NDArray[Any] = field(repr=False)
    _weights: npt.NDArray[np.float64] = field(repr=False)

    def write(self, first: int, count: int) -> Iterator[list[str]]:
        """Yield the turns of dialogues `first` to ``first + count - 1``: person, assistant, ..."""
        for chunk in range(first // CHUNK, -(-(first + count) // CHUNK)):
            made = self._chunk(chunk)
            begin = max(first - chunk * CHUNK, 0)
            yield from made[begin : min(first + count - chunk * CHUNK, CHUNK)]

    def _chunk(self, chunk: int) -> list[list[str]]:
        rng = np.random.default_rng([self.seed, chunk])
        exchanges = np.minimum(1 + rng.poisson(2.0, CHUNK), 10)
        words = self.mean_bytes / _WORD_BYTES / 3.0
        sizes = np.empty(2 * int(exchanges.sum()), dtype=np.int64)
        sizes[0::2] = 2 + rng.exponential(max(words * _SHORT, 1.0), len(sizes) // 2)
        sizes[1::2] = 4 + rng.exponential(max(words * _LONG, 1.0), len(sizes) // 2)
        total = int(sizes.sum())
        drawn = np.searchsorted(self._weights, rng.random(total))
        shape = rng.choice(4, total, p=(0.83, 0.06, 0.08, 0.03))
        dialogue_of_turn = np.repeat(np.arange(CHUNK), 2 * exchanges)
        plain = np.repeat(dialogue_of_turn % 5 != 0, sizes)
        shape[plain & (shape == _OTHER)] = _PLAIN
        texts = self._vocabulary[shape * _WORDS + drawn].tolist()
        ends = np.cumsum(sizes).tolist()
        turns = [" ".join(texts[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
        stops = np.cumsum(2 * exchanges).tolist()
        return [turns[begin:end] for begin, end in zip([0, *stops], stops, strict=False)]


def dialogues(*, seed: int, mean_bytes: int = 2048) -> Dialogues:
    """Return the model for `seed`; a dialogue has about `mean_bytes` bytes of text."""
    rng = np.random.default_rng(seed)
    syllables = [
        f"{rng.choice(_ONSETS)}{rng.choice(_VOWELS)}{rng.choice(_CODAS)}" for _ in range(2 * _WORDS)
    ]
    lengths = 1 + np.arange(_WORDS) * 3 // _WORDS  # frequent words are short (Zipf)
    places = rng.integers(len(syllables), size=(_WORDS, 3)).tolist()
    words = [
        "".join(syllables[place] for place in row[:length])
        for row, length in zip(places, lengths.tolist(), strict=True)
    ]
    shapes = [
        words,
        [word.capitalize() for word in words],
        [f"{word}." for word in words],
        [f"{word.translate(_FOREIGN)} \u2014" for word in words],
    ]
    weights = 1.0 / (np.arange(_WORDS) + 5.0)
    return Dialogues(
        seed=seed,
        mean_bytes=mean_bytes,
        _vocabulary=np.array([word for shape in shapes for word in shape], dtype=object),
        _weights=np.cumsum(weights) / weights.sum(),
    )
