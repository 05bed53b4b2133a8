"""Sign-in on an opened home, wired."""

from __future__ import annotations

from volens.access.accounts import AccountStore
from volens.access.challenges import ChallengeStore
from volens.access.passkeys import PasskeyStore
from volens.access.secrets import AccessKeys
from volens.access.sessions import SessionStore
from volens.access.signing import SigningDesk
from volens.access.staff import RoleStore
from volens.access.throttle import Throttle
from volens.access.tokens import TokenStore
from volens.access.totp import CodeStore
from volens.app.home import Home
from volens.app.identity import LOOKUP_FILE, load_secret
from volens.core.ids import SubjectId
from volens.log.kinds import ErasureScope


def access_keys(home: Home) -> AccessKeys:
    """Return the keys of sign-in, from custody."""
    return AccessKeys(load_secret(home.custody, LOOKUP_FILE))


def accounts_of(home: Home) -> AccountStore:
    """Return the accounts of people and staff."""
    return AccountStore(
        home.main, access_keys(home), home.recorder, clock=home.clock, entropy=home.entropy
    )


def roles_of(home: Home) -> RoleStore:
    """Return the roles of staff."""
    return RoleStore(home.main, home.recorder, clock=home.clock)


def sessions_of(home: Home) -> SessionStore:
    """Return the sessions."""

    def leaving(subject: SubjectId) -> bool:
        return any(
            one.subject == subject and one.scope is ErasureScope.ACCOUNT
            for one in home.erasures.pending()
        )

    return SessionStore(
        home.main,
        leaving=leaving,
        clock=home.clock,
        entropy=home.entropy,
        writing=home.log is not None,
    )


def tokens_of(home: Home) -> TokenStore:
    """Return the tokens of programs, and of pages embedded by them."""
    return TokenStore(
        home.main,
        sessions_of(home),
        home.recorder,
        clock=home.clock,
        entropy=home.entropy,
        writing=home.log is not None,
    )


def codes_of(home: Home) -> CodeStore:
    """Return the one-time and recovery codes."""
    return CodeStore(home.main, access_keys(home), clock=home.clock, entropy=home.entropy)


def challenges_of(home: Home) -> ChallengeStore:
    """Return what browsers were asked and have not answered yet."""
    return ChallengeStore(home.main, clock=home.clock, entropy=home.entropy)


def passkeys_of(home: Home) -> PasskeyStore:
    """Return the passkeys."""
    return PasskeyStore(
        home.main,
        accounts_of(home),
        challenges_of(home),
        clock=home.clock,
        entropy=home.entropy,
    )


def signing_desk(home: Home) -> SigningDesk:
    """Return what signs people and staff in."""
    keys = access_keys(home)
    return SigningDesk(
        accounts_of(home),
        sessions_of(home),
        codes_of(home),
        passkeys_of(home),
        Throttle(home.main, keys, clock=home.clock, entropy=home.entropy),
        keys,
    )
