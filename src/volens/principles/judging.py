"""Judges, and the gate in front of them: no model's taste counts before it was tried.

A judge is asked about each labelled pair twice, with the order turned round. It is right about a
pair only if it is right both times, so that one who takes what comes first is right about none, and
one who tosses coins about a quarter. It passes if the lower end of the 95% interval of its share of
right pairs (Wilson, "Probable inference, the law of succession, and statistical inference", 1927)
is above the floor, and its leaning to the first answer below the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from math import sqrt
from pathlib import Path
from typing import Final

from volens.core.canonical import Json, canonical_json, read_strict
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.principles.asking import Choice, ask_choice, read_choice
from volens.principles.screening import check_no_chat, check_place
from volens.principles.strict import Members
from volens.principles.writer import Sampling, Writer, WriterKind, WriterLabel

CODE: Final = "labelled_form"
LEAST_PAIRS: Final = 30
LEAST_RIGHT: Final = 600
"""Per mille: the lower end of the interval has to be above it."""
MOST_LEANING: Final = 150
"""Per mille: how far the share of first answers chosen may be from a half."""
_Z = 1.959964
_MOST_PAIRS = 10_000
_MOST_TOKENS = 8
_WHOLE = 1000
SHIPPED: Final = "pairs.en.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A request with two answers of which people know the better. `repr` shows no text."""

    id: str
    principle: str = field(repr=False)
    prompt: str = field(repr=False)
    better: str = field(repr=False)
    worse: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """Labelled pairs, and the SHA-256 of their file in hexadecimal digits."""

    pairs: tuple[Labelled, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """How a judge did on a labelled set. What it says of itself follows from its counts.

    Attributes:
        judge: which model.
        labelled: the digest of the labelled set.
        pairs: how many pairs it was asked about, each twice.
        right: about how many it was right both times.
        first: how often it chose the first of two answers.
        read: how many of its replies could be read, of twice `pairs`.
    """

    judge: WriterLabel
    labelled: str
    pairs: int
    right: int
    first: int
    read: int

    @property
    def least_right(self) -> int:
        """The lower end of the 95% interval of its share of right pairs, per mille."""
        return int(_WHOLE * wilson_lower(self.right, self.pairs))

    @property
    def leaning(self) -> int:
        """How far its share of first answers is from a half, per mille; 500 if nothing was read."""
        return abs(_WHOLE * self.first // self.read - _WHOLE // 2) if self.read else _WHOLE // 2

    @property
    def passed(self) -> bool:
        """Whether it may be used."""
        return (
            self.pairs >= LEAST_PAIRS
            and self.least_right > LEAST_RIGHT
            and self.leaning < MOST_LEANING
        )

    def document(self) -> dict[str, Json]:
        """Return it as manifests show it."""
        return {
            "judge": self.judge.document(),
            "labelled": self.labelled,
            "pairs": self.pairs,
            "right": self.right,
            "first": self.first,
            "read": self.read,
            "least_right": self.least_right,
            "leaning": self.leaning,
            "passed": self.passed,
        }

    @property
    def digest(self) -> str:
        """The SHA-256 of its canonical form, in hexadecimal digits."""
        return hashlib.sha256(canonical_json(self.document())).hexdigest()


def wilson_lower(right: int, of: int) -> float:
    """Return the lower end of the 95% Wilson interval of a share; 0 if `of` is 0."""
    if not of:
        return 0.0
    share, z2 = right / of, _Z * _Z
    middle = share + z2 / (2 * of)
    half = _Z * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z2 / of))


def open_labelled(path: Path | None) -> LabelledSet:
    """Read a labelled set from a file, or the shipped one.

    Raises:
        NotFound: ``no_labelled``.
        InvalidInput: ``labelled_form``.
        Denied: as `read_labelled`, and ``place_of_chats``.
    """
    if path is None:
        place = files("volens.principles").joinpath("shipped", SHIPPED)
        return read_labelled(place.read_bytes(), place=SHIPPED)
    if not path.is_file():
        raise NotFound("no_labelled", f"no labelled set at {path}")
    check_place(path)
    return read_labelled(path.read_bytes(), place=path.name)


def read_labelled(data: bytes, *, place: str) -> LabelledSet:
    """Read a labelled set: JSON Lines.

    Raises:
        InvalidInput: ``labelled_form`` naming the line, or if there are too few pairs.
        Denied: ``chat_in_text`` or ``person_in_text``.
    """
    lines = data.removesuffix(b"\n").split(b"\n")
    if not LEAST_PAIRS <= len(lines) <= _MOST_PAIRS:
        told = f"{place} has {len(lines)} pairs, at least {LEAST_PAIRS} and at most {_MOST_PAIRS}"
        raise InvalidInput(CODE, told)
    found = tuple(_pair(line, f"{place}, line {at}") for at, line in enumerate(lines, start=1))
    for what, said in (("id", [x.id for x in found]), ("request", [x.prompt for x in found])):
        if len(set(said)) != len(said):
            raise InvalidInput(CODE, f"{place} holds a {what} twice")
    for one in found:
        texts = [(f"pair {one.id!r}", text) for text in (one.prompt, one.better, one.worse)]
        check_no_chat(texts, place=place)
    return LabelledSet(pairs=found, digest=hashlib.sha256(data).hexdigest())


