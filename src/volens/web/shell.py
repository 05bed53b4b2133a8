"""What every page is made with: templates, language, direction, nonce, CSRF token, error pages."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from volens.access.model import ANONYMOUS, Principal
from volens.core.errors import NotFound, VolensError
from volens.door.csrf import check_origin, csrf_token, keep_form_cookie
from volens.door.doorway import doorway_of
from volens.door.problems import status_of
from volens.web.words import LANGUAGES, Words, choose_language, words_of

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
LANGUAGE_COOKIE: Final = "volens_language"
_YEAR_SECONDS: Final = 365 * 24 * 3600

Handler = Callable[[Request], Awaitable[Response]]


@cache
def environment() -> Environment:
    """Return the templates' environment: everything is escaped, nothing may be undefined."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["static"] = static_url
    made.globals["languages"] = LANGUAGES
    return made


def words_for(request: Request) -> Words:
    """Return the words of the language that this request is answered in."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return words_of(choose_language(chosen, request.headers.get("accept-language", "")))


def page(
    request: Request,
    template: str,
    values: Mapping[str, object] | None = None,
    *,
    principal: Principal = ANONYMOUS,
    status: int = 200,
    here: str = "",
) -> Response:
    """Return a page.

    Templates get: ``t`` (the words: ``t("key", name=value)``, ``t.date``, ``t.moment``,
    ``t.number``), ``principal``, ``here`` (which entry of the navigation this is), ``csrf`` (the
    token for every form, in a field of this name), ``nonce``, ``path``, ``demo``, and `values`.

    Args:
        request: what is answered.
        template: a file under ``templates/``; it extends ``base.html``.
        values: what the template shows.
        principal: who asks, for the navigation.
        status: the HTTP status.
        here: the key of the page's entry in the navigation.
    """
    words = words_for(request)
    text = (
        environment()
        .get_template(template)
        .render(
            {
                "t": words,
                "principal": principal,
                "here": here,
                "csrf": csrf_token(request),
                "nonce": getattr(request.state, "nonce", ""),
                "path": local_path(request),
                "demo": doorway_of(request).settings.demo,
                **(values or {}),
            }
        )
    )
    headers = {
        "Content-Language": words.language,
        "Cache-Control": "no-store",
        "Vary": "Accept-Language, Cookie",
    }
    return keep_form_cookie(request, HTMLResponse(text, status_code=status, headers=headers))


def local_path(request: Request) -> str:
    """Return the path and query of a request, to come back to."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def safe_next(wanted: str | None, default: str = "/") -> str:
    """Return where to go on, if it is a path of this site; else `default`."""
    if not wanted or len(wanted) > 1000 or not wanted.startswith("/"):  # noqa: PLR2004 - no address
        return default
    if wanted.startswith(("//", "/\\")) or any(ord(letter) < 0x20 for letter in wanted):  # noqa: PLR2004 - control characters
        return default
    parts = urlsplit(wanted)
    return default if parts.scheme or parts.netloc else wanted


def see_other(path: str) -> Response:
    """Return the answer to an act that was done: look at `path` (303)."""
    return RedirectResponse(path, status_code=303)


def web_page(handler: Handler) -> Handler:
    """Turn an error of a page into an error page; somebody not signed in goes to sign in."""

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except VolensError as error:
            return error_page(request, error)

    return guarded


def error_page(
    request: Request, error: VolensError, *, principal: Principal = ANONYMOUS
) -> Response:
    """Return the page that says `error`, or the way to sign in if that is what is missing."""
    if request.method in {"GET", "HEAD"}:
        back = quote(local_path(request), safe="/?=&")
        if error.code == "sign_in_needed":
            return see_other(f"/sign-in?next={quote(back, safe='/')}")
        if error.code == "step_up_needed":
            return see_other(f"/sign-in/confirm?next={quote(back, safe='/')}")
    status = status_of(error)
    words = words_for(request)
    key = f"error.{error.code}"
    said = words(key) if words.has(key) else words(f"error.kind.{error.kind}")
    values = {"said": said, "code": error.code, "detail": error.message, "hint": error.hint}
    answer = page(request, "error.html", values, principal=principal, status=status)
    if status in {429, 503}:
        answer.headers["Retry-After"] = "1"
    return answer


@cache
def _static_files() -> Mapping[str, tuple[bytes, str, str]]:
    """Return (content, digest, media type) of each static file, read once."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()[:16]
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            found[path.relative_to(STATIC).as_posix()] = (data, digest, kind)
    return found


def static_url(name: str) -> str:
    """Return the address of a static file; it changes when the file does."""
    return f"/static/{name}?v={_static_files()[name][1]}"


async def serve_static(request: Request) -> Response:
    """Answer with a static file: only what lies in the folder, by its exact name."""
    found = _static_files().get(request.path_params["name"])
    if found is None:
        return error_page(request, NotFound("page_missing", "there is no such file"))
    data, digest, kind = found
    headers = {
        "Cache-Control": f"public, max-age={_YEAR_SECONDS}, immutable",
        "ETag": f'"{digest}"',
    }
    if request.headers.get("if-none-match") == f'"{digest}"':
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)


async def choose(request: Request) -> Response:
    """Remember the language that somebody chose; it changes nothing else."""
    check_origin(request)
    form = await request.form()
    language = str(form.get("language", ""))
    answer = see_other(safe_next(str(form.get("next", "/"))))
    if language in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=_YEAR_SECONDS,
            httponly=True,
            samesite="lax",
            secure=doorway_of(request).settings.secure,
        )
    return answer
