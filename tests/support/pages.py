"""A home with something to see on every page, served on loopback by a real server in a thread."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp

from tests.support.doors import Doors, open_doors
from tests.support.models import trained_on
from volens.app.home import Home
from volens.app.retention import new_request
from volens.app.rights import rights_desk
from volens.consent.model import Act, ConsentEvent, NoticeRef
from volens.core.ids import EventId, HoldId, IdKind, format_id
from volens.core.purposes import Purpose, Signal
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.holds.model import Hold
from volens.log.kinds import (
    AccessAction,
    AccessReason,
    Actor,
    CaptureSource,
    ErasureScope,
    HoldClass,
    RequestKind,
)
from volens.rights.effects import Wish
from volens.rights.requests import Channel, VerifiedBy
from volens.server.application import application
from volens.vault.model import Conversation, Role, Turn
from volens.vault.subjects import Subject

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PERSON_PAGES = {
    "overview": "/me",
    "choices": "/me/choices",
    "choice": "/me/choices/human_feedback",
    "choice-on": "/me/choices/batch_training",
    "chats": "/me/chats",
    "seen": "/me/seen",
    "datasets": "/me/datasets",
    "timeline": "/me/timeline",
    "erasures": "/me/erasures",
    "delete-all": "/me/delete?what=history",
    "delete-account": "/me/delete?what=account",
    "export": "/me/export",
    "holds": "/me/holds",
    "rights": "/me/rights",
    "policy": "/me/policy",
    "versions": "/me/policy/versions",
    "fields": "/me/policy/fields",
}
_TALK = (
    ("A gluten-free cake for ten people", "Which flour holds best?", "A mix of rice and almond."),
    ("Moving to Lisbon", "My mail is ada@example.org, what papers do I need?", "Start with these."),
    ("Why is the sky blue?", "Explain it to a child.", "Sunlight is made of many colours."),
    ("Fix a bicycle chain", "It slips in third gear.", "Look at how worn the cassette is."),
    ("A letter to my landlord", "The heating has been off for a week.", "Here is a draft."),
)


@dataclass(frozen=True)
class Served:
    """A home behind a real server."""

    doors: Doors
    url: str


def find_browser() -> str | None:
    """Return the path of a Chromium, or None; where one has to be there, fail without one."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None and os.environ.get("VOLENS_BROWSER") == "needed":
        pytest.fail("no browser, and VOLENS_BROWSER says that one is needed")
    return path


@contextmanager
def serve_home(folder: Path) -> Iterator[Served]:
    """Fill a home, serve it on a free port of loopback, and end it in order."""
    with open_doors(folder) as doors:
        fill(doors)
        with serve_app(application(doors.doorway)) as url:
            yield Served(doors=doors, url=url)


@contextmanager
def serve_app(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port of loopback; yield its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def fill(doors: Doors) -> None:
    """Let things happen to the person: chats, a yes, a dataset, a look by staff, a deletion."""
    subject = doors.person.subject
    assert subject is not None
    clock = doors.where.clock
    doors.run(lambda home: _capture(home, subject))
    clock.step(timedelta(days=3))
    doors.run(lambda home: _say(home, subject, Purpose.BATCH_TRAINING, Act.GRANT))
    doors.run(lambda home: _say(home, subject, Purpose.SAFETY_TRAINING, Act.GRANT))
    clock.step(timedelta(days=9))
    built = doors.where.folder.parent / "built"
    use = Use(purpose=Purpose.BATCH_TRAINING.value)
    made = doors.run(lambda home: home.datasets().build(use, built))
    doors.run(lambda home: trained_on(home, made))
    clock.step(timedelta(days=5))
    doors.run(lambda home: _say(home, subject, Purpose.SAFETY_TRAINING, Act.WITHDRAW))
    doors.run(lambda home: _happen(home, subject))
    clock.step(timedelta(days=2))


def _capture(home: Home, subject: Subject) -> None:
    chats = [
        Conversation(
            source="demo",
            source_id=f"{index}",
            title=title,
            turns=(
                Turn(role=Role.USER, text=question),
                Turn(role=Role.ASSISTANT, text=answer, parent=0, rating=index % 2),
                Turn(role=Role.USER, text="Thank you. And then?", parent=1),
                Turn(role=Role.ASSISTANT, text="Then you are done.", parent=2),
            ),
        )
        for index, (title, question, answer) in enumerate(_TALK * 6)
    ]
    home.vault.capture({subject: chats}, source=CaptureSource.DEMO)


def _say(home: Home, subject: Subject, purpose: Purpose, act: Act) -> None:
    (notice,) = (
        one for one in home.policy.pack.notices if purpose in one.purposes and one.language == "en"
    )
    ref = NoticeRef(id=notice.id, language=notice.language, sha256=notice.hash)
    event = ConsentEvent(
        id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
        subject=subject.id,
        purpose=purpose,
        act=act,
        at=home.clock.now(),
        notice=ref if act is Act.GRANT else None,
        channel="web",
    )
    home.ledger.record([event])


def _happen(home: Home, subject: Subject) -> None:
    held = list(home.vault.of_subject(subject))
    asker = Asker(
        actor=Actor.SERVICE, action=AccessAction.SHOW, reason=AccessReason.SUBJECT_REQUEST
    )
    home.gate.show(held[0], subject, Use(purpose=Purpose.PROVIDE_SERVICE.value), asker)
    home.vault.set_signal(held[-2], Signal.EXCLUDED, subject.holder)
    now = home.clock.now()
    home.holds.place(
        Hold(
            id=HoldId(format_id(IdKind.HOLD, home.entropy.draw(16))),
            hold_class=HoldClass.LEGAL,
            subject=subject.id,
            conversations={held[1].id: ()},
            authority="docket-12",
            reviewer="legal-1",
            placed=now,
            until=now + timedelta(days=90),
        ),
        now,
    )
    erasure = new_request(
        home,
        home.entropy.draw(16),
        ErasureScope.CONVERSATION,
        subject,
        conversations=[held[2].id],
    )
    home.erasures.request(erasure)
    home.erasures.drain()
    rights_desk(home).open(
        subject,
        Wish(kind=RequestKind.ACCESS),
        channel=Channel.WEB,
        verified_by=VerifiedBy.SIGNED_IN,
    )