def _pair(line: bytes, place: str) -> Labelled:
    try:
        value = read_strict(line, max_bytes=1 << 20)
    except InvalidInput as error:
        raise InvalidInput(CODE, f"{place}: {error.message}") from None
    members = Members(value, place=place, code=CODE)
    found = Labelled(
        id=members.text("id", most=100),
        principle=members.text("principle", most=2_000),
        prompt=members.text("prompt", most=8_000),
        better=members.text("better", most=8_000),
        worse=members.text("worse", most=8_000),
    )
    members.close()
    if found.better == found.worse:
        raise members.error("better", "is the same as worse")
    return found


def try_judge(
    judge: Writer, labelled: LabelledSet, *, tell: Callable[[int, int], None]
) -> GateResult:
    """Ask a judge about every labelled pair, both ways round.

    Args:
        judge: the model.
        labelled: the pairs.
        tell: told how many pairs are done, and how many there are.

    Raises:
        VolensError: as `Writer.complete`.
    """
    right = first = read = 0
    for number, one in enumerate(labelled.pairs, start=1):
        forth = choose(judge, [one.principle], one.prompt, (one.better, one.worse))
        back = choose(judge, [one.principle], one.prompt, (one.worse, one.better))
        right += forth is Choice.A and back is Choice.B
        first += (forth is Choice.A) + (back is Choice.A)
        read += (forth is not Choice.UNREADABLE) + (back is not Choice.UNREADABLE)
        tell(number, len(labelled.pairs))
    return GateResult(
        judge=judge.label,
        labelled=labelled.digest,
        pairs=len(labelled.pairs),
        right=right,
        first=first,
        read=read,
    )


def require_passed(result: GateResult) -> None:
    """Refuse a judge that did not pass.

    Raises:
        Denied: ``judge_refused``, with the numbers.
    """
    if result.passed:
        return
    said = (
        f"the judge {result.judge.model} was right about {result.right} of {result.pairs} pairs: "
        f"at least {_percent(result.least_right)} of all, more than {_percent(LEAST_RIGHT)} is "
        f"needed; its leaning to one side is {_percent(result.leaning)}, less than "
        f"{_percent(MOST_LEANING)} is allowed"
    )
    raise Denied("judge_refused", said, hint="take a better judge, or none")


def choose(
    judge: Writer, principles: Sequence[str], prompt: str, answers: tuple[str, str]
) -> Choice:
    """Ask a judge once which of two answers is better.

    Raises:
        VolensError: as `Writer.complete`.
    """
    sampling = Sampling(seed=0, thousandths=0, most_tokens=_MOST_TOKENS)
    return read_choice(judge.complete(ask_choice(principles, prompt, *answers), sampling).text)


def prefers(judge: Writer, principles: Sequence[str], prompt: str, pair: tuple[str, str]) -> bool:
    """Say whether a judge takes the first of two answers for the better one, both ways round.

    Raises:
        VolensError: as `Writer.complete`.
    """
    forth = choose(judge, principles, prompt, pair)
    return forth is Choice.A and choose(judge, principles, prompt, pair[::-1]) is Choice.B


def read_gate(members: Members) -> GateResult:
    """Read a result as manifests show it.

    Raises:
        InvalidInput: with the code of `members`, also if a number does not follow from the counts.
    """
    judge = read_label(members.members("judge"))
    found = GateResult(
        judge=judge,
        labelled=members.digest("labelled"),
        pairs=members.whole("pairs", most=_MOST_PAIRS),
        right=members.whole("right"),
        first=members.whole("first"),
        read=members.whole("read"),
    )
    told = (members.whole("least_right"), members.whole("leaning"), members.flag("passed"))
    members.close()
    if not (found.right <= found.pairs and found.first <= found.read <= 2 * found.pairs):
        raise members.error("right", "does not fit the number of pairs")
    if told != (found.least_right, found.leaning, found.passed):
        raise members.error("passed", "does not follow from the counts")
    return found


def read_label(members: Members) -> WriterLabel:
    """Read what names a model.

    Raises:
        InvalidInput: with the code of `members`.
    """
    kind = members.word("kind", WriterKind)
    model = members.text("model", most=200)
    embedded = kind is WriterKind.EMBEDDED
    digest = members.digest("digest") if embedded else members.text("digest", least=0, most=0)
    members.close()
    return WriterLabel(kind=kind, model=model, digest=digest)


def _percent(per_mille: int) -> str:
    return f"{per_mille / 10:.1f}%"
