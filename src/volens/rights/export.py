"""Everything a person may have of their own data, in one file (GDPR Art. 15 and 20; R58, R61).

Procedure:
    1. Decide every conversation and log the access; from here on the log says that a copy was made.
    2. Publish the log, so that each entry spoken of has its proof.
    3. Write the parts in their fixed order, content straight from the gate into the zip: nothing
       that was said touches any other file.
    4. Sign the manifest, make the file durable, give it its name, and log how the access ended.

If it stops before 4 there is no file, and nothing of what was begun is left (`export_file`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from volens import __version__
from volens.consent.receipts import issue_receipt
from volens.consent.store import ConsentLedger, Recorded
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import DatasetId
from volens.core.ports import Clock
from volens.gate.own_copy import OwnConversation, OwnCopy, OwnReading
from volens.holds.reports import ReportStore
from volens.log.note import Signer
from volens.log.store import TransparencyLog
from volens.rights import export_facts as facts
from volens.rights.accesses import Access, access_document, accesses_of
from volens.rights.disclosures import DatasetRegister, DatasetUse, disclosure_of
from volens.rights.export_facts import Sources
from volens.rights.export_file import private_file
from volens.rights.export_manifest import (
    VERSION,
    ExportFacts,
    ExportManifest,
    ExportWriter,
)
from volens.rights.export_pages import INDEX, ChatList, chat_pages, index_page
from volens.rights.export_tables import (
    ACCESS_COLUMNS,
    CONSENT_COLUMNS,
    Tables,
    conversation_line,
    csv_table,
    part_document,
)
from volens.vault.subjects import Subject

OnProgress = Callable[[int, int], None]
CONVERSATIONS = "conversations.jsonl"
THIRD_PARTY = "third_party_turns"
_README = f"""\
YOUR DATA

This file holds what is kept about you. Open index.html to read it; no internet is needed.

  index.html            everything, to be read
  chats/                your chats, to be read
  conversations.jsonl   your chats for programs, one a line (volens-jsonl, version 1);
                        volens import takes this whole file in again
  account.json          your account, and the law that applies to it
  policy.json           the rules in force, in plain words
  consents.json, .csv   every choice you made
  receipts/             a signed receipt for each choice
  accesses.jsonl, .csv  who has opened your chats: each with a proof from the public log
  datasets.json         the data sets that hold chats of yours
  models.json           the models that learned from chats of yours, and where they stand
  impact.json           models that used chats which may not be used any more, and what became of it
  disclosures.json      copies of them that went out in the clear
  holds.json            what must stay for a while, and on whose authority
  erasures.json         what you asked to be erased, and how far that is
  requests.json         your other requests
  reports.json          what you reported
  papers/               proofs that a model forgot you, if there are any
  left_out.json         what is not in this copy, and why
  manifest.json         what this file is made of, signed ({VERSION})

What is not in it: other people's words. Where a tool, a page or somebody else speaks in a chat,
the place is kept and the words are left out: your right to a copy does not reach their rights
(GDPR Art. 15(4)). Memory, your own instructions and the assistant's working are about you, and are
in it.

To check it: volens verify FILE.zip --key KEY, with the key that the service publishes.

