"""The world of the build benchmark: one home, and what each contender starts from.

The home is made through the product's own doors: accounts added, conversations captured, consents
granted with the notice of the policy in force. Beside it lie, with the same conversations:

* ``plain.db``: the same blocks in the clear, of consenting people only, and the same conversations
  once more with one row for each;
* ``oracle.parquet``: the records of consenting people only, written as the product writes them;
* ``all.parquet`` and ``consents.parquet``: everybody's records with a subject number, and who said
  yes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.bench.build_dialogues import dialogues
from volens.consent.model import Act, ConsentEvent, NoticeRef
from volens.core.errors import InvalidInput
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.core.regions import Region
from volens.log.kinds import CaptureSource
from volens.storage.engine import open_database
from volens.vault.blocks import Entry, pack_body
from volens.vault.changes import BLOCK_BYTES
from volens.vault.model import ROOT, Conversation, Role, Turn, pack_payload
from volens.vault.subjects import NewSubject, Subject

PURPOSE = Purpose.BATCH_TRAINING
SCHEMA = pa.schema(
    [
        pa.field("record", pa.string(), nullable=False),
        pa.field(
            "messages",
            pa.list_(
                pa.field(
                    "element",
                    pa.struct(
                        [
                            pa.field("role", pa.string(), nullable=False),
                            pa.field("content", pa.string(), nullable=False),
                        ]
                    ),
                    nullable=False,
                )
            ),
            nullable=False,
        ),
    ]
)
"""The columns of the product's Parquet form."""
_STEP = 10_000
_SUBJECTS_STEP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large a world is, and of what kind."""

    conversations: int
    per_subject: int = 10
    consent: float = 0.3
    """Share of people who said yes, in 0..1."""
    mean_bytes: int = 2048
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a world's files are."""

    folder: Path

    @property
    def home(self) -> Path:
        """Return the home."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """Return what names the custody folder of the home's keys."""
        return {"VOLENS_KEK_DIR": str(self.folder / "custody")}

    @property
    def plain(self) -> Path:
        """Return the unencrypted, pre-filtered database."""
        return self.folder / "plain.db"

    @property
    def oracle(self) -> Path:
        """Return the Parquet file of consenting people's records."""
        return self.folder / "oracle.parquet"

    @property
    def everybody(self) -> Path:
        """Return the Parquet file of all records."""
        return self.folder / "all.parquet"

    @property
    def consents(self) -> Path:
        """Return the Parquet file of who said yes."""
        return self.folder / "consents.parquet"


def make_world(folder: Path, sizes: Sizes) -> Places:
    """Make a world in `folder`, which must not exist.

    Raises:
        InvalidInput: ``bench_sizes`` if people and conversations don't divide.
    """
    if sizes.conversations % sizes.per_subject or _STEP % sizes.per_subject:
        raise InvalidInput("bench_sizes", "conversations must be a multiple of those for a subject")
    folder.mkdir(parents=True)
    places = Places(folder=folder)
    create_home(places.home, environment=places.environment)
    consenting = _choose(sizes)
    with open_home(places.home, writing=True, environment=places.environment) as home:
        _add_people(home, consenting)
        _fill(home, places, sizes, consenting)
    pq.write_table(
        pa.table({"subject": np.arange(1, len(consenting) + 1), "granted": consenting}),
        places.consents,
    )
    return places


def remove_world(places: Places) -> None:
    """Remove a world and everything made from it."""
    shutil.rmtree(places.folder, ignore_errors=True)


def parquet_writer(path: Path, schema: pa.Schema = SCHEMA) -> pq.ParquetWriter:
    """Return a writer with the product's options: zstd, no dictionary or bounds of content."""
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=["messages.list.element.role"],
        write_statistics=["record"],
    )


def _choose(sizes: Sizes) -> npt.NDArray[np.bool_]:
    """Return who says yes: scattered, and exactly the share that was asked for."""
    people = sizes.conversations // sizes.per_subject
    chosen = np.zeros(people, dtype=np.bool_)
    chosen[: max(1, round(people * sizes.consent))] = True
    np.random.default_rng(sizes.seed).shuffle(chosen)
    return chosen


def _add_people(home: Home, consenting: npt.NDArray[np.bool_]) -> None:
    notice = _notice(home)
    for first in range(0, len(consenting), _SUBJECTS_STEP):
        some = consenting[first : first + _SUBJECTS_STEP].tolist()
        people = home.subjects.add(
            [
                NewSubject(reference=f"person-{first + place}", plan="free", region=Region.EU)
                for place in range(len(some))
            ]
        )
        granting = [person for person, yes in zip(people, some, strict=True) if yes]
        home.ledger.record(
            [
                ConsentEvent(
                    id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
                    subject=person.id,
                    purpose=PURPOSE,
                    act=Act.GRANT,
                    at=home.clock.now(),
                    notice=notice,
                )
                for person in granting
            ]
        )


