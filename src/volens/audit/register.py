"""The register of audits: when each was, what came of it, and the signed report itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, Table, func, insert, select

from volens.audit.model import Report
from volens.core.errors import NotFound
from volens.core.time import from_millis, to_millis
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.storage.files import write_private

METADATA = MetaData()
AUDIT = Table(
    "audit",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("report_digest", LargeBinary, nullable=False),
    Column("checks", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One audit that was made and kept."""

    number: int
    at: datetime
    log_index: int
    checks: int
    failed: int


class AuditRegister:
    """Keeps signed reports in a folder and their moments in the database."""

    def __init__(self, engine: Engine, folder: Path, recorder: Recorder) -> None:
        """Use the table in `engine`, and `folder` for the reports."""
        self._engine = engine
        self._folder = folder
        self._recorder = recorder

    def keep(self, report: Report, envelope: bytes) -> Audited:
        """Keep a signed report.

        1. The report becomes a durable file. 2. ``audit.done`` is logged, with a commitment to the
        report's hash. 3. The row is committed. A file after a stop in between is replaced by the
        next audit; an entry without a row says that one was made and not kept.
        """
        with self._engine.connect() as db:
            number = (db.execute(select(func.max(AUDIT.c.no))).scalar() or 0) + 1
        write_private(self.path(number), envelope)
        digest = sha256(envelope).digest()
        salt, commitment = self._recorder.commit(digest)
        checks = len(report.results)
        index = self._recorder.record(
            EntryKind.AUDIT_DONE,
            {"commitment": commitment, "checks": checks, "failed": report.failed},
        )
        row = {
            "no": number,
            "at_ms": to_millis(report.at),
            "log_index": index,
            "salt": salt,
            "report_digest": digest,
            "checks": checks,
            "failed": report.failed,
        }
        with self._engine.begin() as db:
            db.execute(insert(AUDIT).values(row))
        return Audited(
            number=number, at=report.at, log_index=index, checks=checks, failed=report.failed
        )

    def path(self, number: int) -> Path:
        """Return where the report of an audit is kept."""
        return self._folder / f"{number:06d}.json"

    def last(self) -> Audited | None:
        """Return the latest audit, or None if there was none."""
        latest = self.latest(1)
        return latest[0] if latest else None

    def latest(self, most: int) -> list[Audited]:
        """Return the latest audits, `most` at most, the newest first."""
        with self._engine.connect() as db:
            rows = db.execute(select(AUDIT).order_by(AUDIT.c.no.desc()).limit(most)).all()
        return [
            Audited(
                number=row.no,
                at=from_millis(row.at_ms),
                log_index=row.log_index,
                checks=row.checks,
                failed=row.failed,
            )
            for row in rows
        ]

    def find(self, number: int) -> Audited:
        """Return one audit.

        Raises:
            NotFound: ``audit_missing``.
        """
        with self._engine.connect() as db:
            known = db.execute(select(AUDIT).where(AUDIT.c.no == number)).first()
        if known is None:
            raise NotFound("audit_missing", f"there is no audit {number} here")
        return Audited(
            number=known.no,
            at=from_millis(known.at_ms),
            log_index=known.log_index,
            checks=known.checks,
            failed=known.failed,
        )

    def read(self, audited: Audited) -> bytes:
        """Return a kept report.

        Raises:
            NotFound: ``audit_missing`` if its file is gone.
        """
        path = self.path(audited.number)
        if not path.is_file():
            raise NotFound("audit_missing", f"the report of audit {audited.number} is gone")
        return path.read_bytes()


def overdue_since(
    last: datetime | None, created: datetime, days: int, at: datetime
) -> datetime | None:
    """Return since when the next audit is overdue, or None if it is not.

    Args:
        last: when the last audit was; None if there was none.
        created: when the home was made: the first audit is due so many days after.
        days: how many days may lie between two audits.
        at: now.
    """
    due = (last or created) + timedelta(days=days)
    return due if at >= due else None
