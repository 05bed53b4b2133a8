"""Errors as problem details (RFC 9457): a stable code, what went wrong, what to do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from volens.core.errors import VolensError

MEDIA_TYPE: Final = "application/problem+json"
DOCS: Final = "docs/api.md"
STATUS: Final[Mapping[str, int]] = {
    "invalid_input": 400,
    "not_found": 404,
    "denied": 403,
    "verification_failed": 422,
    "unavailable": 503,
}
"""From the kind of an error to the HTTP status."""
CODE_STATUS: Final[Mapping[str, int]] = {
    "sign_in_needed": 401,
    "credentials_refused": 401,
    "step_up_needed": 403,
    "csrf_refused": 403,
    "too_slow": 408,
    "too_large": 413,
    "media_type": 415,
    "choice_changed": 412,
    "instructions_changed": 412,
    "precondition_needed": 428,
    "idempotency_conflict": 409,
    "notice_changed": 409,
    "subject_exists": 409,
    "request_state": 409,
    "event_conflict": 409,
    "export_running": 409,
    "export_not_ready": 409,
    "internal": 500,
    "too_many_requests": 429,
    "method_not_allowed": 405,
    "body_form": 422,
    "upstream_unreachable": 502,
    "upstream_timeout": 504,
}
"""Where one code has a status of its own."""


def status_of(error: VolensError) -> int:
    """Return the HTTP status of an error."""
    return CODE_STATUS.get(error.code, STATUS[error.kind])


def problem(
    error: VolensError, *, headers: Mapping[str, str] | None = None, instance: str = ""
) -> Response:
    """Return the answer that says `error`."""
    status = status_of(error)
    body: dict[str, object] = {
        "type": f"{DOCS}#{error.code}",
        "title": error.kind.replace("_", " "),
        "status": status,
        "code": error.code,
        "detail": error.message,
    }
    if error.hint:
        body["hint"] = error.hint
    if instance:
        body["instance"] = instance
    extra = dict(headers or {})
    if status == 401:  # noqa: PLR2004 - unauthorised
        extra.setdefault("WWW-Authenticate", "Bearer")
    if status in {429, 503}:
        extra.setdefault("Retry-After", "1")
    data = json.dumps(body, ensure_ascii=False).encode()
    return Response(data, status_code=status, media_type=MEDIA_TYPE, headers=extra)
