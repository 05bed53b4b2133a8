"""A small OpenID provider on loopback that can be told to lie (OpenID Connect Core 1.0, 3.1)."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

Claims = dict[str, Any]


@dataclass
class FakeProvider:
    """Signs one person in, whoever comes; `lie` changes the claims before they are signed."""

    address: str
    client_id: str = "volens"
    client_secret: str = "not-so-secret"
    user: str = "user-1"
    reference: str = "ada"
    now: Callable[[], int] = lambda: int(time.time())
    lie: Callable[[Claims], None] = lambda claims: claims.update()
    said_issuer: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one"}))
    signing_key: ECKey | None = None
    unsigned: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def about(self) -> Claims:
        return {
            "issuer": self.said_issuer or self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser is sent back to."""
        self.asked.append(query)
        assert query["response_type"] == "code"
        assert query["client_id"] == self.client_id
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> Claims | None:
        """Return the tokens for a code, once, to who holds the proof key and the secret."""
        known = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        made = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
        good = (
            asked is not None
            and authorization == f"Basic {known}"
            and challenge == asked["code_challenge"]
            and form.get("redirect_uri") == asked["redirect_uri"]
        )
        if not good or asked is None:
            return None
        now = self.now()
        claims: Claims = {
            "iss": self.address,
            "sub": self.user,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            "reference": self.reference,
        }
        self.lie(claims)
        if self.unsigned:
            parts = [json.dumps(one).encode() for one in ({"alg": "none"}, claims)]
            text = ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts)
            signed = f"{text}."
        else:
            key = self.signing_key or self.key
            signed = jwt.encode({"alg": "ES256", "kid": "one"}, claims, key)
        return {"access_token": "a", "token_type": "Bearer", "id_token": signed}


@contextmanager
def provider() -> Iterator[FakeProvider]:
    """Run a provider until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made = FakeProvider(address=f"http://127.0.0.1:{server.server_address[1]}")
    vars(server)["provider"] = made
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found: FakeProvider = vars(self.server)["provider"]
        path = urlsplit(self.path)
        if path.path == "/.well-known/openid-configuration":
            self._send(200, found.about())
        elif path.path == "/keys":
            self._send(200, KeySet([found.key]).as_dict(private=False))
        elif path.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(path.query).items()}
            self.send_response(302)
            self.send_header("Location", found.authorize(query))
            self.end_headers()
        else:
            self._send(404, {})

    def do_POST(self) -> None:
        found: FakeProvider = vars(self.server)["provider"]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        answer = found.token(form, self.headers.get("Authorization", ""))
        self._send(200 if answer else 400, answer or {"error": "invalid_grant"})

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def _send(self, status: int, document: Claims) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