Keep it safe: whoever has this file can read all of it.
"""


PARTS = (
    *("datasets", "models", "impact", "disclosures"),
    *("holds", "erasures", "requests", "reports"),
)
"""Parts that are lists of documents, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What came of an export."""

    path: Path
    size_bytes: int
    manifest: ExportManifest


class Exporter:
    """Writes one person's data into one file, as the owner of the home."""

    def __init__(
        self,
        own: OwnCopy,
        ledger: ConsentLedger,
        log: TransparencyLog,
        signer: Signer,
        *,
        register: DatasetRegister,
        reports: ReportStore,
        clock: Clock,
        sources: Sources | None = None,
    ) -> None:
        """Wire an exporter.

        Args:
            own: opens the person's conversations for them.
            ledger: choices.
            log: accesses and proofs.
            signer: the log's key.
            register: finds the person in the home's datasets.
            reports: what people reported.
            clock: the time.
            sources: what other rooms add.
        """
        self._own = own
        self._gate = own.gate
        self._ledger = ledger
        self._log = log
        self._signer = signer
        self._register = register
        self._reports = reports
        self._clock = clock
        self._sources = sources or Sources()

    def write(
        self,
        subject: Subject,
        out: Path,
        *,
        language: str = "en",
        on_progress: OnProgress | None = None,
    ) -> ExportResult:
        """Write the copy to `out`.

        Args:
            subject: whose.
            out: a file that does not exist yet.
            language: of the policy's words.
            on_progress: called with (conversations gone through, twice their number).

        Raises:
            InvalidInput: ``out_exists``, or ``language_unknown`` to the policy in force.
            NotFound: ``path_missing`` if there is no folder to write in.
            Unavailable: if the log, the keys or the disk can't be had.
        """
        if out.exists():
            hint = "choose another --out"
            raise InvalidInput("out_exists", f"{out} is there already", hint=hint)
        if not out.parent.is_dir():
            raise NotFound("path_missing", f"there is no folder {out.parent}")
        known = sorted({notice.language for notice in self._gate.policy.pack.notices})
        if language not in known:
            hint = f"one of {', '.join(known)}"
            raise InvalidInput("language_unknown", f"no words in {language[:40]!r}", hint=hint)
        with self._own.begin(subject) as reading, private_file(out) as file:
            self._log.publish()
            with ExportWriter(file) as writer:
                manifest = self._fill(writer, subject, reading, language, on_progress)
        return ExportResult(path=out, size_bytes=out.stat().st_size, manifest=manifest)

    def _fill(
        self,
        writer: ExportWriter,
        subject: Subject,
        reading: OwnReading,
        language: str,
        on_progress: OnProgress | None,
    ) -> ExportManifest:
        (reference,) = self._gate.references([subject])
        history = self._ledger.history(subject.id)
        uses = list(self._register.uses(subject))
        accesses = self._accesses(subject, uses)
        tables = self._tables(subject, reference, history, uses, accesses, language)
        writer.add("README.txt", _README.encode("utf-8"))
        self._write_tables(writer, subject, tables, history, accesses)
        left_out = Counter(reading.left_out)
        tell = _Progress(on_progress, reading.permitted)
        conversations, turns = _write_conversations(writer, reading, reference, left_out, tell)
        pages = ChatList()
        for page in chat_pages(tell.each(reading.conversations())):
            writer.add(page.name, page.html)
            pages.add(page)
        writer.add("left_out.json", part_document("left_out", dict(left_out)))
        with writer.part(INDEX) as part:
            for piece in index_page(tables, pages.pages, left_out, language=language):
                part.write(piece)
        known = ExportFacts(
            subject=subject.id,
            created=reading.at,
            controller=self._signer.name,
            software=f"volens {__version__}",
            access=reading.intent,
            checkpoint=self._log.checkpoint.decode("utf-8"),
            conversations=conversations,
            turns=turns,
            left_out=dict(left_out),
        )
        return writer.finish(known, self._signer)

    def accesses(self, subject: Subject) -> list[Access]:
        """Return who has seen what of a person, oldest first, but for what a gag keeps back."""
        return self._accesses(subject, list(self._register.uses(subject)))

    def _accesses(self, subject: Subject, uses: list[DatasetUse]) -> list[Access]:
        builds: dict[int, DatasetId] = {use.manifest.log.intent: use.dataset for use in uses}
        gagged = self._sources.gagged(subject)
        leaves = [
            leaf
            for leaf in self._own.leaves.of_subject(subject.number)
            if leaf.log_index not in gagged
        ]
        bulk = self._own.leaves.bulk_of_subject(subject.number)
        return accesses_of(self._log, subject.id, leaves, builds, bulk)

    def _tables(
        self,
        subject: Subject,
        reference: str,
        history: list[Recorded],
        uses: list[DatasetUse],
        accesses: list[Access],
        language: str,
    ) -> Tables:
        now, sources, policy = self._clock.now(), self._sources, self._gate.policy
        disclosed = [disclosure_of(use) for use in uses if use.manifest.discloses]
        return Tables(
            account=facts.account_facts(subject, reference, policy, language),
            policy=facts.policy_facts(subject, policy, language),
            choices=facts.choice_facts(self._ledger, subject.id, now),
            consents=[facts.consent_row(item) for item in history],
            accesses=[access.facts() for access in accesses],
            datasets=[facts.dataset_facts(use) for use in uses],
            models=[*sources.models(subject)],
            impact=[*sources.impact(subject)],
            disclosures=[facts.disclosure_facts(one) for one in disclosed],
            holds=[
                facts.hold_facts(hold) for hold in sources.holds.visible_to_subject(subject.id, now)
            ],
            erasures=[facts.erasure_facts(e) for e in sources.erasures.of_subject(subject.id)],
            requests=[*sources.requests(subject)],
            reports=[
                facts.report_facts(report) for report in self._reports.of_subject(subject.number)
            ],
        )

    def _write_tables(
        self,
        writer: ExportWriter,
        subject: Subject,
        tables: Tables,
        history: list[Recorded],
        accesses: list[Access],
    ) -> None:
        writer.add("account.json", part_document("account", tables.account))
        writer.add("policy.json", part_document("policy", tables.policy))
        events: list[Json] = [facts.consent_document(item) for item in history]
        choices: dict[str, Json] = {"state": tables.choices, "events": events}
        writer.add("consents.json", part_document("consents", choices))
        writer.add("consents.csv", csv_table(CONSENT_COLUMNS, tables.consents))
        for item in history:
            writer.add(f"receipts/{item.event.id}.json", self._receipt(item))
        with writer.part("accesses.jsonl") as part:
            for access in accesses:
                part.write(access_document(access, self._log) + b"\n")
        writer.add("accesses.csv", csv_table(ACCESS_COLUMNS, tables.accesses))
        for name in PARTS:
            content: list[Json] = [*getattr(tables, name)]
            writer.add(f"{name}.json", part_document(name, content))
        for name, data in self._sources.papers(subject):
            writer.add(f"papers/{name}", data)

    def _receipt(self, item: Recorded) -> bytes:
        index = item.log_index
        entry, proof = self._log.entry(index), self._log.prove(index)
        return issue_receipt(item, entry=entry, proof=proof, signer=self._signer)


class _Progress:
    """Tells how far two walks over the conversations have come."""

    def __init__(self, told: OnProgress | None, count: int) -> None:
        self._told = told
        self._total = 2 * count
        self._done = 0

    def each(self, items: Iterator[OwnConversation]) -> Iterator[OwnConversation]:
        for item in items:
            yield item
            self._done += 1
            if self._told is not None:
                self._told(min(self._done, self._total), self._total)


def _write_conversations(
    writer: ExportWriter,
    reading: OwnReading,
    reference: str,
    left_out: Counter[str],
    tell: _Progress,
) -> tuple[int, int]:
    """Write the conversations for programs; return how many there are, and how many turns."""
    conversations = turns = 0
    with writer.part(CONVERSATIONS) as part:
        for one in tell.each(reading.conversations(left_out)):
            line, left = conversation_line(one, reference)
            part.write(line)
            conversations += 1
            turns += len(one.payload.turns)
            if left:
                left_out[THIRD_PARTY] += left
    return conversations, turns
