"""The disk is full, and people want their data gone: accepted at once, and never said too early."""

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.driving import HELLO, KEY, Shell
from tests.faults.test_full_disk import OnDisk, on_disk
from tests.support.disks import SmallDisk
from volens.app.creation import create_home

__all__ = ["on_disk"]
CONTACT = "Privacy office, privacy@example.org"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Ann and Bob said yes; each has chats. Ann's erasure of last time is done."""
    under = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(under / "kek"))
        create_home(under / "home", environment={KEY: str(under / "kek")})
        found = Shell(under / "home", under / "kek")
        for name in ("ann", "bob"):
            found.chats(name)
            found.ok("consent", "grant", name, "batch_training", "--yes")
        found.ok("audit")  # what it imports is there before any fork
    return found


def put_on(disk: SmallDisk, shell: Shell) -> Shell:
    """Copy home and custody to the disk."""
    shutil.copytree(shell.folder, disk.folder / "home")
    shutil.copytree(shell.keys, disk.folder / "kek")
    os.environ |= {KEY: str(disk.folder / "kek"), "VOLENS_CONTACT": CONTACT}  # of the child alone
    return Shell(disk.folder / "home", disk.folder / "kek")


def states(shell: Shell) -> list[str]:
    return [one["state"] for one in shell.json("receipt", "list")["erasures"]]


def can_open(shell: Shell, chat: str) -> bool:
    return HELLO in shell.run("conversation", "show", chat, "--show-content").out


def chats_of(shell: Shell, name: str) -> list[str]:
    return [one["id"] for one in shell.json("conversation", "list", name)["conversations"]]


def take_back(here: Shell, chat: str) -> str:
    """Bob withdraws, Ann wants to be erased; return the number of her erasure."""
    here.ok("consent", "withdraw", "bob", "batch_training")
    assert here.run("ask", "bob", "batch_training").code == 3
    asked = here.json("erase", "subject", "ann", "--yes", "--no-cool-off")
    assert asked["new"]
    again = here.json("erase", "subject", "ann", "--yes", "--no-cool-off")
    assert (again["reference"], again["new"]) == (asked["reference"], False)
    assert not can_open(here, chat)
    assert states(here) == ["access_ended"]
    return str(asked["reference"])


def try_to_erase(here: Shell, chat: str, reference: str, paper: Path) -> None:
    """A run erases or says why not; no state and no paper says more than was done."""
    done = here.run("retention", "run", "--json")
    assert done.code in {0, 5}, done
    assert not can_open(here, chat)
    gone = here.run("subject", "show", "ann").code == 2
    assert gone or states(here) == ["access_ended"]
    assert gone or done.code == 5
    written = here.run("receipt", "show", reference, "--out", paper)
    assert paper.exists() == (written.code == 0)


@pytest.mark.parametrize("blocks", [0, 2, 8, 30])
def test_a_full_disk_accepts_withdrawals_and_erasures_and_says_nothing_too_early(
    shell: Shell, on_disk: OnDisk, blocks: int
) -> None:
    def story(disk: SmallDisk) -> None:
        here = put_on(disk, shell)
        chat, other = chats_of(here, "ann")[0], chats_of(here, "bob")[0]
        disk.fill(leave_blocks=blocks)
        reference = take_back(here, chat)
        try_to_erase(here, chat, reference, disk.folder / "receipt.json")
        disk.free()
        here.ok("retention", "run")
        assert states(here) == ["keys_removed"]
        assert here.run("subject", "show", "ann").code == 2
        assert here.json("ask", "bob", "batch_training", code=3)["reasons"] == ["grant_withdrawn"]
        assert can_open(here, other)
        here.ok("receipt", "show", reference, "--out", disk.folder / "after.json")
        here.ok("audit")

    on_disk(story)
