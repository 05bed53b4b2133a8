"""Every answer says what a browser may do with it, and a nonce is never used twice."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.ports import SeededEntropy
from volens.door.headers import SecurityHeaders, content_security_policy


def _nonce(request: Request) -> Response:
    return PlainTextResponse(request.state.nonce, headers={"Cache-Control": "max-age=60"})


def _own_policy(request: Request) -> Response:
    del request
    return PlainTextResponse("", headers={"Content-Security-Policy": "default-src *"})


def client(*, secure: bool = False, embedded_by: tuple[str, ...] = ()) -> TestClient:
    inner = Starlette(routes=[Route("/", _nonce), Route("/own", _own_policy)])
    app = SecurityHeaders(inner, secure=secure, entropy=SeededEntropy(), embedded_by=embedded_by)
    return TestClient(app)


def test_the_policy_allows_the_scripts_of_this_very_answer_and_nothing_from_elsewhere() -> None:
    answer = client().get("/")
    assert answer.headers["content-security-policy"] == content_security_policy(answer.text)
    assert content_security_policy("N") == (
        "default-src 'none'; script-src 'nonce-N'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def test_no_two_answers_have_the_same_nonce() -> None:
    asking = client()
    assert len({asking.get("/").text for _ in range(20)}) == 20


@pytest.mark.parametrize("path", ["/", "/own", "/not-there"])
def test_every_answer_has_them_errors_too_and_no_route_can_loosen_the_policy(path: str) -> None:
    headers = client().get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'nonce-")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_nothing_is_stored_unless_the_route_says_so() -> None:
    assert client().get("/not-there").headers["cache-control"] == "no-store"
    assert client().get("/").headers["cache-control"] == "max-age=60"


def test_only_over_tls_is_tls_asked_for_from_now_on() -> None:
    assert "strict-transport-security" not in client().get("/").headers
    told = client(secure=True).get("/").headers["strict-transport-security"]
    assert told.startswith("max-age=31536000")


def test_a_product_that_is_named_may_show_pages_in_a_frame_and_nobody_else() -> None:
    headers = client(embedded_by=("https://chat.example",)).get("/").headers
    assert headers["content-security-policy"].endswith("frame-ancestors https://chat.example")
    assert "x-frame-options" not in headers
