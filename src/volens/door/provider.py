"""Which other provider signs people in, as the environment says (``VOLENS_OIDC_*``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from volens.core.errors import InvalidInput

PREFIX: Final = "VOLENS_OIDC_"
_KNOWN: Final = frozenset({"ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLAIM", "SCOPES", "NAME"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One OpenID provider, and what this server is there."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    """Empty: a public client, which has its proof key only."""
    claim: str = "sub"
    """Which claim is the product's name for the person."""
    scopes: str = "openid"
    name: str = "OpenID"
    """What the button calls it."""


def provider_from(environment: Mapping[str, str]) -> Provider | None:
    """Read the provider from the environment; None without ``VOLENS_OIDC_ISSUER``.

    Raises:
        InvalidInput: ``provider_form`` if something is missing, unknown or not over TLS.
    """
    found = {
        name.removeprefix(PREFIX): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    if not found:
        return None
    unknown = sorted(found.keys() - _KNOWN)
    if unknown or not {"ISSUER", "CLIENT_ID"} <= found.keys():
        hint = f"set {PREFIX}ISSUER and {PREFIX}CLIENT_ID; known: {', '.join(sorted(_KNOWN))}"
        message = f"{PREFIX}{unknown[0]} is unknown" if unknown else "the provider is not whole"
        raise InvalidInput("provider_form", message, hint=hint)
    check_address(found["ISSUER"])
    scopes = found.get("SCOPES", "openid")
    if "openid" not in scopes.split():
        hint = "openid and what the claim takes"
        raise InvalidInput("provider_form", f"{PREFIX}SCOPES lacks openid", hint=hint)
    return Provider(
        issuer=found["ISSUER"],
        client_id=found["CLIENT_ID"],
        client_secret=found.get("CLIENT_SECRET", ""),
        claim=found.get("CLAIM", "sub"),
        scopes=scopes,
        name=found.get("NAME", "OpenID"),
    )


def check_address(address: str) -> str:
    """Return an address of a provider: over TLS, or on this very machine.

    Raises:
        InvalidInput: ``provider_form``.
    """
    parts = urlsplit(address)
    here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not (parts.scheme == "https" or here) or not parts.hostname or parts.fragment:
        hint = "it begins with https://"
        raise InvalidInput("provider_form", "not an address of a provider", hint=hint)
    return address
