"""The plugin fails a test whose program used data without a yes, and no other."""

from datetime import timedelta

import pytest

from tests.client.servers import PURPOSE, InMemory

pytest_plugins = ["pytester"]

GOOD = """
def test_it_asks(volens_fake):
    ann = volens_fake.person("ann", grants=["batch_training"])
    data = volens_fake.guard(ann, "batch_training", "her chat")
    with volens_fake.client() as client:
        if client.check([ann], "batch_training").permitted():
            assert data.open() == "her chat"
"""
BAD = """
def test_it_never_asks(volens_fake):
    volens_fake.guard("ann", "batch_training", "her chat").open()

def test_it_does_not_listen(volens_fake):
    with volens_fake.client() as client:
        client.check([volens_fake.person("ann")], "batch_training")
    volens_fake.guard("ann", "batch_training", "her chat").open()
"""


@pytest.mark.parametrize(("source", "errors", "passed"), [(GOOD, 0, 1), (BAD, 2, 2)])
def test_the_plugin_polices(
    pytester: pytest.Pytester, source: str, errors: int, passed: int
) -> None:
    pytester.makepyfile(source)
    result = pytester.runpytest_inprocess("-p", "volens.client.pytest_plugin", "-p", "no:randomly")
    result.assert_outcomes(passed=passed, errors=errors)
    assert "her chat" not in result.stdout.str().replace(source, "")


def test_a_use_after_a_withdrawal_or_past_its_time_is_seen(fake: InMemory) -> None:
    server = fake.fake
    data = server.guard(server.person("ann", grants=[PURPOSE]), PURPOSE, "her chat")
    with fake.client() as client:
        client.check_each(["ann"], ["human_feedback", PURPOSE])
        data.open()
        assert server.police.report() == ""
        fake.clock.step(timedelta(hours=1))
        data.open()
        client.check(["ann"], PURPOSE)
        client.withdraw("ann", PURPOSE)
        data.open()
    said = [one.what for one in server.police.violations]
    assert said == [
        "the answer's time was over",
        "withdrawn after the answer, and nobody asked again",
    ]
    assert server.police.uses == 3
    assert "her chat" not in repr(data)
