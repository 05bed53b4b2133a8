"""The REST door as one application, described by its own OpenAPI 3.1 document."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, FastAPI

from volens import __version__
from volens.api import (
    choices,
    conversations,
    erasures,
    exports,
    flags,
    history,
    looks,
    models_used,
    organisations,
    papers,
    requests,
    subjects,
    tokens,
)
from volens.api.asking import Door, admission_of
from volens.api.check_form import describe_check
from volens.api.errors import add_handlers
from volens.api.model import Problem
from volens.api.strict import StrictRoute
from volens.door.cookies import SESSION
from volens.door.doorway import Doorway
from volens.door.problems import MEDIA_TYPE

_PARTS: Final[tuple[Callable[[APIRouter], None], ...]] = (
    choices.add_routes,
    conversations.add_routes,
    erasures.add_routes,
    exports.add_routes,
    flags.add_routes,
    history.add_routes,
    looks.add_routes,
    models_used.add_routes,
    organisations.add_routes,
    papers.add_routes,
    requests.add_routes,
    subjects.add_routes,
    tokens.add_routes,
)
_CONTACT: Final = "VOLENS_CONTACT"
_SAID: Final = (
    "Ask for, change and prove what may be done with people's conversations. "
    "A person asks under /me, with the session of a sign-in; a program under /subjects, with a "
    "token. Errors are problem details (RFC 9457); docs/api.md explains each code."
)
_PROBLEM: Final = {
    "description": "What went wrong, and what to do about it",
    "content": {
        MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
    },
}

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {"4XX": _PROBLEM, "503": _PROBLEM}


def api_application(doorway: Doorway, *, environment: Mapping[str, str] = os.environ) -> FastAPI:
    """Return what answers below ``/v1``.

    Args:
        doorway: the home behind it.
        environment: where ``VOLENS_CONTACT`` is looked up, for receipts.
    """
    app = _Described(
        title="Volens",
        version=__version__,
        description=_SAID,
        docs_url=None,  # such pages fetch scripts from elsewhere
        redoc_url=None,
        separate_input_output_schemas=False,
        responses={**_PROBLEMS},
    )
    app.state.doorway = doorway
    app.state.contact = environment.get(_CONTACT) or f"not set up ({_CONTACT})"
    app.router.route_class = StrictRoute
    add_handlers(app)
    for add in _PARTS:
        add(app.router)
    return app


class _Described(FastAPI):
    """An application whose document says what the framework can't see: who may ask, and checks."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        schemas = document["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
            "session": {"type": "apiKey", "in": "cookie", "name": SESSION},
        }
        for route in self.router.routes:
            if isinstance(route, StrictRoute):
                for method in route.methods or ():
                    _describe(route, document["paths"][route.path_format][method.lower()])
        describe_check(document, {str(status): told for status, told in _PROBLEMS.items()})
        return document


def _describe(route: StrictRoute, operation: dict[str, Any]) -> None:
    admission = admission_of(route.endpoint)
    about = "{subject}" in route.path
    operation["responses"].pop("422", None)  # the framework's own; it is a problem here
    if about:
        operation.setdefault("parameters", []).insert(0, _SUBJECT)
    if admission.door is not Door.EVERYBODY:
        mine = admission.door is Door.PERSON_OR_PROGRAM and not about
        operation["security"] = [{"session": []}] if mine else [{"token": []}]
    if admission.scope is not None and not route.path.startswith("/me"):
        operation["x-scope"] = admission.scope.value


_SUBJECT: Final = {
    "name": "subject",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 256},
    "description": "The person's id, or the product's own name for them.",
}
