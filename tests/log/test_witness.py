"""The witness: each answer of the specification, its memory, and the log asking it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.log.support import ORIGIN, SECOND, SIGNER, WITNESS, MemoryFiles, Stopped, entries
from tests.support.ports import SteppedClock
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from volens.log.merkle import EMPTY_ROOT
from volens.log.note import Signer, format_note, open_note, parse_note
from volens.log.store import TransparencyLog
from volens.log.witness import AddCheckpoint, Response, Witness, parse_add_checkpoint
from volens.log.witness_http import submit, witness_server

STRANGER = Signer(name="example.org/stranger", seed=b"s" * 32)
# The request of c2sp.org/tlog-witness.
EXAMPLE = (
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    "\n"
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv"
    "2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6"
    "267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n"
).encode()


class House:
    """A log and a witness that knows it."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.state = MemoryFiles()
        self.witness = self.restarted()
        self.log = TransparencyLog.create(
            Path("x"), signer=SIGNER, origin=ORIGIN, files=MemoryFiles()
        )

    def restarted(self) -> Witness:
        logs = {ORIGIN: [SIGNER.verifier]}
        return Witness(self.state, signer=WITNESS, logs=logs, clock=self.clock)

    def grow(self, count: int) -> bytes:
        self.log.append(entries(count, start=self.log.size))
        self.log.publish()
        return self.log.checkpoint

    def ask(self, old_size: int, *, proof_from: int | None = None) -> Response:
        proof = self.log.consistency_proof(old_size if proof_from is None else proof_from)
        return self.witness.add_checkpoint(request(old_size, proof, self.log.checkpoint))


def snapshot(files: MemoryFiles) -> dict[str, bytes]:
    return {name: files.read(name) for name in files.names()}


def request(old_size: int, proof: tuple[bytes, ...], checkpoint: bytes) -> bytes:
    return AddCheckpoint(old_size=old_size, proof=proof, checkpoint=checkpoint).encode()


@pytest.fixture
def house() -> House:
    return House()


def test_the_request_of_the_specification_reads_and_writes_back() -> None:
    parsed = parse_add_checkpoint(EXAMPLE)
    assert (parsed.old_size, len(parsed.proof)) == (20852014, 4)
    assert parsed.encode() == EXAMPLE


def test_a_growing_log_is_cosigned_with_the_time(house: House) -> None:
    house.grow(5)
    answer = house.ask(0)
    assert answer.status == 200
    cosigned = house.log.checkpoint + answer.body
    (found,) = open_note(cosigned, [WITNESS.verifier]).verified
    assert found.timestamp == 1767225600
    house.clock.step(timedelta(hours=1))
    house.grow(300)
    answer = house.ask(5)
    (found,) = open_note(house.log.checkpoint + answer.body, [WITNESS.verifier]).verified
    assert found.timestamp == 1767225600 + 3600


def test_an_unchanged_log_is_cosigned_again(house: House) -> None:
    house.grow(5)
    assert [house.ask(0).status, house.ask(5).status, house.ask(5).status] == [200, 200, 200]


def test_an_empty_log_is_cosigned(house: House) -> None:
    assert house.ask(0).status == 200
    assert house.ask(0).status == 200
    house.grow(1)
    assert house.ask(0).status == 200


def test_an_old_size_other_than_remembered_is_answered_with_the_remembered_one(
    house: House,
) -> None:
    house.grow(5)
    house.ask(0)
    house.grow(5)
    for old in (0, 3):
        answer = house.ask(old)
        assert (answer.status, answer.body, answer.content_type) == (
            409,
            b"5\n",
            "text/x.tlog.size",
        )


def test_an_unknown_log_is_not_found(house: House) -> None:
    note = sign_checkpoint(Checkpoint(origin=STRANGER.name, size=1, root=bytes(32)), STRANGER)
    assert house.witness.add_checkpoint(request(0, (), note)).status == 404


