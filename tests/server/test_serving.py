"""The real program on this machine: it serves, keeps what it acknowledged, and ends in order."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

import volens
from tests.lifecycle.mail import identity
from tests.support.homes import Place, add
from tests.support.stores import talk
from volens.app.home import open_home
from volens.app.retention import clock_of
from volens.holds.erasure import ErasureState
from volens.log.kinds import CaptureSource

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Running:
    """A server that runs, and how to ask things of it and of other commands."""

    process: subprocess.Popen[str]
    where: Place
    address: str
    workers: str

    def get(self, path: str, *, at: str = "", context: ssl.SSLContext | None = None) -> str:
        with urllib.request.urlopen((at or self.address) + path, timeout=30, context=context) as a:
            return str(a.read().decode())

    def ready(self) -> bool:
        try:
            return bool(json.loads(self.get("/readyz"))["ready"])
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return command(self.where, *words)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(_PATIENCE_SECONDS)


def environment(where: Place) -> dict[str, str]:
    source = str(Path(volens.__file__).parents[1])
    own = {"VOLENS_HOME": str(where.folder), "NO_COLOR": "1", "PYTHONPATH": source}
    return {**os.environ, **where.environment, **own}


def command(where: Place, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "volens.cli.main", *words],
        env=environment(where),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )


@contextmanager
def running(where: Place, *words: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "volens.cli.main", "serve", "--port", "0", *words],
        env=environment(where),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = ""
        assert process.stdout is not None
        while "SIGTERM" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        found = re.findall(r"https?://[^\s]+", said)
        yield Running(process, where, found[0], found[-1] if "workers" in said else "")
    finally:
        process.kill()
        process.communicate()


def until(true: object, seconds: float = 20.0) -> None:
    assert callable(true)
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture
def home(here: Place) -> Place:
    """A home by the system's clock, with one person and a chat."""
    with open_home(here.folder, writing=True, environment=here.environment) as opened:
        [ada] = add(opened, "ada")
        opened.vault.capture({ada: [talk("one", "hello")]}, source=CaptureSource.IMPORT)
        now = opened.clock.now()  # the home was made by a stepped clock, long ago
        clock_of(opened).confirm(now, stated=now)
    command(here, "audit")
    return here


def test_it_serves_is_ready_and_ends_in_order_with_everything_published(home: Place) -> None:
    with running(home) as server:
        until(server.ready)
        assert server.get("/healthz") == "ok\n"
        assert "volens_publish_lag_seconds" in server.get("/metrics")
        assert (home.folder / "served").read_text("utf-8").strip() == server.address
        assert server.end() == 0
    assert not (home.folder / "served").exists()
    with home.open() as opened:
        log = opened.owned_log()
        assert log.published_size == log.size


def test_ctrl_c_ends_it_in_order_too(home: Place) -> None:
    with running(home) as server:
        assert server.end(signal.SIGINT) == 0


def test_who_finds_the_home_taken_is_told_where_it_is_served(home: Place) -> None:
    with running(home) as server:
        refused = server.run("subject", "add", "bob")
        assert refused.returncode == 5
        assert server.address in refused.stderr
        assert "ada" not in refused.stderr


def test_taking_back_works_from_another_process_and_is_logged_at_once(home: Place) -> None:
    with running(home) as server:
        until(server.ready)
        asked = server.run("erase", "subject", "ada", "--yes", "--json")
        assert asked.returncode == 0, asked
        name = json.loads(asked.stdout)["reference"]

        def proven() -> bool:
            shown = server.run("receipt", "show", name, "--json")
            return shown.returncode == 0 and json.loads(shown.stdout)["receipt"] is not None

        until(proven)


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.2])
def test_what_was_acknowledged_is_there_after_a_kill(home: Place, pause: float) -> None:
    with running(home) as server:
        withdrawn = server.run("consent", "withdraw", "ada", "batch_training", "--json")
        assert withdrawn.returncode == 0, withdrawn
        asked = server.run("erase", "subject", "ada", "--yes", "--json")
        assert asked.returncode == 0, asked
        time.sleep(pause)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(_PATIENCE_SECONDS)
    with running(home) as server:  # the file that says where it is served was left: no harm
        until(server.ready)
        assert server.end() == 0
    with home.open() as opened:
        name = json.loads(asked.stdout)["reference"]
        assert opened.erasures.find(name).state is ErasureState.ACCESS_ENDED
        assert opened.erasures.evidence(name).steps
        for event in json.loads(withdrawn.stdout)["events"]:
            assert opened.ledger.find(event).log_index > 0


