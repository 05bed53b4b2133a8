"""The one way a dataset folder comes to be: staged, described, logged, sealed into place.

1. `Staging.open` makes a hidden folder beside OUT.
2. `write` takes the records, batch by batch.
3. `finish` completes the data files and writes card, description, leaves and manifest. The caller
   now knows the root, signs the statement and logs ``dataset.done``.
4. `seal` adds statement, checkpoint, entry and proof, checks them against the manifest, syncs
   everything and renames the folder to OUT.

If it stops before the rename there is no OUT, only a staging folder whose lock is free; the next
run for the same OUT removes it. If it stops after the rename, OUT is complete. An entry
``dataset.done`` without a dataset is possible (a stop between 3 and 4) and harmless: it says more
was made than exists.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from volens.core.errors import InvalidInput
from volens.datasets.attachments import Attachments, verify_attachments
from volens.datasets.card import render_card
from volens.datasets.croissant import render_croissant
from volens.datasets.durable import (
    claim_staging,
    digest_file,
    discard,
    publish,
)
from volens.datasets.fitting import OPENAI_LEAST_RECORDS, UNFIT, fits
from volens.datasets.jsonl import LINE_FORMS, SIDE_SUFFIX, LinesShard, has_side_file
from volens.datasets.leaves import LeafTree, sort_in_place
from volens.datasets.manifest import (
    CHECKPOINT_FILE,
    DONE_ENTRY_FILE,
    DONE_PROOF_FILE,
    LEAVES_FILE,
    MANIFEST_FILE,
    STATEMENT_FILE,
    Counts,
    Facts,
    FileRef,
    Manifest,
)
from volens.datasets.model import LEAF_BYTES, Format, RecordBatch, SealedBatch, leaf_order
from volens.datasets.parquet import ParquetShard, require_pyarrow
from volens.datasets.sealed import SealedWriter
from volens.datasets.shards import Shard
from volens.log.note import Verifier
from volens.storage.files import storage_errors

DATA_FOLDER = "data"
CARD_FILE = "README.md"
CROISSANT_FILE = "croissant.json"
SHARD_BYTES = 128 * 1024 * 1024
"""Text after which a new data file is begun; a batch is never split."""
MIN_NAMED_LANGUAGE = 10
"""Fewest records for which a language is named; rarer ones could point at a person."""
OTHER_LANGUAGES = "other"
_SPOOL = ".spool"


class Staging:
    """A dataset on its way to `out`. Use it as a context manager: what is not sealed is removed."""

    def __init__(
        self, out: Path, form: Format, *, folder: Path, lock: int, shard_bytes: int
    ) -> None:
        """Take a claimed staging folder; use `open`."""
        self._out, self._form, self._shard_bytes = out, form, shard_bytes
        self._folder, self._lock = folder, lock
        self._open = True
        self._failed = False
        self._spool_path = self._folder / _SPOOL
        self._records = self._turns = self._payload = self._unfit = 0
        self._languages: Counter[str] = Counter()
        self._manifest: Manifest | None = None
        self._shards: list[Path] = []
        self._shard: Shard | None = None
        self._shard_filled = 0
        (self._folder / DATA_FOLDER).mkdir()
        self._sealed = (
            SealedWriter(self._folder / DATA_FOLDER, self._spool_path)
            if form is Format.SEALED
            else None
        )

    @classmethod
    def open(cls, out: Path, form: Format, *, shard_bytes: int = SHARD_BYTES) -> Self:
        """Begin a dataset that will stand at `out`, which must not exist.

        Raises:
            InvalidInput: ``out_exists`` or ``out_parent``.
            Unavailable: ``staging_in_use``, ``storage``, or ``pyarrow_missing`` for ``hf``.
        """
        if form is Format.HF:
            require_pyarrow()
        with storage_errors(out):
            folder, lock = claim_staging(out)
            try:
                return cls(out, form, folder=folder, lock=lock, shard_bytes=shard_bytes)
            except BaseException:
                discard(folder, lock)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.discard()

    def discard(self) -> None:
        """Remove everything, unless it was sealed."""
        if self._open:
            self._open = False
            for part in (self._shard, self._sealed):
                if part is not None:
                    part.abandon()
            discard(self._folder, self._lock)

    def write(self, batch: RecordBatch | SealedBatch) -> int:
        """Add the records of a batch; return how many the form could carry.

        Inside a batch the records are put into the order of their leaves, so that neighbours in a
        file do not show who belongs together: prefer batches of some thousand records of many
        people. What the form can't carry is counted under ``format_unfit``.

        Raises:
            InvalidInput: ``batch_kind`` if sealed and plain are mixed up; ``batch_text``.
            Unavailable: ``storage``.
        """
        with self._step(finished=False):
            return self._write(batch)

    def _write(self, batch: RecordBatch | SealedBatch) -> int:
        order = leaf_order(batch.leaves)
        if isinstance(batch, SealedBatch):
            if self._sealed is None:
                raise InvalidInput("batch_kind", f"sealed records in the form {self._form.value}")
            self._sealed.write(batch, order)
            self._turns += batch.turns
            self._payload += len(batch.envelopes)
        else:
            if self._sealed is not None:
                raise InvalidInput("batch_kind", "records in the clear in the sealed form")
            order = order[fits(batch, self._form)[order]]
            self._write_plain(batch, order)
        self._records += len(order)
        self._unfit += len(batch) - len(order)
        if batch.languages is not None:
            self._languages.update(batch.languages[row] for row in order.tolist())
        return len(order)

    def finish(self, facts: Facts) -> Manifest:
        """Complete the files and describe them; return the manifest, whose root is to be logged.

        Raises:
            InvalidInput: ``duplicate_leaf``; ``too_few_records`` if the form wants more;
                ``manifest_form`` if a fact is out of its range.
            Unavailable: ``storage``.
        """
        with self._step(finished=False):
            return self._finish(facts)

    def _finish(self, facts: Facts) -> Manifest:
        if self._form is Format.OPENAI and self._records < OPENAI_LEAST_RECORDS:
            least = f"the form openai takes {OPENAI_LEAST_RECORDS} records or more"
            raise InvalidInput("too_few_records", f"{self._records} records left, {least}")
        draft = self._manifest_of(facts, self._close_data())
        texts = {
            CARD_FILE: render_card(draft).encode("utf-8"),
            CROISSANT_FILE: render_croissant(draft),
        }
        for name, text in texts.items():
            (self._folder / name).write_bytes(text)
        described = {name: self._file_ref(name) for name in texts}
        manifest = replace(draft, files={**draft.files, **described})
        (self._folder / MANIFEST_FILE).write_bytes(manifest.to_bytes())
        self._manifest = manifest
        return manifest

    def leaves(self) -> bytes:
        """Return the sorted leaves of a finished dataset, 32 bytes each."""
        self._check_phase(finished=True)
        return (self._folder / LEAVES_FILE).read_bytes()

    def seal(self, attachments: Attachments, verifier: Verifier) -> Path:
        """Add the signed and logged parts, check them against the manifest, move all to `out`.

        Raises:
            VerificationFailed: if a part does not hold or does not fit; nothing was published.
            InvalidInput: ``out_exists`` if `out` appeared in the meantime.
            Unavailable: ``storage``.
        """
        with storage_errors(self._out):
            self._check_phase(finished=True)
            return self._seal(attachments, verifier)

    def _seal(self, attachments: Attachments, verifier: Verifier) -> Path:
        assert self._manifest is not None
        verify_attachments(self._manifest, attachments, verifier)
        parts = {
            STATEMENT_FILE: attachments.statement,
            CHECKPOINT_FILE: attachments.checkpoint,
            DONE_ENTRY_FILE: attachments.done_entry,
            DONE_PROOF_FILE: attachments.done_proof,
        }
        for name, data in parts.items():
            (self._folder / name).write_bytes(data)
        publish(self._folder, self._out)
        self._open = False
        os.close(self._lock)
        return self._out

    @contextmanager
    def _step(self, *, finished: bool) -> Iterator[None]:
        """Do one step; a step that failed half-way leaves nothing to go on with."""
        self._check_phase(finished=finished)
        try:
            with storage_errors(self._out):
                yield
        except BaseException:
            self._failed = True
            raise

    def _check_phase(self, *, finished: bool) -> None:
        if self._failed or not self._open or (self._manifest is not None) is not finished:
            hint = "open, write, finish, seal; after a failure open a new one"
            raise InvalidInput(
                "staging_phase", f"not the moment for this on {self._out}", hint=hint
            )

    def _write_plain(self, batch: RecordBatch, order: NDArray[np.int64]) -> None:
        if self._shard is None or self._shard_filled >= self._shard_bytes:
            self._next_shard()
        assert self._shard is not None
        self._shard.write(batch, order)
        starts, stops = batch.turn_offsets[order], batch.turn_offsets[order + 1]
        written = int((batch.text_offsets[stops] - batch.text_offsets[starts]).sum())
        self._shard_filled += written
        self._turns += int((stops - starts).sum())
        self._payload += written
        leaves = np.frombuffer(batch.leaves, dtype=np.uint8).reshape(-1, LEAF_BYTES)[order]
        with self._spool_path.open("ab") as spool:
            spool.write(leaves.tobytes())

    def _next_shard(self) -> None:
        if self._shard is not None:
            self._shard.close()
        suffix = ".jsonl" if self._form in LINE_FORMS else ".parquet"
        path = self._folder / DATA_FOLDER / f"train-{len(self._shards):05d}{suffix}"
        self._shard = (
            LinesShard(path, self._form) if self._form in LINE_FORMS else ParquetShard(path)
        )
        self._shards.append(path)
        self._shard_filled = 0

    def _close_data(self) -> tuple[str, ...]:
        """Complete the data files and `manifest.leaves`; return the paths of the data files."""
        leaves_path = self._folder / LEAVES_FILE
        if self._sealed is not None:
            self._sealed.close().tofile(leaves_path)
        else:
            if self._shard is None:
                self._next_shard()  # an empty dataset is one empty file, not none
                self._spool_path.touch()
            assert self._shard is not None
            self._shard.close()
            self._name_shards()
            leaves = np.fromfile(self._spool_path, dtype="S32")
            sort_in_place(leaves)
            leaves.tofile(leaves_path)
            self._spool_path.unlink()
        return tuple(_names(self._folder / DATA_FOLDER))

    def _name_shards(self) -> None:
        """Give each file its final name, which says how many there are."""
        for number, path in enumerate(self._shards):
            final = path.with_name(f"train-{number:05d}-of-{len(self._shards):05d}{path.suffix}")
            path.rename(final)
            if has_side_file(self._form):
                path.with_suffix(SIDE_SUFFIX).rename(final.with_suffix(SIDE_SUFFIX))

    def _manifest_of(self, facts: Facts, paths: Iterable[str]) -> Manifest:
        leaves_path = self._folder / LEAVES_FILE
        excluded = Counter(facts.excluded)
        if self._unfit:
            excluded[UNFIT] += self._unfit
        return Manifest(
            dataset=facts.dataset,
            purpose=facts.purpose,
            policy=facts.policy,
            format=self._form,
            redaction=facts.redaction,
            counts=Counts(records=self._records, turns=self._turns, payload_bytes=self._payload),
            languages=named_languages(self._languages),
            excluded=dict(excluded),
            merkle_root=LeafTree(leaves_path.read_bytes()).root(),
            leaves_sha256=digest_file(leaves_path),
            files={path: self._file_ref(path) for path in paths},
            log=facts.log,
            created=facts.created,
            software=facts.software,
            recall=facts.recall if self._form.discloses else "",
            revises=facts.revises,
            recipient=facts.recipient if self._form.discloses else "",
        )

    def _file_ref(self, path: str) -> FileRef:
        full = self._folder / path
        return FileRef(sha256=digest_file(full), size_bytes=full.stat().st_size)


def named_languages(counts: Counter[str]) -> dict[str, int]:
    """Return the counts with rare and unknown languages put together."""
    named: Counter[str] = Counter()
    for tag, count in counts.items():
        named[tag if tag and count >= MIN_NAMED_LANGUAGE else OTHER_LANGUAGES] += count
    return dict(named)


def _names(folder: Path) -> list[str]:
    return sorted(f"{DATA_FOLDER}/{path.name}" for path in folder.iterdir())
