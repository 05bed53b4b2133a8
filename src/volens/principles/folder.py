"""The folder of a set: written whole or not at all, and checked down to the last byte.

Checking shows that the folder agrees with itself: every digest, record, count and measure. It is
not signed: whoever may change all of its files can write another one that agrees with itself too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from volens import __version__
from volens.core.errors import Denied, InvalidInput, VerificationFailed
from volens.datasets.redaction.profiles import STANDARD
from volens.datasets.redaction.redactor import Redactor
from volens.principles.card import render_card
from volens.principles.constitution import Constitution, read_canonical_form
from volens.principles.generating import Order
from volens.principles.judging import GateResult, require_passed
from volens.principles.measuring import Measures, Pair, leave_out_repeats, measure, require_floors
from volens.principles.provenance import (
    CARD,
    CONSTITUTION,
    FILES,
    PAIRS,
    PROVENANCE,
    SFT,
    Provenance,
    read_provenance,
)
from volens.principles.records import Origin, Record, pair_line, read_line, sft_line
from volens.principles.rules import findings
from volens.principles.screening import check_no_chat
from volens.principles.working import Dropped, Kept, Reason, Step, check_out

_MOST_BYTES = 4 << 30
_CODE = "set_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """The records of a set that keeps every floor, and what was thrown away."""

    records: tuple[Record, ...]
    dropped: dict[str, int]
    measures: Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A folder that holds."""

    provenance: Provenance
    constitution: Constitution
    digest: str
    """SHA-256 of ``provenance.json``, which names the set; hexadecimal digits."""


def assemble(order: Order, steps: Sequence[Step]) -> Assembled:
    """Put the pairs of all steps together, without near repeats, and measure them.

    Raises:
        Denied: ``below_floor``.
    """
    dropped = Counter(one.reason for one in steps if isinstance(one, Dropped))
    by_id = {one.id: one for one in order.prompts.prompts}
    made = [
        Record(
            prompt_id=one.prompt,
            source=by_id[one.prompt].source,
            prompt=by_id[one.prompt].text,
            chosen=one.revision,
            rejected=one.draft,
            critique=one.critique,
            principles=one.principles,
            found=one.found,
        )
        for one in steps
        if isinstance(one, Kept)
    ]
    repeated = frozenset(leave_out_repeats([_pair(one) for one in made]))
    records = tuple(one for at, one in enumerate(made) if at not in repeated)
    if repeated:
        dropped[Reason.REPEATED] = len(repeated)
    refuses = order.constitution.refuses
    measures = measure([_pair(one) for one in records], len(repeated), refuses)
    require_floors(measures)
    counts = {reason.value: count for reason, count in sorted(dropped.items())}
    return Assembled(records=records, dropped=counts, measures=measures)


