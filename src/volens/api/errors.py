"""Every error of the REST door as a problem: also the framework's, and what nobody saw coming."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from volens.core.errors import InvalidInput, NotFound, Unavailable, VolensError
from volens.door.problems import problem

_LOG = logging.getLogger("volens.api")
_METHOD_NOT_ALLOWED = 405
_NOT_FOUND = 404


def add_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(VolensError, _known)
    app.add_exception_handler(RequestValidationError, _form)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(SQLAlchemyError, _store)
    app.add_exception_handler(OSError, _store)
    app.add_exception_handler(Exception, _unknown)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, VolensError)
    return problem(error, instance=request.url.path)


async def _form(request: Request, error: Exception) -> Response:
    """Say where a body or a parameter is wrong, and never what stood there."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part)[:60] for part in first["loc"])
    found = InvalidInput("body_form", f"{place}: {first['msg'][:200]}", hint="see openapi.json")
    return problem(found, instance=request.url.path)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == _METHOD_NOT_ALLOWED:
        told = InvalidInput("method_not_allowed", f"{path[:200]} does not take {request.method}")
        return problem(told, headers=error.headers, instance=path)
    if error.status_code == _NOT_FOUND:
        hint = "openapi.json lists what there is"
        return problem(NotFound("route_unknown", f"there is no {path[:200]}", hint=hint))
    return problem(InvalidInput("request_form", "the request can't be read"), instance=path)


async def _store(request: Request, error: Exception) -> Response:
    _LOG.error("a store failed: %s", type(error).__name__)
    hint = "nothing was changed; try again later"
    told = Unavailable("storage", "a store can't be had right now", hint=hint)
    return problem(told, instance=request.url.path)


async def _unknown(request: Request, error: Exception) -> Response:
    """Say nothing of what went wrong: the words of an error may be somebody's."""
    _LOG.error("an error that nobody foresaw: %s", type(error).__name__)
    told = Unavailable("internal", "something went wrong here", hint="tell the operator")
    return problem(told, instance=request.url.path)
