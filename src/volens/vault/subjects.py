"""The register of data subjects and organisations: plan, tier, region, realm, status.

A new account has every choice off (R02): nothing here grants anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, Table, func, insert, select, text, update

from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, SubjectId, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.purposes import AgeBand, Purpose, Realm, SubjectStatus, Tier
from volens.core.regions import Region
from volens.core.time import from_millis, to_millis
from volens.crypto.keystore import Holder
from volens.crypto.sealing import Sealer
from volens.log.fields import Value
from volens.log.kinds import ChangedField, EntryKind
from volens.log.recorder import Recorder
from volens.policy.retention import Days, read_days, write_days
from volens.storage.engine import in_runs
from volens.vault.instructions import (
    Instruction,
    in_force,
    keep_version,
    next_version,
    versions,
    write_document,
)
from volens.vault.tables import LEAF, ORGANISATION, SUBJECT

MAX_REFERENCE_CHARACTERS = 256
MAX_WORD_CHARACTERS = 64
_WORD_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One data subject, without the name by which the product knows them."""

    number: int
    id: SubjectId
    plan: str
    tier: Tier | None
    """The tier chosen for this account; None for the plan's default."""
    region: Region
    realm: Realm
    age_band: AgeBand
    organisation: str | None
    status: SubjectStatus
    created: datetime
    reference_sealed: bytes = field(repr=False)

    @property
    def holder(self) -> Holder:
        """Return whose keys these are."""
        return Holder(number=self.number, raw=parse_id(IdKind.SUBJECT, self.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubject:
    """What is asked of a new account; everything else is off."""

    reference: str = field(repr=False)
    plan: str
    region: Region
    tier: Tier | None = None
    realm: Realm = Realm.CIVILIAN
    age_band: AgeBand = AgeBand.ADULT
    organisation: str | None = None


class SubjectStore:
    """Adds, finds and changes subjects; every change is in the log before it is in the table."""

    def __init__(
        self, engine: Engine, sealer: Sealer, recorder: Recorder, *, clock: Clock, entropy: Entropy
    ) -> None:
        """Use tables in `engine`."""
        self._engine = engine
        self._sealer = sealer
        self._recorder = recorder
        self._clock = clock
        self._entropy = entropy

    def add(self, wanted: Sequence[NewSubject]) -> list[Subject]:
        """Create accounts with everything off.

        Keys first, then the log entries, then the rows: if it stops in between, there is an unused
        key or an entry about an account that never came to be, and nothing else.

        Raises:
            InvalidInput: ``subject_exists``, or a malformed reference, plan or organisation.
        """
        if not wanted:
            return []
        for item in wanted:
            _check_reference(item.reference)
            check_word("plan", item.plan)
        digests = [self._digest(item.reference) for item in wanted]
        with self._engine.connect() as db:
            first = next_number(db, SUBJECT)
            for item, digest in zip(wanted, digests, strict=True):
                self._check_new(db, item, digest)
        if len(set(digests)) != len(digests):
            raise InvalidInput("subject_exists", "the same subject is added twice")
        now = self._clock.now()
        rows, holders = [], []
        for offset, (item, digest) in enumerate(zip(wanted, digests, strict=True)):
            raw = self._entropy.draw(16)
            holders.append(Holder(number=first + offset, raw=raw))
            rows.append(
                {
                    "no": first + offset,
                    "id": raw,
                    "reference_digest": digest,
                    "plan": item.plan,
                    "tier": item.tier,
                    "region": item.region.value,
                    "realm": item.realm.value,
                    "age_band": item.age_band.value,
                    "organisation": item.organisation,
                    "status": SubjectStatus.ACTIVE.value,
                    "created_ms": to_millis(now),
                }
            )
        self._make_keys(wanted, holders, rows)
        leaves = self._log_created(holders)
        with self._engine.begin() as db:
            db.execute(insert(SUBJECT), rows)
            db.execute(insert(LEAF), leaves)
            query = select(SUBJECT).where(SUBJECT.c.no >= first).order_by(SUBJECT.c.no)
            return [_subject(row) for row in db.execute(query)]

    def find(self, name: str) -> Subject:
        """Return the subject with this id or product reference.

        Raises:
            NotFound: if there is none.
        """
        if name.startswith(f"{IdKind.SUBJECT.value}_"):
            try:
                condition = SUBJECT.c.id == parse_id(IdKind.SUBJECT, name)
            except InvalidInput:
                condition = SUBJECT.c.reference_digest == self._digest(name)
        else:
            condition = SUBJECT.c.reference_digest == self._digest(name)
        with self._engine.connect() as db:
            row = db.execute(select(SUBJECT).where(condition)).first()
        if row is None:
            hint = "volens subject list shows who is here"
            raise NotFound("subject_unknown", f"no subject {name!r} here", hint=hint)
        return _subject(row)

    def several(self, ids: Sequence[SubjectId]) -> list[Subject]:
        """Return those of these people who are here, in any order."""
        raws = [parse_id(IdKind.SUBJECT, name) for name in ids]
        found: list[Subject] = []
        with self._engine.connect() as db:
            for some in in_runs(raws):
                found += [
                    _subject(row)
                    for row in db.execute(select(SUBJECT).where(SUBJECT.c.id.in_(some)))
                ]
        return found

    def by_number(self, number: int) -> Subject:
        """Return the subject in row `number`.

        Raises:
            NotFound: if there is none.
        """
        with self._engine.connect() as db:
            row = db.execute(select(SUBJECT).where(SUBJECT.c.no == number)).first()
        if row is None:
            raise NotFound("subject_unknown", f"no subject number {number} here")
        return _subject(row)

    def all(self) -> Iterator[Subject]:
        """Yield every subject, in the order they came."""
        with self._engine.connect() as db:
            for row in db.execute(select(SUBJECT).order_by(SUBJECT.c.no)).yield_per(1000):
                yield _subject(row)

    def count(self) -> int:
        """Return how many subjects there are."""
        with self._engine.connect() as db:
            return int(db.execute(select(func.count()).select_from(SUBJECT)).scalar() or 0)

    def change(self, subject: Subject, changes: Mapping[str, str | None]) -> Subject:
        """Change plan, tier, region, realm, age band, organisation or status; logged first.

        Raises:
            InvalidInput: on an unknown field or word.
        """
        checked = {name: check_field(name, value) for name, value in changes.items()}
        entries = []
        for name in checked:
            salt, commitment = self._recorder.commit(subject.holder.raw, name.encode())
            index = self._recorder.record(
                EntryKind.SUBJECT_CHANGED, {"commitment": commitment, "field": ChangedField(name)}
            )
            entries.append(
                {
                    "subject_no": subject.number,
                    "log_index": index,
                    "salt": salt,
                    "opening": name,
                }
            )
        with self._engine.begin() as db:
            db.execute(update(SUBJECT).where(SUBJECT.c.no == subject.number).values(checked))
            db.execute(insert(LEAF), entries)
        return self.by_number(subject.number)

    def instruct(
        self,
        organisation: str,
        purposes: Sequence[Purpose] | None,
        *,
        keeping: Days | None = None,
    ) -> Instruction:
        """Record an organisation's documented instruction, as its next version.

        Each part replaces the former one; None leaves it as it is (R14, R16, R20). An instruction
        never stands in for a person's grant, and never keeps anything longer: where the policy has
        the shorter time, the policy's holds.
        """
        check_word("organisation", organisation)
        with self._engine.connect() as db:
            query = select(ORGANISATION).where(ORGANISATION.c.name == organisation)
            before = db.execute(query).first()
        former = "" if before is None else before.instructions
        words = former if purposes is None else " ".join(sorted(set(purposes)))
        kept = "" if before is None else before.keeping
        days = kept if keeping is None else write_days(keeping)
        version = next_version(self._engine, organisation)
        document = write_document(organisation, version, words, days)
        salt, commitment = self._recorder.commit(document)
        fields: dict[str, Value] = {"commitment": commitment, "version": version}
        if words:
            fields["purposes"] = tuple(Purpose(word) for word in words.split())
        log_index = self._recorder.record(EntryKind.ORGANISATION_INSTRUCTED, fields)
        at = self._clock.now()
        made = Instruction(
            organisation=organisation,
            version=version,
            document=document.decode("utf-8"),
            at=at,
            log_index=log_index,
        )
        values = {"instructions": words, "keeping": days, "changed_ms": to_millis(at)}
        with self._engine.begin() as db:
            if before is None:
                db.execute(insert(ORGANISATION).values(name=organisation, **values))
            else:
                known = update(ORGANISATION).where(ORGANISATION.c.name == organisation)
                db.execute(known.values(values))
            keep_version(db, made, salt=salt, commitment=commitment)
        return made

    def instruction_versions(self, organisation: str | None = None) -> tuple[Instruction, ...]:
        """Return all versions of instructions, of one organisation or of all, oldest first."""
        return versions(self._engine, organisation)

    def instructions_root(self) -> bytes | None:
        """Return the root that names all instructions in force; None if there is none."""
        return in_force(self._engine)

    def instructions(self) -> dict[str, frozenset[str]]:
        """Return each organisation's purposes."""
        with self._engine.connect() as db:
            rows = db.execute(select(ORGANISATION.c.name, ORGANISATION.c.instructions)).all()
        return {name: frozenset(words.split()) for name, words in rows}

    def keeping(self) -> dict[str, Days]:
        """Return the times that each organisation has shortened; nothing for one that has not.

        Raises:
            InvalidInput: ``retention_form`` if a row was changed.
        """
        with self._engine.connect() as db:
            rows = db.execute(select(ORGANISATION.c.name, ORGANISATION.c.keeping)).all()
        return {name: read_days(words) for name, words in rows if words}

    def _check_new(self, db: Connection, item: NewSubject, digest: bytes) -> None:
        if item.organisation is not None:
            check_word("organisation", item.organisation)
        query = select(SUBJECT.c.no).where(SUBJECT.c.reference_digest == digest)
        if db.execute(query).first() is not None:
            raise InvalidInput(
                "subject_exists",
                "a subject with this reference is here already",
                hint="volens subject set changes one",
            )

    def _make_keys(
        self,
        wanted: Sequence[NewSubject],
        holders: Sequence[Holder],
        rows: list[dict[str, object]],
    ) -> None:
        by_scope: dict[str, list[Holder]] = {}
        for item, holder in zip(wanted, holders, strict=True):
            by_scope.setdefault(key_scope(item.region, item.realm), []).append(holder)
        for scope, group in by_scope.items():
            self._sealer.open_scope(scope)
            self._sealer.add_accounts(scope, group)
        references = {holder: item.reference for item, holder in zip(wanted, holders, strict=True)}
        sealed = self._sealer.seal_references(references)
        for row, holder in zip(rows, holders, strict=True):
            row["reference_sealed"] = sealed[holder]

    def _log_created(self, holders: Sequence[Holder]) -> list[dict[str, object]]:
        made = [self._recorder.commit(holder.raw) for holder in holders]
        indexes = self._recorder.record_all(
            [(EntryKind.SUBJECT_CREATED, {"commitment": commitment}) for _, commitment in made]
        )
        return [
            {"subject_no": holder.number, "log_index": index, "salt": salt, "opening": "created"}
            for holder, (salt, _), index in zip(holders, made, indexes, strict=True)
        ]

    def _digest(self, reference: str) -> bytes:
        return self._sealer.lookup(b"reference", reference.encode("utf-8", "surrogatepass"))


def next_number(db: Connection, table: Table) -> int:
    """Return the number that comes after every number ever used in a numbered table."""
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return int(db.execute(query, {"name": table.name}).scalar() or 0) + 1


def key_scope(region: Region, realm: Realm) -> str:
    """Return the scope whose KEK protects a person's keys; realms never share one (R76)."""
    return f"{realm.value}-{region.value}"


def check_word(what: str, word: str) -> str:
    """Return `word` if it is a short plain word.

    Raises:
        InvalidInput: otherwise.
    """
    if not 0 < len(word) <= MAX_WORD_CHARACTERS or not _WORD_ALPHABET.issuperset(word):
        hint = f"use a-z, 0-9, - _ and ., at most {MAX_WORD_CHARACTERS} characters"
        raise InvalidInput("word_form", f"not a {what}: {word[:40]!r}", hint=hint)
    return word


def check_field(name: str, value: str | None) -> str | None:
    """Return a value fit for one changeable field of a subject.

    Raises:
        InvalidInput: ``field_unknown`` or ``word_unknown``; the hint lists what is known.
    """
    words = {
        "tier": [*Tier],
        "age_band": [*AgeBand],
        "status": [*SubjectStatus],
    }
    if name in {"plan", "organisation"}:
        return None if value is None and name == "organisation" else check_word(name, value or "")
    if name not in words:
        hint = f"one of {', '.join(['plan', 'organisation', *words])}"
        raise InvalidInput("field_unknown", f"a subject has no field {name!r} to set", hint=hint)
    if value is None and name == "tier":
        return None
    if value not in {str(word) for word in words[name]}:
        hint = f"one of {', '.join(str(word) for word in words[name])}"
        raise InvalidInput("word_unknown", f"no {name} {value!r}", hint=hint)
    return value


def _check_reference(reference: str) -> None:
    printable = reference.isprintable() and reference.strip() == reference
    if not 0 < len(reference) <= MAX_REFERENCE_CHARACTERS or not printable:
        hint = f"printable, no spaces around it, at most {MAX_REFERENCE_CHARACTERS} characters"
        raise InvalidInput("reference_form", "not a usable subject reference", hint=hint)


def _subject(row: Row[tuple[object, ...]]) -> Subject:
    return Subject(
        number=row.no,
        id=SubjectId(format_id(IdKind.SUBJECT, row.id)),
        plan=row.plan,
        tier=None if row.tier is None else Tier(row.tier),
        region=Region(row.region),
        realm=Realm(row.realm),
        age_band=AgeBand(row.age_band),
        organisation=row.organisation,
        status=SubjectStatus(row.status),
        created=from_millis(row.created_ms),
        reference_sealed=row.reference_sealed,
    )