def write_folder(
    out: Path, order: Order, assembled: Assembled, gate: GateResult | None, *, made: datetime
) -> Provenance:
    """Write the folder of a set; if it stops before its rename, there is no `out`.

    The caller holds the work of `out`, so that nobody else writes it.

    Raises:
        InvalidInput: ``out_exists`` or ``out_parent``.
    """
    check_out(out)
    provenance = Provenance(
        made=made,
        software=f"volens {__version__}",
        constitution=order.constitution.digest,
        prompts=order.prompts.digest,
        sources=order.prompts.sources(),
        writer=order.writer.label,
        gate=gate,
        settings=order.settings,
        dropped=assembled.dropped,
        measures=assembled.measures,
        files={},
    )
    origin = provenance.origin
    contents = {
        CONSTITUTION: order.constitution.canonical(),
        PAIRS: b"".join(pair_line(one, origin) for one in assembled.records),
        SFT: b"".join(sft_line(one, origin) for one in assembled.records),
    }
    provenance = replace(
        provenance,
        files={name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
    )
    contents[PROVENANCE] = provenance.encode()
    contents[CARD] = render_card(provenance, order.constitution).encode("utf-8")
    staged = out.with_name(f".{out.name}.staging")
    if staged.exists():
        shutil.rmtree(staged)  # of a run that stopped; the work's lock is ours
    staged.mkdir(mode=0o700)
    for name, data in contents.items():
        with (staged / name).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    _sync(staged)
    check_out(out)
    staged.rename(out)
    _sync(out.parent)
    return provenance


def verify_folder(folder: Path) -> Checked:
    """Check a set: its digests, every record in its one form, every count, measure and floor.

    Raises:
        VerificationFailed: ``set_differs`` naming what does not hold.
    """
    try:
        return _checked(folder)
    except (InvalidInput, Denied) as error:
        raise VerificationFailed(_CODE, f"{folder}: {error.message}") from error


def _checked(folder: Path) -> Checked:
    data = _bytes_of(folder)
    provenance = read_provenance(data[PROVENANCE])
    for name in FILES:
        if hashlib.sha256(data[name]).hexdigest() != provenance.files[name]:
            raise _differs(f"{name} is not the file that {PROVENANCE} names")
    constitution = read_canonical_form(data[CONSTITUTION], place=CONSTITUTION)
    if constitution.digest != provenance.constitution:
        raise _differs("the principles are not those that the records name")
    if render_card(provenance, constitution).encode("utf-8") != data[CARD]:
        raise _differs(f"{CARD} is not what {PROVENANCE} says")
    if provenance.gate is not None:
        require_passed(provenance.gate)
    records = _records(data, provenance.origin)
    _check_records(records, constitution)
    _check_numbers(records, provenance, constitution)
    digest = hashlib.sha256(data[PROVENANCE]).hexdigest()
    return Checked(provenance=provenance, constitution=constitution, digest=digest)


def _bytes_of(folder: Path) -> dict[str, bytes]:
    wanted = {*FILES, PROVENANCE, CARD}
    found = {one.name: one for one in folder.iterdir()} if folder.is_dir() else {}
    if set(found) != wanted:
        odd = sorted(wanted ^ set(found))
        raise _differs(f"{odd[0]} is missing, or does not belong there")
    for one in found.values():
        if not one.is_file() or one.is_symlink() or one.stat().st_size > _MOST_BYTES:
            raise _differs(f"{one.name} is no file, or too large")
    return {name: path.read_bytes() for name, path in found.items()}


def _records(data: dict[str, bytes], origin: Origin) -> list[Record]:
    lines = data[PAIRS].split(b"\n")
    if lines.pop():
        raise _differs(f"{PAIRS} does not end with a whole line")
    records = [
        read_line(line + b"\n", origin, place=f"{PAIRS}, line {number}")
        for number, line in enumerate(lines, start=1)
    ]
    if b"".join(sft_line(one, origin) for one in records) != data[SFT]:
        raise _differs(f"{SFT} does not hold what was chosen in {PAIRS}")
    return records


def _check_records(records: Sequence[Record], constitution: Constitution) -> None:
    known = {one.id for one in constitution.principles}
    redactor = Redactor(STANDARD)
    check_no_chat([(f"prompt {one.prompt_id!r}", one.prompt) for one in records], place=PAIRS)
    for one in records:
        if not one.principles or set(one.principles) - known:
            raise _differs(f"the record of {one.prompt_id!r} names a principle that is not there")
        if findings(constitution, one.chosen):
            raise _differs(f"what was chosen for {one.prompt_id!r} breaks a rule")
        texts = [one.chosen, one.rejected, one.critique]
        if redactor.redact_many(texts)[0] != texts:
            raise _differs(f"the record of {one.prompt_id!r} holds personal data")


def _check_numbers(
    records: Sequence[Record], provenance: Provenance, constitution: Constitution
) -> None:
    pairs = [_pair(one) for one in records]
    repeated = provenance.dropped.get(Reason.REPEATED.value, 0)
    if len({one.prompt_id for one in records}) != len(records) or leave_out_repeats(pairs):
        raise _differs("a record stands twice, or nearly so")
    if len(records) + sum(provenance.dropped.values()) != sum(provenance.sources.values()):
        raise _differs("records and what was thrown away are not as many as the prompts")
    by_source = Counter(one.source.value for one in records)
    if any(count > provenance.sources.get(source, 0) for source, count in by_source.items()):
        raise _differs("more records of a source than prompts")
    if measure(pairs, repeated, constitution.refuses) != provenance.measures:
        raise _differs("what is measured is not what is said")
    require_floors(provenance.measures)


def _pair(record: Record) -> Pair:
    return Pair(prompt=record.prompt, chosen=record.chosen, rejected=record.rejected)


def _differs(what: str) -> VerificationFailed:
    return VerificationFailed(_CODE, what)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
