"""``volens webhook``: who is told of choices, and what of it an operator sees."""

import pytest

from tests.cli.driving import Shell
from tests.gateway.test_webhooks import receiving

URL = "https://hooks.example/volens"


def test_a_webhook_is_added_listed_rotated_and_removed(shell: Shell) -> None:
    assert shell.json("webhook", "list") == {"webhooks": []}
    added = shell.json("webhook", "add", URL, "--type", "choice.withdrawn", "--reference")
    assert added["id"].startswith("whk_")
    assert added["secret"].startswith("whsec_")
    (listed,) = shell.json("webhook", "list")["webhooks"]
    assert (listed["url"], listed["types"], listed["reference"]) == (
        URL,
        ["choice.withdrawn"],
        True,
    )
    assert "secret" not in listed
    assert listed["public_keys"] == [added["public_key"]]
    assert added["public_key"].startswith("whpk_")
    rotated = shell.json("webhook", "rotate", added["id"])
    assert rotated["secret"] != added["secret"]
    (listed,) = shell.json("webhook", "list")["webhooks"]
    assert listed["public_keys"] == [rotated["public_key"], added["public_key"]]
    assert added["secret"] not in str(listed)
    assert shell.json("webhook", "enable", added["id"])["disabled"] == ""
    assert "on" in shell.ok("webhook", "list").out
    assert shell.json("webhook", "remove", added["id"]) == {"id": added["id"], "removed": True}
    assert shell.json("webhook", "list") == {"webhooks": []}


def test_a_dry_run_changes_nothing(shell: Shell) -> None:
    shell.ok("webhook", "add", URL, "--dry-run")
    assert shell.json("webhook", "list") == {"webhooks": []}
    name = shell.json("webhook", "add", URL)["id"]
    for word in ("rotate", "enable", "remove"):
        shell.ok("webhook", word, name, "--dry-run")
    assert [one["id"] for one in shell.json("webhook", "list")["webhooks"]] == [name]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "http://hooks.example"), "webhook_url"),
        (("add", "https://a:b@hooks.example"), "webhook_url"),
        (("add", URL, "--type", "choice.guessed"), "webhook_type"),
        (("remove", "whk_no"), "id_form"),
        (("test", "whk_aaaaaaaaaaaaaaaaaaaaaaaaaa"), "webhook_unknown"),
    ],
)
def test_what_cant_be_is_refused(shell: Shell, words: tuple[str, ...], code: str) -> None:
    assert shell.json("webhook", *words, code=2)["error"]["code"] == code


@pytest.mark.enable_socket
def test_a_trial_never_reaches_this_machine(shell: Shell) -> None:
    with receiving() as receiver:
        url = receiver.url.replace("http://", "https://")
        name = shell.json("webhook", "add", url)["id"]
        said = shell.run("webhook", "test", name)
        assert said.code == 5
        assert "address_refused" in said.err
        assert receiver.got == []
