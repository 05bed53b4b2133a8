"""What sign-in keeps: how it is checked, that it can't be read, and that it goes."""

import base64
import contextlib
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.support.doors import Doors, open_doors
from tests.support.ports import SeededEntropy, SteppedClock
from volens.access import passwords
from volens.access.accounts import plain_name
from volens.access.model import Role
from volens.access.passwords import check_password, fits, hash_password, is_old
from volens.access.secrets import AccessKeys
from volens.access.sessions import SessionKind
from volens.access.signing import Visitor
from volens.access.staff import LONGEST_ROLE
from volens.access.tables import METADATA
from volens.access.throttle import (
    FROM_ANYWHERE,
    FROM_NETWORK_AT_ALL,
    Throttle,
    network_of,
)
from volens.access.tokens import LONGEST
from volens.access.totp import CodeStore
from volens.app.access import (
    access_keys,
    accounts_of,
    challenges_of,
    codes_of,
    roles_of,
    sessions_of,
    signing_desk,
    tokens_of,
)
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.retention import new_request
from volens.core.errors import Denied, InvalidInput, VerificationFailed
from volens.holds.erasure import COOL_OFF
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind, ErasureScope

KEYS = AccessKeys(b"k" * 32)


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with open_doors(tmp_path) as found:
        yield found


class OneSecret:
    """Entropy that draws the secret of RFC 6238, appendix B, where 20 bytes are asked for."""

    def __init__(self) -> None:
        self._rest = SeededEntropy()

    def draw(self, size_bytes: int) -> bytes:
        return b"12345678901234567890" if size_bytes == 20 else self._rest.draw(size_bytes)


