"""What a home knows of a person besides what they said, for their own copy."""

from __future__ import annotations

from collections.abc import Iterator

from volens.app.home import Home
from volens.app.impact import certificates_for, impact_register
from volens.app.lineage import models_with
from volens.rights.disclosures import DatasetRegister
from volens.rights.export import Exporter
from volens.rights.export_facts import Sources
from volens.rights.requests import request_facts
from volens.rights.store import RequestStore
from volens.training.impact import case_facts
from volens.vault.subjects import Subject


def exporter_of(home: Home) -> Exporter:
    """Return what writes a person's own copy, in a home opened for writing.

    Raises:
        Unavailable: ``read_only``.
    """
    return Exporter(
        home.own_copy,
        home.ledger,
        home.owned_log(),
        home.signer,
        register=DatasetRegister(home.folder / "datasets", home.main),
        reports=home.reports(),
        clock=home.clock,
        sources=_sources(home),
    )


def _sources(home: Home) -> Sources:
    """Return what the rooms of a home add to a person's copy."""
    requests = RequestStore(home.main, home.recorder)
    cases = impact_register(home)

    def papers(person: Subject) -> Iterator[tuple[str, bytes]]:
        for case in cases.of_subject(person.number):
            yield from certificates_for(home, case)

    return Sources(
        holds=home.holds,
        erasures=home.erasures,
        requests=lambda person: [request_facts(one) for one in requests.of_subject(person)],
        models=lambda person: [one.facts() for one in models_with(home, person)],
        impact=lambda person: [case_facts(one) for one in cases.of_subject(person.number)],
        papers=papers,
    )