def test_a_checkpoint_that_the_log_did_not_sign_is_forbidden(house: House) -> None:
    text = Checkpoint(origin=ORIGIN, size=1, root=bytes(32)).text()
    stranger = format_note(text, [STRANGER.sign_text(text)])
    wrong = sign_checkpoint(Checkpoint(origin=ORIGIN, size=2, root=bytes(32)), SIGNER)
    wrong = format_note(text, parse_note(wrong).signatures)
    cosigned = format_note(text, [WITNESS.cosign_text(text, timestamp=1)])
    for note in (stranger, wrong, cosigned):
        assert house.witness.add_checkpoint(request(0, (), note)).status == 403


def test_an_old_size_beyond_the_checkpoint_is_a_bad_request(house: House) -> None:
    note = house.grow(5)
    assert house.witness.add_checkpoint(request(6, (), note)).status == 400


def test_a_tree_that_does_not_follow_is_unprocessable(house: House) -> None:
    house.grow(5)
    assert house.ask(0).status == 200
    remembered = snapshot(house.state)
    other = sign_checkpoint(Checkpoint(origin=ORIGIN, size=5, root=bytes(32)), SIGNER)
    longer = sign_checkpoint(Checkpoint(origin=ORIGIN, size=9, root=bytes(32)), SIGNER)
    house.grow(4)
    proof = house.log.consistency_proof(5)
    for body in (
        request(5, (), other),
        request(5, proof, other),
        request(5, proof, longer),
        request(5, (), longer),
        request(5, proof[:-1], house.log.checkpoint),
        request(5, (*proof, bytes(32)), house.log.checkpoint),
    ):
        assert house.witness.add_checkpoint(body).status == 422
    assert remembered == snapshot(house.state)
    assert house.ask(5).status == 200


def test_a_proof_from_nothing_and_a_wrong_empty_tree_are_unprocessable(house: House) -> None:
    house.grow(5)
    body = request(0, house.log.consistency_proof(3), house.log.checkpoint)
    assert house.witness.add_checkpoint(body).status == 422
    empty = sign_checkpoint(Checkpoint(origin=ORIGIN, size=0, root=bytes(32)), SIGNER)
    assert house.witness.add_checkpoint(request(0, (), empty)).status == 422
    empty = sign_checkpoint(Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT), SIGNER)
    assert house.witness.add_checkpoint(request(0, (), empty)).status == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:0],
        lambda body: body.replace(b"old 0", b"old 00"),
        lambda body: body.replace(b"old 0", b"old -1"),
        lambda body: body.replace(b"old 0", b"new 0"),
        lambda body: body.replace(b"old 0", b"old " + b"9" * 5000),
        lambda body: body.replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64),
        lambda body: body.replace(b"old 0\n", b"old 0\nAAAA\n"),
        lambda body: body.replace(b"\n\n", b"\n", 1),
        lambda body: body[:-1],
        lambda body: body.replace(ORIGIN.encode() + b"\n", b"", 1),
    ],
)
def test_what_is_not_a_request_is_a_bad_request(house: House, change: object) -> None:
    body = request(0, (), house.grow(5))
    assert house.witness.add_checkpoint(change(body)).status == 400  # type: ignore[operator]


def test_a_witness_remembers_across_restarts_and_crashes(house: House) -> None:
    house.grow(5)
    for number in range(3):
        for after in (False, True):
            fresh = House()
            fresh.grow(5)
            fresh.state.stop_at = (number, after)
            with pytest.raises(Stopped):
                fresh.ask(0)
            for keep in (False, True):
                fresh.state = fresh.state.crash(None, keep=keep)
                fresh.witness = fresh.restarted()
                answer = fresh.ask(0)
                assert answer.status in {200, 409}
    house.ask(0)
    house.state = house.state.crash(None, keep=False)
    house.witness = house.restarted()
    assert house.ask(0).status == 409
    assert house.ask(5).status == 200


def test_a_witness_whose_memory_was_changed_signs_nothing(house: House) -> None:
    house.grow(5)
    house.ask(0)
    (name,) = house.state.names()
    smaller = sign_checkpoint(Checkpoint(origin=ORIGIN, size=1, root=bytes(32)), SIGNER)
    text = Checkpoint(origin="example.org/else", size=5, root=house.log.root()).text()
    moved = format_note(text, [WITNESS.cosign_text(text, timestamp=1)])
    for note in (smaller, moved, b""):
        house.state.write(name, note)
        with pytest.raises(VerificationFailed):
            house.ask(5)


