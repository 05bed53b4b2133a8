"""Canaries planted through every feature, then erased: no file has them any more."""

import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from tests.capture.reading import chat_line, chatgpt, chatgpt_message, chatgpt_node
from tests.cli.driving import KEY, Shell
from tests.cli.test_receipt import set_mail
from tests.cli.test_rights import message
from tests.faults.looking import look, spellings
from volens.app.creation import create_home
from volens.app.home import open_home
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Entropy
from volens.datasets.manifest import LEAVES_FILE
from volens.lifecycle.probe import probe
from volens.storage.system import SystemClock, SystemEntropy

pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed")
from tests.lifecycle.mail import Box, serving

pytestmark = pytest.mark.enable_socket
FORMS = ("sealed", "hf", "trl", "openai", "sharegpt")
HELD = ("--class", "legal", "--authority", "docket-17", "--reviewer", "officer-2")
LEAF = 32
SHOWN = ("--verified-by", "signed_in")
STAYS = "what-bob-says-stays-here"
TOPICS = (
    "The gate of the old garden squeaks whenever",
    "How many lemons does one need for a cake called",
    "Our train to the coast was late because of",
    "A poem about winter and its author, who is",
    "Please translate the label on this bottle:",
    "Which birds can be seen from a balcony in",
    "Somebody left a bicycle in the hall, near",
    "Knots that hold on wet rope, such as the",
    "My grandfather repaired clocks made by",
    "Is it true that the tallest tower stands in",
    "Spell the name of the island where they speak",
    "Rules of the card game that is known as",
)
"""Chats of one person that are too much alike count once."""


