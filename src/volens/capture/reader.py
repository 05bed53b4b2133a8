"""Read files and folders of exports: the one door of this room.

Procedure for each bundle (files that lie beside one another):
    1. look at the first records of each file and decide by their shape what it is;
    2. read what the small files say about the others (account, ratings);
    3. read each conversation file record by record; a bad record costs itself only;
    4. report each file after its items.

Nothing raises for what a file holds. An import is resumed by reading again: every conversation
comes with the same (source, source_id), and the caller skips what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from volens.capture import chatgpt, volens_export
from volens.capture.archives import bundles, stored_size
from volens.capture.detect import NOT_CONVERSATIONS, recognise, wrapped
from volens.capture.entries import CHUNK, Bundle, Entry, Spent, describe, shown
from volens.capture.model import DEFAULT, Captured, FileReport, Format, Limits, Skipped, Tally
from volens.capture.records import CONVERSATIONS, read_records
from volens.capture.splitting import Broken, Raw, split_records
from volens.capture.threads import Context
from volens.capture.values import NOTHING, account_id, first_string, members, read_value
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, VolensError

Item = Captured | Skipped | FileReport
OnProgress = Callable[[int, int], None]
Ratings = dict[tuple[str, str], int]
_PROBED = 20  # records looked at before a file counts as unknown
_SMALL_FILES = frozenset({Format.CHATGPT_USER, Format.CHATGPT_FEEDBACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """What one file is, and what to say if it is not read."""

    entry: Entry
    form: Format
    reason: str = ""
    why: str = ""


def measure(paths: Sequence[Path], limits: Limits = DEFAULT) -> int:
    """Return the bytes on disk that `read_paths` would go through; 0 for what is not there."""
    return sum(stored_size(Path(path), limits) for path in paths)


def read_paths(
    paths: Sequence[Path],
    limits: Limits = DEFAULT,
    on_progress: OnProgress | None = None,
) -> Iterator[Item]:
    """Yield the conversations in `paths`, what was left out, and a report after each file.

    Args:
        paths: files (JSON, JSON Lines, gzip, zip) and folders; folders are walked.
        limits: the most that is accepted.
        on_progress: called with bytes read and bytes in all, both as stored on disk.
    """
    progress = _Progress(measure(paths, limits) if on_progress else 0, on_progress)
    for path in paths:
        start = progress.done
        yield from _read_path(Path(path), limits, progress)
        progress.settle(start + stored_size(Path(path), limits) if on_progress else 0)


def _read_path(path: Path, limits: Limits, progress: _Progress) -> Iterator[Item]:
    try:
        parts: set[str] = set()
        with bundles(path, limits) as found:
            for bundle in found:
                yield from _read_bundle(bundle, limits, progress, parts)
    except (OSError, ValueError):  # a path that no file system takes
        place = shown(str(path))
        item = Skipped(place=place, reason="unreadable", message="the path can't be read")
        tally = Tally(limits)
        yield tally.skip(item)
        yield tally.report(place, Format.UNKNOWN, item.message)


class _Progress:
    """Bytes gone through, never more than there are and never fewer than before."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self.done = 0
        self._total = total
        self._tell = on_progress

    def settle(self, done: int) -> None:
        if self._tell is not None:
            self.done = max(self.done, min(done, self._total))
            self._tell(self.done, self._total)


def _read_bundle(
    bundle: Bundle, limits: Limits, progress: _Progress, parts: set[str]
) -> Iterator[Item]:
    """Read one bundle; `parts` holds the places of files that an export's manifest has listed."""
    probes = [_probe(entry, limits) for entry in bundle.entries]
    for probe in probes:
        if probe.form is Format.VOLENS_EXPORT:
            parts |= {f"{bundle.place}!{name}" for name in _listed(probe, limits)}
    probes = [_known_part(probe) if probe.entry.place in parts else probe for probe in probes]
    accounts: set[str] = set()
    ratings: Ratings = {}
    for probe in probes:
        if probe.form in _SMALL_FILES:
            _learn(probe, accounts, ratings, limits)
    # two accounts in one folder: whose each conversation is, can't be known
    account = accounts.pop() if len(accounts) == 1 else None
    context = Context(account=account, ratings=ratings)
    for probe in probes:
        # what a ChatGPT export's small files say is about that export's conversations only
        own = context if probe.form is Format.CHATGPT else Context()
        yield from _read_entry(probe, own, limits, progress)
    if bundle.refused or bundle.is_zip:
        tally = Tally(limits)
        for refusal in bundle.refused:
            yield tally.skip(refusal)
        form = _container(bundle)
        why = f"{len(bundle.refused)} refused" if bundle.refused else "all its files were looked at"
        if not bundle.is_zip and not bundle.is_folder:
            why = bundle.refused[0].message
        yield tally.report(bundle.place, form, why)


