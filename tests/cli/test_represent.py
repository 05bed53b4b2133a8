"""``volens represent``, as somebody at a shell has it, over a home of some hundred people."""

from collections.abc import Iterator
from itertools import cycle, islice

import pytest

from tests.capture.reading import DATA, needs_data
from tests.cli.driving import KEY, Shell
from tests.support.stores import act, talk
from volens.app.home import open_home
from volens.capture.model import Captured
from volens.capture.reader import read_paths
from volens.consent.model import Act
from volens.core.purposes import Tier
from volens.core.regions import Region
from volens.insight.weights_file import read_weights
from volens.log.kinds import CaptureSource
from volens.vault.model import Conversation
from volens.vault.subjects import NewSubject

Plans = dict[str, tuple[int, int]]
"""Of each plan how many there are, and how many said yes."""
PLANS: Plans = {"free": (140, 70), "pro": (100, 16), "api": (60, 5)}
TEXTS = ("Hello", "Good day", "Tea?", "Yes", "Milk?", "No")


def short_and_long() -> Iterator[Conversation]:
    for number, turns in enumerate(cycle((2, 6))):
        yield talk(f"chat {number}", *TEXTS[:turns])


def settle(
    shell: Shell, chats: Iterator[Conversation], willing: Plans, *, every: int = 999
) -> None:
    """Let people come in plans, and the first so many of each say yes.

    The last of each `every` is from the US, and may not be used here whatever they say.
    """
    with open_home(shell.folder, writing=True, environment={KEY: str(shell.keys)}) as home:
        for at, (plan, (count, yes)) in enumerate(willing.items()):
            people = home.subjects.add(
                [
                    NewSubject(
                        reference=f"{plan} {number}",
                        plan=plan,
                        tier=Tier.PUBLIC,
                        region=Region.US if number % every == every - 1 else Region.EU,
                    )
                    for number in range(count)
                ]
            )
            home.vault.capture(
                {one: [chat] for one, chat in zip(people, chats, strict=False)},
                source=CaptureSource.IMPORT,
            )
            now = home.clock.now()
            home.ledger.record(
                [
                    act(1000 * at + number + 1, one, Act.GRANT, at=now)
                    for number, one in enumerate(people[:yes])
                ]
            )


@pytest.fixture
def settled(shell: Shell) -> Shell:
    settle(shell, short_and_long(), PLANS)
    return shell


def test_groups_are_compared_in_rounded_numbers_and_few_people_are_not_shown_alone(
    settled: Shell,
) -> None:
    found = settled.json("represent", "batch_training")
    assert (found["people"], found["used"]) == (300, 90)
    plan, length = found["variables"]
    assert (found["left_out"], found["alike"]) == ([], ["region"])
    assert [one["values"] for one in plan["groups"]] == [["free"], ["api", "pro"]]
    assert [(one["everybody"], one["used"]) for one in plan["groups"]] == [(140, 70), (160, 20)]
    assert {one["name"] for one in length["groups"]} == {"4 turns or fewer", "5 to 10 turns"}
    assert found["not_known"] == ["language", "topic"]
    for variable in found["variables"]:
        for one in variable["groups"]:
            assert one["used"] >= 10
            assert one["everybody"] - one["used"] >= 10
            assert one["used"] % 5 == one["everybody"] % 5 == 0


def test_the_gap_plan_names_a_label_for_each_source_and_how_far_it_goes(settled: Shell) -> None:
    (gap,) = settled.json("represent", "batch_training")["gaps"]
    assert (gap["variable"], gap["group"]) == ("plan", "(others)")
    at_most = {one["kind"]: (one["label"], one["people"]) for one in gap["fillers"]}
    assert at_most["contributors"] == ("contributors", gap["missing"])
    assert at_most["synthetic"][0] == "synthetic"
    assert at_most["synthetic"][1] <= gap["missing"] / 4
    assert at_most["reweighting"][0] == "adds no records"
    assert [one["kind"] for one in gap["fillers"] if one["needs_grant"]] == [
        "contributors",
        "curated",
    ]


def test_it_fits_80_columns_and_says_what_is_not_known(settled: Shell) -> None:
    said = settled.ok("represent", "batch_training")
    assert max(map(len, said.lines())) <= 80
    assert "language: not known" in said.out
    assert "█" in said.out
    assert "█" not in settled.ok("represent", "batch_training", "--plain").out


def test_what_is_shown_of_it_changes_no_number(settled: Shell) -> None:
    whole = settled.json("represent", "batch_training")
    for place, name in enumerate(("plan", "length")):
        part = settled.json("represent", "batch_training", "--by", name)
        assert part["variables"] == [whole["variables"][place]]
        assert part["weights"] == whole["weights"]


def test_a_weights_file_is_read_again_and_meets_the_margins(settled: Shell) -> None:
    path = settled.folder.parent / "weights.json"
    settled.ok("represent", "batch_training", "--weights", path, "--dry-run")
    assert not path.exists()
    settled.ok("represent", "batch_training", "--weights", path)
    file = read_weights(path.read_bytes())
    assert file.encode() == path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    by_plan = dict.fromkeys(PLANS, 0.0)
    for plan, (_, yes) in PLANS.items():
        for number in range(yes):
            by_plan[plan] += file.weight(
                {
                    "plan": plan,
                    "region": "eu",
                    "length": "4 turns or fewer" if number % 2 == 0 else "5 to 10 turns",
                }
            )
    assert by_plan["free"] / sum(by_plan.values()) == pytest.approx(140 / 300, abs=0.02)
    said = settled.run("represent", "batch_training", "--weights", path, "--json")
    assert (said.code, said.document["error"]["code"]) == (2, "out_exists")


def test_few_people_are_not_shown_at_all(shell: Shell) -> None:
    settle(shell, short_and_long(), {"free": (20, 9)})
    assert shell.json("represent", "batch_training", code=2)["error"]["code"] == "sample_small"


def test_who_may_not_be_used_here_whatever_they_say_is_not_shown_alone(shell: Shell) -> None:
    settle(shell, short_and_long(), {"free": (150, 60)}, every=3)
    found = shell.json("represent", "batch_training")
    assert (found["left_out"], found["alike"]) == (["region"], ["plan"])
    assert found["used"] == 40


def test_a_withdrawal_counts_at_the_next_report(settled: Shell) -> None:
    for number in range(10):
        settled.ok("consent", "withdraw", f"free {number}", "batch_training")
    assert settled.json("represent", "batch_training")["used"] == 80


def test_nothing_is_opened_and_nothing_changes(settled: Shell) -> None:
    before = settled.bytes()
    settled.ok("represent", "batch_training")
    assert settled.bytes() == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("batch_training", "--by", "language"), "variable_unknown"),
        (("batch_training", "--by", "name"), "variable_unknown"),
        (("no_such_purpose",), "purpose_unknown"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_name(
    shell: Shell, words: tuple[str, ...], code: str
) -> None:
    said = shell.run("represent", *words, "--json")
    assert said.code != 0
    assert said.document["error"]["code"] == code


@needs_data
def test_real_dialogues_are_compared_by_their_length(shell: Shell) -> None:
    paths = [DATA / "oasst-sample" / "en_100_tree.jsonl", DATA / "taskmaster4"]
    found = (item.conversation for item in read_paths(paths) if isinstance(item, Captured))
    settle(shell, islice(found, 300), {"free": (150, 60), "pro": (100, 30), "business": (50, 20)})
    lengths = shell.json("represent", "batch_training", "--by", "length")["variables"]
    assert lengths
    assert sum(one["everybody"] for one in lengths[0]["groups"]) == pytest.approx(300, abs=10)
