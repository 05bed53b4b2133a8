"""A folder verifies, and any change to it is found: by accident, by a stranger, by the signer."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.world import OTHER_SIGNER, SIGNER, World
from volens.core.errors import NotFound, VerificationFailed, VolensError
from volens.datasets.attachments import Attachments
from volens.datasets.durable import digest_file
from volens.datasets.leaves import LeafTree
from volens.datasets.manifest import FileRef, Manifest, parse_manifest
from volens.datasets.model import Format
from volens.datasets.verify import verify_dataset

VECTORS = Path(__file__).parent / "vectors"
FORMS = list(Format)
PLAIN = [form for form in FORMS if form is not Format.SEALED]


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def refused(folder: Path) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as caught:
        verify_dataset(folder, SIGNER.verifier)
    return caught.value


@pytest.mark.parametrize("form", FORMS)
def test_the_committed_vectors_verify(form: Format) -> None:
    report = verify_dataset(VECTORS / form.value, SIGNER.verifier)
    assert (report.format, report.counts.records) == (form, 10)
    assert report.signed_by == SIGNER.name
    assert ("turns" in report.stated_only) is (form is Format.SEALED)


@pytest.mark.parametrize("form", FORMS)
def test_a_dataset_of_several_files_and_batches_verifies(tmp_path: Path, form: Format) -> None:
    manifest = World().build(tmp_path / "out", form, batches=4, shard_bytes=150)
    report = verify_dataset(tmp_path / "out", SIGNER.verifier)
    assert report.merkle_root == manifest.merkle_root
    assert report.counts == manifest.counts


@pytest.mark.parametrize("form", [Format.SEALED, Format.HF, Format.TRL, Format.SHAREGPT])
def test_an_empty_dataset_verifies(tmp_path: Path, form: Format) -> None:
    World().build(tmp_path / "out", form, members=0)
    assert verify_dataset(tmp_path / "out", SIGNER.verifier).counts.records == 0


@pytest.mark.parametrize("form", FORMS)
def test_another_key_does_not_verify_it(form: Format) -> None:
    with pytest.raises(VerificationFailed):
        verify_dataset(VECTORS / form.value, OTHER_SIGNER.verifier)


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify_dataset(tmp_path / "nothing", SIGNER.verifier)


def flip_bytes(tmp_path: Path, form: Format, step: Callable[[int], int]) -> None:
    """Change bytes of every file, one at a time, and see each change found."""
    out = tmp_path / "out"
    shutil.copytree(VECTORS / form.value, out)
    for path in files_of(out):
        whole = path.read_bytes()
        for at in range(0, len(whole), step(len(whole))):
            changed = bytearray(whole)
            changed[at] ^= 1 << (at % 8)
            path.write_bytes(changed)
            refused(out)
        path.write_bytes(whole)
    verify_dataset(out, SIGNER.verifier)


@pytest.mark.parametrize("form", FORMS)
def test_changed_bytes_all_over_every_file_are_found(tmp_path: Path, form: Format) -> None:
    flip_bytes(tmp_path, form, lambda size: max(1, size // 24))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_changed_byte_of_every_file_is_found(tmp_path: Path, form: Format) -> None:
    flip_bytes(tmp_path, form, lambda _: 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_dropped_a_cut_and_a_grown_file_are_found(tmp_path: Path, form: Format) -> None:
    out = tmp_path / "out"
    shutil.copytree(VECTORS / form.value, out)
    for path in files_of(out):
        whole = path.read_bytes()
        path.unlink()
        error = refused(out)
        assert path.name in error.message
        assert "missing" in error.message
        path.write_bytes(whole[:-1])
        refused(out)
        path.write_bytes(whole + b"\n")
        refused(out)
        path.write_bytes(b"")
        refused(out)
        path.write_bytes(whole)
    verify_dataset(out, SIGNER.verifier)


@pytest.mark.parametrize("name", ["data/extra.jsonl", "note.txt", "data/.hidden", "more/x"])
def test_a_file_that_the_manifest_does_not_name_is_found(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    shutil.copytree(VECTORS / "trl", out)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_bytes(b"{}")
    error = refused(out)
    assert error.code == "dataset_files"
    assert "not named" in error.message or "not a plain file" in error.message


def test_a_link_in_place_of_a_file_is_found(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(VECTORS / "trl", out)
    card = out / "README.md"
    shutil.copy(card, tmp_path / "elsewhere")
    card.unlink()
    card.symlink_to(tmp_path / "elsewhere")
    assert refused(out).code == "dataset_files"


def test_parts_of_another_signed_dataset_are_found(tmp_path: Path) -> None:
    world = World()
    world.build(tmp_path / "one", Format.TRL, members=5)
    world.build(tmp_path / "two", Format.TRL, members=6)
    for path in files_of(tmp_path / "two"):
        name = path.relative_to(tmp_path / "two")
        mixed = tmp_path / "mixed"
        shutil.copytree(tmp_path / "one", mixed)
        if (tmp_path / "one" / name).read_bytes() != path.read_bytes():
            shutil.copy(path, mixed / name)
            refused(mixed)
        shutil.rmtree(mixed)


# --- a dishonest signer: everything is signed and logged again after the change ----------------


def sign_again(out: Path, world: World, **changes: object) -> None:
    """Bind whatever lies in `out` now with new, valid signatures and log entries."""
    old = parse_manifest((out / "manifest.json").read_bytes())
    leaves = (out / "manifest.leaves").read_bytes()
    files = {
        name: FileRef(sha256=digest_file(out / name), size_bytes=(out / name).stat().st_size)
        for name in (path.relative_to(out).as_posix() for path in files_of(out))
        if name.startswith("data/") or name in old.files
    }
    given = {
        "files": files,
        "merkle_root": LeafTree(leaves).root(),
        "leaves_sha256": digest_file(out / "manifest.leaves"),
        **changes,
    }
    manifest: Manifest = dataclasses.replace(old, **given)  # type: ignore[arg-type]
    attachments: Attachments = world.attach(manifest)
    (out / "manifest.json").write_bytes(manifest.to_bytes())
    (out / "statement.dsse.json").write_bytes(attachments.statement)
    (out / "done.entry").write_bytes(attachments.done_entry)
    (out / "done.tlog-proof").write_bytes(attachments.done_proof)


def counted(out: Path, **changes: int) -> dict[str, object]:
    old = parse_manifest((out / "manifest.json").read_bytes())
    return {"counts": dataclasses.replace(old.counts, **changes)}


def test_signing_again_without_a_change_still_verifies(tmp_path: Path) -> None:
    world = World()
    world.build(tmp_path / "out", Format.TRL)
    sign_again(tmp_path / "out", world)
    verify_dataset(tmp_path / "out", SIGNER.verifier)


@pytest.mark.parametrize("form", [Format.TRL, Format.SHAREGPT, Format.OPENAI])
@pytest.mark.parametrize("change", ["drop", "double", "blank", "space"])
def test_rows_that_do_not_match_the_leaves_are_found(
    tmp_path: Path, form: Format, change: str
) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, form)
    path = next(out.glob("data/*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines = {
        "drop": lines[1:],
        "double": [*lines, lines[0]],
        "blank": [*lines, b"\n"],
        "space": [lines[0].replace(b":", b": ", 1), *lines[1:]],
    }[change]
    path.write_bytes(b"".join(lines))
    sign_again(out, world)
    assert refused(out).code in {"data_form", "rows", "dataset_unreadable"}


def test_a_leaf_without_a_row_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, Format.TRL, members=5)
    more = sorted(person.leaf(world.raw) for person in world.people[:6])
    (out / "manifest.leaves").write_bytes(b"".join(more))
    sign_again(out, world, **counted(out, records=6))
    assert refused(out).code == "rows"


@pytest.mark.parametrize("form", FORMS)
def test_counts_that_do_not_add_up_are_found(tmp_path: Path, form: Format) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, form)
    sign_again(out, world, **counted(out, payload_bytes=1))
    assert refused(out).code == "rows"


@pytest.mark.parametrize("form", PLAIN)
def test_turns_that_do_not_add_up_are_found_in_plain_forms(tmp_path: Path, form: Format) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, form)
    sign_again(out, world, **counted(out, turns=21))
    assert refused(out).code == "rows"


@pytest.mark.parametrize("form", FORMS)
def test_leaves_out_of_order_are_found(tmp_path: Path, form: Format) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, form)
    leaves = (out / "manifest.leaves").read_bytes()
    (out / "manifest.leaves").write_bytes(leaves[32:] + leaves[:32])
    sign_again(out, world)
    assert refused(out).code == "leaves"


def test_a_leaf_that_stands_twice_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, Format.TRL)
    leaves = (out / "manifest.leaves").read_bytes()
    (out / "manifest.leaves").write_bytes(leaves[:32] + leaves[:-32])
    sign_again(out, world)
    assert refused(out).code == "leaves"


def test_another_number_or_digest_of_leaves_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, Format.TRL)
    sign_again(out, world, **counted(out, records=9))
    assert refused(out).code == "leaves"
    sign_again(out, world, **counted(out, records=10), leaves_sha256=b"\x66" * 32)
    assert refused(out).code == "leaves"


def test_a_file_of_another_size_than_the_manifest_says_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    manifest = world.build(out, Format.TRL)
    longer = dataclasses.replace(manifest.files["README.md"], size_bytes=1)
    sign_again(out, world, files={**manifest.files, "README.md": longer})
    assert refused(out).code == "file_size"


def test_another_root_than_that_of_the_leaves_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, Format.TRL)
    sign_again(out, world, merkle_root=b"\x77" * 32)
    assert refused(out).code == "leaves"


def test_a_parquet_file_with_other_rows_or_columns_is_found(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    world, out = World(), tmp_path / "out"
    world.build(out, Format.HF)
    path = next(out.glob("data/*.parquet"))
    table = parquet.read_table(path)
    names = table["record"].to_pylist()

    def named(changed: list[str]) -> object:
        return table.set_column(0, table.field(0), [arrow.array(changed)])

    said = table["messages"].to_pylist()
    said[0][0]["role"] = "wizard"
    edits = {
        "other role": table.set_column(1, table.field(1), [arrow.array(said, table.field(1).type)]),
        "capitals": named([name.upper() for name in names]),
        "shifted": named([names[0] + names[1][:1], names[1][1:], *names[2:]]),
        "spaced": named([" " + names[0], *names[1:]]),
        "dropped": table.slice(1),
        "swapped in": table.take([0, *range(len(table) - 1)]),
        "other column": table.append_column("extra", table["record"]),
        "less columns": table.select(["record"]),
    }
    for name, edited in edits.items():
        parquet.write_table(edited, path)
        sign_again(out, world)
        assert refused(out).code in {"rows", "data_form", "dataset_unreadable"}, name


def test_a_sealed_index_that_points_elsewhere_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, Format.SEALED)
    path = out / "data/records.idx"
    whole = path.read_bytes()
    rows = np.frombuffer(whole[16:], dtype=np.uint8).reshape(-1, 44).copy()
    for column in (32, 40):  # offset, length
        changed = rows.copy()
        changed[[2, 3], column : column + 4] = changed[[3, 2], column : column + 4]
        changed[2, column] ^= 1
        path.write_bytes(whole[:16] + changed.tobytes())
        sign_again(out, world)
        assert refused(out).code == "sealed_form"


def test_a_sealed_dataset_with_another_data_file_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, Format.SEALED)
    (out / "data/plain.jsonl").write_bytes(b'{"messages":[]}\n')
    sign_again(out, world)
    assert refused(out).code == "dataset_files"


@pytest.mark.parametrize(
    "change",
    [
        {"manifest_root": b"\x01" * 32},
        {"records": 9},
        {"intent": 0},
        {"disclosure": False},
        {"policy_hash": b"\x02" * 32},
    ],
)
def test_a_log_entry_that_says_something_else_is_found(
    tmp_path: Path, change: dict[str, object]
) -> None:
    world, out = World(), tmp_path / "out"
    manifest = world.build(out, Format.TRL)
    attachments = world.attach(manifest, **change)
    (out / "done.entry").write_bytes(attachments.done_entry)
    (out / "done.tlog-proof").write_bytes(attachments.done_proof)
    assert "done.entry" in refused(out).message


def test_a_later_checkpoint_in_place_of_the_named_one_is_found(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, Format.TRL)
    (out / "checkpoint").write_bytes(world.log.checkpoint())
    assert "checkpoint" in refused(out).message


def test_a_proof_with_data_that_nobody_signed_is_found(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(VECTORS / "trl", out)
    path = out / "done.tlog-proof"
    head, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(head + b"\nextra AAAA\n" + rest)
    refused(out)


@pytest.mark.parametrize("form", [Format.TRL, Format.SHAREGPT])
@pytest.mark.parametrize("line", ["null", "[]", "{}", '{"messages":null}', '{"messages":[1]}', "x"])
def test_lines_that_are_no_records_are_refused_not_crashed_on(
    tmp_path: Path, form: Format, line: str
) -> None:
    world, out = World(), tmp_path / "out"
    world.build(out, form)
    next(out.glob("data/*.jsonl")).write_text(line + "\n")
    sign_again(out, world)
    assert refused(out).code == "data_form"


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(VECTORS / "trl", out)
    document = json.loads((out / "manifest.json").read_bytes())
    document["version"] = "volens-manifest/v2"
    (out / "manifest.json").write_text(json.dumps(document))
    error: VolensError = refused(out)
    assert error.code == "manifest_form"
