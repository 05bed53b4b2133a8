"""``volens webhook``: the programs that are told of choices and erasures."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from volens.app.webhooks import (
    OVERLAP,
    TYPES,
    Endpoint,
    SigningKeys,
    add_webhook,
    enable_webhook,
    find_webhook,
    keys_of,
    remove_webhook,
    rotate_keys,
    trial_message,
    webhooks,
)
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, line, table, whole
from volens.core.canonical import Json
from volens.core.errors import Unavailable
from volens.core.time import format_moment
from volens.gateway.guard import Guard
from volens.gateway.webhooks import Sender

GROUP = new_group("Programs that are told of choices and erasures.")

WebhookArgument = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id, whk_...")]


@command(GROUP, "list")
def list_webhooks(session: Session) -> Answer:
    """List who is told, and how that goes."""
    with read_home(session) as home:
        found = webhooks(home)
        public: list[dict[str, Json]] = [
            {"public_keys": [keys.public_text for keys in keys_of(home, one)]} for one in found
        ]
    documents: list[Json] = [
        {**_document(one), **keys} for one, keys in zip(found, public, strict=True)
    ]
    document: dict[str, Json] = {"webhooks": documents}
    if not found:
        return Answer(document=document, shown=(line("Nobody is told."),))
    rows = [(one.id, one.url, _state(one), f"{one.delivered:,}") for one in found]
    return Answer(document=document, shown=(table(("!id", "address", "state", "#taken"), rows),))


@command(GROUP, "add", writes=True)
def add(
    session: Session,
    url: Annotated[str, typer.Argument(metavar="URL", help="An https address.")],
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help=f"Only this, may be repeated: {', '.join(TYPES)}."),
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Send the product's own reference of people.")
    ] = False,
) -> Answer:
    """Tell a program of every choice and erasure from now on; shows its signing keys."""
    checked = str(Guard().check_url(url))
    with write_home(session) as home:
        if session.dry_run:
            text = f"would add a webhook to {checked}"
            return Answer(document={"dry_run": True, "url": checked}, shown=(line(text),))
        endpoint = add_webhook(home, checked, types=types or (), named=reference)
        keys = keys_of(home, endpoint)[0]
    shown = (
        line(f"{endpoint.id} is told from now on.", GOOD),
        whole(f"Its signing secret: {keys.secret_text}"),
        whole(f"Or its public key: {keys.public_text}"),
        line("Give the receiver one of them; with the public key it can check and not sign.", DIM),
        line(f"Try it: volens webhook test {endpoint.id}", DIM),
    )
    return Answer(document={**_document(endpoint), **_keys(keys)}, shown=shown)


@command(GROUP, "remove", writes=True)
def remove(session: Session, webhook: WebhookArgument) -> Answer:
    """Tell a program nothing any more."""
    with write_home(session) as home:
        endpoint = find_webhook(home, webhook)
        document: dict[str, Json] = {"id": endpoint.id, "removed": not session.dry_run}
        if session.dry_run:
            would = line(f"would remove {endpoint.id}")
            return Answer(document={"dry_run": True, **document}, shown=(would,))
        remove_webhook(home, endpoint)
    return Answer(
        document=document, shown=(line(f"{endpoint.id} is told nothing any more.", GOOD),)
    )


@command(GROUP, "rotate", writes=True)
def rotate(session: Session, webhook: WebhookArgument) -> Answer:
    """Give a webhook new signing keys; for a day the old ones sign too."""
    with write_home(session) as home:
        endpoint = find_webhook(home, webhook)
        if session.dry_run:
            would = line(f"would give {endpoint.id} new keys")
            return Answer(document={"dry_run": True, "id": endpoint.id}, shown=(would,))
        endpoint = rotate_keys(home, endpoint)
        keys = keys_of(home, endpoint)[0]
    hours = int(OVERLAP.total_seconds()) // 3600
    shown = (
        line(f"{endpoint.id} has new signing keys.", GOOD),
        whole(f"Its signing secret: {keys.secret_text}"),
        whole(f"Or its public key: {keys.public_text}"),
        line(f"The former ones sign beside them for {hours} hours.", DIM),
    )
    return Answer(document={**_document(endpoint), **_keys(keys)}, shown=shown)


@command(GROUP, "enable", writes=True)
def enable(session: Session, webhook: WebhookArgument) -> Answer:
    """Tell a program again, from where it stopped."""
    with write_home(session) as home:
        endpoint = find_webhook(home, webhook)
        if session.dry_run:
            would = line(f"would enable {endpoint.id}")
            return Answer(document={"dry_run": True, "id": endpoint.id}, shown=(would,))
        endpoint = enable_webhook(home, endpoint)
    return Answer(
        document=_document(endpoint), shown=(line(f"{endpoint.id} is told again.", GOOD),)
    )


@command(GROUP, "test")
def send_trial(session: Session, webhook: WebhookArgument) -> Answer:
    """Send a message that says nothing, now, and show how the receiver answers."""
    with read_home(session) as home:
        endpoint = find_webhook(home, webhook)
        message = trial_message(home, endpoint)
        keys = keys_of(home, endpoint)
        now = int(home.clock.now().timestamp())
    attempt = asyncio.run(Sender().send(endpoint.url, message, keys, now))
    if attempt.failure:
        hint = "see that the receiver is there and answers with a status of 2xx"
        raise Unavailable("webhook_failed", f"it was not taken: {attempt.failure}", hint=hint)
    document: dict[str, Json] = {"id": endpoint.id, "message": message.id, "taken": True}
    return Answer(document=document, shown=(line(f"{endpoint.id} took it.", GOOD),))


def _keys(keys: SigningKeys) -> dict[str, Json]:
    return {"secret": keys.secret_text, "public_key": keys.public_text}


def _state(endpoint: Endpoint) -> str:
    if endpoint.disabled:
        return f"off: {endpoint.disabled} ({endpoint.failure})"
    return f"failing: {endpoint.failure}" if endpoint.failing_since else "on"


def _document(endpoint: Endpoint) -> dict[str, Json]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "types": [*endpoint.types],
        "reference": endpoint.named,
        "taken": endpoint.delivered,
        "failing_since": format_moment(endpoint.failing_since) if endpoint.failing_since else None,
        "failure": endpoint.failure,
        "disabled": endpoint.disabled,
    }
