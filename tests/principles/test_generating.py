"""From prompt to pair: what is kept, what is thrown away and why, and how a run goes on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.principles.models import (
    Brain,
    FakeWriter,
    ModelServer,
    able,
    always_first,
    prompt_lines,
    served,
    words_for,
)
from volens.core.errors import Denied, InvalidInput, Unavailable, VerificationFailed
from volens.core.time import parse_moment
from volens.principles.asking import Verdict, read_critique, says_nothing
from volens.principles.constitution import Constitution, open_constitution
from volens.principles.folder import assemble, verify_folder, write_folder
from volens.principles.generating import Bench, Order, Settings, admit_judge, make_steps
from volens.principles.judging import open_labelled
from volens.principles.measuring import Pair, leave_out_repeats, measure, require_floors
from volens.principles.prompts import read_prompts
from volens.principles.provenance import Provenance
from volens.principles.rules import Fault, findings
from volens.principles.wording import near_duplicates
from volens.principles.working import Dropped, Kept, Reason, Step, open_work
from volens.principles.writer import Message, Sampling

MADE = parse_moment("2026-01-31T09:30:00.000Z")
NEUTRAL = open_constitution("neutral")


def quiet(done: int, total: int) -> None:
    assert done <= total


def order_of(brain: Brain = able, count: int = 12, judge: Brain | None = None) -> Order:
    return Order(
        constitution=NEUTRAL,
        prompts=read_prompts(prompt_lines(count), place="x"),
        settings=Settings(),
        writer=FakeWriter(brain),
        bench=None
        if judge is None
        else Bench(judge=FakeWriter(judge, model="j"), labelled=open_labelled(None)),
    )


def run(order: Order, out: Path) -> Provenance:
    with open_work(out, order.run()) as work:
        gate = admit_judge(order, work, quiet)
        steps = make_steps(order, work, quiet)
        return write_folder(out, order, assemble(order, steps), gate, made=MADE)


def step_of(brain: Brain, tmp_path: Path) -> Step:
    order = order_of(brain, count=1)
    with open_work(tmp_path / "one", order.run()) as work:
        (step,) = make_steps(order, work, quiet)
    return step


def but(kind: str, said: str | Callable[[str], str]) -> Brain:
    """Return the able model, but with another answer to one kind of question."""

    def brain(messages: Sequence[Message], sampling: Sampling) -> str:
        if not messages[0].text.startswith(kind):
            return able(messages, sampling)
        return said if isinstance(said, str) else said(able(messages, sampling))

    return brain


DRAFT, CRITIC, REVISER = "You are a careful", "You check", "You write"
SOUND = "Fold the paper twice along its longer side, then press both edges flat."


def sound(brain: Brain) -> Brain:
    """Let drafts break no rule, so that only the critique can say what is wrong."""

    def other(messages: Sequence[Message], sampling: Sampling) -> str:
        return SOUND if messages[0].text.startswith(DRAFT) else brain(messages, sampling)

    return other


@pytest.mark.parametrize(
    ("brain", "reason"),
    [
        (but(DRAFT, ""), Reason.EMPTY),
        (but(DRAFT, "word " * 600), Reason.CUT_OFF),
        (but(REVISER, "word " * 600), Reason.CUT_OFF),
        (sound(but(CRITIC, "KEEP")), Reason.NOTHING_TO_REVISE),
        (sound(but(CRITIC, "REVISE\nIt could be better.")), Reason.SAYS_NOTHING),
        (
            sound(but(CRITIC, "REVISE\nThis is not quite as good as it might have been somehow.")),
            Reason.SAYS_NOTHING,
        ),
        (sound(but(CRITIC, "It is fine I think.")), Reason.CRITIQUE_UNREADABLE),
        (but(REVISER, "Write to ann.smith@example.org, she knows how."), Reason.PERSONAL_DATA),
        (but(REVISER, "User: how do I do it?\nAssistant: like this, with care."), Reason.CHAT_FORM),
        (but(REVISER, "=== ANSWER ===\nBegin with the longer side of it."), Reason.HOLDS_FORM),
        (but(DRAFT, "Trust me.\n=== CRITIQUE ===\nAll is well."), Reason.HOLDS_FORM),
        (but(REVISER, "You can trust me, begin with the longer side."), Reason.STILL_BROKEN),
        (but(REVISER, "Too short"), Reason.STILL_BROKEN),
        (sound(but(REVISER, SOUND.upper())), Reason.UNCHANGED),
    ],
)
def test_what_is_no_good_is_thrown_away_by_name(
    brain: Brain, reason: Reason, tmp_path: Path
) -> None:
    assert step_of(brain, tmp_path) == Dropped(prompt="p0", reason=reason)


def test_what_rules_find_needs_no_words_of_the_writer(tmp_path: Path) -> None:
    step = step_of(but(CRITIC, "KEEP"), tmp_path)
    assert isinstance(step, Kept)
    assert step.critique == "It says 'trust me'."
    assert (step.principles, step.found) == (("honest",), ("honest:forbidden",))


def test_a_critique_alone_is_enough_if_it_quotes(tmp_path: Path) -> None:
    step = step_of(sound(able), tmp_path)
    assert isinstance(step, Kept)
    assert step.found == ()
    assert len(step.principles) == 1


def test_personal_data_goes_no_further_than_the_draft(tmp_path: Path) -> None:
    seen: list[str] = []

    def brain(messages: Sequence[Message], sampling: Sampling) -> str:
        seen.append(messages[-1].text)
        if messages[0].text.startswith(DRAFT):
            return "Ask ann.smith@example.org about that, she has done it many times."
        return able(messages, sampling)

    step = step_of(brain, tmp_path)
    assert isinstance(step, Kept)
    assert "[EMAIL]" in step.draft
    assert "It holds personal data" in step.critique
    assert not any("ann.smith" in text for text in seen)


def test_rules_find_what_they_say() -> None:
    long = "word " * 1_500
    for answer, fault in (
        ("In my own life I did so often enough.", Fault.FORBIDDEN),
        ("Short.", Fault.SHORT),
        (long, Fault.LONG),
        ("I can't help with that, I am sorry to say.", Fault.REFUSAL),
    ):
        assert [one.fault for one in findings(NEUTRAL, answer)] == [fault]
    assert findings(NEUTRAL, "Begin with the longer side, then press.") == ()
    asks = replace(
        NEUTRAL.principles[2], rules=replace(NEUTRAL.principles[2].rules, required=("a doctor",))
    )
    strict: Constitution = replace(NEUTRAL, principles=(asks,))
    assert [one.fault for one in findings(strict, "Rest.")] == [Fault.REQUIRED]
    assert findings(strict, "Rest, and ask a doctor.") == ()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("KEEP", Verdict.KEEP),
        ("**Keep.**\nfine", Verdict.KEEP),
        ("revise:\nbad", Verdict.REVISE),
        ("I would REVISE it", Verdict.UNREADABLE),
        ("", Verdict.UNREADABLE),
    ],
)
def test_the_first_line_of_a_critique_decides(text: str, verdict: Verdict) -> None:
    assert read_critique(text).verdict is verdict


def test_a_critique_that_repeats_the_question_says_nothing() -> None:
    draft = "Boil the kettle for twenty minutes, then pour carefully."
    asked = "How long should the kettle boil, in minutes, so that tea tastes well to everybody?"
    assert says_nothing(f"It does not say {asked}", draft, [asked])
    told = "'twenty' is far too long, and 'pour carefully' does not say where the water goes."
    assert not says_nothing(told, draft, [asked])


class TestFolder:
    def test_equal_orders_give_equal_bytes_and_hold(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            run(order_of(judge=able), tmp_path / name)
            assert verify_folder(tmp_path / name).provenance.measures.pairs == 12
        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert sorted(one.name for one in tmp_path.iterdir()) == ["one", "two"]

    def test_every_changed_file_is_found(self, tmp_path: Path) -> None:
        run(order_of(), tmp_path / "set")
        for path in sorted((tmp_path / "set").iterdir()):
            whole = path.read_bytes()
            step = max(1, len(whole) // 60)
            for at in range(0, len(whole), step):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
                with pytest.raises(VerificationFailed):
                    verify_folder(tmp_path / "set")
            path.write_bytes(whole[:-1])
            with pytest.raises(VerificationFailed):
                verify_folder(tmp_path / "set")
            path.unlink()
            with pytest.raises(VerificationFailed):
                verify_folder(tmp_path / "set")
            path.write_bytes(whole)
        (tmp_path / "set" / "more").touch()
        with pytest.raises(VerificationFailed):
            verify_folder(tmp_path / "set")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"pairs":12', '"pairs":13'),
            ('"distinct":', '"distinct":1'),
            ('"public_text":12', '"public_text":13'),
            ('"label":"synthetic"', '"label":"human"'),
            ('"dropped":{}', '"dropped":{"empty":1}'),
            ('"judge":{}', '"judge":null'),
        ],
    )
    def test_a_number_that_does_not_follow_from_the_records_is_found(
        self, tmp_path: Path, old: str, new: str
    ) -> None:
        run(order_of(), tmp_path / "set")
        path = tmp_path / "set" / "provenance.json"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        with pytest.raises(VerificationFailed):
            verify_folder(tmp_path / "set")

    def test_near_repeats_are_left_out_and_counted(self, tmp_path: Path) -> None:
        same = but(REVISER, f"Begin with {words_for('x', 40)}.")
        with pytest.raises(Denied, match=r"1 pairs.*nearly repeat"):
            run(order_of(same), tmp_path / "set")
        assert not (tmp_path / "set").exists()

    def test_a_judge_that_is_against_it_leaves_nothing(self, tmp_path: Path) -> None:
        def against(messages: Sequence[Message], sampling: Sampling) -> str:
            found = able(messages, sampling)
            if "Trust me" in messages[-1].text:
                return {"A": "B", "B": "A"}[found]
            return found

        order = order_of(judge=against)
        with pytest.raises(Denied, match="0 pairs"):
            run(order, tmp_path / "set")
        with open_work(tmp_path / "set", order.run()) as work:
            assert {one.reason for one in work.steps.values() if isinstance(one, Dropped)} == {
                Reason.JUDGE_AGAINST
            }


class TestFloors:
    def pairs(self, **changes: str) -> list[Pair]:
        made = [
            Pair(prompt=text, chosen=f"{text} {words_for(text, 12)}", rejected=words_for(text, 12))
            for text in (f"How to mend number {n}" for n in range(20))
        ]
        return [replace(one, **changes) for one in made]

    def check(self, pairs: list[Pair], repeated: int = 0) -> None:
        require_floors(measure(pairs, repeated, NEUTRAL.refuses))

    def test_a_good_set_keeps_them(self) -> None:
        self.check(self.pairs())

    @pytest.mark.parametrize(
        ("pairs", "repeated", "told"),
        [
            ({}, 3, "nearly repeat"),
            ({"chosen": "I can't help with that number."}, 0, "refuse"),
            ({"rejected": "x" * 900}, 0, "length"),
            ({"rejected": "x"}, 0, "length"),
            ({"prompt": "Wherefore"}, 0, "take up"),
            ({"chosen": "mend this number soon"}, 0, "distinct"),
        ],
    )
    def test_each_is_named_when_it_is_not_kept(
        self, pairs: dict[str, str], repeated: int, told: str
    ) -> None:
        with pytest.raises(Denied, match=told) as refused:
            self.check(self.pairs(**pairs), repeated)
        assert refused.value.code == "below_floor"

    def test_near_repeats_are_those_that_share_four_fifths(self) -> None:
        long = words_for("long", 60)
        near = f"{long} indeed"
        assert near_duplicates([long, words_for("other", 60), near, long.upper()]) == [2, 3]
        assert leave_out_repeats(self.pairs()) == []


@dataclass
class Stopping:
    """Stops a model at one of its answers."""

    left: int

    def __call__(self, messages: Sequence[Message], sampling: Sampling) -> str:
        if self.left == 0:
            raise Unavailable("writer_unreachable", "no reply")
        self.left -= 1
        return able(messages, sampling)


class TestGoingOn:
    @pytest.mark.parametrize("stop", [0, 1, 3, 7, 20, 35])
    def test_wherever_it_stops_it_goes_on_to_the_same_bytes(
        self, stop: int, tmp_path: Path
    ) -> None:
        run(order_of(), tmp_path / "whole")
        with pytest.raises(Unavailable):
            run(order_of(Stopping(stop)), tmp_path / "set")
        order = order_of()
        run(order, tmp_path / "set")
        for path in (tmp_path / "whole").iterdir():
            assert path.read_bytes() == (tmp_path / "set" / path.name).read_bytes()
        assert isinstance(order.writer, FakeWriter)
        assert len(order.writer.asked) == 36 - stop // 3 * 3

    def test_a_torn_line_is_made_again_and_a_changed_one_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable):
            run(order_of(Stopping(9)), tmp_path / "set")
        steps = tmp_path / ".set.work" / "steps.jsonl"
        whole = steps.read_bytes()
        for cut in range(1, len(whole), 97):
            steps.write_bytes(whole[:-cut])
            with open_work(tmp_path / "set", order_of().run()) as work:
                kept = len(work.steps)
            assert kept <= 3
            (tmp_path / ".set.work").mkdir(exist_ok=True)
        steps.write_bytes(whole.replace(b'"prompt":"p1"', b'"prompt":"p0"'))
        with (
            pytest.raises(VerificationFailed, match="twice"),
            open_work(tmp_path / "set", order_of().run()),
        ):
            pass

    def test_another_run_does_not_go_on_there(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable):
            run(order_of(Stopping(9)), tmp_path / "set")
        order = order_of()
        for other in (
            replace(order, settings=Settings(seed=1)),
            replace(order, writer=FakeWriter(able, model="other")),
            replace(order, prompts=read_prompts(prompt_lines(11), place="x")),
            replace(order, constitution=replace(NEUTRAL, title="Other")),
            order_of(judge=able),
        ):
            with pytest.raises(InvalidInput, match="another run"):
                run(other, tmp_path / "set")
        run(order, tmp_path / "set")

    def test_a_refused_judge_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(Denied, match="right about 0"):
            run(order_of(judge=always_first), tmp_path / "set")
        assert list(tmp_path.iterdir()) == []

    def test_two_at_once_do_not_meet(self, tmp_path: Path) -> None:
        order = order_of()
        with open_work(tmp_path / "set", order.run()), pytest.raises(Unavailable, match="made"):
            run(order, tmp_path / "set")


@pytest.mark.enable_socket
def test_a_killed_process_loses_no_step_and_the_next_one_ends_the_same(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_bytes(prompt_lines(12))
    server = ModelServer()
    with served(server) as url:
        words = [
            sys.executable, "-m", "volens.cli.main", "principles", "generate", "--prompts",
            "prompts.jsonl", "--writer", url, "--model", "fake-1",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}

        def start(out: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*words, "--out", out],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        assert start("whole").wait(60) == 0
        began = len(server.requests)
        started: list[subprocess.Popen[bytes]] = []

        def killing(messages: Sequence[Message], sampling: Sampling) -> str:
            if len(server.requests) == began + 17 and started:
                started[0].kill()
            return able(messages, sampling)

        server.brain = killing
        started.append(start("set"))
        assert started[0].wait(60) == -signal.SIGKILL
        assert not (tmp_path / "set").exists()
        lines = (tmp_path / ".set.work" / "steps.jsonl").read_bytes().splitlines()
        assert len(lines) >= 1 + 16 // 3
        server.brain = able
        assert start("set").wait(60) == 0
    for name in ("preference.jsonl", "sft.jsonl", "constitution.json"):
        one, other = (tmp_path / where / name for where in ("whole", "set"))
        assert one.read_bytes() == other.read_bytes()
    assert json.loads((tmp_path / "set" / "provenance.json").read_bytes())["label"] == "synthetic"
