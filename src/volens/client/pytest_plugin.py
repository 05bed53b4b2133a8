"""A pytest plugin for programs that ask Volens: a server in memory that fails who did not ask.

    def test_the_trainer_asks(volens_fake):
        ann = volens_fake.person("ann", grants=["batch_training"])
        data = volens_fake.guard(ann, "batch_training", "her chat")
        train([data], volens_fake.client())

A test in which guarded data was opened without asking before, after a deny, after a withdrawal or
past the answer's own time fails at its end, whatever else it found.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from volens.client.fake import FakeVolens


@pytest.fixture
def volens_fake() -> Iterator[FakeVolens]:
    """Give a server in memory; fail the test if the program used data without a yes."""
    fake = FakeVolens()
    yield fake
    found = fake.police.report()
    if found:
        pytest.fail(found, pytrace=False)
