"""Leaves out what the same person's record already says, or what is public text.

Records are compared within one person's own conversations and against a set of public texts; never
across people. If one person's record could displace another's, then forgetting the first would have
to bring the second back, and a dataset without the first would differ in the second's data: an
erasure would no longer be the affair of one person, and its proof would have to speak of both.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, deque
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from volens.core.errors import InvalidInput

FINGERPRINT_BYTES = 16
_BLANKS = b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
_BETWEEN = b"\x1f"
_OTHER_BLANKS = _BLANKS.replace(_BETWEEN, b"")
_LOWER = bytes(range(256)).lower()
_WIDE_BLANKS = [chr(code) for code in range(0x80, 0x10000) if chr(code).isspace()]
_SHINGLE_BYTES = 8
_SKETCH = 128
_SMALLEST = 16
"""Sketches are compared only if they share a quarter of their smallest values: records that
resemble each other by 0.8 share about 14 of 16."""
_MOST_HOLDERS = 64
"""For each small value, the latest records that hold it; common phrases are held by many."""
_MOST_SKETCHES = 4_096
_FIRST_MIX, _SECOND_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_FIRST_SHIFT, _SECOND_SHIFT = np.uint64(30), np.uint64(27)

Sketch = NDArray[np.uint64]


def normalise(text: str) -> bytes:
    """Return the text without case and white space, in NFC, as UTF-8.

    White space is left out altogether: texts that differ in nothing else count as the same.
    """
    if text.isascii():
        return text.lower().encode("ascii").translate(None, _BLANKS)
    return unicodedata.normalize("NFC", "".join(text.casefold().split())).encode("utf-8")


def fingerprint(key: bytes, texts: Sequence[str]) -> bytes:
    """Return the keyed hash of a record's normalised texts (BLAKE2b, RFC 7693, 16 bytes).

    Keyed, so that nobody who sees the state can test whether a known text is in it.
    """
    return _digest(key, _joined(texts))


def _joined(texts: Sequence[str]) -> bytes:
    return _BETWEEN.join([normalise(text) for text in texts])


def _joined_utf8(texts: Sequence[bytes]) -> bytes:
    """Do as `_joined` does for the same texts as UTF-8, in one pass over all if nothing forbids it.

    The separator is blank, has no case and composes with nothing, so that it may stand between the
    texts while they are folded and composed; it is told from a blank by there being no other.
    """
    joined = _BETWEEN.join(texts)
    if joined.count(_BETWEEN) == len(texts) - 1:
        if joined.isascii():
            return joined.translate(_LOWER, _OTHER_BLANKS)
        folded = joined.decode("utf-8").casefold()
        if not any(blank in folded for blank in _WIDE_BLANKS):
            bare = folded.encode("utf-8").translate(None, _OTHER_BLANKS).decode("utf-8")
            return unicodedata.normalize("NFC", bare).encode("utf-8")
    return _joined([text.decode("utf-8") for text in texts])


def _digest(key: bytes, data: bytes) -> bytes:
    return blake2b(data, digest_size=FINGERPRINT_BYTES, key=key).digest()


def sketch(data: bytes) -> Sketch:
    """Return the 128 smallest hashes of the 8-byte shingles of `data`, sorted, each once.

    A bottom-k sketch (Broder, "On the resemblance and containment of documents", 1997, section 3);
    with at most 128 shingles it is the whole set. The hash is the finaliser of SplitMix64.
    """
    padded = data + b"\x00" * (2 * _SHINGLE_BYTES)
    count = max(1, len(data) - _SHINGLE_BYTES + 1)
    hashes = np.empty(count, dtype=np.uint64)
    for offset in range(min(_SHINGLE_BYTES, count)):
        places = len(range(offset, count, _SHINGLE_BYTES))
        hashes[offset::_SHINGLE_BYTES] = np.frombuffer(
            padded, dtype="<u8", offset=offset, count=places
        )
    hashes ^= hashes >> _FIRST_SHIFT
    hashes *= _FIRST_MIX
    hashes ^= hashes >> _SECOND_SHIFT
    hashes *= _SECOND_MIX
    if count > 4 * _SKETCH:
        smallest = np.unique(np.partition(hashes, 4 * _SKETCH)[: 4 * _SKETCH])[:_SKETCH]
        if smallest.size == _SKETCH:
            return smallest
    return np.unique(hashes)[:_SKETCH]


def resemblance(one: Sketch, other: Sketch) -> float:
    """Estimate the Jaccard index of two shingle sets from their sketches, in 0..1.

    Exact where the union has at most 128 shingles; else the standard error is at most
    sqrt(J (1 - J) / 128), about 0.035 at J = 0.8.
    """
    union = np.union1d(one, other)[:_SKETCH]
    both = np.intersect1d(one, other, assume_unique=True)
    return float(np.count_nonzero(both <= union[-1])) / union.size


class Deduplicator:
    """Tells for each record of a stream whether it is the first of its kind.

    Records of one subject come one after the other. State is kept for the current subject only (and
    eight bytes for each subject seen), so memory does not grow with a person's records beyond
    their fingerprints and 4,096 sketches; past that the oldest sketches go, and near-duplicates of
    those are no longer found. The answers depend on the order of the input and on nothing else.
    """

    def __init__(
        self, public: frozenset[bytes] = frozenset(), *, key: bytes = b"", threshold: float = 0.8
    ) -> None:
        """Take the fingerprints of public records, made with the same `key`.

        Args:
            public: fingerprints (see `fingerprint`) of records that are public text.
            key: at most 64 bytes, the same for the whole build.
            threshold: resemblance from which a record is a near-duplicate, in (0, 1]; 1 finds
                exact duplicates only.

        Raises:
            InvalidInput: ``threshold``, ``fingerprint_size`` or ``key_size``.
        """
        if not 0.0 < threshold <= 1.0:
            raise InvalidInput("threshold", f"threshold {threshold} is not in (0, 1]")
        if len(key) > 64:  # noqa: PLR2004 - BLAKE2b's longest key (RFC 7693, 2.1)
            raise InvalidInput("key_size", f"a key of {len(key)} bytes, at most 64")
        if any(len(item) != FINGERPRINT_BYTES for item in public):
            raise InvalidInput(
                "fingerprint_size", f"a public fingerprint is not {FINGERPRINT_BYTES} bytes"
            )
        self._public = public
        self._key = key
        self._threshold = threshold
        self._done: set[bytes] = set()
        self._subject: bytes | None = None
        self._exact: set[bytes] = set()
        self._first: bytes | None = None
        self._sketches: dict[int, Sketch] = {}
        self._holders: dict[int, deque[int]] = {}
        self._count = 0

    def first_time(self, subject_key: bytes, texts: Sequence[str]) -> bool:
        """Tell whether this record is new for its subject and not public text.

        Raises:
            InvalidInput: ``subject_twice`` if the subject's records were already over.
        """
        return self._first_time(subject_key, _joined(texts))

    def first_time_utf8(self, subject_key: bytes, texts: Sequence[bytes]) -> bool:
        """Do as `first_time`, for texts in UTF-8."""
        return self._first_time(subject_key, _joined_utf8(texts))

    def _first_time(self, subject_key: bytes, data: bytes) -> bool:
        if subject_key != self._subject:
            self._begin(subject_key)
        digest = _digest(self._key, data)
        if digest in self._exact or digest in self._public:
            return False
        if self._threshold < 1.0 and not self._is_new(data):
            return False
        self._exact.add(digest)
        return True

    def _begin(self, subject_key: bytes) -> None:
        mark = blake2b(subject_key, digest_size=8, key=self._key).digest()
        if mark in self._done:
            raise InvalidInput(
                "subject_twice",
                "a subject's records come in two places of the input",
                hint="sort the input by subject",
            )
        self._done.add(mark)
        self._subject = subject_key
        self._exact = set()
        self._first = None
        self._sketches, self._holders, self._count = {}, {}, 0

    def _is_new(self, data: bytes) -> bool:
        """Compare with the subject's earlier records; the first of a subject is only kept."""
        if self._count == 0:
            self._first, self._count = data, 1
            return True
        if self._first is not None:
            self._remember(0, sketch(self._first))
            self._first = None
        made = sketch(data)
        smallest = made[:_SMALLEST].tolist()
        votes = Counter(number for value in smallest for number in self._holders.get(value, ()))
        for number, shared in votes.items():
            if shared * 4 < len(smallest):
                continue
            if resemblance(made, self._sketches[number]) >= self._threshold:
                return False
        self._remember(self._count, made)
        self._count += 1
        return True

    def _remember(self, number: int, made: Sketch) -> None:
        self._sketches[number] = made
        for value in made[:_SMALLEST].tolist():
            self._holders.setdefault(value, deque(maxlen=_MOST_HOLDERS)).append(number)
        oldest = number - _MOST_SKETCHES
        dropped = self._sketches.pop(oldest, None)
        if dropped is None:
            return
        for value in dropped[:_SMALLEST].tolist():
            holders = self._holders[value]
            if holders[0] == oldest:
                holders.popleft()
            if not holders:
                del self._holders[value]
