"""The cookies: of the session, of a form before that, of a known browser, of a way to a provider.

Over TLS their names begin with ``__Host-``: a browser then takes them from this very host only, for
the whole of it, and never in the clear (RFC 6265bis, 4.1.3.2).
"""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from volens.door.doorway import doorway_of

SESSION: Final = "volens-session"
FORM: Final = "volens-form"
DEVICE: Final = "volens-device"
PROVIDER: Final = "volens-provider"
_LONGEST_COOKIE: Final = 512


def read_cookie(request: HTTPConnection, name: str) -> str | None:
    """Return the value of one of our cookies, if it came and is no longer than ours are."""
    value = request.cookies.get(cookie_name(request, name))
    return value if value and len(value) <= _LONGEST_COOKIE else None


def set_cookie(
    request: HTTPConnection,
    response: Response,
    name: str,
    value: str,
    *,
    seconds: int | None = None,
    embedded: bool = False,
) -> None:
    """Set one of our cookies on an answer.

    Args:
        request: what is answered.
        response: the answer.
        name: which cookie.
        value: its value.
        seconds: how long the browser keeps it; None: until it is closed.
        embedded: it is wanted in a frame of another site, in a jar of that site's own
            (``Partitioned``). Only over TLS; elsewhere it stays with this site.
    """
    secure = doorway_of(request).settings.secure
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=seconds,
        path="/",
        secure=secure,
        httponly=True,
        samesite="none" if embedded and secure else "lax",
    )
    if embedded and secure:
        response.raw_headers[-1] = (b"set-cookie", response.raw_headers[-1][1] + b"; Partitioned")


def drop_cookie(request: HTTPConnection, response: Response, name: str) -> None:
    """Take one of our cookies back."""
    secure = doorway_of(request).settings.secure
    response.delete_cookie(
        cookie_name(request, name), path="/", secure=secure, httponly=True, samesite="lax"
    )


def cookie_name(request: HTTPConnection, name: str) -> str:
    """Return what a cookie is called here."""
    return f"__Host-{name}" if doorway_of(request).settings.secure else name
