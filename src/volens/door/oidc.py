"""Signing in through an OpenID provider: code flow with proof key, state and nonce.

OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE); RFC 9207 (issuer in the answer). What the provider
says of itself and its keys are asked for anew at each sign-in, so that changed keys count at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from volens.core.errors import Denied, InvalidInput, Unavailable
from volens.door.provider import Provider, check_address

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures only; never ``none``, never a shared secret."""
FRESH: Final = timedelta(minutes=5)
_LEEWAY_SECONDS: Final = 60
_TIMEOUT_SECONDS: Final = 10.0
_LONGEST_DOCUMENT: Final = 262144
_NEEDED: Final = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What is kept here while the browser is with the provider."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    again: bool
    """The person is to show once more who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Whom the provider vouches for."""

    subject: str
    """The provider's own name for the person (``sub``)."""
    reference: str = field(repr=False)
    """The value of the claim that is the product's name for the person."""
    proven: datetime | None
    """When the provider last saw a proof of the person itself (``auth_time``)."""


class RelyingParty:
    """This server, as the provider knows it."""

    def __init__(self, provider: Provider, *, back: str) -> None:
        """Use `provider`; browsers come back to the address `back`."""
        self._provider = provider
        self._back = back

    async def address(self, pending: Pending, state: str) -> str:
        """Return where the browser goes to sign in.

        Raises:
            Unavailable: ``provider_trouble``.
        """
        more: dict[str, str] = {"prompt": "login", "max_age": "0"} if pending.again else {}
        async with self._client() as client:
            about = await self._about(client)
            url, _ = client.create_authorization_url(
                about["authorization_endpoint"],
                state=state,
                code_verifier=pending.verifier,
                nonce=pending.nonce,
                **more,
            )
        return str(url)

    async def finish(
        self, answer: Mapping[str, str], pending: Pending, *, now: datetime
    ) -> Vouched:
        """Return whom the provider vouches for, in exchange for its code.

        Raises:
            Denied: ``credentials_refused`` if anything does not fit.
            Unavailable: ``provider_trouble``.
        """
        async with self._client() as client:
            about = await self._about(client)
            issuer = answer.get("iss")  # RFC 9207, 2.4
            must = about.get("authorization_response_iss_parameter_supported") is True
            if (issuer is not None or must) and issuer != self._provider.issuer:
                raise _refused("the answer is another provider's")
            code = answer.get("code")
            if "error" in answer or not code:
                raise _refused("the provider did not vouch for anybody")
            try:
                token = await client.fetch_token(
                    about["token_endpoint"], code=code, code_verifier=pending.verifier
                )
            except (OAuthError, ValueError, KeyError) as error:
                raise _refused("the provider does not know the code") from error
            except httpx2.HTTPError as error:
                raise _trouble() from error
            keys = await self._document(client, about["jwks_uri"])
        claims = self._checked(token, keys, pending, now)
        return self._vouched(claims, pending, now)

    def _checked(
        self, token: Mapping[str, Any], keys: Mapping[str, Any], pending: Pending, now: datetime
    ) -> Mapping[str, Any]:
        """Return the claims of the id token, checked (OpenID Connect Core 1.0, 3.1.3.7)."""
        provider = self._provider
        try:
            found = jwt.decode(
                str(token.get("id_token", "")),
                KeySet.import_key_set({"keys": list(keys["keys"])}),
                algorithms=list(ALGORITHMS),
            )
            claims = CodeIDToken(
                found.claims,
                found.header,
                {
                    "iss": {"essential": True, "value": provider.issuer},
                    "aud": {"essential": True, "value": provider.client_id},
                    "nonce": {"essential": True, "value": pending.nonce},
                },
                {
                    "nonce": pending.nonce,
                    "client_id": provider.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(int(now.timestamp()), _LEEWAY_SECONDS)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise _refused("the provider's word does not hold") from error
        return dict(claims)

    def _vouched(self, claims: Mapping[str, Any], pending: Pending, now: datetime) -> Vouched:
        provider, reference = self._provider, claims.get(self._provider.claim)
        if not isinstance(reference, str) or not reference:
            raise _refused(f"the provider's word has no claim {provider.claim}")
        if provider.claim == "email" and claims.get("email_verified") is not True:
            raise _refused("the provider did not check the e-mail address")
        at = claims.get("auth_time")
        proven = None if not isinstance(at, int) else datetime.fromtimestamp(at, tz=now.tzinfo)
        if pending.again and (proven is None or not -FRESH < now - proven < FRESH):
            raise _refused("the provider saw no fresh proof")
        return Vouched(subject=str(claims["sub"]), reference=reference, proven=proven)

    async def _about(self, client: AsyncOAuth2Client) -> dict[str, Any]:
        """Return what the provider says of itself (OpenID Connect Discovery 1.0, 4.3)."""
        issuer = self._provider.issuer
        address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        about = await self._document(client, address)
        if about.get("issuer") != issuer or any(name not in about for name in _NEEDED):
            raise _trouble()
        try:
            for name in _NEEDED:
                check_address(str(about[name]))
        except InvalidInput as error:
            raise _trouble() from error
        return about

    async def _document(self, client: AsyncOAuth2Client, address: str) -> dict[str, Any]:
        try:
            answer = await client.request("GET", address, withhold_token=True)
            answer.raise_for_status()
            found = answer.json() if len(answer.content) <= _LONGEST_DOCUMENT else None
        except (httpx2.HTTPError, ValueError) as error:
            raise _trouble() from error
        if not isinstance(found, dict):
            raise _trouble()
        return found

    def _client(self) -> AsyncOAuth2Client:
        provider = self._provider
        return AsyncOAuth2Client(
            client_id=provider.client_id,
            client_secret=provider.client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if provider.client_secret else "none",
            scope=provider.scopes,
            redirect_uri=self._back,
            code_challenge_method="S256",
            timeout=_TIMEOUT_SECONDS,
            follow_redirects=False,
            trust_env=False,
        )


def _refused(message: str) -> Denied:
    return Denied("credentials_refused", message, hint="sign in again")


def _trouble() -> Unavailable:
    hint = "try again in a moment; if it stays, see VOLENS_OIDC_ISSUER"
    return Unavailable("provider_trouble", "the provider can't be asked", hint=hint)