def test_workers_answer_see_changes_within_a_second_and_come_back(home: Place) -> None:
    with running(home, "--workers", "2", "--workers-port", "0") as server:
        assert server.get("/healthz", at=server.workers) == "ok\n"

        def seen() -> list[float]:
            return [
                float(one)
                for one in re.findall(
                    r"^volens_choice_changes_seen\{.*\} (.*)$", server.get("/metrics"), re.MULTILINE
                )
            ]

        until(server.ready)
        before = seen()
        assert server.run("erase", "subject", "ada", "--yes").returncode == 0
        until(lambda: all(now > then for now, then in zip(seen(), before, strict=True)))
        longest = re.findall(
            r"^volens_choice_visible_longest_seconds\{.*\} (.*)$",
            server.get("/metrics"),
            re.MULTILINE,
        )
        assert len(longest) == 2
        assert all(0 < float(one) < 1.0 for one in longest)
        workers = [
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdigit() and _parent(path) == server.process.pid
        ]
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: server.get("/healthz", at=server.workers) == "ok\n")
        until(server.ready)
        assert server.end() == 0
    for worker in workers:
        assert not Path(f"/proc/{worker}").exists()


def test_what_is_taken_back_counts_at_every_worker_as_soon_as_it_is_acknowledged(
    home: Place,
) -> None:
    granted = command(home, "consent", "grant", "ada", "batch_training", "--yes")
    assert granted.returncode == 0, granted
    issued = command(home, "token", "issue", "product", "--scope", "choices:read", "--json")
    assert issued.returncode == 0, issued
    token = json.loads(issued.stdout)["secret"]

    def allowed(address: str) -> bool:
        asked = urllib.request.Request(
            f"{address}/v1/choices:check",
            data=json.dumps({"purpose": "batch_training", "subjects": ["ada"]}).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            [decision] = json.loads(answer.read())["decisions"]
        return bool(decision["permit"])

    with running(home, "--workers", "2", "--workers-port", "0") as server:
        doors = (server.address, *(server.workers,) * 6)  # each connection may find another worker
        assert [allowed(one) for one in doors] == [True] * 7
        withdrawn = server.run("consent", "withdraw", "ada", "batch_training")
        assert withdrawn.returncode == 0, withdrawn
        assert [allowed(one) for one in doors] == [False] * 7


def _parent(path: Path) -> int:
    try:
        return int(path.joinpath("stat").read_text("utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_over_tls_nothing_older_than_1_3_is_spoken(home: Place, tmp_path: Path) -> None:
    own = identity(tmp_path)
    words = ("--tls-cert", str(own.certificate), "--tls-key", str(own.key))
    with running(home, *words) as server:
        context = ssl.create_default_context(cafile=own.certificate)
        with urllib.request.urlopen(f"{server.address}/healthz", context=context) as answer:
            assert answer.headers["strict-transport-security"].startswith("max-age=")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(urllib.error.URLError):
            server.get("/healthz", context=context)


def test_a_head_that_never_ends_is_given_up_and_holds_nobody_up(home: Place) -> None:
    with running(home) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nX-")
            assert server.get("/healthz") == "ok\n"
            begun = time.monotonic()
            with suppress(ConnectionResetError):
                assert slow.recv(1) == b""
            assert time.monotonic() - begun < 20


def test_it_does_not_listen_where_others_could_read_along(home: Place) -> None:
    refused = command(home, "serve", "--host", "0.0.0.0")
    assert (refused.returncode, "behind-proxy" in refused.stderr) == (2, True)
