"""Building a dataset: decide, open through the gate, screen, redact, leave out duplicates, write.

1. The gate decides and logs the intent; the log is published, so that the manifest can name it.
2. Batches are opened, prepared and written to a staging folder.
3. The manifest is described, the statement signed, ``dataset.done`` logged and published.
4. The home keeps what proofs and later withdrawals need (manifest, leaves, rows).
5. If nobody withdrew meanwhile, the folder is renamed into place; else all starts again.

If it stops before the rename there is no dataset, only entries that say more was meant than exists.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from volens import __version__
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import ConversationId, DatasetId, IdKind, format_id
from volens.core.ports import Clock, Entropy
from volens.core.purposes import DATASET_PURPOSES, PROHIBITED, Purpose
from volens.datasets.attachments import Attachments, logged_format
from volens.datasets.deduplication import Deduplicator
from volens.datasets.leaves import LeafTree, sort_in_place
from volens.datasets.manifest import (
    LEAVES_FILE,
    MANIFEST_FILE,
    STATEMENT_FILE,
    Facts,
    LogRef,
    Manifest,
    PolicyRef,
    parse_manifest,
)
from volens.datasets.model import LEAF_BYTES, Format
from volens.datasets.proofs import Capture, capture_path, make_proof
from volens.datasets.redaction.names import NameModel
from volens.datasets.redaction.profiles import DEFAULT_PROFILE, Profile
from volens.datasets.redaction.redactor import Redactor
from volens.datasets.revising import (
    NO_TERMS,
    ROWS_FILE,
    Terms,
    kept_folder,
    left_out,
    rows_of,
)
from volens.datasets.sources import RecordSource, Timer, untimed
from volens.datasets.staging import Staging
from volens.datasets.statement import sign_statement
from volens.gate.facts import Use, known_purpose
from volens.gate.gate import Asker, Gate, Selection
from volens.log.checkpoint import open_checkpoint
from volens.log.kinds import AccessAction, AccessReason, Actor, EntryKind
from volens.log.note import Signer
from volens.log.proof import TlogProof, format_tlog_proof
from volens.log.recorder import Recorder
from volens.log.store import TransparencyLog
from volens.storage.files import write_durable
from volens.vault.store import Held, Vault
from volens.vault.subjects import Subject

CHECKPOINT_KEPT = "checkpoint"
MAX_ATTEMPTS = 5
_ROW = np.dtype([("leaf", f"S{LEAF_BYTES}"), ("number", "<i8")])
_ASKER = Asker(actor=Actor.SERVICE, action=AccessAction.BUILD, reason=AccessReason.DATASET_BUILD)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What came of a build."""

    dataset: DatasetId
    out: Path
    manifest: Manifest
    checkpoint: bytes
    """The log's signed checkpoint that includes ``dataset.done``."""
    excluded: dict[str, int]
    redacted: dict[str, int]
    """Placeholders put in, by kind."""
    attempts: int
    """More than one if somebody withdrew while the dataset was being built."""


