"""Measures redaction: what is found, what is missed, what is taken wrongly, and how fast.

The gold set is 1,500 short English texts with marked spans (presidio-research, MIT); all people in
it are invented. Some rules for telephone numbers and cards were written while looking at what they
missed there, so its figures are an upper bound for texts of the same sort and say little about
others: there is no held-out set, and no language but English in it.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from volens.core.canonical import Json
from volens.core.errors import NotFound
from volens.datasets.redaction.profiles import STANDARD, STRICT, Entity, Profile
from volens.datasets.redaction.redactor import Redactor, Span

GOLD_FILE = Path("presidio-research") / "synth_dataset_v2.json.gz"
PROSE_FILE = Path("oasst-sample") / "en_100_tree.jsonl"
_KINDS = {
    "EMAIL_ADDRESS": Entity.EMAIL,
    "PHONE_NUMBER": Entity.PHONE,
    "CREDIT_CARD": Entity.CARD,
    "IBAN_CODE": Entity.IBAN,
    "IP_ADDRESS": Entity.IP,
    "US_SSN": Entity.NATIONAL_ID,
    "US_DRIVER_LICENSE": Entity.NATIONAL_ID,
    "STREET_ADDRESS": Entity.ADDRESS,
    "PERSON": Entity.NAME,
}
_MAPPED = frozenset(_KINDS.values())
_ROUNDS = 5

# Ours, CC0: things that look like personal data and are not.
NEGATIVES = (
    "Order 1234567890123 ships on 2024-05-01.",
    "Invoice INV-2023-000451, total 1,234,567.89 EUR.",
    "Tracking number 1Z999AA10123456784.",
    "Upgrade from 10.2.3.4 to release 11.0.0.1 of the firmware, build 20240115.",
    "pip install numpy==1.26.4 pandas==2.1.0.1",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "550e8400-e29b-41d4-a716-446655440000 is a UUID.",
    "ISBN 978-3-16-148410-0, ISSN 2049-3630, EAN 4006381333931.",
    "pi is about 3.14159265358979323846.",
    "for (int i = 0; i < 1000000; i++) { std::cout << a::b << 12:30:45; }",
    "password = getpass.getpass()",
    "token = os.environ['API_TOKEN']",
    "def login(password: str, token: str | None = None) -> bool:",
    "The key point: tokens are words, and a secret is kept.",
    "Unix time 1700000000, or 1700000000000 in milliseconds.",
    "0x7fff5fbff8c0 and 0b101010101010",
    "Distance 149597870700 m; population 8,045,311,447.",
    "Scores: 10-12-15-11, 21-19, 6-4 6-3.",
    "Founded on 5 May 1985, closed 12/31/1999.",
    "git clone git@github.com:example/example.git",
    "npm i @scope/package@4.17.21",
    "12:30:45.123456 INFO worker-12 took 001234 ms",
    "Coordinates 48.858370, 2.294481",
    "Route 66, 1600 m, 24/7, 7-11, 9/11, 4x100 m, F-16, A320-200",
)

# What one writes first: a pattern for each kind, over each text. The peer for speed only.
_PLAIN = (
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re.compile(r"\b(?:\d[ -]?){12,18}\d\b"),
    re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b"),
    re.compile(r"(?:\+\d{1,3}[ .-]?)?\(?\d{2,4}\)?(?:[ .-]\d{2,4}){2,4}\b"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldSpan:
    """A marked span: characters `start` up to `end`, with the gold set's own label."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldText:
    """A text of the gold set."""

    text: str
    spans: tuple[GoldSpan, ...]


