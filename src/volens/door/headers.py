"""What every answer carries, so that a browser does only what the page was made for.

One middleware for all doors. What it sets follows OWASP's cheat sheet on HTTP headers
(https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html) and CSP level 3
(https://www.w3.org/TR/CSP3/): no script without the nonce of this very answer, no inline style,
nothing from elsewhere, and no frame around a page unless a setting names who may.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from volens.core.ports import Entropy

NONCE_BYTES: Final = 16
HSTS: Final = "max-age=31536000; includeSubDomains"
_PERMISSIONS: Final = (
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), "
    "gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
)
_SAME: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": _PERMISSIONS,
    "X-Permitted-Cross-Domain-Policies": "none",
    "Origin-Agent-Cluster": "?1",
}


def content_security_policy(nonce: str, *, embedded_by: Sequence[str] = ()) -> str:
    """Return the policy of one answer.

    Args:
        nonce: what scripts of this answer carry; new for each answer.
        embedded_by: origins that may show a page in a frame; none by default.
    """
    ancestors = " ".join(embedded_by) if embedded_by else "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {ancestors}",
        )
    )


class SecurityHeaders:
    """Puts a nonce into ``request.state.nonce`` and the headers on every answer.

    A route may be stricter or, for what it names itself, different: a header that an answer already
    has stays, except the content security policy, which has one place.
    """

    def __init__(
        self, app: ASGIApp, *, secure: bool, entropy: Entropy, embedded_by: Sequence[str] = ()
    ) -> None:
        """Wrap `app`; `secure` says that it is reached over TLS only."""
        self._app = app
        self._entropy = entropy
        self._secure = secure
        self._embedded_by = tuple(embedded_by)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = urlsafe_b64encode(self._entropy.draw(NONCE_BYTES)).decode("ascii").rstrip("=")
        scope.setdefault("state", {})["nonce"] = nonce

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), nonce)
            await send(message)

        await self._app(scope, receive, send_with)

    def _add(self, headers: MutableHeaders, nonce: str) -> None:
        headers["Content-Security-Policy"] = content_security_policy(
            nonce, embedded_by=self._embedded_by
        )
        for name, value in _SAME.items():
            headers[name] = value
        # A page in a frame of another site has to be loadable by it; the frame's own policy says
        # by whom.
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault(
            "Cross-Origin-Resource-Policy", "cross-origin" if self._embedded_by else "same-origin"
        )
        if not self._embedded_by:
            headers["X-Frame-Options"] = "DENY"  # for browsers from before frame-ancestors
        if self._secure:
            headers["Strict-Transport-Security"] = HSTS
        headers.setdefault("Cache-Control", "no-store")
