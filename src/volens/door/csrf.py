"""Forms that other sites can't send: where a request comes from, and a token bound to the session.

The token is made from the session's own secret, so it ends with the session and nobody else's
fits. Before anybody is signed in it is made from a cookie of the form's own, so that no other site
can sign a browser in either (login CSRF).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from volens.core.errors import Denied
from volens.door.cookies import FORM, SESSION, read_cookie, set_cookie
from volens.door.doorway import doorway_of

FIELD: Final = "csrf"
_LABEL: Final = b"volens/form/v1"


def csrf_token(request: HTTPConnection) -> str:
    """Return the value of the field ``csrf`` for forms on the page that answers `request`.

    With nobody signed in, the answer has to go through `keep_form_cookie`.
    """
    return _token(read_cookie(request, SESSION) or _form_secret(request))


def keep_form_cookie(request: HTTPConnection, response: Response) -> Response:
    """Set the form's cookie on an answer if `csrf_token` made one, and return the answer."""
    made: str | None = getattr(request.state, "form_secret", None)
    if made is not None and made != read_cookie(request, FORM):
        set_cookie(request, response, FORM, made)
    return response


async def check_csrf(request: HTTPConnection, form: Mapping[str, object]) -> None:
    """Pass if a form comes from a page of ours that was made for this very browser and session.

    Raises:
        Denied: ``csrf_refused``.
    """
    check_origin(request)
    secret = read_cookie(request, SESSION) or read_cookie(request, FORM)
    given = form.get(FIELD)
    good = (
        secret is not None
        and isinstance(given, str)
        and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), _token(secret).encode())
    )
    if not good:
        raise _refused("the form is not from a page of this session")


def check_origin(request: HTTPConnection) -> None:
    """Pass unless the browser says that another site sent the request.

    Raises:
        Denied: ``csrf_refused``.
    """
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        if fetched != "same-origin":
            raise _refused("the request was sent from another site")
        return
    origin = request.headers.get("origin")
    if origin is not None and origin != _own_origin(request):
        raise _refused("the request was sent from another site")


def _own_origin(request: HTTPConnection) -> str:
    parts = urlsplit(doorway_of(request).settings.public_url)
    return f"{parts.scheme}://{parts.netloc}"


def _form_secret(request: HTTPConnection) -> str:
    known = read_cookie(request, FORM) or getattr(request.state, "form_secret", None)
    if known is None:
        draw = doorway_of(request).draw
        known = base64.urlsafe_b64encode(draw(32)).rstrip(b"=").decode("ascii")
        request.state.form_secret = known
    return str(known)


def _token(secret: str) -> str:
    mac = hmac.digest(secret.encode("utf-8", "surrogatepass"), _LABEL, "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def _refused(message: str) -> Denied:
    hint = "go back, load the page again and send it once more"
    return Denied("csrf_refused", message, hint=hint)
