"""The OpenAPI document as a source of requests: none of them ends in an error of the server."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.schemas import APIOperation

from tests.api.asking import SAME_SITE, captured
from tests.support.doors import Doors, open_doors
from volens.access.model import Scope
from volens.api.application import api_application
from volens.api.check_form import PATH
from volens.door.limits import Limits
from volens.server.application import Application, application

pytestmark = pytest.mark.slow
_EXAMPLES = 25


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with open_doors(tmp_path_factory.mktemp("fuzzed")) as doors:
        yield doors


@pytest.fixture(scope="module")
def app(opened: Doors) -> Application:
    """Return what is served: the framework's routes, and checks, which it does not know."""
    below = api_application(opened.doorway, environment={})
    captured(opened.client(below, opened.service), "ada")
    return application(opened.doorway, limits=Limits(programs_a_second=1e6, programs_burst=1e6))


def _operations(app: Application) -> list[APIOperation]:
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app)
    return [found.ok() for found in schema.get_all_operations()]


def test_no_request_ends_in_an_error_of_the_server(opened: Doors, app: Application) -> None:
    operations = _operations(app)
    statuses: set[int] = set()
    for operation in operations:
        statuses |= _fuzzed(operation, opened, app)
    assert len(operations) > 60
    assert PATH in {found.path for found in operations}
    assert {200, 404, 422} <= statuses


def _fuzzed(operation: APIOperation, opened: Doors, app: Application) -> set[int]:
    """Send what the document says of one operation; return the statuses that came back."""
    statuses: set[int] = set()
    mine = operation.path.startswith("/me")
    check = operation.path == PATH
    # Somebody new: an operation may close the account that it is given.
    guest = opened.add_person(operation.label)
    person = dict(opened.client(app, guest, stepped_up=True).cookies)
    token = opened.program(*Scope).secret  # a fresh one: an operation revokes what it is given

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: Case) -> None:
        headers = {**SAME_SITE, **({} if mine else {"Authorization": f"Bearer {token}"})}
        answer = case.call(headers=headers, cookies=person if mine else {})
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (case.method, operation.path, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"][0] == "application/problem+json"

    send()
    if check:
        assert 200 in statuses  # what the document describes is taken
    return statuses
