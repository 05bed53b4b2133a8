"""What texts are made of: words, their beginnings, and how alike two texts are.

Scripts that are written without spaces are cut into pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_TOKEN = re.compile(r"\w+")
_WIDE = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_STEM = 5
_LEAST_WORD = 4
_SHINGLE = 3


def plain(text: str) -> str:
    """Return `text` as it is compared: NFKC, case folded, white space counted once."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def tokens(text: str) -> list[str]:
    """Return the words of a text in order, as they are compared."""
    found: list[str] = []
    for word in _TOKEN.findall(plain(text)):
        if _WIDE.search(word):
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            found.append(word)
    return found


def stems(text: str) -> frozenset[str]:
    """Return the first five letters of each word that has at least four."""
    return frozenset(
        word[:_STEM] for word in tokens(text) if len(word) >= _LEAST_WORD or _WIDE.match(word)
    )


def says(text: str, phrase: str) -> bool:
    """Say whether a phrase stands in a text, as whole words, whatever their case."""
    wanted = plain(phrase)
    begin = "" if _WIDE.match(wanted[:1]) else r"(?<!\w)"
    end = "" if _WIDE.match(wanted[-1:]) else r"(?!\w)"
    return re.search(begin + re.escape(wanted) + end, plain(text)) is not None


def shingles(text: str) -> frozenset[str]:
    """Return every three words that follow one another (all of a shorter text)."""
    words = tokens(text)
    last = max(1, len(words) - _SHINGLE + 1)
    return frozenset(" ".join(words[at : at + _SHINGLE]) for at in range(last))


def near_duplicates(texts: Sequence[str], *, share: float = 0.8) -> list[int]:
    """Return the indexes of texts that nearly repeat an earlier one which is not itself returned.

    Two texts repeat one another if the Jaccard index of their shingles is at least `share`. The
    answer is exact: two such sets must meet in the first n - ceil(share * n) + 1 of their members
    under any fixed order (Bayardo et al., "Scaling up all pairs similarity search", WWW 2007); here
    the rarest come first.
    """
    sets = [shingles(text) for text in texts]
    often = Counter(piece for pieces in sets for piece in pieces)
    kept: dict[str, list[int]] = {}
    found: list[int] = []
    for index, pieces in enumerate(sets):
        ordered = sorted(pieces, key=lambda piece: (often[piece], piece))
        head = ordered[: len(ordered) - _ceil(share * len(ordered)) + 1]
        near = {earlier for piece in head for earlier in kept.get(piece, ())}
        if any(_jaccard(pieces, sets[earlier]) >= share for earlier in near):
            found.append(index)
            continue
        for piece in head:
            kept.setdefault(piece, []).append(index)
    return found


def _ceil(value: float) -> int:
    return -int(-value // 1)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)