def _notice(home: Home) -> NoticeRef:
    found = next(n for n in home.policy.pack.notices if PURPOSE in n.purposes)
    return NoticeRef(id=found.id, language=found.language, sha256=found.hash)


def _fill(home: Home, places: Places, sizes: Sizes, consenting: npt.NDArray[np.bool_]) -> None:
    """Capture everything, and write the same records for the other contenders."""
    model = dialogues(seed=sizes.seed, mean_bytes=sizes.mean_bytes)
    with_subject = SCHEMA.append(pa.field("subject", pa.int64(), nullable=False))
    plain = open_database(places.plain)
    with plain.begin() as db:
        db.exec_driver_sql(
            "CREATE TABLE payload (no INTEGER PRIMARY KEY, subject_no INTEGER, payload BLOB)"
        )
        db.exec_driver_sql(
            "CREATE TABLE body (no INTEGER PRIMARY KEY, subject_no INTEGER, body BLOB)"
        )
    everybody = parquet_writer(places.everybody, with_subject)
    oracle = parquet_writer(places.oracle)
    with everybody, oracle:
        for first in range(0, sizes.conversations, _STEP):
            said = list(model.write(first, min(_STEP, sizes.conversations - first)))
            conversations = [conversation_of(first + n, turns) for n, turns in enumerate(said)]
            people = _by_person(home, first, conversations, sizes.per_subject)
            home.vault.capture(people, source=CaptureSource.IMPORT)
            subjects = 1 + np.arange(first, first + len(said)) // sizes.per_subject
            mask = consenting[subjects - 1]
            _add_plain(plain, first, conversations, mask, sizes.per_subject)
            table = _table(first, said)
            everybody.write_table(table.append_column(with_subject.field("subject"), [subjects]))
            oracle.write_table(table.filter(pa.array(mask)))
    plain.dispose()


def _add_plain(
    plain: Engine,
    first: int,
    conversations: Sequence[Conversation],
    mask: npt.NDArray[np.bool_],
    each: int,
) -> None:
    """Write what may be used in blocks as the vault makes them, and in rows."""
    rows, blocks = [], []
    waiting: list[Entry] = []
    size = 0
    places = np.flatnonzero(mask).tolist()
    for index, place in enumerate(places):
        number, payload = first + place + 1, pack_payload(conversations[place])
        subject = 1 + (first + place) // each
        rows.append((number, subject, payload))
        waiting.append(Entry(number=number, batch=1, position=place, payload=payload))
        size += len(payload)
        next_place = places[index + 1] if index + 1 < len(places) else -1
        if next_place < 0 or 1 + (first + next_place) // each != subject or size > BLOCK_BYTES:
            blocks.append((subject, pack_body(waiting)))
            waiting, size = [], 0
    if rows:
        with plain.begin() as db:
            db.exec_driver_sql("INSERT INTO payload VALUES (?, ?, ?)", rows)
            db.exec_driver_sql("INSERT INTO body (subject_no, body) VALUES (?, ?)", blocks)


def _by_person(
    home: Home, first: int, conversations: Sequence[Conversation], each: int
) -> dict[Subject, Sequence[Conversation]]:
    return {
        home.subjects.by_number(1 + (first + begin) // each): conversations[begin : begin + each]
        for begin in range(0, len(conversations), each)
    }


def conversation_of(number: int, turns: Sequence[str]) -> Conversation:
    """Return a made-up dialogue as a conversation to capture."""
    return Conversation(
        source="bench",
        source_id=str(number),
        title=f"Chat {number}",
        language="en",
        turns=tuple(
            Turn(
                role=Role.USER if place % 2 == 0 else Role.ASSISTANT,
                text=text,
                parent=place - 1 if place else ROOT,
            )
            for place, text in enumerate(turns)
        ),
    )


def _table(first: int, said: Sequence[Sequence[str]]) -> pa.Table:
    """Return records as the product's Parquet form has them; `record` is a number here."""
    texts = [text for turns in said for text in turns]
    roles = np.array(["user", "assistant"], dtype=object)[
        np.concatenate([np.arange(len(turns)) % 2 for turns in said])
    ]
    offsets = np.cumsum([0, *map(len, said)]).astype(np.int32)
    list_type: Any = SCHEMA.field("messages").type
    message = pa.StructArray.from_arrays(
        [pa.array(roles, pa.string()), pa.array(texts, pa.string())],
        fields=list(list_type.value_type),
    )
    names = pa.array([f"{first + number:064x}" for number in range(len(said))], pa.string())
    messages = pa.ListArray.from_arrays(pa.array(offsets), message, type=list_type)
    return pa.Table.from_arrays([names, messages], schema=SCHEMA)
