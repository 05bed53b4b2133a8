"""Every form carries the records it can, unchanged, and in the layout its readers expect."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets.world import World, batch_of, sealed_batch_of
from volens.core.errors import InvalidInput, NotFound, VerificationFailed
from volens.datasets.fitting import fits
from volens.datasets.jsonl import LinesShard, scan_lines
from volens.datasets.model import (
    ROLE_NAMES,
    Format,
    RecordBatch,
    SealedBatch,
    leaf_order,
)
from volens.datasets.parquet import ParquetShard, scan_parquet
from volens.datasets.sealed import ROW_BYTES, SealedReader, SealedWriter
from volens.vault.model import Role

LINES = [Format.TRL, Format.OPENAI, Format.SHAREGPT]
Turns = Sequence[tuple[Role, str]]
TURNS = st.lists(st.tuples(st.sampled_from(Role), st.text(max_size=12)), min_size=1, max_size=4)


def batch(rows: Sequence[tuple[bytes, Turns]], **columns: object) -> RecordBatch:
    turns = [turn for _, said in rows for turn in said]
    pieces = [text.encode() for _, text in turns]
    given_columns = {
        "leaves": b"".join(leaf for leaf, _ in rows),
        "turn_offsets": np.cumsum([0, *(len(said) for _, said in rows)], dtype=np.int32),
        "roles": np.array([role for role, _ in turns], dtype=np.uint8),
        "text": b"".join(pieces),
        "text_offsets": np.cumsum([0, *map(len, pieces)], dtype=np.int64),
        **columns,
    }
    return RecordBatch(**given_columns)  # type: ignore[arg-type]


def leaf(number: int) -> bytes:
    return bytes([number]) * 32


@st.composite
def row_lists(draw: st.DrawFn) -> list[tuple[bytes, Turns]]:
    leaves = draw(st.lists(st.binary(min_size=32, max_size=32), unique=True, max_size=6))
    return [(one, draw(TURNS)) for one in leaves]


# --- columns -----------------------------------------------------------------------------------


@given(row_lists())
def test_a_batch_gives_back_its_rows(rows: list[tuple[bytes, Turns]]) -> None:
    assert list(batch(rows).rows()) == rows


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=20))
def test_the_order_of_leaves_is_that_of_their_bytes(leaves: list[bytes]) -> None:
    order = leaf_order(b"".join(leaves)).tolist()
    assert [leaves[at] for at in order] == sorted(leaves)


@pytest.mark.parametrize(
    "change",
    [
        {"leaves": b"x" * 33},
        {"leaves": b""},
        {"turn_offsets": np.array([0, 1, 3], dtype=np.int64)},
        {"turn_offsets": np.array([0, 4, 2], dtype=np.int64)},
        {"turn_offsets": np.array([0, 2, 4], dtype=np.float64)},
        {"roles": np.array([0, 1, 2, 4], dtype=np.uint8)},
        {"text_offsets": np.array([1, 1, 2, 3, 4], dtype=np.int64)},
        {"text": b"abc"},
        {"languages": ("en",)},
    ],
)
def test_columns_that_do_not_fit_together_are_refused(change: dict[str, object]) -> None:
    rows = [(leaf(1), [(Role.USER, "a"), (Role.ASSISTANT, "b")])] * 2
    with pytest.raises(InvalidInput) as caught:
        batch(rows, **change)
    assert caught.value.code == "batch_shape"


def test_a_batch_shows_no_text_in_its_repr() -> None:
    assert "secret words" not in repr(batch([(leaf(1), [(Role.USER, "secret words")])]))


# --- what fits ---------------------------------------------------------------------------------

USER, TOOL = (Role.USER, "u"), (Role.TOOL, "t")
ASSISTANT, SYSTEM = (Role.ASSISTANT, "a"), (Role.SYSTEM, "s")


@pytest.mark.parametrize(
    ("turns", "fit"),
    [
        ([USER, ASSISTANT], True),
        ([SYSTEM, USER, ASSISTANT, USER, ASSISTANT], True),
        ([USER, ASSISTANT, USER], False),
        ([ASSISTANT], False),
        ([USER, TOOL, ASSISTANT], False),
        ([USER, (Role.ASSISTANT, "")], False),
        ([(Role.USER, ""), ASSISTANT], False),
        ([], False),
    ],
)
def test_the_fine_tuning_form_takes_what_its_published_checks_take(turns: Turns, fit: bool) -> None:
    before, after = (leaf(1), [USER, ASSISTANT]), (leaf(3), [USER, ASSISTANT])
    verdict = fits(batch([before, (leaf(2), turns), after]), Format.OPENAI)
    assert verdict.tolist() == [True, fit, True]


@pytest.mark.parametrize("form", [Format.HF, Format.TRL, Format.SHAREGPT])
def test_the_other_forms_take_every_record_with_a_turn(form: Format) -> None:
    rows = [(leaf(1), [TOOL]), (leaf(2), []), (leaf(3), [(Role.USER, "")])]
    assert fits(batch(rows), form).tolist() == [True, False, True]


def test_no_records_fit_nothing() -> None:
    assert fits(batch([]), Format.OPENAI).tolist() == []


# --- lines -------------------------------------------------------------------------------------


def write_lines(path: Path, form: Format, rows: Sequence[tuple[bytes, Turns]]) -> None:
    shard = LinesShard(path, form)
    shard.write(batch(rows), np.arange(len(rows)))
    shard.close()


def test_the_lines_are_those_that_readers_expect(tmp_path: Path) -> None:
    rows = [(leaf(10), [(Role.SYSTEM, "s"), (Role.USER, "é\n"), (Role.ASSISTANT, '"')])]
    said = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "é\n"},
        {"role": "assistant", "content": '"'},
    ]
    expected = {
        Format.TRL: {"messages": said, "record": "0a" * 32},
        Format.OPENAI: {"messages": said},
        Format.SHAREGPT: {
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "é\n"},
                {"from": "gpt", "value": '"'},
            ],
            "id": "0a" * 32,
        },
    }
    for form, line in expected.items():
        path = tmp_path / f"{form.value}.jsonl"
        write_lines(path, form, rows)
        assert json.loads(path.read_bytes()) == line
        assert path.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("form", LINES)
@given(rows=row_lists())
@settings(max_examples=25, deadline=None)
def test_lines_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, form: Format, rows: list[tuple[bytes, Turns]]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    write_lines(path, form, rows)
    assert len(path.read_text("utf-8").splitlines()) == len(rows)  # also for greedy line readers
    tallies = list(scan_lines(path, form))
    assert b"".join(t.leaves for t in tallies) == b"".join(one for one, _ in rows)
    assert sum(t.turns for t in tallies) == sum(len(said) for _, said in rows)
    size = sum(len(text.encode()) for _, said in rows for _, text in said)
    assert sum(t.payload_bytes for t in tallies) == size


def test_text_that_is_not_utf8_is_refused() -> None:
    broken = batch([(leaf(1), [(Role.USER, "é")])], text=b"\xff\xff")
    with pytest.raises(InvalidInput) as caught:
        list(broken.rows())
    assert caught.value.code == "batch_text"


# --- parquet -----------------------------------------------------------------------------------


@given(rows=row_lists(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_parquet_holds_the_rows_in_the_order_asked_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[bytes, Turns]], data: st.DataObject
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    order = data.draw(st.permutations(range(len(rows))))
    order = order[: data.draw(st.integers(0, len(order)))]
    path = tmp_path_factory.mktemp("parquet") / "x.parquet"
    shard = ParquetShard(path)
    shard.write(batch(rows), np.array(order, dtype=np.int64))
    shard.close()
    expected = [
        {
            "record": rows[at][0].hex(),
            "messages": [{"role": ROLE_NAMES[r], "content": t} for r, t in rows[at][1]],
        }
        for at in order
    ]
    assert parquet.read_table(path).to_pylist() == expected
    assert b"".join(t.leaves for t in scan_parquet(path)) == b"".join(rows[at][0] for at in order)


def test_parquet_columns_are_plain_strings_and_no_statistics_show_text(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    shard = ParquetShard(path)
    shard.write(batch_of([leaf(1), leaf(2)]), np.arange(2))
    shard.close()
    schema = parquet.read_schema(path)
    message = pa.struct(
        [
            pa.field("role", pa.string(), nullable=False),
            pa.field("content", pa.string(), nullable=False),
        ]
    )
    assert schema.field("record").type == pa.string()
    assert schema.field("messages").type.value_type == message
    group = parquet.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(at).path_in_schema: group.column(at) for at in range(3)}
    content = columns["messages.list.element.content"]
    assert not content.is_stats_set
    assert content.compression == "ZSTD"


def test_parquet_refuses_text_that_is_not_utf8_and_cuts_inside_a_character(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    two = [(leaf(1), [(Role.USER, "a"), (Role.USER, "b")])]
    for number, text in enumerate((b"\xff\xff", "é".encode())):
        shard = ParquetShard(tmp_path / f"{number}.parquet")
        with pytest.raises(InvalidInput):
            shard.write(batch(two, text=text), np.arange(1))
        shard.close()


def test_something_else_than_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no, not at all PAR1")
    with pytest.raises(VerificationFailed):
        list(scan_parquet(tmp_path / "x.parquet"))


# --- sealed ------------------------------------------------------------------------------------


def seal(folder: Path, batches: Sequence[SealedBatch]) -> bytes:
    folder.mkdir(exist_ok=True)
    writer = SealedWriter(folder, folder / ".spool")
    try:
        for one in batches:
            writer.write(one, leaf_order(one.leaves))
        return writer.close().tobytes()
    finally:
        writer.abandon()


@given(st.lists(st.binary(min_size=32, max_size=32), unique=True, max_size=12), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_every_envelope_is_found_under_its_leaf(leaves: list[bytes], parts: int) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis wants a folder for each example

    with tempfile.TemporaryDirectory() as name:
        batches = [sealed_batch_of(leaves[part::parts]) for part in range(parts)]
        assert seal(Path(name), batches) == b"".join(sorted(leaves))
        reader = SealedReader(Path(name))
        assert len(reader) == len(leaves)
        assert reader.leaves() == b"".join(sorted(leaves))
        for one in batches:
            for at in range(len(one)):
                key = one.leaves[32 * at : 32 * at + 32]
                row = reader.find(key)
                assert row is not None
                assert reader.leaf(row) == key
                start, stop = one.envelope_offsets[at], one.envelope_offsets[at + 1]
                assert reader.envelope(row) == one.envelopes[start:stop]
        if b"\x00" * 32 not in leaves:
            assert reader.find(b"\x00" * 32) is None


@pytest.mark.parametrize("row", [-1, 3, 10**6])
def test_a_row_that_is_not_there_is_not_found(tmp_path: Path, row: int) -> None:
    seal(tmp_path, [sealed_batch_of([leaf(1), leaf(2), leaf(3)])])
    reader = SealedReader(tmp_path)
    for ask in (reader.leaf, reader.envelope):
        with pytest.raises(NotFound):
            ask(row)


def test_the_same_leaf_in_two_batches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        seal(tmp_path, [sealed_batch_of([leaf(1)]), sealed_batch_of([leaf(1)])])
    assert caught.value.code == "duplicate_leaf"


def test_every_changed_byte_of_the_index_and_the_headers_is_found_or_moves_no_bound(
    tmp_path: Path,
) -> None:
    """Digests guard the whole; this is the reader alone: never a crash, never out of bounds."""
    seal(tmp_path, [sealed_batch_of([leaf(1), leaf(2), leaf(3)])])
    path = tmp_path / "records.idx"
    whole = path.read_bytes()
    assert len(whole) == 16 + 3 * ROW_BYTES
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x80
        path.write_bytes(changed)
        in_leaf = at >= 16 and (at - 16) % ROW_BYTES < 32
        if in_leaf:
            continue  # may still be in order; the digest of the file finds it
        with pytest.raises(VerificationFailed):
            SealedReader(tmp_path)


@pytest.mark.parametrize("name", ["records.vsd", "records.idx"])
@pytest.mark.parametrize("keep", [0, 3, 15, 16, 40, -1])
def test_a_cut_sealed_file_is_refused(tmp_path: Path, name: str, keep: int) -> None:
    seal(tmp_path, [sealed_batch_of([leaf(1), leaf(2)])])
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(VerificationFailed):
        SealedReader(tmp_path)


def test_an_empty_envelope_is_refused() -> None:
    with pytest.raises(InvalidInput):
        SealedBatch(
            leaves=leaf(1), envelopes=b"", envelope_offsets=np.array([0, 0], dtype=np.int64)
        )


# --- whole folders -----------------------------------------------------------------------------


def test_rows_of_a_written_group_lie_in_the_order_of_their_leaves(tmp_path: Path) -> None:
    World().build(tmp_path / "out", Format.TRL)
    lines = next((tmp_path / "out").glob("data/*.jsonl")).read_bytes().splitlines()
    leaves = [json.loads(line)["record"] for line in lines]
    assert leaves == sorted(leaves)
    assert len(leaves) == 10


def test_files_say_their_number_and_how_many_there_are(tmp_path: Path) -> None:
    World().build(tmp_path / "out", Format.OPENAI, batches=3, shard_bytes=1)
    assert sorted(path.name for path in (tmp_path / "out/data").iterdir()) == sorted(
        f"train-{number:05d}-of-00003{suffix}"
        for number in range(3)
        for suffix in (".jsonl", ".leaves")
    )
