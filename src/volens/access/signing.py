"""Signing in, in steps: a name and a password, then a second factor where one is wanted.

Checking a password takes a while and much memory, so it is not done here: the caller takes the hash
of `begin`, checks it elsewhere, and goes on with `password_was_right`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from volens.access.accounts import AccountStore, LocalAccount
from volens.access.passkeys import PasskeyStore
from volens.access.secrets import AccessKeys
from volens.access.sessions import Session, SessionKind, SessionStore
from volens.access.throttle import Attempt, Throttle
from volens.access.totp import CodeStore
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """What is known of a browser before anybody is signed in."""

    address: str
    device: str | None = field(default=None, repr=False)
    """The device cookie."""
    session: str | None = field(default=None, repr=False)
    """The session cookie it came with; it does not outlive a sign-in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that may be made and is counted as failed until it succeeds."""

    attempt: Attempt
    account: AccountId | None
    """None if nobody has the name, or may not sign in with it."""
    password: str | None = field(repr=False)
    """The hash to check against; None: do the same work, and fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What the browser gets."""

    session: str = field(repr=False)
    device: str = field(repr=False)
    kind: SessionKind
    """``half`` if a second factor is to follow."""
    is_staff: bool


class SigningDesk:
    """Takes proofs and opens sessions."""

    def __init__(
        self,
        accounts: AccountStore,
        sessions: SessionStore,
        codes: CodeStore,
        passkeys: PasskeyStore,
        throttle: Throttle,
        keys: AccessKeys,
    ) -> None:
        """Use what keeps each of them."""
        self._accounts = accounts
        self._sessions = sessions
        self._codes = codes
        self._passkeys = passkeys
        self._throttle = throttle
        self._keys = keys

    def begin(self, name: str, visitor: Visitor) -> Begun:
        """Look an account up and count the attempt.

        A name that nobody has takes the same steps as one that somebody has.

        Raises:
            Denied: ``too_many_requests``.
        """
        try:
            digest = self._accounts.digest(name)
        except InvalidInput:
            digest = self._keys.digest(b"no-name", name.encode("utf-8", "surrogatepass"))
        attempt = self._throttle.attempt(digest, visitor.address, visitor.device)
        self._throttle.begin(attempt)
        account = self._accounts.by_digest(digest)
        if account is None or account.ended is not None:
            return Begun(attempt=attempt, account=None, password=None)
        return Begun(attempt=attempt, account=account.id, password=account.password)

    def password_was_right(self, begun: Begun, visitor: Visitor) -> SignedIn:
        """Go on after a right password.

        Raises:
            Denied: ``credentials_refused`` if there is no such account (any more), or it may not
                sign in.
        """
        if begun.account is None:
            raise refused()
        account = self._accounts.by_id(begun.account)
        if account.password != begun.password:
            raise refused()  # it was changed meanwhile
        self._throttle.succeed(begun.attempt)
        kind = SessionKind.HALF if self.wants_second(account) else SessionKind.FULL
        return self._open(account, kind, visitor)

    def wants_second(self, account: LocalAccount) -> bool:
        """Say whether a password alone is not enough: for all staff, and who set up an app."""
        return account.is_staff or self._codes.is_set_up(account)

    def has_second(self, account: LocalAccount) -> bool:
        """Say whether there is a second factor at all."""
        return self._codes.is_set_up(account) or bool(self._passkeys.of(account))

    def half(self, token: str) -> tuple[Session, LocalAccount]:
        """Return a half session and its account.

        Raises:
            Denied: ``sign_in_needed`` if it has ended or is none.
        """
        session = self._sessions.find(token)
        if session is None or session.kind is not SessionKind.HALF or session.account_no is None:
            raise Denied("sign_in_needed", "the password comes first", hint="sign in again")
        return session, self._accounts.by_number(session.account_no)

    def second(self, token: str, code: str, visitor: Visitor) -> SignedIn:
        """Go on from a half session after a one-time or recovery code.

        Raises:
            Denied: ``sign_in_needed``, ``credentials_refused``, ``too_many_requests``.
        """
        _, account = self.half(token)
        self.check_code(account, code, visitor)
        return self._open(account, SessionKind.FULL, visitor)

    def set_up(self, token: str, code: str, visitor: Visitor) -> tuple[SignedIn, list[str]]:
        """Set up the first second factor from a half session; return recovery codes with it.

        Raises:
            Denied: ``sign_in_needed``; ``credentials_refused`` if the code is wrong, or a second
                factor is there already.
        """
        _, account = self.half(token)
        if self.has_second(account):
            raise refused()
        attempt = self._second_attempt(account, visitor)
        self._throttle.begin(attempt)
        if not self._codes.confirm(account, code):
            raise refused()
        self._throttle.succeed(attempt)
        codes = self._codes.new_recovery_codes(account)
        return self._open(account, SessionKind.FULL, visitor), codes

    def passkey(self, handle: str, answer: str, visitor: Visitor, *, origin: str) -> SignedIn:
        """Sign in with a passkey: it is both factors.

        Raises:
            Denied: ``credentials_refused``.
        """
        account = self._passkeys.check(handle, answer, origin=origin)
        return self._open(account, SessionKind.FULL, visitor)

    def confirm_passkey(self, session: Session, handle: str, answer: str, *, origin: str) -> None:
        """Check that a passkey is one of who is signed in.

        Raises:
            Denied: ``credentials_refused``.
        """
        if self._passkeys.check(handle, answer, origin=origin).number != session.account_no:
            raise refused()

    def begin_confirming(self, session: Session, visitor: Visitor) -> Begun:
        """Count an attempt to show once more who is signed in, by password.

        Raises:
            Denied: ``step_up_refused`` without an account; ``too_many_requests``.
        """
        account = self._account(session)
        attempt = self._throttle.attempt(account.name_digest, visitor.address, visitor.device)
        self._throttle.begin(attempt)
        return Begun(attempt=attempt, account=account.id, password=account.password)

    def confirmed(self, begun: Begun) -> None:
        """Forget the attempt that `begin_confirming` counted."""
        self._throttle.succeed(begun.attempt)

    def check_code(self, account: LocalAccount, code: str, visitor: Visitor) -> None:
        """Pass if a one-time or recovery code of an account is right; it counts once.

        Raises:
            Denied: ``credentials_refused``, ``too_many_requests``.
        """
        attempt = self._second_attempt(account, visitor)
        self._throttle.begin(attempt)
        if not self._codes.check(account, code):
            raise refused()
        self._throttle.succeed(attempt)

    def vouched(self, account: LocalAccount, visitor: Visitor) -> SignedIn:
        """Sign in somebody for whom another provider has vouched; how long ago is not known."""
        kind = SessionKind.HALF if self._codes.is_set_up(account) else SessionKind.FULL
        return self._open(account, kind, visitor, fresh=False)

    def _second_attempt(self, account: LocalAccount, visitor: Visitor) -> Attempt:
        return self._throttle.attempt(
            account.name_digest, visitor.address, visitor.device, factor="second"
        )

    def _account(self, session: Session) -> LocalAccount:
        if session.account_no is None:
            hint = "open the page outside of the other product and sign in there"
            raise Denied("step_up_refused", "an embedded page can't do this", hint=hint)
        return self._accounts.by_number(session.account_no)

    def _open(
        self, account: LocalAccount, kind: SessionKind, visitor: Visitor, *, fresh: bool = True
    ) -> SignedIn:
        fresh = fresh and kind is SessionKind.FULL
        token = self._sessions.open(
            account.id, kind=kind, stepped_up=fresh, instead_of=visitor.session
        )
        if self._sessions.find(token) is None:  # the person's account closed, or no role is left
            self._sessions.end(token)
            raise refused()
        return SignedIn(
            session=token,
            device=self._throttle.device_cookie(account.name_digest),
            kind=kind,
            is_staff=account.is_staff,
        )


def refused() -> Denied:
    """Return the one answer to every wrong name, password or code."""
    hint = "check the name and what you typed"
    return Denied("credentials_refused", "name, password or code is not right", hint=hint)