def read_gold(data_dir: Path) -> list[GoldText]:
    """Read the gold set below `data_dir`.

    Raises:
        NotFound: ``gold_missing`` if the file is not there.
    """
    path = data_dir / GOLD_FILE
    if not path.is_file():
        raise NotFound(
            "gold_missing", f"no gold set at {path}", hint="name the folder of test data"
        )
    rows = json.loads(gzip.decompress(path.read_bytes()))
    return [
        GoldText(
            text=row["full_text"],
            spans=tuple(
                GoldSpan(
                    start=span["start_position"],
                    end=span["end_position"],
                    label=span["entity_type"],
                )
                for span in row["spans"]
            ),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Findings against gold spans.

    A gold span counts as found only if every character of it is covered, by whatever kind. A
    finding counts as right if it overlaps a gold span of its kind.
    """

    gold: Counter[str]
    found: Counter[str]
    findings: Counter[str]
    right: Counter[str]
    missed: list[str]
    """Label and text of what was not covered whole (the gold set's people are invented)."""

    def recall(self, label: str) -> float:
        """Return the share of gold spans with this label that were covered whole."""
        return self.found[label] / self.gold[label]

    def precision(self, entity: Entity) -> float:
        """Return the share of findings of this kind that overlap a gold span of the kind."""
        return self.right[entity] / self.findings[entity]


def score(gold: Sequence[GoldText], profile: Profile) -> Score:
    """Compare what one reading finds with the gold spans."""
    redactor = Redactor(profile)
    result = Score(gold=Counter(), found=Counter(), findings=Counter(), right=Counter(), missed=[])
    for item in gold:
        spans = redactor.find(item.text)
        for mark in item.spans:
            result.gold[mark.label] += 1
            if _covered(mark, spans):
                result.found[mark.label] += 1
            elif _KINDS.get(mark.label) in profile.entities:
                result.missed.append(f"{mark.label}: {item.text[mark.start : mark.end]!r}")
        for span in spans:
            result.findings[span.entity] += 1
            result.right[span.entity] += any(
                _KINDS.get(mark.label) is span.entity
                and mark.start < span.end
                and span.start < mark.end
                for mark in item.spans
            )
    return result


def _covered(mark: GoldSpan, spans: Sequence[Span]) -> bool:
    covered = sum(max(0, min(mark.end, span.end) - max(mark.start, span.start)) for span in spans)
    return covered >= mark.end - mark.start


def run(print_line: Callable[[str], None], data_dir: Path | None) -> dict[str, Json]:
    """Measure and print; without a data folder only false positives and speed on made text.

    Returns:
        Recall and precision by kind, false positives, and MB/s (10^6 bytes of UTF-8 a CPU second).
    """
    result: dict[str, Json] = {"false_positives": _false_positives(print_line)}
    if data_dir is not None:
        gold = read_gold(data_dir)
        for profile in (STANDARD, STRICT):
            result[profile.name] = _quality(print_line, gold, profile)
        prose = _prose(data_dir)
        if prose:
            result["prose_speed"] = _speed(print_line, "assistant conversations", prose)
        result["gold_speed"] = _speed(print_line, "gold set", [item.text for item in gold] * 4)
    result["clean_speed"] = _speed(print_line, "text without candidates", clean_texts(1_000))
    return result


def _false_positives(print_line: Callable[[str], None]) -> dict[str, Json]:
    taken: dict[str, Json] = {}
    for profile in (STANDARD, STRICT):
        redactor = Redactor(profile)
        wrong = [
            f"{span.entity}: {text[span.start : span.end]!r}"
            for text in NEGATIVES
            for span in redactor.find(text)
        ]
        taken[profile.name] = len(wrong)
        print_line(f"{profile.name}: {len(wrong)} wrongly taken in {len(NEGATIVES)} texts")
        for line in wrong:
            print_line(f"  taken {line}")
    return taken


def _quality(
    print_line: Callable[[str], None], gold: Sequence[GoldText], profile: Profile
) -> dict[str, Json]:
    scored = score(gold, profile)
    quality: dict[str, Json] = {}
    print_line(f"{profile.name}: gold spans covered whole; rules were tuned on this set")
    for label in sorted(scored.gold, key=lambda name: -scored.gold[name]):
        looked_for = label in _KINDS and _KINDS[label] in profile.entities - {Entity.NAME}
        note = "" if looked_for else "  (not looked for)"
        share = scored.recall(label)
        print_line(
            f"  {label:18} {scored.found[label]:4}/{scored.gold[label]:<4} {share:6.1%}{note}"
        )
        quality[label] = share
    for entity in Entity:
        if scored.findings[entity] and entity in _MAPPED:
            share = scored.precision(entity)
            print_line(f"  precision {entity:12} {share:6.1%} of {scored.findings[entity]}")
            quality[f"precision {entity}"] = share
        elif scored.findings[entity]:
            print_line(f"  unscored  {entity:12} {scored.findings[entity]} (no such gold label)")
    for line in scored.missed[:12]:
        print_line(f"  missed {line}")
    print_line(f"  missed {len(scored.missed)} in all of what is looked for")
    return quality


def clean_texts(count: int) -> list[str]:
    """Make `count` texts of about 2 KB of English words with nothing to find in them."""
    line = (
        "To make the sauce, melt the butter over a low heat, stir in the flour and let it cook for "
        "two minutes without colour. Add the milk bit by bit; keep stirring so that no lumps form, "
        "and season with salt, pepper and a little nutmeg. It keeps for 3 days in the fridge."
    )
    return [f"{number % 7} cups. " + "\n".join([line] * 8) for number in range(count)]


def _prose(data_dir: Path) -> list[str]:
    """Read the texts of 100 published conversation trees, if they are there."""
    path = data_dir / PROSE_FILE
    if not path.is_file():
        return []
    texts: list[str] = []
    waiting = [json.loads(line)["prompt"] for line in path.read_text("utf-8").splitlines()]
    while waiting:
        message = waiting.pop()
        texts.append(message["text"])
        waiting += message.get("replies", [])
    return texts


def _speed(print_line: Callable[[str], None], what: str, texts: list[str]) -> dict[str, Json]:
    """Time batches, one by one, and the plain patterns: interleaved, best of five rounds."""
    redactor = Redactor(STANDARD)
    ways: dict[str, Callable[[], object]] = {
        "in batches": lambda: redactor.redact_many(texts),
        "one by one": lambda: [redactor.redact(text) for text in texts],
        "plain patterns": lambda: [_plainly(text) for text in texts],
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            began = time.process_time()
            way()
            best[name] = min(best[name], time.process_time() - began)
    size = sum(len(text.encode("utf-8")) for text in texts) / 1e6
    speeds: dict[str, Json] = {}
    for name, seconds in best.items():
        speeds[name] = size / seconds
        print_line(f"{what}: {size / seconds:7.1f} MB/s {name}")
    return speeds


def _plainly(text: str) -> str:
    for pattern in _PLAIN:
        text = pattern.sub("[X]", text)
    return text
