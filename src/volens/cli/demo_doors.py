"""The doors of a demo: its people and staff can be come in as, and its pages are served."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from volens.access.model import Role
from volens.app.access import accounts_of, roles_of
from volens.app.home import Home
from volens.cli.demo_tour import Tour
from volens.cli.output import DIM, GOOD, STRONG, WARN, line
from volens.core.purposes import Purpose
from volens.holds.reports import ReportReason
from volens.vault.subjects import Subject

DEMO_PORT = 8400
_ORGANISATION = "demo-company"
_ROLES_LAST = timedelta(days=30)


def add_guests(home: Home, people: Mapping[str, Subject]) -> None:
    """Give everybody an account, and let one person report a reply, so that staff have work."""
    accounts, roles = accounts_of(home), roles_of(home)
    for name, subject in people.items():
        accounts.add_person(name, subject.id)
    home.subjects.instruct(_ORGANISATION, [Purpose.BATCH_TRAINING])
    until = home.clock.now() + _ROLES_LAST
    for role in Role:
        own = _ORGANISATION if role is Role.ORGANISATION_ADMIN else None
        roles.give(accounts.add_staff(role.value, organisation=own), role, until=until)
    reporter = next(iter(people.values()))
    reported = next(iter(list(home.vault.of_subject(reporter))))
    home.reports().file(reported, because=ReportReason.WRONG, turn=1)


def serve_demo(tour: Tour, *, environment: Mapping[str, str], port: int) -> None:
    """Serve the demo's home on this machine until it is told to end."""
    # Loaded only here: the tour itself needs no server.
    from volens.door.doorway import Settings  # noqa: PLC0415 - see above
    from volens.server.listening import Listening  # noqa: PLC0415 - see above
    from volens.server.run import Serving, Started, serve  # noqa: PLC0415 - see above

    output = tour.output
    serving = Serving(
        folder=tour.folder / "home",
        listening=Listening(port=port),
        settings=Settings(public_url="", demo=True),
        environment=environment,
    )

    def started(where: Started) -> None:
        output.say(line(""), line("Look around", STRONG))
        output.say(line(f"Open {where.address}/demo in a browser.", GOOD))
        output.say(line("Ctrl-C ends it; nothing of it stays unless you said --keep.", DIM))

    serve(serving, started=started, say=lambda text: output.say(line(text, WARN)))
