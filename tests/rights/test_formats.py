"""The page about rights requests says what the code writes."""

import re
from pathlib import Path

from tests.docs.pages import rows, vectors
from volens.core.ids import IdKind, RequestId, format_id, parse_id
from volens.log.entries import commit
from volens.log.kinds import RequestKind, RequestOutcome
from volens.rights.drp import WISHES, wire_id
from volens.rights.effects import derived
from volens.rights.requests import (
    REASONS,
    About,
    Channel,
    ExtensionReason,
    RequestState,
    VerifiedBy,
)
from volens.rights.store import REQUEST

PAGE = "rights-requests"
PATH = f"docs/formats/{PAGE}.md"
WORD = re.compile(r"`([a-z_:-]+)`")


def words(cell: str) -> set[str]:
    return set(WORD.findall(cell))


def test_what_follows_from_a_request_is_as_the_page_says() -> None:
    page = vectors(PAGE)
    request = RequestId(page["request"])
    raw, subject = parse_id(IdKind.REQUEST, request), parse_id(IdKind.SUBJECT, page["subject"])
    assert format_id(IdKind.ERASURE, derived(request, "erasure")) == page["erasure"]
    event, purpose = page["objection"].split()
    assert format_id(IdKind.EVENT, derived(request, purpose)) == event
    assert commit(bytes.fromhex(page["salt"]), raw, subject).hex() == page["commitment"]
    assert wire_id(request) == page["uuid"]


def test_the_page_lists_every_column_and_every_word() -> None:
    table = {name: meaning for cell, meaning in rows(PATH, 2) for name in words(cell)}
    assert {column.name for column in REQUEST.c} - {"no"} <= table.keys()
    told = table | {"scope": "", "outcome": ""}
    for column, vocabulary in (
        ("kind", RequestKind),
        ("channel", Channel),
        ("state", RequestState),
        ("verified_by", VerifiedBy),
        ("extension_reason", ExtensionReason),
        ("outcome", RequestOutcome),
    ):
        meaning = table[column] if column != "outcome" else table["closed_ms"]
        assert {word.value for word in vocabulary} <= words(meaning), column
    assert {word.value for word in About if word} == words(told["about"])


def test_the_page_lists_the_reasons_of_each_outcome() -> None:
    # The last table, of statuses, names outcomes too: the first row of each counts.
    listed = {outcome: words(reasons) for outcome, reasons in reversed(rows(PATH, 2))}
    for outcome, reasons in REASONS.items():
        assert listed[f"`{outcome.value}`"] == {reason.value for reason in reasons}


def test_the_page_lists_every_action_of_agents() -> None:
    text = Path(__file__).resolve().parents[2].joinpath(PATH).read_text(encoding="utf-8")
    for exercise in WISHES:
        assert f"`{exercise.value}`" in text
