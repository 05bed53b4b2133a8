"""Who may be used beside everybody, in one home; opens nothing and writes nothing."""

from __future__ import annotations

from volens.app.home import Home
from volens.gate.facts import Use
from volens.insight.gap import Source
from volens.insight.population import count_people
from volens.insight.representation import Representation, represent_people


def represent(home: Home, purpose: str) -> Representation:
    """Compare the people who may be used for `purpose` now with everybody who has chats.

    Raises:
        InvalidInput: ``sample_small``.
        Denied: ``purpose_unknown``, or ``table_expired`` if the policy version has ended.
    """
    census = home.facts.census(home.policy, Use(purpose=purpose), home.clock.now())
    sources = [
        Source(key=row.key, needs_grant=row.values["needs_grant"] is True)
        for row in home.policy.pack.tables["sources"]
    ]
    return represent_people(count_people(home.main, census), sources)
