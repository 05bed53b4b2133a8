"""From files to the vault: what an import read is captured for its accounts, in batches.

An import grants nothing: accounts that come to be here have every choice off (R02), and what a file
claims about consent is never read. Doing it again, or going on after a stop, captures only what is
not held yet, because the vault knows each conversation by its source and source id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from volens.capture.model import Captured, FileReport, Skipped
from volens.capture.volens_jsonl import SOURCE as OWN_FORM
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.log.kinds import CaptureSource
from volens.vault.model import Conversation
from volens.vault.store import CaptureResult, Vault
from volens.vault.subjects import NewSubject, Subject, SubjectStore

BATCH_CONVERSATIONS = 500
BATCH_BYTES = 16 * 1024 * 1024
_KNOWN_ACCOUNTS = 10_000
_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccounts:
    """What accounts that an import meets for the first time start with; all choices are off."""

    plan: str = "free"
    region: Region
    realm: Realm = Realm.CIVILIAN


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeReport:
    """What became of one file."""

    file: FileReport
    added: int = 0
    updated: int = 0
    known: int = 0
    """Held already, with the same content."""
    held: int = 0
    """Grew elsewhere, but a hold keeps them as they are here."""
    accounts_created: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Conversations that were read but not captured, by reason."""
    examples: tuple[Skipped, ...] = ()
    """The first few of them."""

    @property
    def captured(self) -> int:
        """The number of conversations that are held now because of this file or before."""
        return self.added + self.updated + self.known + self.held


class _Tally:
    """Counts for the report of one file while its batches are captured."""

    def __init__(self) -> None:
        self.added = self.updated = self.known = self.held = self.created = 0
        self.refused: Counter[str] = Counter()
        self.examples: list[Skipped] = []

    def add(self, result: CaptureResult) -> None:
        self.added += result.added
        self.updated += result.updated
        self.known += result.known
        self.held += result.held

    def refuse(self, item: Captured, reason: str, message: str) -> None:
        self.refused[reason] += 1
        if self.refused[reason] <= _EXAMPLES:
            self.examples.append(Skipped(place=item.place, reason=reason, message=message))

    def report(self, file: FileReport) -> IntakeReport:
        return IntakeReport(
            file=file,
            added=self.added,
            updated=self.updated,
            known=self.known,
            held=self.held,
            accounts_created=self.created,
            refused=dict(self.refused),
            examples=tuple(self.examples),
        )