def _container(bundle: Bundle) -> Format:
    if bundle.is_zip:
        return Format.ZIP
    return Format.FOLDER if bundle.is_folder else Format.UNKNOWN


def _probe(entry: Entry, limits: Limits) -> _Probe:
    """Decide what a file is by the shape of its first records."""
    looked_at = replace(entry, spent=Spent())  # looking doesn't use up the limit
    head = b""
    try:
        for chunk in looked_at.chunks(limits):
            head += chunk
            if len(head) >= CHUNK:
                break
        if not head.strip() and len(head) < CHUNK:
            return _Probe(entry=entry, form=Format.EMPTY, why="the file is empty")
        form = Format.UNKNOWN
        seen = 0
        for raw in split_records(looked_at.chunks(limits), limits):
            seen += 1
            form = _form_of(raw, limits)
            if form not in {Format.UNKNOWN, Format.EMPTY} or seen >= _PROBED:
                break
        if not seen:
            form = Format.EMPTY
    except VolensError as error:
        reason, why = error.code, error.message
        if error.code == "not_json":
            reason, why = describe(head)
        return _Probe(entry=entry, form=Format.UNKNOWN, reason=reason, why=why)
    if form is Format.UNKNOWN:
        why = "JSON, but no conversation format that is known; see docs/formats/import.md"
        return _Probe(entry=entry, form=form, reason="unknown_format", why=why)
    return _Probe(entry=entry, form=form, why=NOT_CONVERSATIONS.get(form, ""))


def _form_of(raw: Raw | Broken, limits: Limits) -> Format:
    if isinstance(raw, Broken):
        return Format.UNKNOWN
    try:
        value = read_value(raw.data, limits)
    except InvalidInput:
        return Format.UNKNOWN
    form = recognise(value)
    inner = wrapped(value) if form is Format.UNKNOWN else None
    if inner is None:
        return form
    forms = [recognise(item) for item in inner[1][:_PROBED]]
    known = [form for form in forms if form in CONVERSATIONS]
    return known[0] if known else (Format.UNKNOWN if inner[1] else Format.EMPTY)


def _listed(probe: _Probe, limits: Limits) -> frozenset[str]:
    """Return what the manifest of an export lists; what can't be read of it lists nothing."""
    try:
        for raw in split_records(probe.entry.chunks(limits), limits):
            if isinstance(raw, Raw):
                return volens_export.listed_parts(_record(raw, limits))
    except VolensError:
        pass
    return frozenset()


def _known_part(probe: _Probe) -> _Probe:
    """Say what a listed file is, unless it was recognised by its own shape."""
    if probe.form is not Format.UNKNOWN:
        return probe
    return _Probe(entry=probe.entry, form=Format.VOLENS_PART, why=volens_export.WHY)


def _learn(probe: _Probe, accounts: set[str], ratings: Ratings, limits: Limits) -> None:
    """Add what a small file says; what can't be read of it is left out."""
    try:
        for raw in split_records(probe.entry.chunks(limits), limits):
            if isinstance(raw, Broken) or len(ratings) > limits.members:
                continue
            record = _record(raw, limits)
            if probe.form is Format.CHATGPT_USER:
                found_account = account_id(first_string(record, "id", "email"))
                accounts |= {found_account} if found_account else set()
            elif found := chatgpt.read_feedback(record):
                # of two ratings of one message the lower one counts
                ratings[found[0]] = min(found[1], ratings.get(found[0], 1))
    except VolensError:
        return


def _record(raw: Raw, limits: Limits) -> Mapping[str, Json]:
    try:
        return members(read_value(raw.data, limits))
    except InvalidInput:
        return NOTHING


def _read_entry(
    probe: _Probe, context: Context, limits: Limits, progress: _Progress
) -> Iterator[Item]:
    entry = probe.entry
    tally = Tally(limits)
    base = progress.done
    why = probe.why
    if probe.form is Format.UNKNOWN:
        yield tally.skip(Skipped(place=entry.place, reason=probe.reason, message=why))
    elif probe.form in CONVERSATIONS:
        chunks = entry.chunks(limits, lambda at: progress.settle(base + at))
        for item in read_records(entry.place, probe.form, chunks, context, limits):
            if isinstance(item, Captured):
                tally.read += 1
                yield item
            else:
                yield tally.skip(item)
        left_out = sum(tally.counts.values())
        why = f"{tally.read} read" + (f", {left_out} left out" if left_out else "")
    progress.settle(base + entry.stored_bytes)
    yield tally.report(entry.place, probe.form, why)
