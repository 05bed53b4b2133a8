"""A person's copy is one, at whichever door it was started."""

import time
from pathlib import Path

from starlette.testclient import TestClient

from tests.support.doors import BASE_URL, open_doors
from volens.server.application import application


def waited_for(client: TestClient, at: str) -> str:
    for _ in range(500):
        state = str(client.get(at).json()["state"])
        if state != "running":
            return state
        time.sleep(0.01)
    return "running"


def test_a_copy_started_over_rest_is_ready_on_the_page_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    with open_doors(tmp_path) as doors:
        app = application(doors.doorway)
        with doors.client(app, doors.person, stepped_up=True) as client:
            started = client.post("/v1/me/exports", json={}, headers={"Origin": BASE_URL})
            at = started.headers["location"]
            assert waited_for(client, at) == "ready"
            page = client.get("/me/export/file")
            assert (page.status_code, page.content) == (200, client.get(f"{at}/file").content)
            assert client.post("/me/export", data=doors.csrf(client)).status_code == 303
            assert client.get(at).status_code == 404  # the former one is gone: there is one
        with doors.client(app, doors.other, stepped_up=True) as stranger:
            assert stranger.get("/me/export/file").status_code == 404
