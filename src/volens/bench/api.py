"""Checks over HTTP beside a no-op on the same server, in the same run: CPU time of the server.

One connection, one request after the other; a check of one person, a check of 1,000, a no-op with
bodies and answers of the same sizes, and both for several purposes at once, in turn in each round.
The server is a process of its own, so nothing that the asking side does is counted.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from volens.access.model import Scope
from volens.app.access import tokens_of
from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.consent.model import Act, ConsentEvent, NoticeRef
from volens.core.errors import Unavailable
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import CONSENT_PURPOSES, Purpose
from volens.core.regions import Region
from volens.vault.subjects import NewSubject, Subject

GOAL_RATIO = 1.5
"""A check of one person costs at most this many times the no-op."""
GOAL_A_SECOND = 1_000_000
"""Decisions a second and core, in batches of `BATCH`."""
BATCH = 1000
PURPOSES = tuple(one.value for one in sorted(CONSENT_PURPOSES))[:4]
"""What is asked for at once where it is several purposes."""
_PURPOSE = Purpose.BATCH_TRAINING
_ANSWER_BYTES = 1 << 16
_EACH_SECOND_SAYS_YES = 2
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """What there is to ask about."""

    folder: Path
    environment: dict[str, str]
    token: str
    people: list[str]


def run(
    print_line: Callable[[str], None],
    *,
    rounds: int = 5,
    people: int = 10_000,
    requests: int = 1_000,
) -> dict[str, float]:
    """Measure; return the figures.

    Args:
        print_line: told each figure.
        rounds: how often each is measured; medians count.
        people: how many there are in the home; half of them said yes.
        requests: how many single checks a round; a tenth as many batches.
    """
    with tempfile.TemporaryDirectory(prefix="volens-bench-") as folder:
        world = _make(Path(folder), people)
        with _served(world) as connection:
            figures = _measured(connection, world, rounds, requests)
    figures["single_ratio"] = figures["single_us"] / figures["nothing_us"]
    figures["batch_ratio"] = figures["batch_us"] / figures["nothing_batch_us"]
    figures["decisions_a_second"] = BATCH / figures["batch_us"] * 1e6
    figures["decisions_of_several"] = BATCH * len(PURPOSES) / figures["each_batch_us"] * 1e6
    for name, goal in (("single", f"  (goal {GOAL_RATIO})"), ("batch", "")):
        bare = figures["nothing_us" if name == "single" else "nothing_batch_us"]
        print_line(
            f"{name:<7} {figures[f'{name}_us']:8.0f} us of CPU  no-op {bare:6.0f} us"
            f"  ratio {figures[f'{name}_ratio']:.2f}{goal}"
        )
    print_line(
        f"batch   {figures['decisions_a_second']:10,.0f} decisions a second and core"
        f"  (goal {GOAL_A_SECOND:,})"
    )
    print_line(
        f"{len(PURPOSES)} purposes of one person {figures['each_us']:6.0f} us of CPU, of a batch"
        f" {figures['decisions_of_several']:,.0f} decisions a second and core"
    )
    print_line(f"after a change, one check: {figures['changed_ms']:.1f} ms ({people:,} people)")
    return figures


def _make(folder: Path, people: int) -> _World:
    environment = {**os.environ, "VOLENS_KEK_DIR": str(folder / "keys")}
    home = folder / "home"
    create_home(home, environment=environment)
    with open_home(home, writing=True, environment=environment) as opened:
        added = opened.subjects.add(
            [NewSubject(reference=f"p{n}", plan="free", region=Region.EU) for n in range(people)]
        )
        opened.ledger.record([_yes(opened, one) for one in added[::_EACH_SECOND_SAYS_YES]])
        token, _ = tokens_of(opened).issue("bench", [Scope.CHOICES_READ])
    return _World(
        folder=home, environment=environment, token=token, people=[one.id for one in added]
    )


def _yes(home: Home, person: Subject) -> ConsentEvent:
    notice = next(one for one in home.policy.pack.notices if _PURPOSE in one.purposes)
    return ConsentEvent(
        id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
        subject=person.id,
        purpose=_PURPOSE,
        act=Act.GRANT,
        at=home.clock.now(),
        notice=NoticeRef(id=notice.id, language=notice.language, sha256=notice.hash),
        channel="api",
    )


def _measured(
    connection: _Connection, world: _World, rounds: int, requests: int
) -> dict[str, float]:
    one = _question(world, world.people[:1])
    batches = [
        _question(world, world.people[start : start + BATCH])
        for start in range(0, len(world.people), BATCH)
    ]
    each = _question(world, world.people[:1], PURPOSES)
    each_batch = _question(world, world.people[:BATCH], PURPOSES)
    for question in [one, *batches, each, each_batch]:  # names are learned, snapshots taken
        connection.ask(question)
    small = _nothing(len(one), len(connection.ask(one)))
    large = _nothing(len(batches[0]), len(connection.ask(batches[0])))
    few = max(1, requests // 10)
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, questions, times in (
            ("nothing_us", [small], requests),
            ("single_us", [one], requests),
            ("nothing_batch_us", [large], few),
            ("batch_us", batches, few),
            ("each_us", [each], requests),
            ("each_batch_us", [each_batch], few),
        ):
            figures.setdefault(name, []).append(connection.cost(questions, times))
        figures.setdefault("changed_ms", []).append(_changed(connection, world, one))
    return {name: median(values) for name, values in figures.items()}


def _changed(connection: _Connection, world: _World, question: bytes) -> float:
    """Return how long the first check after a change takes, in milliseconds."""
    journal = world.folder / "journal" / "choices"
    os.utime(journal)  # as if something had been journaled: the mark is another one
    started = time.perf_counter()
    connection.ask(question)
    return (time.perf_counter() - started) * 1e3


def _question(world: _World, subjects: list[str], several: Sequence[str] = ()) -> bytes:
    wanted = {"purposes": [*several]} if several else {"purpose": _PURPOSE.value}
    body = json.dumps({**wanted, "subjects": subjects}).encode()
    return _request("/v1/choices:check", body, world.token)


def _nothing(asked_bytes: int, answer_bytes: int) -> bytes:
    return _request(f"/nothing?{answer_bytes}", b" " * max(0, asked_bytes - 200), "x" * 40)


def _request(path: str, body: bytes, token: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection:
    """One connection to the server, kept."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=_PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer.

        Raises:
            Unavailable: ``bench_failed`` unless the answer is good.
        """
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise Unavailable("bench_failed", f"the server said {head[:60]!r}")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < size:
            body += self._more()
        return body

    def cost(self, requests: list[bytes], times: int) -> float:
        """Return the server's CPU time for each request, in microseconds."""
        before = self._spent()
        for number in range(times):
            self.ask(requests[number % len(requests)])
        return (self._spent() - before) / times * 1e6

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _spent(self) -> float:
        return float(self.ask(b"GET /spent HTTP/1.1\r\nHost: x\r\n\r\n"))

    def _more(self) -> bytes:
        data = self._socket.recv(_ANSWER_BYTES)
        if not data:
            raise Unavailable("bench_failed", "the server has gone")
        return data


@contextmanager
def _served(world: _World) -> Iterator[_Connection]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell, fixed words
            [
                *(sys.executable, "-m", "volens.bench.api_server"),
                *(str(world.folder), str(listening.fileno())),
            ],
            pass_fds=(listening.fileno(),),
            env=world.environment,
        )
        try:
            with closing(_Connection(address)) as connection:
                yield connection
        finally:
            process.terminate()
            process.wait(30)
