"""What an import yields: captured conversations, what was left out and why, and a report per file.

Places, reasons and messages name files, record numbers, source ids and fields; never what was said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from volens.vault.model import MAX_TEXT_BYTES, MAX_TURNS, Conversation

MEBIBYTE = 1024 * 1024


class Format(StrEnum):
    """What a file was recognised as, by the shape of its first records."""

    CHATGPT = "chatgpt"
    CLAUDE = "claude"
    OPENAI_CHAT = "openai-chat"
    SHAREGPT = "sharegpt"
    OASST = "oasst"
    TASKMASTER = "taskmaster"
    MT_BENCH = "mt-bench"
    OPEN_WEBUI = "open-webui"
    LIBRECHAT = "librechat"
    VOLENS = "volens-jsonl"
    # recognised, but not conversations
    CHATGPT_USER = "chatgpt-user"
    CHATGPT_FEEDBACK = "chatgpt-feedback"
    CHATGPT_SHARED = "chatgpt-shared-links"
    CLAUDE_PROJECTS = "claude-projects"
    CLAUDE_USERS = "claude-users"
    CLAUDE_MEMORIES = "claude-memories"
    TASKMASTER_REWARDS = "taskmaster-rewards"
    MT_BENCH_ANSWERS = "mt-bench-answers"
    VOLENS_EXPORT = "volens-export"
    VOLENS_PART = "volens-export-part"
    # containers and the rest
    ZIP = "zip"
    FOLDER = "folder"
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one import accepts; what goes beyond is refused by name, the rest is kept."""

    record_bytes: int = 64 * MEBIBYTE
    """Bytes of JSON of one conversation."""
    depth: int = 10_000
    """Arrays and objects inside one another in one conversation."""
    turns: int = MAX_TURNS
    text_bytes: int = MAX_TEXT_BYTES
    """UTF-8 bytes of one turn."""
    members: int = 100_000
    """Files in one zip."""
    member_bytes: int = 16 * 1024 * MEBIBYTE
    """Bytes of one compressed file once inflated."""
    total_bytes: int = 64 * 1024 * MEBIBYTE
    """Bytes of all files of one zip once inflated."""
    ratio: int = 150
    """Inflated bytes for each stored byte; JSON exports reach about 30."""
    ratio_floor_bytes: int = 8 * MEBIBYTE
    """Up to this size the ratio is not looked at."""
    folder_depth: int = 32
    examples: int = 5
    """Left-out records shown for each reason in a report."""


DEFAULT = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One conversation read from a file."""

    conversation: Conversation
    account: str | None
    """The export's own id or address of the account, where it has one; an unproven claim."""
    place: str
    """Where it stood: ``file!member[record]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One record, member or file that was left out."""

    place: str
    reason: str
    """A stable code such as ``duplicate_key``."""
    message: str
    """What is wrong and what to do; no conversation text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of one file; it comes after the file's items."""

    path: str
    format: Format
    read: int = 0
    """Conversations yielded."""
    skipped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Left-out records by reason."""
    examples: tuple[Skipped, ...] = ()
    """The first few for each reason."""
    why: str = ""
    """One line for people: what this file is and why it was or wasn't read."""


@dataclass(slots=True)
class Tally:
    """Counts for one report while its file is read."""

    limits: Limits
    read: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: list[Skipped] = field(default_factory=list)

    def skip(self, item: Skipped) -> Skipped:
        """Count one left-out item and hand it back."""
        seen = self.counts.get(item.reason, 0)
        self.counts[item.reason] = seen + 1
        if seen < self.limits.examples:
            self.examples.append(item)
        return item

    def report(self, path: str, form: Format, why: str) -> FileReport:
        """Close the counts into a report."""
        return FileReport(
            path=path,
            format=form,
            read=self.read,
            skipped=MappingProxyType(dict(self.counts)),
            examples=tuple(self.examples),
            why=why,
        )
