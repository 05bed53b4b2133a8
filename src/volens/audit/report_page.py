"""The audit report as a page for people; the signed JSON is the report, this only shows it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from volens.audit.model import Outcome
from volens.audit.page import badge, bars, bullets, heading, page, paragraph, table

_SAID = {
    Outcome.HELD: ("held", "good"),
    Outcome.VIOLATED: ("broken", "bad"),
    Outcome.NOT_CHECKED: ("not looked at", "warn"),
}


def report_page(document: Mapping[str, Any]) -> str:
    """Return the page of a verified report.

    Args:
        document: as `report.verify_report` returns it.
    """
    counts = document["counts"]
    failed = counts[Outcome.VIOLATED] + counts[Outcome.NOT_CHECKED]
    total = len(document["checks"])
    first = (
        f"All {total} checks held."
        if not failed
        else f"{failed} of {total} checks did not hold or could not be looked at."
    )
    body = [
        paragraph(first, style="bad" if counts[Outcome.VIOLATED] else "warn" if failed else "good"),
        bars(
            "Checks by outcome",
            [(said, counts[outcome], style) for outcome, (said, style) in _SAID.items()],
        ),
        table(("what", "value"), _facts(document)),
        heading("Every check"),
        *(_check(one) for one in document["checks"]),
        heading("What this shows, and what it does not"),
        paragraph(
            "The checks ran on the live home, with its own keys for key pages and without opening "
            "any conversation. The report is signed with the key of the log. It shows that nothing "
            "was found; whoever holds that key could also sign a false report. Compare the log's "
            "root with a witness, and run the checks on a copy of your own."
        ),
    ]
    return page(f"Privacy audit of {document['origin']}", body)


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    policy, log, counts = document["policy"], document["log"], document["counts"]
    return [
        *((f"checks {said}", str(counts[outcome])) for outcome, (said, _) in _SAID.items()),
        ("when", document["at"]),
        ("home", f"{document['region']}, {document['realm']}"),
        ("policy", f"{policy['name']} {policy['version']}, sha256 {policy['sha256']}"),
        ("log", f"{log['size']:,} entries, root {log['root'] or 'not known'}"),
        ("made by", document["software"]),
        ("next one", f"within {document['every_days']} days"),
    ]


def _check(one: Mapping[str, Any]) -> str:
    said, style = _SAID[Outcome(one["outcome"])]
    lines = [
        f"<section>{heading(one['promise'], level=3)}",
        f"<p>{badge(said, style)} {_small(one)}</p>",
    ]
    if one["not_checked"]:
        lines.append(paragraph(f"Not looked at: {one['not_checked']}", style="warn"))
    lines.append(bullets([_finding(each) for each in one["violations"]]))
    lines.append(bullets([f"Note: {_finding(each)}" for each in one["remarks"]]))
    return "".join([*lines, "</section>"])


def _small(one: Mapping[str, Any]) -> str:
    rows = ", ".join(one["rows"])
    told = f"{one['id']}, {rows}, {one['looked_at']:,} looked at: {one['how']}"
    return f'<span class="dim">{escape(told)}</span>'


def _finding(one: Mapping[str, Any]) -> str:
    places = ", ".join(map(str, one["numbers"]))
    more = ", and more" if one["count"] > len(one["numbers"]) > 0 else ""
    return f"{one['text']}: {one['count']:,}" + (f" (no. {places}{more})" if places else "")
