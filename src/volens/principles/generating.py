"""From a prompt to a pair: draft, critique, revision, and what is thrown away on the way.

For each prompt that has no step yet:
    1. the writer drafts an answer; what redaction finds in it is put out of sight at once;
    2. rules look at the draft; what they find names the principles, else one is drawn by lot;
    3. the writer criticises the draft; a critique that says nothing counts for nothing, and if
       rules found nothing either, there is no pair;
    4. the writer revises; a revision that changes nothing, breaks a rule, or holds personal data or
       a transcript is thrown away;
    5. a judge that passed its gate, if there is one, must take the revision for the better answer,
       both ways round;
    6. the step is kept, durably.
Stopped after any step, a run goes on with the next prompt. Rules come before models throughout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from volens.core.canonical import Json
from volens.datasets.redaction.profiles import STANDARD
from volens.datasets.redaction.redactor import Redactor
from volens.principles.asking import (
    ASK_VERSION,
    Verdict,
    ask_critique,
    ask_draft,
    ask_revision,
    holds_parts,
    read_critique,
    says_nothing,
)
from volens.principles.constitution import Constitution, Principle
from volens.principles.judging import (
    GateResult,
    LabelledSet,
    prefers,
    require_passed,
    try_judge,
)
from volens.principles.prompts import Prompt, PromptSet
from volens.principles.rules import Finding, findings
from volens.principles.screening import transcript_form
from volens.principles.wording import plain
from volens.principles.working import Dropped, Kept, Reason, Step, Work
from volens.principles.writer import Message, Sampling, Writer

_DRAFT_THOUSANDTHS = 700
Tell = Callable[[int, int], None]
"""Told how much is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What steps depend on besides texts and models.

    Attributes:
        seed: 0 to 2**31 - 1.
        most_tokens: of each answer of the writer, 1 to 8192.
    """

    seed: int = 0
    most_tokens: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A judge, and the labelled set that it is tried on first."""

    judge: Writer
    labelled: LabelledSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made, and by whom."""

    constitution: Constitution
    prompts: PromptSet
    settings: Settings
    writer: Writer
    bench: Bench | None = None

    def run(self) -> dict[str, Json]:
        """Return what names the run: everything that its steps depend on."""
        judged: dict[str, Json] | None = None
        if self.bench is not None:
            label = self.bench.judge.label.document()
            judged = {"model": label, "labelled": self.bench.labelled.digest}
        return {
            "version": "volens-principles-work/1",
            "asking": ASK_VERSION,
            "constitution": self.constitution.digest,
            "prompts": self.prompts.digest,
            "writer": self.writer.label.document(),
            "judge": judged,
            "seed": self.settings.seed,
            "most_tokens": self.settings.most_tokens,
        }


def admit_judge(order: Order, work: Work, tell: Tell) -> GateResult | None:
    """Try the judge on the labelled set, unless this run has done so, and keep how it did.

    Raises:
        Denied: ``judge_refused``.
        VolensError: as `Writer.complete`.
    """
    if order.bench is None:
        return None
    if work.gate is None:
        work.keep_gate(try_judge(order.bench.judge, order.bench.labelled, tell=tell))
    assert work.gate is not None
    require_passed(work.gate)
    return work.gate


def make_steps(order: Order, work: Work, tell: Tell) -> list[Step]:
    """Make every step that is not there yet; return all, in the order of the prompts.

    The judge must have been admitted.

    Raises:
        VolensError: as `Writer.complete`; what is done stays done.
    """
    if order.bench is not None:
        assert work.gate is not None
        require_passed(work.gate)
    maker = _Maker(order)
    total = len(order.prompts.prompts)
    for number, prompt in enumerate(order.prompts.prompts, start=1):
        if prompt.id not in work.steps:
            work.keep(maker.make(prompt))
        tell(number, total)
    return [work.steps[prompt.id] for prompt in order.prompts.prompts]


class _Thrown(Exception):
    """A prompt gives no pair."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class _Maker:
    """Makes steps for one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._constitution = order.constitution
        self._redactor = Redactor(STANDARD)

    def make(self, prompt: Prompt) -> Step:
        try:
            return self._pair(prompt)
        except _Thrown as thrown:
            return Dropped(prompt=prompt.id, reason=thrown.reason)

    def _pair(self, prompt: Prompt) -> Kept:
        draft, personal = self._write(
            prompt, "draft", ask_draft(self._constitution, prompt.text), _DRAFT_THOUSANDTHS
        )
        found = findings(self._constitution, draft)
        principles = self._principles(prompt, found)
        critique = self._critique(prompt, draft, principles, found, personal=personal)
        asked = ask_revision(self._constitution, prompt.text, draft, critique, principles)
        revision, held = self._write(prompt, "revision", asked, 0)
        self._check(draft, revision, held=held)
        self._judge(prompt, principles, (revision, draft))
        return Kept(
            prompt=prompt.id,
            draft=draft,
            critique=critique,
            revision=revision,
            principles=tuple(one.id for one in principles),
            found=tuple(dict.fromkeys(f"{one.principle}:{one.fault}" for one in found)),
        )

    def _write(
        self, prompt: Prompt, step: str, asked: Sequence[Message], thousandths: int
    ) -> tuple[str, bool]:
        """Return what the writer says, redacted, and whether anything was found in it."""
        settings = self._order.settings
        sampling = Sampling(
            seed=seed_of(settings.seed, prompt.id, step),
            thousandths=thousandths,
            most_tokens=settings.most_tokens,
        )
        said = self._order.writer.complete(asked, sampling)
        if not said.finished:
            raise _Thrown(Reason.CUT_OFF)
        if not said.text:
            raise _Thrown(Reason.EMPTY)
        redacted = self._redactor.redact(said.text)
        return redacted.text, bool(redacted.counts)

    def _principles(self, prompt: Prompt, found: Sequence[Finding]) -> list[Principle]:
        every = self._constitution.principles
        broken = {one.principle for one in found}
        if broken:
            return [one for one in every if one.id in broken]
        lot = seed_of(self._order.settings.seed, prompt.id, "principle")
        return [every[lot % len(every)]]

    def _critique(
        self,
        prompt: Prompt,
        draft: str,
        principles: Sequence[Principle],
        found: Sequence[Finding],
        *,
        personal: bool,
    ) -> str:
        """Return what is wrong with a draft: first what rules say, then what the writer says."""
        asked = ask_critique(self._constitution, prompt.text, draft, principles, found)
        said, _ = self._write(prompt, "critique", asked, 0)
        critique = read_critique(said)
        words = [one.words for one in found]
        if personal:
            words.append("It holds personal data; leave it out.")
        others = [prompt.text]
        others += [text for one in principles for text in (one.text, one.critique)]
        tells = critique.verdict is Verdict.REVISE and not says_nothing(
            critique.text, draft, others
        )
        if tells:
            words.append(critique.text)
        if words:
            return "\n".join(words)
        raise _Thrown(
            {
                Verdict.KEEP: Reason.NOTHING_TO_REVISE,
                Verdict.REVISE: Reason.SAYS_NOTHING,
                Verdict.UNREADABLE: Reason.CRITIQUE_UNREADABLE,
            }[critique.verdict]
        )

    def _check(self, draft: str, revision: str, *, held: bool) -> None:
        if held:
            raise _Thrown(Reason.PERSONAL_DATA)
        if transcript_form(revision) or transcript_form(draft):
            raise _Thrown(Reason.CHAT_FORM)
        if holds_parts(revision) or holds_parts(draft):
            raise _Thrown(Reason.HOLDS_FORM)
        if plain(draft) == plain(revision):
            raise _Thrown(Reason.UNCHANGED)
        if findings(self._constitution, revision):
            raise _Thrown(Reason.STILL_BROKEN)

    def _judge(
        self, prompt: Prompt, principles: Sequence[Principle], pair: tuple[str, str]
    ) -> None:
        if self._order.bench is None:
            return
        texts = [one.text for one in principles]
        if not prefers(self._order.bench.judge, texts, prompt.text, pair):
            raise _Thrown(Reason.JUDGE_AGAINST)


def seed_of(seed: int, prompt: str, step: str) -> int:
    """Return the seed of one step of one prompt, from 0 to 2**31 - 1."""
    label = f"volens/principles/v1\x00{seed}\x00{prompt}\x00{step}".encode()
    return int.from_bytes(hashlib.sha256(label).digest()[:4], "big") >> 1
