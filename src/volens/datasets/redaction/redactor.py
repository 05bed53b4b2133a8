"""Replaces what the detectors find by typed placeholders."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from volens.datasets.redaction import money, national, network, personal, phones, secrets
from volens.datasets.redaction.found import Found
from volens.datasets.redaction.names import NameModel
from volens.datasets.redaction.profiles import DEFAULT_PROFILE, PRIORITY, Entity, Profile
from volens.datasets.redaction.reading import Reading, read
from volens.datasets.redaction.scan import Places, every, look, spelled_at, words_at

_BATCH_CHARS = 1 << 18
_MOST_ROUNDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where one piece of personal data stands in a text: characters `start` up to `end`."""

    start: int
    end: int
    entity: Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A text with placeholders. `repr` shows no text."""

    text: str = field(repr=False)
    counts: Mapping[Entity, int]
    """How many placeholders of each kind were put in."""


class Redactor:
    """Puts placeholders in the place of personal data, by one profile.

    Redaction never replaces consent (R93): a text that nobody said yes to stays unusable however
    much of it is blacked out. It also never finds everything; `report` says what was looked for,
    and that names were not looked for where no name model is installed.

    A redacted text is at rest: redacting it again changes nothing. Texts are therefore read again
    until nothing more is found; a text that is not at rest after 16 rounds (only a text made for it
    gets there) becomes ``[TEXT]`` as a whole.
    """

    def __init__(
        self, profile: Profile = DEFAULT_PROFILE, *, names: NameModel | None = None
    ) -> None:
        """Take a profile, and a name model for profiles that look for names."""
        self.profile = profile
        self._wanted = profile.entities
        self._names = names if Entity.NAME in profile.entities else None

    def report(self) -> dict[str, str | list[str]]:
        """Say what is looked for, in words for a manifest or card."""
        looked_for = sorted(self._wanted - (set() if self._names else {Entity.NAME}))
        if self._names is not None:
            names = f"looked for by {self._names.label}"
        elif Entity.NAME in self._wanted:
            names = "not looked for: no name model is installed"
        else:
            names = "not looked for: not part of this profile"
        return {
            "profile": self.profile.name,
            "looked_for": [str(entity) for entity in looked_for],
            "names": names,
            "consent": "redaction does not replace consent",
        }

    def redact(self, text: str) -> Redacted:
        """Return `text` with placeholders, and how many of each kind."""
        texts, counts = self.redact_many([text])
        return Redacted(text=texts[0], counts=counts)

    def redact_many(self, texts: Sequence[str]) -> tuple[list[str], Counter[Entity]]:
        """Redact texts in batches; the answer is the same as for each text by itself.

        Returns:
            The texts in the same order (an unchanged text is the same object), and the number of
            placeholders put in, by kind.
        """
        result = list(texts)
        counts: Counter[Entity] = Counter()
        if not self._wanted:
            return result, counts
        open_ = list(range(len(result)))
        tallies: dict[int, Counter[Entity]] = {}
        for _ in range(_MOST_ROUNDS):
            changed = []
            for index, spans in self._spans_of(result, open_):
                tally = tallies.setdefault(index, Counter())
                tally.update(span.entity for span in spans)
                result[index] = _replace(result[index], spans)
                changed.append(index)
            if not changed:
                break
            open_ = sorted(changed)
        else:
            for index in open_:
                result[index] = Entity.TEXT.placeholder
                tallies[index] = Counter({Entity.TEXT: 1})
        for tally in tallies.values():
            counts.update(tally)
        return result, counts

    def find(self, text: str) -> list[Span]:
        """Return what one reading of `text` finds: sorted, not overlapping."""
        return next((spans for _, spans in self._spans_of([text], [0])), [])

    def _spans_of(
        self, texts: Sequence[str], indexes: Sequence[int]
    ) -> Iterator[tuple[int, list[Span]]]:
        """Yield each text in which something is found, with its spans."""
        for batch in list(_batches(texts, indexes)):
            reading = read([texts[index] for index in batch])
            found = [item for item in self._detect(reading) if item.entity in self._wanted]
            by_text: dict[int, list[Span]] = {}
            for item in found:
                at, start, end = reading.place(item.start, item.end)
                by_text.setdefault(at, []).append(Span(start=start, end=end, entity=item.entity))
            if self._names is not None:
                self._add_names([texts[index] for index in batch], by_text)
            for at, spans in by_text.items():
                yield batch[at], _merge(spans)

    def _add_names(self, texts: Sequence[str], by_text: dict[int, list[Span]]) -> None:
        assert self._names is not None
        for at, spans in enumerate(self._names.find(texts)):
            for start, end in spans:
                if (
                    start < end
                    and "[" not in texts[at][start:end]
                    and "]" not in texts[at][start:end]
                ):
                    span = Span(start=start, end=end, entity=Entity.NAME)
                    by_text.setdefault(at, []).append(span)

    def _detect(self, reading: Reading) -> Iterator[Found]:
        """Run the detectors of the profile where the scan says that they may find something."""
        text, wanted = reading.text, self._wanted
        places = look(reading.view)
        if Entity.EMAIL in wanted:
            yield from _mails(reading)
        if Entity.IP in wanted or Entity.MAC in wanted:
            yield from network.network(text, places.coloned, places.hyphened, places.dotted)
        yield from self._numbers(text, places)
        if Entity.SECRET in wanted:
            yield from _secrets(reading, places)
        if Entity.ADDRESS in wanted:
            yield from personal.streets(text)

    def _numbers(self, text: str, places: Places) -> Iterator[Found]:
        """Run the detectors that begin at digits."""
        wanted = self._wanted
        for entity, detect in _IN_CLUSTERS:
            if entity in wanted:
                for start, end, digits in places.clusters:
                    yield from detect(text, start, end, digits)
        if Entity.BIRTH_DATE in wanted:
            for start in places.years:
                yield from personal.birth_dates(text, start, start + 4)
        for entity, detect_at, starts in (
            (Entity.IBAN, money.iban_at, places.ibans),
            (Entity.NATIONAL_ID, national.pan_at, places.pans),
        ):
            if entity in wanted:
                yield from _each(detect_at, text, starts)


_InCluster = Callable[[str, int, int, int], Iterator[Found]]
_At = Callable[[str, int], Found | None]
_IN_CLUSTERS: tuple[tuple[Entity, _InCluster], ...] = (
    (Entity.PHONE, lambda text, start, end, _: phones.phones(text, start, end)),
    (Entity.CARD, money.cards),
    (Entity.NATIONAL_ID, national.nationals),
    (Entity.NATIONAL_ID, lambda text, start, _end, _digits: national.documents(text, start)),
    (Entity.BIRTH_DATE, lambda text, start, end, _: personal.birth_dates(text, start, end)),
    (Entity.ACCOUNT, lambda text, start, end, _: money.accounts(text, start, end)),
    (Entity.NUMBER, lambda text, start, end, _: personal.long_numbers(text, start, end)),
)


def _each(detect_at: _At, text: str, places: Iterable[int]) -> Iterator[Found]:
    for at in places:
        found = detect_at(text, at)
        if found:
            yield found


def _mails(reading: Reading) -> Iterator[Found]:
    text = reading.text
    yield from _each(network.mail_at, text, every(reading.view, b"@"))
    yield from _each(network.spelled_mail_at, text, spelled_at(reading.folded))


def _secrets(reading: Reading, places: Places) -> Iterator[Found]:
    text = reading.text
    reached = 0
    for at in every(reading.view, b"-----BEGIN "):
        found = secrets.private_key_at(text, at) if at >= reached else None
        if found:
            reached = found.end
            yield found
    yield from _each(network.user_info_at, text, every(reading.view, b"@"))
    for start, end in places.tokens:
        found = secrets.token_in(text, start, end)
        if found:
            yield found
    named = words_at(reading.folded, secrets.KEYWORDS_LATIN)
    if not text.isascii():
        named += [at for word in secrets.KEYWORDS_OTHER for at in _every(text, word)]
    yield from _each(secrets.assigned_at, text, named)


def _every(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def _batches(texts: Sequence[str], indexes: Sequence[int]) -> Iterator[list[int]]:
    """Group texts: a batch of about 256 K characters is all ASCII, or has no text that is."""
    for ascii_only in (True, False):
        batch: list[int] = []
        size = 0
        for index in indexes:
            text = texts[index]
            if text.isascii() is not ascii_only:
                continue
            batch.append(index)
            size += len(text)
            if size >= _BATCH_CHARS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _merge(spans: list[Span]) -> list[Span]:
    """Join overlapping spans; `NUMBER` gives way to all others (the next round finds its rest)."""
    named = _join([span for span in spans if span.entity is not Entity.NUMBER])
    numbers = _join([span for span in spans if span.entity is Entity.NUMBER])
    if not numbers or not named:
        return named or numbers
    ends = [span.end for span in named]
    for number in numbers:
        at = bisect_right(ends, number.start)
        if at == len(ends) or named[at].start >= number.end:
            named.append(number)  # `ends` stays as it was: numbers do not overlap each other
    named.sort(key=lambda span: span.start)
    return named


def _join(spans: list[Span]) -> list[Span]:
    """Join overlapping spans to one that covers all; the kind of highest priority names it."""
    spans.sort(key=lambda span: span.start)
    merged: list[Span] = []
    for span in spans:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            entity = max(last.entity, span.entity, key=PRIORITY.__getitem__)
            merged[-1] = Span(start=last.start, end=max(last.end, span.end), entity=entity)
        else:
            merged.append(span)
    return merged


def _replace(text: str, spans: list[Span]) -> str:
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += (text[at : span.start], span.entity.placeholder)
        at = span.end
    parts.append(text[at:])
    return "".join(parts)
