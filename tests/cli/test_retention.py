"""Schedules from the command line: times shortened, what goes when, runs, pauses and alarms."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.driving import Shell
from volens.app.home import open_home
from volens.core.ids import SubjectId
from volens.core.time import format_moment, to_millis
from volens.holds.erasure import Erasure, encode_request, new_erasure
from volens.holds.progress import ErasureProgress
from volens.log.kinds import ErasureScope
from volens.storage.journal import Journal
from volens.storage.system import SystemClock

DAY = timedelta(days=1)


def now() -> datetime:
    return SystemClock().now()


def last_seen(shell: Shell, moment: datetime) -> None:
    """Make the home believe that its last run was then."""
    with sqlite3.connect(shell.folder / "main.db") as db:
        db.execute("DELETE FROM clock")
        db.execute("INSERT INTO clock (no, seen_ms) VALUES (1, ?)", (to_millis(moment),))
    db.close()


def asked(shell: Shell, subject: str, at: datetime) -> Erasure:
    made = new_erasure(b"e" * 16, ErasureScope.ACCOUNT, SubjectId(subject), at)
    Journal(shell.folder / "journal" / "erasures").append(encode_request(made))
    return made


class TestInstructing:
    def test_an_organisation_shortens_times_and_sees_them(self, shell: Shell) -> None:
        said = shell.ok("organisation", "instruct", "acme", "--keep-days", 90)
        assert "erase chats 90 days after their last message" in said.out.replace("\n", " ")
        found = shell.json("organisation", "list")
        assert found["keeping"] == {"acme": {"active_conversations": 90}}
        assert found["organisations"] == {"acme": []}

    def test_what_is_not_given_stays(self, shell: Shell) -> None:
        shell.ok("organisation", "instruct", "acme", "batch_training", "--keep-days", 90)
        shell.ok("organisation", "instruct", "acme", "--deleted-days", 25)
        shell.ok("organisation", "instruct", "acme", "safety_training")
        found = shell.json("organisation", "list")
        assert found["organisations"] == {"acme": ["safety_training"]}
        assert found["keeping"] == {"acme": {"active_conversations": 90, "deleted_chats": 25}}
        shell.ok("organisation", "instruct", "acme", "--usual-times")
        found = shell.json("organisation", "list")
        assert found["organisations"] == {"acme": ["safety_training"]}
        assert found["keeping"] == {}

    @pytest.mark.parametrize(
        ("option", "days", "what"),
        [
            ("--deleted-days", 31, "deleted_chats"),
            ("--closed-days", 91, "closed_accounts"),
            ("--safety-days", 366, "safety_investigations"),
            ("--deleted-days", 21, "deleted_chats"),
        ],
    )
    def test_a_longer_time_or_one_that_cannot_be_kept_is_refused_by_name(
        self, shell: Shell, option: str, days: int, what: str
    ) -> None:
        before = shell.bytes()
        said = shell.run("organisation", "instruct", "acme", option, days)
        assert said.code == 2
        assert what in said.err
        assert shell.json("organisation", "list")["keeping"] == {}
        log = [name for name in before if "/log/" in name]
        assert all(shell.bytes()[name] == before[name] for name in log)

    def test_a_dry_run_says_so_and_changes_nothing(self, shell: Shell) -> None:
        before = shell.bytes()
        said = shell.ok("organisation", "instruct", "acme", "--keep-days", 9, "--dry-run")
        assert "would record" in said.out
        assert shell.bytes() == before


class TestPreview:
    def test_it_tells_what_goes_by_a_day_by_class_and_organisation(self, shell: Shell) -> None:
        shell.ok("organisation", "instruct", "acme", "--keep-days", 10)
        shell.add("eve", "--plan", "business", "--organisation", "acme")
        shell.chats("eve", 3)
        shell.add("ada")
        shell.chats("ada", 2)
        day = format_moment(now() + 11 * DAY)[:10]
        found = shell.json("retention", "preview", "--at", day)
        (going,) = found["going"]
        assert going["class"] == "active_conversations"
        assert (going["organisation"], going["chats"], going["held"]) == ("acme", 3, 0)
        assert found["chats_by_day"] == {going["first"][:10]: 3}
        assert found["alarms"] == []
        early = format_moment(now() + 8 * DAY)[:10]
        assert shell.json("retention", "preview", "--at", early)["going"] == []
        said = shell.ok("retention", "preview", "--at", day)
        assert "chats past their time" in said.out
        assert all(len(text) <= 80 for text in said.lines())

    def test_an_account_on_its_way_out_is_in_it(self, shell: Shell) -> None:
        name = shell.add("ada")
        shell.chats("ada", 2)
        asked(shell, name, now())
        found = shell.json("retention", "preview")
        assert [(one["class"], one["chats"]) for one in found["going"]] == [("closed_accounts", 2)]
        assert (
            shell.json("retention", "preview", "--at", format_moment(now() + DAY)[:10])["going"]
            == []
        )

    def test_it_changes_nothing(self, shell: Shell) -> None:
        shell.add("ada")
        before = shell.bytes()
        shell.ok("retention", "preview")
        shell.ok("retention", "run", "--dry-run")
        assert shell.bytes() == before

    def test_a_day_that_is_past_is_refused(self, shell: Shell) -> None:
        assert shell.run("retention", "preview", "--at", "2020-01-31").code == 2


class TestRunning:
    def test_a_run_with_nothing_due_says_so_and_is_in_the_log(self, shell: Shell) -> None:
        said = shell.ok("retention", "run")
        assert "0 erasures done" in said.out
        entries = shell.json("log", "show")["entries"]
        assert entries[-1]["kind"] == "retention.run"
        assert entries[-1]["overdue"] == 0

    def test_chats_that_came_one_by_one_are_laid_together(self, shell: Shell) -> None:
        for count in range(1, 9):
            shell.chats("ann", count)
        assert shell.json("retention", "run")["blocks_merged"] == 7
        assert shell.json("retention", "run")["blocks_merged"] == 0
        found = shell.json("conversation", "list", "ann")["conversations"]
        assert shell.json("conversation", "show", found[0]["id"], "--show-content")["turns"]

    def test_a_dry_run_counts_what_the_run_then_erases(self, shell: Shell) -> None:
        shell.chats("ann", 2)
        shell.ok("erase", "subject", "ann", "--yes", "--no-cool-off")
        assert "would do 1 erasure with 2 chats" in shell.ok("retention", "run", "--dry-run").out
        assert shell.json("retention", "run")["erased"] == 1

    def test_after_a_leap_nothing_goes_until_an_officer_confirms(self, shell: Shell) -> None:
        last_seen(shell, now() - 20 * DAY)
        said = shell.run("retention", "run")
        assert said.code == 5
        assert "Destruction is paused" in said.out
        assert shell.json("retention", "run", code=5)["alarms"] == ["clock_paused"]
        kinds = [one["kind"] for one in shell.json("log", "show")["entries"]]
        assert kinds.count("clock.paused") == 1
        assert "paused" in shell.run("doctor").out
        stated = now().isoformat(timespec="minutes")
        assert shell.run("retention", "confirm-clock", "--time", stated).code == 2
        before = shell.bytes()
        shell.ok("retention", "confirm-clock", "--time", stated, "--yes", "--dry-run")
        assert shell.bytes() == before
        shell.ok("retention", "confirm-clock", "--time", stated, "--yes")
        shell.ok("retention", "run")
        kinds = [one["kind"] for one in shell.json("log", "show")["entries"]]
        assert kinds[-2:] == ["clock.confirmed", "retention.run"]

    def test_an_officer_who_sees_another_day_is_told_to_set_the_clock(self, shell: Shell) -> None:
        stated = (now() + 3 * DAY).isoformat(timespec="minutes")
        said = shell.run("retention", "confirm-clock", "--time", stated, "--yes")
        assert said.code == 3
        assert "this machine's clock says" in said.err

    @pytest.mark.parametrize("text", ["noon", "2027-01-31", "2027-01-31T09:30"])
    def test_a_time_without_its_zone_is_refused(self, shell: Shell, text: str) -> None:
        assert shell.run("retention", "confirm-clock", "--time", text, "--yes").code == 2

    def test_what_is_late_alarms_everywhere(self, shell: Shell) -> None:
        name = shell.add("ada")
        made = asked(shell, name, now() - 30 * DAY)
        shell.ok("subject", "set", "ada", "--plan", "pro")  # a write takes it in
        assert made.promised_by <= now()
        said = shell.run("retention", "preview")
        assert said.code == 4
        assert made.id in said.out
        found = shell.json("retention", "run", "--dry-run", code=4)
        assert [one["erasure"] for one in found["overdue"]] == [made.id]
        assert found["alarms"] == ["overdue"]
        doctor = shell.run("doctor")
        assert doctor.code == 4
        assert "1 erasures are late" in doctor.out.replace("\n", " ")


def test_times_are_utc(shell: Shell) -> None:
    here = now().astimezone(UTC)
    found = shell.json("retention", "preview", "--at", format_moment(here + 3 * DAY)[:10])
    assert found["until"] == f"{format_moment(here + 3 * DAY)[:10]}T23:59:59.000Z"


def test_a_run_closes_the_requests_whose_erasure_is_done(shell: Shell) -> None:
    shell.add("ann")
    request = shell.json("rights", "open", "ann", "erasure", "--verified-by", "signed_in")["id"]
    assert shell.json("retention", "run")["requests_closed"] == []
    with open_home(shell.folder, writing=True) as home:
        (erasure,) = home.erasures.of_subject(home.subjects.find("ann").id)
        progress = ErasureProgress(home.main, home.recorder)
        progress.mark_irrecoverable([erasure.id], home.clock.now())
    said = shell.ok("retention", "run")
    assert "1 request of people answered by that: closed." in said.out
    assert shell.json("rights", "show", request)["state"] == "closed"
    assert shell.json("retention", "run")["requests_closed"] == []
