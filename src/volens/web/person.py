"""The routes of a person's own pages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from volens.access.model import PrincipalKind
from volens.core.errors import VolensError
from volens.door.csrf import check_csrf
from volens.door.doorway import doorway_of
from volens.door.who import who
from volens.web import (
    person_chats,
    person_choices,
    person_export,
    person_leaving,
    person_policy,
    person_seen,
    person_timeline,
)
from volens.web.person_frame import acting, handing, looking
from volens.web.shell import Handler, error_page, page, see_other, web_page


def person_routes() -> list[BaseRoute]:
    """Return the routes under /me, the first page, and the page after an account was closed."""
    return [
        _get("/", web_page(_first)),
        _get("/me", looking("person/overview.html", person_choices.overview, here="overview")),
        _post("/me/history", acting(person_choices.switch_history)),
        *_choices(),
        *_chats(),
        *_seen(),
        *_leaving(),
        _get("/me/export", person_export.export_page),
        _post("/me/export", person_export.start_export),
        _get("/me/export/file", person_export.send_export),
        _get("/me/holds", looking("person/holds.html", person_policy.holds_page, here="holds")),
        _post("/me/holds/{case}", acting(person_policy.answer_notice)),
        _get("/me/policy", looking("person/policy.html", person_policy.policy_page, here="policy")),
        _get(
            "/me/policy/versions",
            looking("person/versions.html", person_policy.versions_page, here="policy"),
        ),
        _get(
            "/me/policy/fields",
            looking("person/fields.html", person_policy.fields_page, here="policy"),
        ),
        _get("/me/rights", looking("person/rights.html", person_policy.rights_page, here="rights")),
        _post("/me/rights", acting(person_policy.open_request)),
        _post("/me/rights/{request}/withdraw", acting(person_policy.withdraw_request)),
        _get(
            "/me/timeline",
            looking("person/timeline.html", person_timeline.timeline_page, here="timeline"),
        ),
        _get("/left", web_page(_left)),
        _post("/left", web_page(_return)),
    ]


def _choices() -> list[BaseRoute]:
    return [
        _get(
            "/me/choices",
            looking("person/choices.html", person_choices.choices_page, here="choices"),
        ),
        _get(
            "/me/choices/{purpose}",
            looking("person/choice.html", person_choices.choice_page, here="choices"),
        ),
        _post("/me/choices/{purpose}", acting(person_choices.answer)),
        _get("/me/receipts/{event}", handing(person_choices.consent_receipt)),
    ]


def _chats() -> list[BaseRoute]:
    return [
        _get("/me/chats", looking("person/chats.html", person_chats.chats_page, here="chats")),
        _get("/me/chats/{chat}", looking("person/chat.html", person_chats.chat_page, here="chats")),
        _post("/me/chats/{chat}/use", acting(person_chats.mark)),
        _post("/me/chats/{chat}/report", acting(person_chats.report)),
    ]


def _seen() -> list[BaseRoute]:
    return [
        _get("/me/seen", looking("person/seen.html", person_seen.seen_page, here="seen")),
        _get("/me/seen/{index}", handing(person_seen.access_proof)),
        _get(
            "/me/datasets",
            looking("person/datasets.html", person_seen.datasets_page, here="datasets"),
        ),
        _get("/me/models/{case}/{name}", handing(person_seen.model_paper)),
        _post("/me/datasets/{dataset}/proof", handing(person_seen.dataset_proof)),
    ]


def _leaving() -> list[BaseRoute]:
    return [
        _get(
            "/me/delete",
            looking("person/delete.html", person_leaving.delete_page, here="erasures"),
        ),
        _post("/me/delete", acting(person_leaving.delete)),
        _get(
            "/me/erasures",
            looking("person/erasures.html", person_leaving.erasures_page, here="erasures"),
        ),
        _get(
            "/me/erasures/{reference}",
            looking("person/erasure.html", person_leaving.erasure_page, here="erasures"),
        ),
        _get("/me/erasures/{reference}/receipt.{form}", handing(person_leaving.erasure_file)),
        _post("/me/erasures/{reference}/mail", acting(person_leaving.keep_mail)),
        _post("/me/erasures/{reference}/cancel", acting(person_leaving.take_back)),
    ]


def _get(path: str, handler: Handler) -> Route:
    return Route(path, handler, methods=["GET"])


def _post(path: str, handler: Handler) -> Route:
    return Route(path, handler, methods=["POST"])


async def _first(request: Request) -> Response:
    """Go where whoever asks has something to see."""
    found = await who(request)
    match found.kind:
        case PrincipalKind.SUBJECT:
            return see_other("/me")
        case PrincipalKind.STAFF:
            return see_other("/staff")
        case _:
            return see_other("/sign-in")


async def _left(request: Request) -> Response:
    """Show how far the deletion of an account is, to whoever asked for it."""
    query = request.query_params
    try:
        values = await doorway_of(request).run(
            lambda home: person_leaving.left(home, query.get("reference", ""), query.get("key", ""))
        )
    except VolensError as error:
        return error_page(request, error)
    return page(request, "person/left.html", values)


async def _return(request: Request) -> Response:
    """Take the deletion of an account back."""
    form = await request.form(max_files=0, max_fields=8)
    await check_csrf(request, form)
    reference, key = str(form.get("reference", "")), str(form.get("key", ""))
    await doorway_of(request).run(
        lambda home: person_leaving.return_from_left(home, reference, key)
    )
    return see_other(f"/left?reference={reference}&key={key}")
