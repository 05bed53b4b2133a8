"""``volens keys``: what a person at a terminal sees of epochs, and what asks before it destroys."""

import pytest

from tests.cli.driving import HELLO, Shell
from volens.app.home import open_home
from volens.lifecycle.epochs import KeyRotation

EU = "civilian-eu"


@pytest.fixture
def lived_in(shell: Shell) -> Shell:
    shell.add("ada")
    shell.chats("ada", 2)
    return shell


def states(shell: Shell) -> list[tuple[int, str]]:
    return [(one["epoch"], one["state"]) for one in shell.json("keys", "status")["epochs"]]


def test_a_home_without_people_has_no_epochs_and_says_why(shell: Shell) -> None:
    assert shell.json("keys", "status") == {
        "epochs": [],
        "rotation_due": [],
        "irrecoverable_before": None,
    }
    assert "first account" in shell.ok("keys", "status").out
    assert "first account" in shell.ok("keys", "rotate").out
    assert shell.json("keys", "destroy-expired") == {"destroyed": []}


def test_an_epoch_goes_from_live_to_retired_to_destroyed(lived_in: Shell) -> None:
    assert states(lived_in) == [(1, "live")]
    done = lived_in.json("keys", "rotate")["rotated"]
    assert [(one["scope"], one["ended"], one["live"], one["moved"]) for one in done] == [
        (EU, [1], 2, 1)
    ]
    assert states(lived_in) == [(1, "retired"), (2, "live")]
    assert lived_in.json("keys", "destroy-expired", "--yes") == {"destroyed": []}
    gone = lived_in.json("keys", "destroy-expired", "--now", "--yes")
    assert [(one["scope"], one["epoch"]) for one in gone["destroyed"]] == [(EU, 1)]
    assert gone["irrecoverable_before"] < gone["destroyed"][0]["at"]
    assert states(lived_in) == [(1, "destroyed"), (2, "live")]
    (chat,) = lived_in.json("conversation", "list", "ada", "--limit", "1")["conversations"]
    assert HELLO in lived_in.ok("conversation", "show", chat["id"], "--show-content").out


def test_nothing_is_destroyed_without_a_yes(lived_in: Shell) -> None:
    lived_in.ok("keys", "rotate")
    before = lived_in.bytes()
    said = lived_in.run("keys", "destroy-expired", "--now")
    assert said.code == 2
    assert "--yes" in said.err
    assert lived_in.json("keys", "destroy-expired", "--now", code=2)["error"]["code"] == (
        "not_confirmed"
    )
    kek = [path for path in before if path.endswith(".kek")]
    assert len(kek) == 2
    assert {path: lived_in.bytes()[path] for path in kek} == {path: before[path] for path in kek}
    assert states(lived_in) == [(1, "retired"), (2, "live")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rotate",), {"dry_run": True, "scopes": [EU], "pages": 1}),
        (
            ("destroy-expired", "--now"),
            {"dry_run": True, "would_destroy": [{"scope": EU, "epoch": 1}]},
        ),
    ],
)
def test_a_dry_run_changes_no_byte(
    lived_in: Shell, words: tuple[str, ...], told: dict[str, object]
) -> None:
    lived_in.ok("keys", "rotate")
    before = lived_in.bytes()
    assert lived_in.json("keys", *words, "--dry-run") == told
    assert "would" in lived_in.ok("keys", *words, "--dry-run").out
    assert lived_in.bytes() == before


def test_an_unknown_scope_is_refused_with_the_ones_there_are(lived_in: Shell) -> None:
    said = lived_in.run("keys", "rotate", "--scope", "civilian-mars")
    assert said.code == 2
    assert EU in said.err
    assert states(lived_in) == [(1, "live")]


def test_a_rotation_that_stopped_shows_and_is_finished(lived_in: Shell) -> None:
    class Stop(Exception):
        pass

    def stop(moved: int) -> None:
        raise Stop(moved)

    with open_home(lived_in.folder, writing=True) as home:
        rotation: KeyRotation = home.rotation
        with pytest.raises(Stop):
            rotation.rotate(EU, tell=stop)
    assert states(lived_in) == [(1, "ending"), (2, "live")]
    assert "Not finished" in lived_in.ok("keys", "status").out
    assert "not finished" in lived_in.ok("doctor").out
    (done,) = lived_in.json("keys", "rotate", "--scope", EU)["rotated"]
    assert (done["resumed"], done["live"]) == (True, 2)


def test_it_fits_into_80_columns(lived_in: Shell) -> None:
    lived_in.ok("keys", "rotate")
    lived_in.ok("keys", "destroy-expired", "--now", "--yes")
    lived_in.ok("keys", "rotate")
    for words in (("status",), ("rotate",), ("rotate", "--help"), ("destroy-expired", "--help")):
        said = lived_in.ok("keys", *words)
        assert max(map(len, said.lines())) <= 80, said.out


def test_the_doctor_finds_keys_in_order(lived_in: Shell) -> None:
    lived_in.ok("keys", "rotate")
    found = lived_in.json("doctor")["findings"]
    (epochs,) = [one for one in found if one["check"] == "key epochs"]
    assert epochs["level"] == "ok"
    assert "1 retired, 1 live" in epochs["text"]