class Intake:
    """Captures what `read_paths` yields. Holds at most one batch of conversations in memory."""

    def __init__(
        self,
        subjects: SubjectStore,
        vault: Vault,
        *,
        accounts: NewAccounts,
        reference: str | None = None,
        source: CaptureSource = CaptureSource.IMPORT,
        batch_conversations: int = BATCH_CONVERSATIONS,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        """Capture into `vault`.

        Args:
            subjects: where accounts are found and made.
            vault: where conversations go.
            accounts: what new accounts start with.
            reference: the id or product reference of the person everything belongs to; without
                it, the account that each export names.
            source: the door, for the log.
            batch_conversations: the most conversations captured at once.
            batch_bytes: the most bytes of text, roughly, captured at once.
        """
        self._subjects = subjects
        self._vault = vault
        self._accounts = accounts
        self._reference = reference
        self._source = source
        self._batch_conversations = batch_conversations
        self._batch_bytes = batch_bytes
        self._known: dict[str, Subject] = {}

    def run(self, items: Iterable[Captured | Skipped | FileReport]) -> Iterator[IntakeReport]:
        """Capture everything in `items`; yield a report as each file ends.

        A batch never spans two files, so each report counts its own file. If it stops, batches
        captured so far stay; running again skips them.
        """
        tally = _Tally()
        batch: list[tuple[str, Captured]] = []
        size = 0
        for item in items:
            if isinstance(item, Captured):
                name = self._owner(item, tally)
                if name is not None:
                    batch.append((name, item))
                    size += _size(item.conversation)
                if len(batch) >= self._batch_conversations or size >= self._batch_bytes:
                    self._capture(batch, tally)
                    batch, size = [], 0
            elif isinstance(item, FileReport):
                self._capture(batch, tally)
                yield tally.report(item)
                tally, batch, size = _Tally(), [], 0

    def _owner(self, item: Captured, tally: _Tally) -> str | None:
        """Return whose a conversation is, or refuse it."""
        if self._reference is not None:
            return self._reference
        if item.account is None:
            message = "the file names no account; say whose it is with --subject"
            tally.refuse(item, "no_account", message)
            return None
        if item.account.startswith(f"{IdKind.SUBJECT.value}_"):
            # A file must not be able to name somebody here by their id.
            tally.refuse(item, "account_form", "the account looks like an id of this home")
            return None
        return item.account

    def _capture(self, batch: Sequence[tuple[str, Captured]], tally: _Tally) -> None:
        owners = self._find_all(list(dict.fromkeys(name for name, _ in batch)), tally)
        wanted: dict[Subject, list[Conversation]] = {}
        placed = []
        for name, item in batch:
            owner = owners[name]
            if isinstance(owner, Subject) and self._came_from_here(owner, item.conversation):
                tally.known += 1
            elif isinstance(owner, Subject):
                wanted.setdefault(owner, []).append(item.conversation)
                placed.append((owner, item))
            else:
                tally.refuse(item, owner.code, owner.message)
        if not wanted:
            return
        try:
            tally.add(self._vault.capture(wanted, source=self._source))
        except InvalidInput:  # one is over a limit, and nothing was stored: find out which
            for owner, item in placed:
                try:
                    one = {owner: [item.conversation]}
                    tally.add(self._vault.capture(one, source=self._source))
                except InvalidInput as error:
                    tally.refuse(item, error.code, error.message)

    def _came_from_here(self, owner: Subject, conversation: Conversation) -> bool:
        """Say whether it is in a copy of something that this person has here: not a second one."""
        name = conversation.source_id
        if conversation.source != OWN_FORM or not name.startswith(f"{IdKind.CONVERSATION.value}_"):
            return False
        try:
            return self._vault.find(name).subject_no == owner.number
        except (InvalidInput, NotFound):
            return False

    def _find_all(self, names: Sequence[str], tally: _Tally) -> dict[str, Subject | InvalidInput]:
        """Return the subject of each name, made if need be, or why there can't be one."""
        if len(self._known) > _KNOWN_ACCOUNTS:
            self._known.clear()
        found: dict[str, Subject | InvalidInput] = {}
        unknown = []
        for name in names:
            try:
                found[name] = self._known.get(name) or self._subjects.find(name)
            except NotFound:
                if name.startswith(f"{IdKind.SUBJECT.value}_"):
                    raise  # an id that nobody has is a mistake, not a new person
                unknown.append(name)
        if unknown:
            found |= self._add_all(unknown, tally)
        self._known.update({n: one for n, one in found.items() if isinstance(one, Subject)})
        return found

    def _add_all(self, names: Sequence[str], tally: _Tally) -> Mapping[str, Subject | InvalidInput]:
        """Make accounts, all at once if none of the names is refused."""
        accounts = self._accounts
        wanted = [
            NewSubject(
                reference=name, plan=accounts.plan, region=accounts.region, realm=accounts.realm
            )
            for name in names
        ]
        try:
            made = self._subjects.add(wanted)
        except InvalidInput as error:
            if len(names) == 1:
                return {names[0]: error}
            # Nothing was made: find out which name is refused.
            return {
                name: one for each in names for name, one in self._add_all([each], tally).items()
            }
        tally.created += len(made)
        return dict(zip(names, made, strict=True))


def _size(conversation: Conversation) -> int:
    return sum(len(turn.text) for turn in conversation.turns)