class DatasetBuilder:
    """Builds datasets and proves what is in them, through one gate and one log."""

    def __init__(
        self,
        gate: Gate,
        vault: Vault,
        log: TransparencyLog,
        recorder: Recorder,
        signer: Signer,
        *,
        kept: Path,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Keep what proofs need in the folder `kept`, one folder for each dataset."""
        self._gate = gate
        self._vault = vault
        self._log = log
        self._recorder = recorder
        self._signer = signer
        self._kept = kept
        self._clock = clock
        self._entropy = entropy

    def build(
        self,
        use: Use,
        out: Path,
        *,
        form: Format = Format.SEALED,
        profile: Profile = DEFAULT_PROFILE,
        names: NameModel | None = None,
        terms: Terms = NO_TERMS,
        on_progress: Callable[[int, int], None] | None = None,
        timer: Timer = untimed,
    ) -> BuildResult:
        """Build a dataset for `use` at `out`.

        Args:
            use: the purpose, and the name that grants may be limited to.
            out: a folder that does not exist yet.
            form: sealed (keys stay home) or one of the plain forms, which are disclosures.
            profile: what redaction looks for.
            names: finds people's names, for profiles that look for them.
            terms: who gets it, and which dataset it takes the place of.
            on_progress: called with (conversations opened, conversations permitted).
            timer: times the stages, for benches.

        Raises:
            InvalidInput: ``out_exists``, ``too_few_records``.
            Denied: ``prohibited``, ``not_for_datasets``, ``purpose_unknown``, ``table_expired``, or
                ``withdrawn_meanwhile`` after `MAX_ATTEMPTS` tries.
            Unavailable: if keys, the log or an optional part can't be had.
        """
        _check_purpose(known_purpose(use.purpose))
        redactor = Redactor(profile, names=names)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return self._attempt(use, out, form, redactor, attempt, terms, on_progress, timer)
            except Denied as refusal:
                if refusal.code != "withdrawn_meanwhile" or attempt == MAX_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")  # the loop returns or raises

    def prove(self, dataset: str | Path, held: Held, subject: Subject) -> bytes:
        """Return a proof that a conversation is, or is not, in a dataset built here.

        Args:
            dataset: its id, or its folder.
            held: the conversation.
            subject: whose it is.

        Raises:
            NotFound: ``dataset_unknown``.
            InvalidInput: ``captured_later`` if the conversation came after the dataset.
        """
        folder = kept_folder(self._kept, dataset)
        manifest = parse_manifest((folder / MANIFEST_FILE).read_bytes())
        index, commitments = self._vault.batch(held.batch_no)
        note = (folder / CHECKPOINT_KEPT).read_bytes()
        size = open_checkpoint(note, [self._signer.verifier]).checkpoint.size
        if index >= size:
            raise InvalidInput(
                "captured_later",
                f"{held.id} was captured after {manifest.dataset} was built",
                hint="it can't be in it; a proof needs a capture before the dataset's checkpoint",
            )
        at = commitments[held.position]
        place, path = capture_path(commitments, at)
        proof = TlogProof(
            index=index, path=self._log.inclusion_proof(index, size=size), checkpoint=note
        )
        capture = Capture(
            conversation=ConversationId(held.id),
            secret=self._gate.capture_secret(held, subject),
            index=place,
            path=path,
            entry=self._log.entry(index),
            proof=format_tlog_proof(proof),
        )
        return make_proof(
            leaves=LeafTree((folder / LEAVES_FILE).read_bytes()),
            statement=(folder / STATEMENT_FILE).read_bytes(),
            dataset=manifest.dataset,
            capture=capture,
        )

    def known(self) -> Iterator[Manifest]:
        """Yield the manifests of all datasets built here."""
        if self._kept.is_dir():
            for folder in sorted(self._kept.iterdir()):
                if (folder / MANIFEST_FILE).exists():
                    yield parse_manifest((folder / MANIFEST_FILE).read_bytes())

    def _attempt(
        self,
        use: Use,
        out: Path,
        form: Format,
        redactor: Redactor,
        attempt: int,
        terms: Terms,
        on_progress: Callable[[int, int], None] | None,
        timer: Timer,
    ) -> BuildResult:
        raw = self._entropy.draw(16)
        dataset = DatasetId(format_id(IdKind.DATASET, raw))
        self._kept.mkdir(parents=True, exist_ok=True, mode=0o700)
        with Staging.open(out, form) as staging, TemporaryFile(dir=self._kept) as spool:
            among = None if terms.revises is None else rows_of(self._kept, terms.revises.dataset)
            selection = self._gate.select(use, _ASKER, dataset=raw, among=among)
            self._log.publish()
            note = self._log.checkpoint
            source = RecordSource(
                raw,
                redactor,
                Deduplicator(key=self._entropy.draw(32), threshold=1.0),
                timer=timer,
            )
            self._fill(staging, spool, source, selection, form, on_progress, timer)
            excluded = {
                **left_out(selection, terms.revises),
                **{name: count for name, count in source.excluded.items() if count},
            }
            with timer("finish"):
                manifest = staging.finish(
                    replace(
                        self._facts(dataset, use, redactor.profile, note, selection, excluded),
                        revises=None if terms.revises is None else terms.revises.dataset,
                        recipient=terms.recipient,
                    )
                )
                attachments = self._sign(manifest, raw, note)
                self._keep(manifest, attachments, staging.leaves(), spool)
                try:
                    self._gate.require_current(selection)
                except Denied:
                    self._forget(manifest.dataset)
                    raise
                staging.seal(attachments, self._signer.verifier)
        return BuildResult(
            dataset=dataset,
            out=out,
            manifest=manifest,
            checkpoint=self._log.checkpoint,
            excluded=dict(manifest.excluded),
            redacted=dict(source.redacted),
            attempts=attempt,
        )

    def _fill(
        self,
        staging: Staging,
        spool: IO[bytes],
        source: RecordSource,
        selection: Selection,
        form: Format,
        on_progress: Callable[[int, int], None] | None,
        timer: Timer,
    ) -> None:
        """Write all records, and into the nameless file `spool` a `_ROW` for each."""
        opened = 0
        for batch in self._gate.open(selection):
            prepared = source.prepare(batch)
            if form is Format.SEALED:
                with timer("seal"):
                    sealed = source.seal(batch, prepared)
                with timer("write"):
                    staging.write(sealed)
            else:
                with timer("write"):
                    staging.write(prepared.records)
            rows = np.empty(len(prepared.numbers), dtype=_ROW)
            rows["leaf"] = np.frombuffer(prepared.records.leaves, dtype="S32")
            rows["number"] = prepared.numbers
            spool.write(rows.tobytes())
            opened += batch.size
            if on_progress is not None:
                on_progress(opened, selection.permitted)

    def _facts(
        self,
        dataset: DatasetId,
        use: Use,
        profile: Profile,
        note: bytes,
        selection: Selection,
        excluded: dict[str, int],
    ) -> Facts:
        checkpoint = open_checkpoint(note, [self._signer.verifier]).checkpoint
        ref = self._gate.policy.ref
        return Facts(
            dataset=dataset,
            purpose=Purpose(use.purpose),
            policy=PolicyRef(name=ref.name, version=ref.version, sha256=bytes.fromhex(ref.hash)),
            log=LogRef(
                origin=checkpoint.origin,
                size=checkpoint.size,
                root=checkpoint.root,
                intent=selection.intent,
            ),
            created=selection.at,
            software=f"volens {__version__}",
            redaction=profile.name,
            excluded=excluded,
        )

    def _sign(self, manifest: Manifest, raw: bytes, note: bytes) -> Attachments:
        index = self._recorder.record(
            EntryKind.DATASET_DONE,
            {
                "intent": manifest.log.intent,
                "dataset": self._recorder.commit(raw)[1],
                "manifest_root": manifest.merkle_root,
                "manifest_hash": sha256(manifest.to_bytes()).digest(),
                "records": manifest.counts.records,
                "format": logged_format(manifest.format),
                "policy_hash": manifest.policy.sha256,
                "disclosure": manifest.discloses,
            },
        )
        self._log.publish()
        return Attachments(
            statement=sign_statement(manifest, self._signer),
            checkpoint=note,
            done_entry=self._log.entry(index),
            done_proof=self._log.prove(index),
        )

    def _keep(
        self,
        manifest: Manifest,
        attachments: Attachments,
        leaves: bytes,
        spool: IO[bytes],
    ) -> None:
        """Keep what proofs and withdrawals need; the manifest last: with it the folder counts."""
        folder = self._kept / manifest.dataset
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        spool.seek(0)
        rows = np.fromfile(spool, dtype=f"S{_ROW.itemsize}")
        sort_in_place(rows)
        written = rows.view(_ROW)
        if len(written) * LEAF_BYTES != len(leaves):  # a plain form left out what it can't carry
            kept = np.searchsorted(written["leaf"], np.frombuffer(leaves, dtype="S32"))
            written = written[kept]
        write_durable(folder / LEAVES_FILE, leaves)
        write_durable(folder / ROWS_FILE, written["number"].tobytes())
        write_durable(folder / STATEMENT_FILE, attachments.statement)
        write_durable(folder / CHECKPOINT_KEPT, attachments.checkpoint)
        write_durable(folder / MANIFEST_FILE, manifest.to_bytes())

    def _forget(self, dataset: DatasetId) -> None:
        """Drop what was kept of a dataset that is not published; the manifest first."""
        folder = self._kept / dataset
        (folder / MANIFEST_FILE).unlink()
        shutil.rmtree(folder)


def _check_purpose(purpose: Purpose) -> None:
    """Refuse purposes for which nobody may ever hold a copy of chats, whatever the policy says."""
    if purpose in PROHIBITED:
        message = f"{purpose.value} is prohibited: no dataset is ever built for it"
        raise Denied("prohibited", message, hint="see volens policy explain")
    if purpose not in DATASET_PURPOSES:
        hint = f"one of {', '.join(sorted(DATASET_PURPOSES))}"
        message = f"{purpose.value} is not a purpose that datasets are built for"
        raise Denied("not_for_datasets", message, hint=hint)