@pytest.mark.parametrize(  # RFC 6238, appendix B, SHA-1: the last six of eight digits
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(doors: Doors, seconds: int, code: str) -> None:
    clock = SteppedClock(datetime.fromtimestamp(seconds, tz=UTC))

    def act(home: Home) -> None:
        codes = CodeStore(home.main, KEYS, clock=clock, entropy=OneSecret())
        secret, address = codes.begin(doors.person.account, label="ann")
        assert base64.b32decode(secret) == b"12345678901234567890"
        assert address.startswith("otpauth://totp/")
        assert not codes.check(doors.person.account, code), "not before it was confirmed"
        assert codes.confirm(doors.person.account, f" {code[:3]} {code[3:]} ")
        assert not codes.check(doors.person.account, code), "not twice"
        clock.step(timedelta(seconds=90))
        assert not codes.check(doors.person.account, code), "not late"

    doors.run(act)


def test_a_second_app_does_not_replace_the_first_unseen(doors: Doors) -> None:
    def act(home: Home) -> None:
        codes = CodeStore(home.main, KEYS, clock=SteppedClock(), entropy=OneSecret())
        secret, _ = codes.begin(doors.person.account, label="ann")
        assert codes.waiting(doors.person.account, label="ann") is not None
        assert secret
        codes.remove(doors.person.account)
        assert codes.waiting(doors.person.account, label="ann") is None

    doors.run(act)


@given(st.text(min_size=12, max_size=60))
def test_a_password_is_taken_or_refused_and_nothing_else(password: str) -> None:
    with contextlib.suppress(InvalidInput):
        check_password(password)
        assert len(set(password)) > 3


@pytest.mark.parametrize(
    "password",
    [
        "elevenchars",
        "password1234",
        "Passwort2026!",
        "qwertyuiop123",
        "123456789012",
        "abcabcabcabc",
        "xyxyxyxyxyxyxy",
        "iloveyou iloveyou",
        "a" * 257,
    ],
)
def test_what_everybody_tries_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        hash_password(password, entropy=SeededEntropy())


@pytest.mark.parametrize(
    "password", ["three quiet rivers", "かわが三つしずかにながれるよる", "x7#k!m2@q9$z"]
)
def test_a_good_password_needs_no_mix_of_letters(password: str) -> None:
    check_password(password)


def test_a_hash_is_salted_and_fits_only_its_password() -> None:
    entropy = SeededEntropy()
    first, second = (hash_password("three quiet rivers", entropy=entropy) for _ in range(2))
    assert first != second
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert fits("three quiet rivers", first)
    assert fits("\uff54\uff48\uff52\uff45\uff45 quiet rivers", first), (
        "the same letters, typed in another width"
    )
    assert not fits("three quiet river", first)
    assert not fits("three quiet rivers", None)
    assert not fits("\x00", None)
    assert not is_old(first)
    assert is_old("$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27XA")


def test_an_unknown_name_costs_the_same_work_by_construction() -> None:
    """One path: the hash that nothing fits has the costs of all others; there is no shortcut."""
    nothing = passwords._nothing()
    known = hash_password("three quiet rivers", entropy=SeededEntropy())
    assert nothing.split("$")[:4] == known.split("$")[:4]
    assert [len(part) for part in nothing.split("$")] == [len(part) for part in known.split("$")]
    body = inspect.getsource(passwords.fits)
    assert body.count("return") == 2 + body.split('"""')[1].count("return")
    assert body.index("_HASHER.verify") < body.index("return False")


def test_the_same_steps_are_taken_for_an_unknown_name(doors: Doors) -> None:
    def act(home: Home) -> None:
        statements: list[str] = []

        def note(conn, cursor, statement, *more) -> None:  # noqa: ANN001, ANN002, ARG001 - sqlalchemy's event
            statements.append(statement)

        from sqlalchemy import event  # noqa: PLC0415 - only here

        event.listen(home.main, "before_cursor_execute", note)
        taken = []
        for name in ("ada", "nobody"):
            statements.clear()
            signing_desk(home).begin(name, Visitor(address="192.0.2.1"))
            taken.append([one for one in statements if "account_role" not in one])
        event.remove(home.main, "before_cursor_execute", note)
        # the row of the network is there the second time, so it is updated and not inserted
        assert [one for one in taken[0] if "INSERT" not in one][:4] == taken[1][:4]

    doors.run(act)


def test_names_are_one_whatever_way_they_are_typed() -> None:
    assert plain_name(" ANN@Example.org ") == plain_name("ann@example.org")
    assert plain_name("\uff21nn") == "ann"
    for name in ("", "   ", "a\nb", "x" * 255):
        with pytest.raises(InvalidInput):
            plain_name(name)


def test_sealed_values_open_for_their_owner_and_use_only() -> None:
    sealed = KEYS.seal(b"totp", b"o" * 16, b"secret", entropy=SeededEntropy())
    assert KEYS.open(b"totp", b"o" * 16, sealed) == b"secret"
    for kind, owner in ((b"totp", b"p" * 16), (b"name", b"o" * 16)):
        with pytest.raises(VerificationFailed):
            KEYS.open(kind, owner, sealed)
    with pytest.raises(VerificationFailed):
        AccessKeys(b"j" * 32).open(b"totp", b"o" * 16, sealed)
    assert "kkkk" not in repr(KEYS)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("not an address", "unknown"),
    ],
)
def test_what_counts_as_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_guessing_from_many_networks_waits_but_a_known_browser_does_not(doors: Doors) -> None:
    def act(home: Home) -> None:
        throttle = Throttle(home.main, access_keys(home), clock=home.clock, entropy=home.entropy)
        name = b"n" * 32
        cookie = throttle.device_cookie(name)
        for number in range(FROM_ANYWHERE):
            throttle.begin(throttle.attempt(name, f"198.51.100.{number}", None))
        with pytest.raises(Denied, match="too often"):
            throttle.begin(throttle.attempt(name, "203.0.113.1", None))
        with pytest.raises(Denied):
            throttle.begin(throttle.attempt(name, "203.0.113.1", cookie[:-2] + "AA"))
        mine = throttle.attempt(name, "203.0.113.1", cookie)
        throttle.begin(mine)
        throttle.succeed(mine)
        throttle.begin(throttle.attempt(b"m" * 32, "203.0.113.1", None))

    doors.run(act)


def test_trying_many_names_from_one_network_waits(doors: Doors) -> None:
    def act(home: Home) -> None:
        throttle = Throttle(home.main, access_keys(home), clock=home.clock, entropy=home.entropy)
        for number in range(FROM_NETWORK_AT_ALL):
            throttle.begin(throttle.attempt(number.to_bytes(32, "big"), "192.0.2.1", None))
        with pytest.raises(Denied):
            throttle.begin(throttle.attempt(b"n" * 32, "192.0.2.1", None))
        throttle.begin(throttle.attempt(b"n" * 32, "192.0.2.2", None))

    doors.run(act)


