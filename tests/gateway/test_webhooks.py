"""Receivers are told of every choice and erasure, in order, signed, and until they take it."""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from tests.docs.pages import ROOT
from tests.gateway.world import World
from tests.support.stores import BATCH, act
from volens.app.history import set_history
from volens.app.home import Home
from volens.app.retention import new_request
from volens.app.webhooks import (
    BACKOFF,
    GIVING_UP,
    OVERLAP,
    Endpoint,
    SigningKeys,
    add_webhook,
    enable_webhook,
    find_webhook,
    keys_of,
    passed_over,
    remove_webhook,
    rotate_keys,
    trial_message,
)
from volens.consent.model import Act
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound
from volens.gateway.guard import Guard
from volens.gateway.webhooks import (
    Delivered,
    Deliverer,
    Sender,
    signature,
    signature_for_anybody,
)
from volens.log.kinds import ErasureScope

OWN = Guard(allow_loopback=True)


@dataclass
class Receiver:
    """Takes messages, or doesn't, as it is told."""

    url: str = ""
    status: int = 200
    location: str = ""
    refused: set[str] = field(default_factory=set)
    """Types that are answered with 500."""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.got]

    def data(self, place: int = -1) -> dict[str, Json]:
        found: dict[str, Json] = json.loads(self.got[place][1])["data"]
        return found


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            kind = json.loads(body)["type"]
            self.send_response(500 if kind in told.refused else told.status)
            if told.location:
                self.send_header("location", told.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    told.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/hook?x=1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as told:
        yield told


def add_one(world: World, url: str, **more: object) -> Endpoint:
    return world.on(lambda home: add_webhook(home, url, **more))  # type: ignore[arg-type]


def deliver(world: World, *, guard: Guard = OWN, most: int = 100) -> Delivered:
    sender = Sender(guard=guard, seconds=5.0)
    return asyncio.run(Deliverer(world.doorway, sender=sender, most=most).run_once())


def choose(world: World, number: int, kind: Act, name: str = "ada") -> None:
    def act_on(home: Home) -> None:
        home.ledger.record([act(number, home.subjects.find(name), kind)])

    world.on(act_on)


def erase(world: World, name: str = "ada") -> None:
    def act_on(home: Home) -> None:
        person = home.subjects.find(name)
        home.erasures.request(new_request(home, b"e" * 16, ErasureScope.ACCOUNT, person))

    world.on(act_on)


pytestmark = pytest.mark.enable_socket


class TestSigning:
    def test_the_published_example_is_signed_as_published(self) -> None:
        # of the Standard Webhooks specification's reference libraries, as the page has it
        page = (ROOT / "docs/formats/webhooks.md").read_text("utf-8")
        lines = page.split("```vector\n")[1].split("\n```")[0].splitlines()
        told = dict(re.split(r"\s+", one, maxsplit=1) for one in lines)
        secret, body = base64.b64decode(told["secret"]), told["body"].encode()
        made = signature(secret, told["id"], int(told["timestamp"]), body)
        assert made == told["signature"]
        assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_the_signature_that_the_specification_shows_is_made_with_its_key(self) -> None:
        # "Webhook headers" of the specification prints the signature; key, id and body it was made
        # with are those of public test vectors. Ed25519 is deterministic: the bytes must be these.
        page = (ROOT / "docs/formats/webhooks.md").read_text("utf-8")
        lines = page.split("```vector\n")[1].split("\n```")[0].splitlines()
        told = dict(re.split(r"\s+", one, maxsplit=1) for one in lines)
        keys = SigningKeys(secret=bytes(32), seed=base64.b64decode(told["seed"]))
        assert keys.public_text == told["public"]
        assert told["public"] == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
        made = signature_for_anybody(
            keys.seed, told["id"], int(told["timestamp"]), told["body"].encode()
        )
        assert made == told["asymmetric"]
        assert made == (
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+"
            "m7TBAg=="
        )

    def test_a_receiver_can_check_what_it_gets_with_the_public_key_alone(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url)
        shown = world.on(lambda home: keys_of(home, endpoint)[0].public_text)
        choose(world, 1, Act.GRANT)
        assert deliver(world) == Delivered(taken=1)
        ((headers, body),) = receiver.got
        public = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(shown.removeprefix("whpk_"), validate=True)
        )
        _, made = headers["webhook-signature"].split()
        raw = base64.b64decode(made.removeprefix("v1a,"), validate=True)
        name, moment = headers["webhook-id"], headers["webhook-timestamp"]
        public.verify(raw, f"{name}.{moment}.".encode() + body)
        later = str(int(moment) + 1)
        for wrong in (f"{name}.{later}.".encode() + body, f"{name}.{moment}.".encode() + body[1:]):
            with pytest.raises(InvalidSignature):
                public.verify(raw, wrong)

    def test_no_two_endpoints_and_no_two_generations_have_a_key_in_common(
        self, world: World, receiver: Receiver
    ) -> None:
        one, other = (add_one(world, receiver.url) for _ in range(2))
        found = [
            *world.on(lambda home: keys_of(home, rotate_keys(home, one))),
            *world.on(lambda home: keys_of(home, other)),
        ]
        assert len(found) == 3
        assert len({key for keys in found for key in (keys.secret, keys.seed)}) == 6
        assert repr(found[0].seed) not in repr(found)
        assert repr(found[0].secret) not in repr(found)

    def test_a_receiver_can_check_what_it_gets_with_the_secret_it_was_shown(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url)
        shown = world.on(lambda home: keys_of(home, endpoint)[0].secret_text)
        choose(world, 1, Act.GRANT)
        assert deliver(world) == Delivered(taken=1)
        ((headers, body),) = receiver.got
        secret = base64.b64decode(shown.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.digest(secret, signed, hashlib.sha256)
        symmetric, _ = headers["webhook-signature"].split()
        assert symmetric == "v1," + base64.b64encode(digest).decode()
        assert headers["content-type"] == "application/json"
        moment = world.on(lambda home: int(home.clock.now().timestamp()))
        assert headers["webhook-timestamp"] == str(moment)

    def test_a_new_secret_signs_beside_the_former_one_for_a_day(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url)
        before = world.on(lambda home: keys_of(home, endpoint))
        rotated = world.on(lambda home: rotate_keys(home, endpoint))
        both = world.on(lambda home: keys_of(home, rotated))
        assert both[1:] == before
        assert both[0] != before[0]
        choose(world, 1, Act.GRANT)
        deliver(world)
        made = receiver.got[0][0]["webhook-signature"].split()
        assert [one.partition(",")[0] for one in made] == ["v1", "v1", "v1a", "v1a"]
        assert len(set(made)) == 4
        world.here.clock.step(OVERLAP)
        assert world.on(lambda home: keys_of(home, rotated)) == both[:1]

    def test_no_secret_lies_in_the_home(self, world: World, receiver: Receiver) -> None:
        endpoint = add_one(world, receiver.url)
        keys = world.on(lambda home: keys_of(home, endpoint)[0])
        forms = [
            form
            for raw in (keys.secret, keys.seed)
            for form in (raw, base64.b64encode(raw), raw.hex().encode())
        ]
        files = [path for path in world.here.folder.rglob("*") if path.is_file()]
        assert files
        assert [p for p in files if any(form in p.read_bytes() for form in forms)] == []


class TestTelling:
    def test_every_kind_of_choice_is_told_in_order_and_once(
        self, world: World, receiver: Receiver
    ) -> None:
        choose(world, 1, Act.GRANT)  # before the endpoint was there: not told
        add_one(world, receiver.url)
        for number, kind in enumerate(
            (Act.WITHDRAW, Act.GRANT, Act.REVOKE, Act.OBJECT, Act.LIFT_OBJECTION), 2
        ):
            choose(world, number, kind)
        assert deliver(world) == Delivered(taken=5)
        assert receiver.types == [
            "choice.withdrawn",
            "choice.granted",
            "choice.withdrawn",
            "choice.objected",
            "choice.objection_lifted",
        ]
        assert deliver(world) == Delivered()
        assert len(receiver.got) == 5

    def test_a_message_names_the_id_here_unless_the_products_reference_was_asked_for(
        self, world: World, receiver: Receiver
    ) -> None:
        with receiving() as other:
            add_one(world, receiver.url)
            add_one(world, other.url, named=True)
            choose(world, 1, Act.GRANT)
            assert deliver(world) == Delivered(taken=2)
            subject = world.on(lambda home: home.subjects.find("ada").id)
            assert receiver.data()["subject"] == subject
            assert "reference" not in receiver.data()
            assert b"ada" not in receiver.got[0][1].replace(b'"data"', b"")
            assert other.data()["reference"] == "ada"
            assert "subject" not in other.data()
            assert receiver.data()["purpose"] == BATCH.value
            assert receiver.got[0][0]["webhook-id"] == receiver.data()["event"]

    def test_only_the_wanted_types_are_told_and_the_others_are_passed_over(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url, types=("choice.withdrawn",))
        choose(world, 1, Act.GRANT)
        assert deliver(world) == Delivered()
        passed = world.on(lambda home: find_webhook(home, endpoint.id))
        assert passed.mark[0] > endpoint.mark[0]
        choose(world, 2, Act.WITHDRAW)
        assert deliver(world) == Delivered(taken=1)
        assert receiver.types == ["choice.withdrawn"]
        with pytest.raises(InvalidInput):
            add_one(world, receiver.url, types=("choice.guessed",))

    def test_what_another_process_journaled_is_told_too(
        self, world: World, receiver: Receiver
    ) -> None:
        add_one(world, receiver.url)
        choose(world, 1, Act.GRANT)
        deliver(world)
        with world.here.open(writing=False) as reader:
            reader.ledger.journal(act(2, reader.subjects.find("ada"), Act.WITHDRAW))
        deliver(world)
        assert receiver.types == ["choice.granted", "choice.withdrawn"]

    def test_history_and_erasure_are_told_and_an_erasure_names_itself(
        self, world: World, receiver: Receiver
    ) -> None:
        add_one(world, receiver.url)
        world.on(lambda home: set_history(home, home.subjects.find("ada"), on=False))
        erase(world)
        choose(world, 1, Act.GRANT, "bo")
        assert deliver(world, most=1).taken == 1
        assert deliver(world, most=1).taken == 1
        assert deliver(world, most=1).taken == 1
        assert receiver.types == ["choice.objected", "choice.granted", "erasure.requested"]
        data = receiver.data(2)
        assert data["scope"] == "account"
        assert str(data["erasure"]).startswith("era_")
        assert receiver.got[2][0]["webhook-id"] == f"{data['erasure']}.erasure.requested"

    def test_many_are_told_over_several_rounds_with_none_left_out(
        self, world: World, receiver: Receiver
    ) -> None:
        add_one(world, receiver.url)
        for number in range(1, 8):
            choose(world, number, Act.GRANT if number % 2 else Act.WITHDRAW)
        while deliver(world, most=3).taken:
            pass
        ids = [headers["webhook-id"] for headers, _ in receiver.got]
        assert len(ids) == len(set(ids)) == 7


class TestTrying:
    def test_what_is_not_taken_is_told_again_later_and_what_follows_waits(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url)
        receiver.refused = {"choice.granted"}
        choose(world, 1, Act.GRANT)
        choose(world, 2, Act.WITHDRAW)
        for number, wait in enumerate(BACKOFF[:3], 1):
            assert deliver(world) == Delivered(failed=1)
            assert len(receiver.got) == number
            assert deliver(world) == Delivered()  # not before its time
            world.here.clock.step(wait)
        found = world.on(lambda home: find_webhook(home, endpoint.id))
        assert (found.attempts, found.failure) == (3, "http_500")
        receiver.refused = set()
        assert deliver(world) == Delivered(taken=2)
        ids = [headers["webhook-id"] for headers, _ in receiver.got]
        assert len(set(ids[:4])) == 1
        assert len({body for _, body in receiver.got[:4]}) == 1
        found = world.on(lambda home: find_webhook(home, endpoint.id))
        assert (found.attempts, found.failure, found.failing_since) == (0, "", None)

    def test_an_endpoint_that_fails_for_days_ends_and_can_be_enabled_again(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url)
        receiver.status = 503
        choose(world, 1, Act.GRANT)
        deliver(world)
        world.here.clock.step(GIVING_UP)
        assert deliver(world) == Delivered(failed=1, disabled=1)
        world.here.clock.step(GIVING_UP)
        assert deliver(world) == Delivered()
        receiver.status = 204
        found = world.on(lambda home: enable_webhook(home, endpoint))
        assert found.disabled == ""
        assert deliver(world) == Delivered(taken=1)

    def test_a_receiver_that_is_gone_is_told_nothing_any_more(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url)
        receiver.status = 410
        choose(world, 1, Act.GRANT)
        assert deliver(world) == Delivered(failed=1, disabled=1)
        assert world.on(lambda home: find_webhook(home, endpoint.id)).disabled == "gone"

    def test_one_failing_receiver_holds_up_no_other(self, world: World, receiver: Receiver) -> None:
        add_one(world, "http://127.0.0.1:9/hook".replace(":9/", ":1030/"))
        add_one(world, receiver.url)
        choose(world, 1, Act.GRANT)
        assert deliver(world) == Delivered(taken=1, failed=1)

    def test_a_redirect_is_a_failure_and_is_not_followed(
        self, world: World, receiver: Receiver
    ) -> None:
        with receiving() as inside:
            receiver.status, receiver.location = 307, inside.url
            endpoint = add_one(world, receiver.url)
            choose(world, 1, Act.GRANT)
            assert deliver(world) == Delivered(failed=1)
            assert inside.got == []
            assert world.on(lambda home: find_webhook(home, endpoint.id)).failure == "http_307"

    def test_this_machine_is_told_nothing_unless_that_was_allowed(
        self, world: World, receiver: Receiver
    ) -> None:
        add_one(world, receiver.url)
        secure = add_one(world, receiver.url.replace("http://", "https://"))
        choose(world, 1, Act.GRANT)
        assert deliver(world, guard=Guard()) == Delivered(failed=2)
        assert receiver.got == []
        assert world.on(lambda home: find_webhook(home, secure.id)).failure == "address_refused"

    def test_a_stop_between_answer_and_mark_tells_once_more_under_the_same_id(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint = add_one(world, receiver.url)
        choose(world, 1, Act.GRANT)

        deliver(world)

        def forget(home: Home) -> None:  # as if the mark had not been written
            passed_over(home, endpoint, endpoint.mark)

        world.on(forget)
        assert deliver(world) == Delivered(taken=1)
        ids = {headers["webhook-id"] for headers, _ in receiver.got}
        assert (len(receiver.got), len(ids)) == (2, 1)

    def test_a_removed_endpoint_is_told_nothing(self, world: World, receiver: Receiver) -> None:
        endpoint = add_one(world, receiver.url)
        choose(world, 1, Act.GRANT)
        world.on(lambda home: remove_webhook(home, endpoint))
        assert deliver(world) == Delivered()
        with pytest.raises(NotFound):
            world.on(lambda home: find_webhook(home, endpoint.id))


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make (a server's context for `name`, a client's that trusts it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - the library checks the real time
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "pair.pem").write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "pair.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.mark.parametrize(
    ("name", "failure"), [("hooks.example", ""), ("other.example", "unreachable")]
)
def test_the_connection_goes_to_the_checked_address_and_the_certificate_names_the_host(
    tmp_path: Path, world: World, name: str, failure: str
) -> None:
    server, trust = certificate(tmp_path, name)
    asked: list[str] = []

    async def look_up(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with receiving(server) as receiver:
        url = receiver.url.replace("127.0.0.1", "hooks.example")
        endpoint = add_one(world, url)
        message = world.on(lambda home: trial_message(home, endpoint))
        guard = Guard(allow_loopback=True, resolver=look_up)
        sender = Sender(guard=guard, trust=trust, seconds=5.0)
        keys = [SigningKeys(secret=bytes(32), seed=bytes(32))]
        attempt = asyncio.run(sender.send(url, message, keys, 1))
        assert attempt.failure == failure
        assert asked == ["hooks.example"]
        if not failure:
            ((headers, body),) = receiver.got
            assert headers["host"] == url.split("/")[2]
            assert json.loads(body)["type"] == "webhook.test"
