"""The OpenAPI document as a source of requests: none of them ends in an error of the server."""

from collections.abc import Iterator

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from tests.api.asking import SAME_SITE, captured
from tests.support.doors import Doors, open_doors
from volens.access.model import Scope
from volens.api.application import api_application

pytestmark = pytest.mark.slow
_EXAMPLES = 40


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with open_doors(tmp_path_factory.mktemp("fuzzed")) as doors:
        yield doors


@pytest.fixture(scope="module")
def app(opened: Doors) -> FastAPI:
    made = api_application(opened.doorway, environment={})
    captured(opened.client(made, opened.service), "ada")
    return made


@pytest.fixture(scope="module")
def described(app: FastAPI) -> object:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_ends_in_an_error_of_the_server(case: Case, opened: Doors, app: FastAPI) -> None:
    headers = dict(SAME_SITE)
    cookies = {}
    if case.path.startswith("/me"):
        cookies = dict(opened.client(app, opened.person, stepped_up=True).cookies)
    else:
        token = opened.program(*Scope)  # a fresh one: fuzzing revokes what it is given
        headers["Authorization"] = f"Bearer {token.secret}"
    answer = case.call(headers=headers, cookies=cookies)
    assert answer.status_code < 500, (case.method, case.path, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"][0] == "application/problem+json"