@dataclass
class Planted:
    """Canaries, and what else is the person's own, by what they were planted as."""

    entropy: Entropy
    words: dict[str, bytes] = field(default_factory=dict)
    traces: dict[str, bytes] = field(default_factory=dict)
    """Ids, digests, salts, ciphertext: what stands for the person without being readable."""
    latest: set[str] = field(default_factory=set)
    """Those of the traces that were there when they were last looked for."""

    def canary(self, what: str) -> str:
        """Return a new one; letters and digits, so that no screening takes it for anything."""
        name = f"{what}{len(self.words)}"
        word = "canary" + self.entropy.draw(12).hex().translate(
            str.maketrans("0123456789", "ghijklmnop")
        )
        self.words[name] = word.encode()
        return word

    @property
    def all(self) -> dict[str, bytes]:
        return {**self.words, **self.traces}

    def trace(self, home: Path, references: list[str], shell: Shell) -> None:
        """Note what both databases have of some people now, and how they are called."""
        self.latest = set()
        for reference in references:
            subject = shell.json("subject", "show", reference)["id"]
            raw = parse_id(IdKind.SUBJECT, subject)
            self._note(f"raw {subject}", raw)
            self._note(f"text {subject}", subject.encode())
            for held in shell.json("conversation", "list", reference)["conversations"]:
                name = held["id"]
                self._note(f"raw {name}", parse_id(IdKind.CONVERSATION, name))
                self._note(f"text {name}", name.encode())
            self._rows(home, raw)

    def _rows(self, home: Path, raw: bytes) -> None:
        with closing(sqlite3.connect(home / "main.db")) as database:
            query = "SELECT no FROM subject WHERE id = ?"
            (number,) = database.execute(query, (raw,)).fetchone()
            asked = {
                "subject": "no", "leaf": "subject_no", "conversation": "subject_no",
                "block": "subject_no", "consent_event": "subject", "report": "subject_no",
                "obsolete_key": "subject_no",
            }  # fmt: skip
            for table, column in asked.items():
                key = raw if column == "subject" else number
                rows = database.execute(f"SELECT * FROM {table} WHERE {column} = ?", (key,))
                self._values(table, rows)
        with closing(sqlite3.connect(home / "keys" / "keys.db")) as database:
            rows = database.execute("SELECT * FROM key_page WHERE subject_no = ?", (number,))
            self._values("key_page", rows)

    def _values(self, table: str, rows: sqlite3.Cursor) -> None:
        columns = [column[0] for column in rows.description]
        for column, value in (pair for row in rows for pair in zip(columns, row, strict=True)):
            # the body of a choice is an open text that two people may share
            if not isinstance(value, bytes) or len(value) < 16 or column == "body":
                continue
            for at in {0, (len(value) - 16) // 2, len(value) - 16}:
                piece = value[at : at + 16]
                self._note(f"{table}.{column} {piece.hex()}", piece)

    def _note(self, name: str, needle: bytes) -> None:
        self.traces[name] = needle
        self.latest.add(name)


@dataclass
class Life:
    """A home in which two people lived through every feature."""

    shell: Shell
    planted: Planted
    tmp: Path
    given: Path
    """What left: datasets, copies of one's own, proofs, backups. It is outside the home."""
    ann: str
    eve: str
    sources: dict[str, list[str]] = field(default_factory=dict)
    leaves: dict[str, set[bytes]] = field(default_factory=dict)
    """Per dataset, the leaves of those who were erased."""
    plain: set[str] = field(default_factory=set)
    before: dict[str, set[str]] = field(default_factory=dict)
    outside: dict[str, set[str]] = field(default_factory=dict)
    """What of them is in what left; looked for at the end."""

    @property
    def inside(self) -> list[Path]:
        return [self.shell.folder, self.shell.keys, self.tmp]


# --- what is planted ------------------------------------------------------------------------------


def take_in(life: Life, who: str) -> None:
    """Import several formats; of a person who has been here, the same chats that say more now."""
    second = who in life.sources
    canary = life.planted.canary
    names = life.sources[who] if second else [canary("source") for _ in range(4)]
    life.sources[who] = names
    under = life.given / canary("folder")
    under.mkdir()

    def said(number: int) -> str:
        more = f" and {canary('later')}" if second else ""
        return f"{TOPICS[number]} {canary('text')}{more}, isn't it?"

    own = {
        "format": "volens-jsonl/1",
        "id": names[0],
        "title": f"About {canary('title')}",
        "attachments": [f"{canary('file')}.pdf"],
        "turns": [
            {"role": "user", "text": said(1)},
            {"role": "assistant", "text": f"Yes: {canary('reply')}."},
            {"role": "user", "text": f"Thanks, {canary('thanks')}."},
        ],
    }
    secret = {**own, "id": names[1], "title": canary("title"), "signal": "excluded"}
    (under / "own.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (own, secret)))
    file = {"attachments": [{"name": f"{canary('file')}.png"}]}
    nodes = [
        chatgpt_node("a", None, chatgpt_message(said(2), metadata=file)),
        chatgpt_node("b", "a", chatgpt_message(f"It is {canary('reply')}.", "assistant")),
    ]
    one = chatgpt(*nodes, current="b", title=canary("title"), conversation_id=names[2])
    (under / "conversations.json").write_text(json.dumps([one]))
    asked = {
        "uuid": "m1", "sender": "human", "text": said(3),
        "attachments": [{"file_name": canary("file"), "extracted_content": canary("attached")}],
    }  # fmt: skip
    answered = {"uuid": "m2", "sender": "assistant", "text": canary("reply")}
    claude = {"uuid": names[3], "name": canary("title"), "chat_messages": [asked, answered]}
    (under / "claude.json").write_text(json.dumps([claude]))
    (under / "lines.jsonl").write_text(json.dumps(chat_line(said(4), canary("reply"))) + "\n")
    turns = [{"from": "human", "value": said(5)}, {"from": "gpt", "value": canary("reply")}]
    (under / "shared.json").write_text(json.dumps([{"id": "1", "conversations": turns}]))
    life.shell.ok("import", under, "--subject", who)


def chats_of(life: Life, who: str) -> list[str]:
    return [one["id"] for one in life.shell.json("conversation", "list", who)["conversations"]]


def arrive(life: Life) -> None:
    shell = life.shell
    shell.ok("organisation", "instruct", "acme", "batch_training", "--keep-days", 300)
    shell.add(life.eve, "--plan", "business", "--organisation", "acme")
    said = [json.dumps(chat_line(f"{topic} {STAYS}", f"{STAYS} too")) for topic in TOPICS]
    (life.given / "bob.jsonl").write_text("\n".join(said))
    shell.ok("import", life.given / "bob.jsonl", "--subject", "bob")
    for who in (life.ann, life.eve):
        take_in(life, who)
        take_in(life, who)
        for purpose in ("batch_training", "safety_training"):
            shell.ok("consent", "grant", who, purpose, "--yes")
    shell.ok("consent", "grant", life.eve, "batch_training", "--yes", "--dataset", "spring")
    shell.ok("consent", "grant", "bob", "batch_training", "--yes")


def use(life: Life) -> None:
    shell, ann = life.shell, life.ann
    chats = chats_of(life, ann)
    shell.ok("conversation", "exclude", chats[-1])
    shell.ok("conversation", "include", chats[-1])
    shell.ok("conversation", "exclude", chats[-1])
    for name in (chats[0], chats[-1]):
        words = ("conversation", "show", name)
        shell.ok(*words)
        assert "canary" in shell.ok(*words, "--show-content").out
    shell.run("conversation", "show", chats[0], "--show-content", "--purpose", "sale")
    shell.ok("ask", ann, "batch_training")
    shell.run("ask", ann, "safety_training", "--json")
    shell.ok("consent", "receipt", ann, "batch_training", "--out", life.given / "yes.json")
    shell.ok("consent", "withdraw", ann, "safety_training")
    for form in FORMS:
        for redact in ("none", "standard"):
            out = life.given / f"{form}-{redact}"
            words = ("build", "batch_training", "--out", out, "--format", form, "--redact", redact)
            words += ("--name", "spring")
            words += () if form == "sealed" else ("--recipient", "Trainers")
            made = shell.json(*words)
            assert made["records"] > 3
            if form != "sealed":
                life.plain.add(made["dataset"])
            proof = ("prove", made["dataset"], chats[0], "--out", life.given / f"{out.name}.proof")
            shell.ok(*proof)
    for who in (ann, life.eve):
        shell.ok("export", who, "--out", life.given / f"{life.planted.canary('zip')}.zip")
    shell.ok("report", chats[0], "--because", "danger", "--turn", 1)
    shell.ok("report", chats[1], "--because", "privacy", "--subject", ann)


def claim(life: Life) -> None:
    shell, ann = life.shell, life.ann
    for kind in ("access", "portability", "objection", "do_not_sell", "restriction"):
        shell.ok("rights", "open", ann, kind, *SHOWN)
    shell.ok("rights", "open", ann, "rectification", "--about", "plan", *SHOWN)
    shell.ok("rights", "open", life.eve, "access", *SHOWN)
    file, agents = message(life.given, life.ann)
    shell.ok("rights", "drp", "receive", file, *agents, "--business", "US")
    found = shell.json("rights", "open", ann, "erasure", "--history", *SHOWN)
    shell.ok("rights", "withdraw", found["id"])
    asked = shell.json("erase", "subject", ann, "--yes")  # the agent's is the one that stands
    shell.ok("erase", "subject", ann, "--cancel")
    shell.ok("receipt", "show", asked["reference"])
    assert len(chats_of(life, ann)) > 6
    take_in(life, ann)


def keep_and_lose(life: Life) -> None:
    """Holds, carving, compacting, rotation, backup, restore, audit, records."""
    shell, ann = life.shell, life.ann
    chats = chats_of(life, ann)
    until = f"{SystemClock().now() + timedelta(days=100):%Y-%m-%d}"
    hold = shell.json("hold", "place", chats[0], "--turns", "0", *HELD, "--until", until)
    other = shell.json("hold", "place", chats[2], *HELD, "--until", until)
    shell.ok("erase", "conversation", chats[0], chats[2], "--yes", "--no-cool-off")
    done = shell.json("retention", "run")
    assert done["held"] == 1
    for one in (hold, other):
        shell.ok("hold", "release", one["id"])
    with open_home(shell.folder, writing=True) as home:
        for who in (ann, life.eve):
            home.removal.compact(home.subjects.find(who))
    shell.ok("keys", "rotate")
    shell.ok("backup", "--out", life.given / "backup")
    shutil.rmtree(shell.folder)
    shell.ok("restore", life.given / "backup")
    for words in (("processing",), ("impact",), ("inventory",), ("transparency",)):
        shell.ok("records", *words)
    shell.ok("audit", "--out", life.given / "audit")
    shell.run("doctor")
    shell.ok("retention", "preview")


def members(life: Life) -> None:
    """Note which leaf of which dataset is of those who go, before they do."""
    with closing(sqlite3.connect(life.shell.folder / "main.db")) as database:
        names = [life.shell.json("subject", "show", who)["id"] for who in (life.ann, life.eve)]
        raws = [parse_id(IdKind.SUBJECT, name) for name in names]
        query = (
            "SELECT conversation.no FROM conversation JOIN subject"
            " ON subject.no = conversation.subject_no WHERE subject.id IN (?, ?)"
        )
        theirs = {no for (no,) in database.execute(query, raws)}
    for folder in (life.shell.folder / "datasets").iterdir():
        rows = (folder / "rows.bin").read_bytes()
        leaves = (folder / LEAVES_FILE).read_bytes()
        listed = folder / "removed.leaves"
        gone = listed.read_bytes() if listed.exists() else b""
        life.leaves[folder.name] = {gone[at : at + LEAF] for at in range(0, len(gone), LEAF)} | {
            leaves[place * LEAF : (place + 1) * LEAF]
            for place in range(len(rows) // 8)
            if int.from_bytes(rows[place * 8 : place * 8 + 8], "little") in theirs
        }


def go(life: Life) -> None:
    shell = life.shell
    shell.ok("erase", "subject", life.eve, "--yes", "--no-cool-off")
    asked = shell.json("erase", "subject", life.ann, "--yes", "--no-cool-off")
    reference = asked["reference"]
    shell.ok("receipt", "show", reference, "--out", life.given / "status.json")
    while True:
        done = shell.json("retention", "run")
        if not done["due"]:
            break
        assert done["held"] == 0
    shell.ok("keys", "rotate")
    shell.ok("keys", "destroy-expired", "--now", "--yes")
    shell.ok("retention", "run")
    for suffix in ("json", "html"):
        shell.ok("receipt", "show", reference, "--out", life.given / f"receipt.{suffix}")
    shell.run("receipt", "show", reference, "--out", life.given / "receipt.pdf")  # if it can
    write_to(life, reference)
    states = {one["reference"]: one["state"] for one in shell.json("receipt", "list")["erasures"]}
    assert states[reference] == "irrecoverable", states
    shell.ok("receipt", "list")
    shell.ok("audit")
    shell.ok("backup", "--out", life.given / "backup-after")


def write_to(life: Life, reference: str) -> None:
    """Send the receipt by e-mail."""
    box = Box()
    with pytest.MonkeyPatch.context() as patch, serving(box):
        set_mail(patch, box.port)
        life.shell.ok("receipt", "send", reference, "--to", "someone@example.org")
    (life.given / "mail").write_bytes(b"".join(content for *_, content in box.taken))


@pytest.fixture(scope="session")
def _tracing() -> None:
    """Nothing is traced here."""


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    under = tmp_path_factory.mktemp("canary")
    tmp, given = under / "tmp", under / "given"
    tmp.mkdir()
    given.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(under / "kek"))
        patch.setenv("TMPDIR", str(tmp))
        patch.setenv("VOLENS_CONTACT", "Privacy office, privacy@example.org")
        patch.setattr(tempfile, "tempdir", None)
        patch.chdir(tmp)
        create_home(under / "home", environment={KEY: str(under / "kek")})
        planted = Planted(SystemEntropy())
        ann, eve = (f"{planted.canary('name')}@example.org" for _ in range(2))
        found = Life(Shell(under / "home", under / "kek"), planted, tmp, given, ann, eve)
        arrive(found)
        planted.trace(found.shell.folder, [ann, eve], found.shell)
        use(found)
        planted.trace(found.shell.folder, [ann, eve], found.shell)
        claim(found)
        keep_and_lose(found)
        planted.trace(found.shell.folder, [ann, eve], found.shell)
        members(found)
        found.before = look(found.inside, planted.all)
        go(found)
        found.outside = look([given], planted.all)
        yield found


# --- what is left ---------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", ["file", "zip", "database"])
def test_the_search_finds_a_needle_in_every_spelling_wherever_it_is(
    tmp_path: Path, packed: str
) -> None:
    needle = bytes(range(0x41, 0x41 + 16))
    for place, (_, written) in enumerate(spellings(needle)):
        folder = tmp_path / str(place)
        folder.mkdir()
        data = b"x" * 5000 + written + b"y" * 5000
        if packed == "file":
            (folder / ".left.tmp").write_bytes(data)
        elif packed == "zip":
            with zipfile.ZipFile(folder / "a", "w", zipfile.ZIP_DEFLATED) as file:
                file.writestr("b", data)
        else:
            with closing(sqlite3.connect(folder / "a.db")) as database, database:
                database.execute("CREATE TABLE t (v)")
                database.execute("INSERT INTO t VALUES (?)", (data,))
        assert list(look([folder], {"it": needle}).values()) == [{"it"}], place
        assert look([folder], {"other": needle[::-1]}) == {}


def test_what_was_said_is_in_no_file_even_before_it_is_erased(life: Life) -> None:
    assert not [path for path, names in life.before.items() if names & set(life.planted.words)]


def test_what_stands_for_a_person_was_there_before_it_was_erased(life: Life) -> None:
    """So looking for it shows something."""
    there = set().union(*life.before.values())
    assert len(life.planted.latest) > 100
    assert {name.split()[0] for name in life.planted.latest} >= {
        "raw", "key_page.sealed", "block.envelope", "conversation.content_digest", "leaf.salt",
        "subject.reference_digest", "consent_event.id", "report.salt",
    }  # fmt: skip
    assert {name for name in life.planted.latest if not name.startswith("text")} <= there


def test_after_erasing_nothing_is_left_in_any_file(life: Life) -> None:
    assert life.planted.words
    assert look(life.inside, life.planted.all) == {}
    assert probe(life.inside, life.planted.all) == []


def test_what_left_is_with_its_holders_and_each_is_told_exactly_what_to_remove(life: Life) -> None:
    everything = set().union(*life.outside.values())
    assert everything >= set(life.planted.words)  # the search can find each
    kept = life.shell.folder / "datasets"
    assert {folder.name for folder in kept.iterdir()} == set(life.leaves)
    assert len(life.plain) == 8
    for name, leaves in life.leaves.items():
        listed = kept / name / "removed.leaves"
        if name not in life.plain:  # it closed by itself
            assert not listed.exists()
            continue
        data = listed.read_bytes()
        assert len(leaves) > 5
        assert data == b"".join(sorted(leaves))
    for form in FORMS:
        for redact in ("none", "standard"):
            folder = life.given / f"{form}-{redact}"
            own = (folder / LEAVES_FILE).read_bytes()
            all_of_it = {own[at : at + LEAF] for at in range(0, len(own), LEAF)}
            (name,) = [one for one in life.leaves if (kept / one / LEAVES_FILE).read_bytes() == own]
            assert life.leaves[name] < all_of_it
            readable = left_in(life, f"{folder.name}/data") & set(life.planted.words)
            assert bool(readable) == (form != "sealed")


@pytest.mark.parametrize(
    "what", ["receipt.json", "receipt.html", "status.json", "mail", "audit/", "backup-after/"]
)
def test_no_receipt_audit_or_later_backup_names_anybody(life: Life, what: str) -> None:
    assert (life.given / what).exists()
    assert left_in(life, what) == set()


def test_an_earlier_backup_has_ids_and_nothing_readable(life: Life) -> None:
    names = left_in(life, "backup/")
    assert len(names) > 50
    assert not names & set(life.planted.words)


def left_in(life: Life, what: str) -> set[str]:
    """Return what of them is in a part of what left."""
    start = f"{life.given}/{what}"
    return set().union(*(names for path, names in life.outside.items() if path.startswith(start)))


def test_whoever_stays_has_everything(life: Life) -> None:
    chats = chats_of(life, "bob")
    assert len(chats) == len(TOPICS)
    for name in chats:
        assert STAYS in life.shell.ok("conversation", "show", name, "--show-content").out
    assert life.shell.json("ask", "bob", "batch_training")["permit"]