def test_roles_are_for_staff_and_end(doors: Doors) -> None:
    def act(home: Home) -> None:
        roles, now = roles_of(home), home.clock.now()
        rater = doors.staff[Role.RATER].account
        for account, role, until in (
            (doors.person.account, Role.RATER, now + timedelta(days=1)),
            (rater, Role.AUDITOR, now),
            (rater, Role.AUDITOR, now + LONGEST_ROLE + timedelta(seconds=1)),
            (rater, Role.ORGANISATION_ADMIN, now + timedelta(days=1)),
        ):
            with pytest.raises(InvalidInput):
                roles.give(account, role, until=until)
        roles.give(rater, Role.RATER, until=now + timedelta(days=1))
        assert [one.until for one in roles.of(rater)] == [now + timedelta(days=1)]

    doors.run(act)


def test_a_token_ends_within_a_year_and_is_used_by_the_day(doors: Doors) -> None:
    def act(home: Home) -> None:
        tokens = tokens_of(home)
        with pytest.raises(InvalidInput):
            tokens.issue("x", [], lasts=timedelta(days=1))
        for lasts in (timedelta(0), LONGEST + timedelta(seconds=1)):
            with pytest.raises(InvalidInput):
                tokens.issue("x", doors.service.token.scopes, lasts=lasts)
        assert tokens.find(doors.service.secret) is not None
        used = tokens.by_id(doors.service.token.id).used
        assert used == home.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)

    doors.run(act)
    doors.where.clock.step(LONGEST)
    assert doors.run(lambda home: tokens_of(home).find(doors.service.secret)) is None


def test_what_sign_in_logs_names_nobody(doors: Doors) -> None:
    doors.run(lambda home: accounts_of(home).end(doors.person.account))
    doors.run(lambda home: tokens_of(home).revoke(doors.service.token.id))
    rater = doors.staff[Role.RATER].account
    doors.run(lambda home: roles_of(home).end(rater, Role.RATER))

    def act(home: Home) -> list[EntryKind]:
        log = home.owned_log()
        return [parse_entry(data).kind for data in log.entries(0, log.size)]

    kinds = set(doors.run(act))
    assert kinds >= {
        EntryKind.ACCOUNT_ADDED,
        EntryKind.ACCOUNT_ENDED,
        EntryKind.ROLE_GIVEN,
        EntryKind.ROLE_ENDED,
        EntryKind.TOKEN_ISSUED,
        EntryKind.TOKEN_REVOKED,
    }


def test_all_that_a_person_signs_in_with_goes_with_the_account(doors: Doors) -> None:
    def fill(home: Home) -> None:
        person = doors.person
        assert person.subject is not None
        sessions_of(home).open(person.account.id)
        codes_of(home).begin(person.account, label="x")
        codes_of(home).new_recovery_codes(person.account)
        from volens.access.challenges import Asked  # noqa: PLC0415 - only here

        challenges_of(home).ask(Asked.PASSKEY_ADD, b"c", account_no=person.account.number)
        principal = tokens_of(home).find(doors.service.secret)
        assert principal is not None
        tokens_of(home).issue_embed(principal, person.subject.id)
        signing_desk(home).begin("ada", Visitor(address="192.0.2.1"))
        request = new_request(home, b"e" * 16, ErasureScope.ACCOUNT, person.subject)
        home.erasures.request(request)
        home.erasures.drain()

    def counts(home: Home) -> dict[str, int]:
        with home.main.connect() as db:
            return {
                name: int(db.execute(select(func.count()).select_from(table)).scalar() or 0)
                for name, table in METADATA.tables.items()
            }

    before = doors.run(counts)
    doors.run(fill)
    filled = doors.run(counts)
    grown = {name for name in filled if filled[name] > before[name]}
    assert grown == {
        "session",
        "totp",
        "recovery_code",
        "challenge",
        "embed_token",
        "login_failure",
    }
    doors.where.clock.step(COOL_OFF)
    assert doors.run(lambda home: eraser_of(home).run(home.clock.now()).erased) == 1
    after = doors.run(counts)
    assert after["account"] == before["account"] - 1
    # what is left of failures is counted for the network, under no name
    assert {name: after[name] for name in grown} == {
        name: 1 if name == "login_failure" else 0 for name in grown
    }


def test_half_a_session_is_short_and_none_for_who_asks(doors: Doors) -> None:
    token = doors.run(
        lambda home: sessions_of(home).open(doors.person.account.id, kind=SessionKind.HALF)
    )
    found = doors.run(lambda home: sessions_of(home).find(token))
    assert found is not None
    with pytest.raises(Denied):
        doors.run(lambda home: sessions_of(home).step_up(token))
    doors.where.clock.step(timedelta(minutes=5))
    assert doors.run(lambda home: sessions_of(home).find(token)) is None
