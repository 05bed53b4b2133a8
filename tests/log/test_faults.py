"""The log stopped before and after every single file operation, then opened again."""

import contextlib
import random
from pathlib import Path

import pytest

from tests.log.support import ORIGIN, SIGNER, MemoryFiles, Stopped
from volens.core.errors import NotFound
from volens.log.checkpoint import Checkpoint
from volens.log.merkle import verify_consistency
from volens.log.store import TransparencyLog
from volens.log.verify import verify_log

NOWHERE = Path("nowhere")
GROUPS = [[3], [1, 200], [60], [], [300, 5]]
"""What is appended before each publish; together across the edges of two tiles."""
ALL = [b"%d" % number for number in range(600)]
"""Short, and not parsed: what is tried here is the files."""


class Story:
    """One life of a log: what it acknowledged and what it published."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.published: list[Checkpoint] = []

    def live(self, files: MemoryFiles) -> None:
        log = TransparencyLog.create(NOWHERE, signer=SIGNER, origin=ORIGIN, files=files)
        for groups in GROUPS:
            for count in groups:
                start = self.acknowledged
                assert log.append(ALL[start : start + count]) == range(start, start + count)
                self.acknowledged = start + count
            self.published.append(log.publish())

    def check(self, log: TransparencyLog, files: MemoryFiles) -> None:
        """Nothing acknowledged is lost, everything verifies, no published tree is contradicted."""
        assert log.size == log.published_size >= self.acknowledged
        assert list(log.entries(0, log.size)) == ALL[: log.size]
        report = verify_log(files, [SIGNER.verifier], entry=len)
        assert report.checkpoint.size == log.size
        assert report.pending == 0
        for old in self.published:
            verify_consistency(
                old_size=old.size,
                old_root=old.root,
                size=log.size,
                root=log.root(),
                proof=log.consistency_proof(old.size),
            )


def run_until(stop_at: tuple[int, bool] | None) -> tuple[Story, MemoryFiles]:
    story, files = Story(), MemoryFiles()
    files.stop_at = stop_at
    with contextlib.suppress(Stopped):
        story.live(files)
    files.stop_at = None
    return story, files


def reopen(story: Story, files: MemoryFiles) -> TransparencyLog:
    try:
        return TransparencyLog.open(NOWHERE, signer=SIGNER, origin=ORIGIN, files=files)
    except NotFound:
        assert not story.acknowledged
        return TransparencyLog.create(NOWHERE, signer=SIGNER, origin=ORIGIN, files=files)


OPERATIONS = run_until(None)[1].operations
STOPS = [(number, after) for number in range(OPERATIONS) for after in (False, True)]


def crashes(files: MemoryFiles, seeds: int) -> list[MemoryFiles]:
    chances = [random.Random(seed) for seed in range(seeds)]
    certain = [files.crash(None, keep=True), files.crash(None, keep=False)]
    return certain + [files.crash(chance) for chance in chances]


def test_the_whole_story_without_a_stop() -> None:
    story, files = run_until(None)
    assert story.acknowledged == sum(sum(groups) for groups in GROUPS)
    story.check(reopen(story, files), files)
    assert OPERATIONS > 80


@pytest.mark.parametrize("stop_at", STOPS)
def test_a_stop_anywhere_loses_nothing_acknowledged_and_forks_nothing(
    stop_at: tuple[int, bool],
) -> None:
    story, stopped = run_until(stop_at)
    for files in crashes(stopped, seeds=3):
        log = reopen(story, files)
        story.check(log, files)
        log.append(ALL[log.size : log.size + 7])  # and it goes on
        log.publish()
        story.check(log, files)


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", STOPS[::7])
def test_a_stop_anywhere_in_the_recovery_changes_nothing(stop_at: tuple[int, bool]) -> None:
    story, stopped = run_until(stop_at)
    for first in crashes(stopped, seeds=1):
        base = {name: first.read(name) for name in first.names()}
        probe = MemoryFiles(base)
        reopen(story, probe)
        for second in range(probe.operations):
            files = MemoryFiles(base)
            files.stop_at = (second, True)
            with pytest.raises(Stopped):
                reopen(story, files)
            for again in crashes(files, seeds=1):
                log = reopen(story, again)
                story.check(log, again)