def test_a_key_of_a_log_is_no_key_of_a_witness() -> None:
    with pytest.raises(InvalidInput):
        Witness(MemoryFiles(), signer=SIGNER, logs={}, clock=SteppedClock())


@contextmanager
def serving(witness: Witness) -> Iterator[str]:
    server = witness_server(witness)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        host, port = server.server_address[:2]
        yield f"http://{host!s}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.enable_socket
def test_a_log_asks_a_witness_over_http_and_keeps_its_cosignature(house: House) -> None:
    with serving(house.witness) as url:
        house.grow(5)
        assert submit(house.log, url, WITNESS.verifier).cosigned == (WITNESS.name,)
        house.grow(300)
        signed = submit(house.log, url, WITNESS.verifier)  # it has to be told the old size
        assert (signed.checkpoint.size, signed.cosigned) == (305, (WITNESS.name,))
        house.grow(1)
        submit(house.log, url, WITNESS.verifier, old_size=305)
        with pytest.raises(VerificationFailed):
            submit(house.log, url, SECOND.verifier, old_size=306)
        keys = [SIGNER.verifier, WITNESS.verifier]
        assert open_checkpoint(house.log.checkpoint, keys).cosigned == (WITNESS.name,)
        monitored = get(url, f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
        assert monitored[0] == 200
        assert open_checkpoint(monitored[1], keys).checkpoint.size == 306


@pytest.mark.enable_socket
def test_a_log_that_was_set_back_is_told_so(house: House) -> None:
    with serving(house.witness) as url:
        house.grow(5)
        submit(house.log, url, WITNESS.verifier)
        old = TransparencyLog.create(Path("y"), signer=SIGNER, origin=ORIGIN, files=MemoryFiles())
        old.append(entries(3))
        old.publish()
        with pytest.raises(VerificationFailed, match="has seen 5 entries"):
            submit(old, url, WITNESS.verifier)


@pytest.mark.enable_socket
def test_a_witness_that_refuses_or_is_not_there_stops_nothing(house: House) -> None:
    house.grow(5)
    before = house.log.checkpoint
    unknowing = Witness(MemoryFiles(), signer=WITNESS, logs={}, clock=house.clock)
    with serving(unknowing) as url:
        with pytest.raises(Unavailable, match="status 404"):
            submit(house.log, url, WITNESS.verifier)
        with pytest.raises(Unavailable, match="status 404"):
            submit(house.log, f"{url}/elsewhere", WITNESS.verifier)
    with pytest.raises(Unavailable, match="does not answer"):
        submit(house.log, url, WITNESS.verifier)
    for wrong in ("ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1"):
        with pytest.raises(InvalidInput):
            submit(house.log, wrong, WITNESS.verifier)
    assert house.log.checkpoint == before


@pytest.mark.enable_socket
def test_the_server_answers_nothing_else(house: House) -> None:
    with serving(house.witness) as url:
        for path in ("/", "/checkpoint", f"/{'0' * 64}/checkpoint", "/../etc/checkpoint"):
            assert get(url, path)[0] == 404
        assert get(url, f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint")[0] == 404
        assert get(url, "/add-checkpoint", length=str(2**30))[0] == 413
        assert get(url, "/add-checkpoint", length="many")[0] == 413
        house.grow(1)
        house.ask(0)
        (name,) = house.state.names()
        house.state.write(name, b"changed")
        with pytest.raises(Unavailable, match="status 500"):
            submit(house.log, url, WITNESS.verifier, old_size=1)


def get(url: str, path: str, *, length: str | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
    headers = {"Content-Length": length} if length else {}
    try:
        connection.request("POST" if length else "GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_state_is_the_checkpoint_a_monitor_gets(house: House) -> None:
    house.grow(5)
    house.ask(0)
    note = house.witness.latest(sha256(ORIGIN.encode()).hexdigest())
    assert note is not None
    assert parse_checkpoint(parse_note(note).text).size == 5
    assert house.witness.latest("../checkpoint") is None
