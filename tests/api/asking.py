"""Small steps that many stories of the REST door share."""

from httpx2 import Response
from starlette.testclient import TestClient

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
PURPOSE = "batch_training"


def notice(client: TestClient, purpose: str = PURPOSE, language: str = "en") -> dict[str, str]:
    """Return what names the notice in force about a purpose."""
    found = client.get("/notices", params={"language": language}).json()["notices"]
    (one,) = [item for item in found if purpose in item["purposes"]]
    return {name: one[name] for name in ("id", "language", "sha256")}


def grant(client: TestClient, at: str = "/me", purpose: str = PURPOSE) -> Response:
    """Say yes, as a page would: look, show the notice, send."""
    etag = client.get(f"{at}/choices/{purpose}").headers["etag"]
    body = {"granted": True, "notice": notice(client, purpose)}
    headers = {"If-Match": etag, **SAME_SITE}
    return client.put(f"{at}/choices/{purpose}", json=body, headers=headers)


def withdraw(client: TestClient, at: str = "/me", purpose: str = PURPOSE) -> Response:
    """Take a yes back; it needs no look before."""
    body = {"granted": False}
    return client.put(f"{at}/choices/{purpose}", json=body, headers=SAME_SITE)


def captured(client: TestClient, subject: str, source_id: str = "one") -> str:
    """Capture one conversation by a program; return its id."""
    turns = [{"role": "user", "text": "Where is Lisbon?"}, {"role": "assistant", "text": "There."}]
    at = f"/subjects/{subject}/conversations"
    made = client.post(at, json={"source_id": source_id, "turns": turns})
    assert made.status_code == 201, made.text
    assert made.json()["kept"], made.text
    found: str = client.get(at).json()["conversations"][0]["id"]
    return found
