"""Accounts, staff and tokens as they are kept at a shell; secrets are shown once."""

import io

import pytest

from tests.cli.driving import Shell
from volens.app.access import tokens_of
from volens.cli.commands import Session
from volens.cli.homes import write_home


def test_an_account_is_added_listed_and_ended(shell: Shell) -> None:
    person = shell.add("ann")
    made = shell.json("account", "add", "ann", "ann@example.org")
    assert made["subject"] == person
    assert len(made["password"]) >= 12
    (listed,) = shell.json("account", "list")["accounts"]
    assert listed["account"] == made["account"]
    assert "ann@example.org" not in str(listed), "the name is not kept"
    assert shell.run("account", "add", "ann", " ANN@example.org").code == 2, "the same name"
    anew = shell.json("account", "password", "ann@example.org")
    assert anew["password"] != made["password"]
    ended = shell.json("account", "end", made["account"])
    assert ended["ended"] is not None
    assert shell.run("account", "password", made["account"]).code == 2
    assert shell.run("account", "end", "nobody").code == 2


def test_no_sign_in_name_and_no_secret_lies_in_the_home(shell: Shell) -> None:
    shell.add("ann")
    name = "ann.of.the.long.name@example.org"
    password = shell.json("account", "add", "ann", name)["password"]
    staff = shell.json("staff", "add", "rita.rater@example.org", "--role", "rater")["password"]
    secret = shell.json("token", "issue", "chat", "--scope", "embed:issue")["secret"]
    for data in shell.bytes().values():
        for word in (name, password, "rita.rater", staff, secret, secret.removeprefix("vol_")):
            assert word.encode() not in data


def test_a_password_can_come_from_standard_input(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.add("ann")
    monkeypatch.setattr("sys.stdin", io.StringIO("three quiet rivers\n"))
    made = shell.json("account", "add", "ann", "ann", "--password-stdin")
    assert "password" not in made
    monkeypatch.setattr("sys.stdin", io.StringIO("passwordpassword\n"))
    said = shell.json("account", "password", "ann", "--password-stdin", code=2)
    assert said["error"]["code"] == "password_form"


def test_a_role_that_would_last_for_years_is_refused(shell: Shell) -> None:
    said = shell.run("staff", "add", "rita", "--role", "rater", "--until", "2091-01-31")
    assert said.code == 2
    assert shell.json("staff", "list")["staff"] == []


def test_roles_are_given_and_ended(shell: Shell) -> None:
    shell.ok("staff", "add", "rita", "--role", "rater", "--role", "support")
    (rita,) = shell.json("staff", "list")["staff"]
    assert sorted(rita["roles"]) == ["rater", "support"]
    shell.ok("staff", "role", "rita", "auditor")
    shell.ok("staff", "role", "rita", "rater", "--end")
    (rita,) = shell.json("staff", "list")["staff"]
    assert sorted(rita["roles"]) == ["auditor", "support"]
    assert shell.run("staff", "role", "rita", "rater", "--end").code == 2
    assert shell.run("staff", "role", "rita", "organisation_admin").code == 2
    assert shell.json("staff", "end", "rita")["ended"] is not None


def test_a_token_is_shown_once_and_revoked(shell: Shell) -> None:
    made = shell.json("token", "issue", "chat", "--scope", "choices:read", "--days", "7")
    assert made["secret"].startswith("vol_")
    (listed,) = shell.json("token", "list")["tokens"]
    assert "secret" not in listed
    session = Session(home=shell.folder)
    with write_home(session) as home:
        assert tokens_of(home).find(made["secret"]) is not None
    (listed,) = shell.json("token", "list")["tokens"]
    assert listed["used"].endswith("T00:00:00.000Z"), "the day, not the moment"
    assert shell.json("token", "revoke", made["token"])["revoked"] is not None
    with write_home(session) as home:
        assert tokens_of(home).find(made["secret"]) is None
    assert shell.run("token", "issue", "chat").code == 2
    assert shell.run("token", "issue", "chat", "--scope", "everything").code == 2
    assert shell.run("token", "issue", "chat", "--scope", "flags:raise", "--days", "400").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("account", "add", "ann", "ann"),
        ("account", "end", "bea"),
        ("account", "password", "bea"),
        ("staff", "add", "rita", "--role", "rater"),
        ("token", "issue", "chat", "--scope", "flags:raise"),
    ],
)
def test_a_dry_run_changes_nothing(shell: Shell, words: tuple[str, ...]) -> None:
    shell.add("ann")
    shell.ok("account", "add", "ann", "bea")
    before = shell.bytes()
    assert shell.json(*words, "--dry-run") == {"dry_run": True}
    assert shell.bytes() == before
