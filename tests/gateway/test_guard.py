"""Webhooks go to public addresses over TLS, and nowhere else, however the address is written."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from volens.core.errors import Denied, InvalidInput, Unavailable, VolensError
from volens.gateway.guard import Guard, Target

PUBLIC = "93.184.215.14"


def resolve(text: str, *found: str, guard: Guard | None = None) -> Target:
    async def look_up(host: str) -> Sequence[str]:
        assert host
        return found

    return asyncio.run((guard or Guard(resolver=look_up)).resolve(text))


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example/a",
        "ftp://hooks.example/a",
        "https:///a",
        "https://user:secret@hooks.example/a",
        "https://hooks.example/a#part",
        "https://hooks.example:22/a",
        "https://hooks.example:80/a",
        "hooks.example/a",
        "file:///etc/passwd",
        "https://hooks.example/" + "a" * 3000,
        "https://[::1/a",
        "",
    ],
)
def test_an_address_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Guard().check_url(text)
    assert refused.value.code == "webhook_url"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["https://hooks.example", "https://hooks.example:8443/a?b=c"])
def test_an_https_address_of_a_name_is_allowed(text: str) -> None:
    assert Guard().check_url(text).host == "hooks.example"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",  # shared (RFC 6598), and a cloud's metadata at 100.100.100.200
        "100.100.100.200",
        "169.254.169.254",  # metadata of most clouds
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",  # metadata of a cloud
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.215.14",
        "::ffff:0:7f00:1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fec0::1",
        "100::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(Denied) as refused:
        resolve("https://hooks.example/a", address)
    assert refused.value.code == "address_refused"
    with pytest.raises(Denied):  # one bad address among good ones is enough
        resolve("https://hooks.example/a", PUBLIC, address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_a_public_address_is_the_one_to_connect_to(address: str) -> None:
    target = resolve("https://hooks.example:8443/a?b=c", address)
    assert (target.address, target.url.host) == (ip_address(address), "hooks.example")


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(VolensError) as refused:
        asyncio.run(Guard().resolve(f"https://{host}/a"))
    assert refused.value.code in {"address_refused", "webhook_url", "name_unknown"}


def test_the_name_service_is_asked_once_so_a_second_answer_changes_nothing() -> None:
    asked: list[str] = []

    async def rebinding(host: str) -> Sequence[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    guard = Guard(resolver=rebinding)
    target = asyncio.run(guard.resolve("https://hooks.example/a"))
    assert (target.address, asked) == (ip_address(PUBLIC), ["hooks.example"])


def test_a_name_that_nobody_knows_or_that_takes_too_long_is_said() -> None:
    async def nobody(host: str) -> Sequence[str]:
        raise OSError(host)

    for guard in (Guard(resolver=nobody),):
        with pytest.raises(Unavailable) as refused:
            resolve("https://hooks.example/a", guard=guard)
        assert refused.value.code == "name_unknown"
    with pytest.raises(Unavailable):
        resolve("https://hooks.example/a")


@pytest.mark.enable_socket
def test_this_machine_is_allowed_only_where_that_was_said() -> None:
    own = Guard(allow_loopback=True)
    assert own.check_url("http://127.0.0.1:8080/a").port == 8080
    assert own.check_url("http://[::1]:8080/a").port == 8080
    assert str(resolve("http://localhost:8080/a", guard=own).address) in {"127.0.0.1", "::1"}
    with pytest.raises(InvalidInput):
        own.check_url("http://hooks.example:8080/a")
    with pytest.raises(Denied):
        own.check_address(ip_address("10.0.0.1"))
