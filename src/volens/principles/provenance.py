"""``provenance.json``: where a set is from, in full, and which bytes belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from volens.core.canonical import canonical_json, read_canonical
from volens.core.time import format_moment, parse_moment
from volens.principles.asking import ASK_VERSION
from volens.principles.generating import Settings
from volens.principles.judging import GateResult, read_gate, read_label
from volens.principles.measuring import Measures
from volens.principles.prompts import Source
from volens.principles.records import LABEL, Origin
from volens.principles.strict import Members
from volens.principles.working import Reason
from volens.principles.writer import WriterLabel

VERSION: Final = "volens-principles/1"
CODE: Final = "provenance_form"
PROVENANCE: Final = "provenance.json"
CONSTITUTION: Final = "constitution.json"
SFT: Final = "sft.jsonl"
PAIRS: Final = "preference.jsonl"
CARD: Final = "README.md"
FILES: Final = (CONSTITUTION, PAIRS, SFT)
"""The files whose digests it holds; the card is written from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a set is from.

    Attributes:
        made: when its folder was written.
        software: what wrote it.
        constitution: the digest of the principles.
        prompts: the digest of the prompt file.
        sources: how many prompts are of each source.
        writer: the model that wrote.
        gate: how the judge did on its labelled set; None if there is no judge.
        settings: seed and lengths.
        dropped: how many prompts gave no pair, by reason.
        measures: what was measured; the floors held.
        files: SHA-256 of each file, in hexadecimal digits.
    """

    made: datetime
    software: str
    constitution: str
    prompts: str
    sources: Mapping[str, int]
    writer: WriterLabel
    gate: GateResult | None
    settings: Settings
    dropped: Mapping[str, int]
    measures: Measures
    files: Mapping[str, str]

    @property
    def origin(self) -> Origin:
        """What all records share."""
        return Origin(
            constitution=self.constitution,
            writer=self.writer.model,
            judge=self.gate.judge.model if self.gate else "",
        )

    def encode(self) -> bytes:
        """Return it in its one form: canonical JSON."""
        return canonical_json(
            {
                "version": VERSION,
                "label": LABEL,
                "source": Source.PRINCIPLE_BASED.value,
                "made": format_moment(self.made),
                "software": self.software,
                "asking": ASK_VERSION,
                "constitution": self.constitution,
                "prompts": {"digest": self.prompts, "sources": dict(self.sources)},
                "writer": self.writer.document(),
                "judge": self.gate.document() if self.gate else {},
                "seed": self.settings.seed,
                "most_tokens": self.settings.most_tokens,
                "dropped": dict(self.dropped),
                "measures": self.measures.document(),
                "files": dict(self.files),
            }
        )


def read_provenance(data: bytes) -> Provenance:
    """Read one, strictly.

    Raises:
        InvalidInput: ``provenance_form`` or a code of `read_canonical`.
    """
    members = Members(read_canonical(data), place=PROVENANCE, code=CODE)
    _check_words(members)
    prompts = members.members("prompts")
    measures = members.members("measures")
    judge = members.members("judge")
    found = Provenance(
        made=parse_moment(members.text("made")),
        software=members.text("software", most=200),
        constitution=members.digest("constitution"),
        prompts=prompts.digest("digest"),
        sources=prompts.counts("sources"),
        writer=read_label(members.members("writer")),
        gate=read_gate(judge) if judge.has("judge") else None,
        settings=Settings(seed=members.whole("seed"), most_tokens=members.whole("most_tokens")),
        dropped=members.counts("dropped"),
        measures=Measures(
            pairs=measures.whole("pairs"),
            refusals=measures.whole("refusals"),
            length=measures.whole("length"),
            to_the_point=measures.whole("to_the_point"),
            distinct=measures.whole("distinct"),
            repeated=measures.whole("repeated"),
        ),
        files=_files(members.members("files")),
    )
    for inner in (prompts, measures, judge, members):
        inner.close()
    for name, known in (("sources", set(Source)), ("dropped", set(Reason))):
        counts = found.sources if name == "sources" else found.dropped
        if set(counts) - known or 0 in counts.values():
            raise members.error(name, "holds an unknown word or counts nothing")
    return found


def _check_words(members: Members) -> None:
    for name, word in (
        ("version", VERSION),
        ("label", LABEL),
        ("source", Source.PRINCIPLE_BASED.value),
        ("asking", ASK_VERSION),
    ):
        if members.text(name) != word:
            raise members.error(name, f"is not {word}")


def _files(members: Members) -> dict[str, str]:
    found = {name: members.digest(name) for name in FILES}
    members.close()
    return found
