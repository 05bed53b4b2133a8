"""Every check of an audit: what it promises in words, and the function that looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from volens.audit import holdings, leaves, ledgers, machine, manifests, models, promises, rules
from volens.audit.inventory import compare
from volens.audit.model import Finding, Look
from volens.audit.survey import Survey, columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One invariant."""

    id: str
    promise: str
    rows: tuple[str, ...]
    how: str
    look: Callable[[Survey], Look]


def _schema_is_told(survey: Survey) -> Look:
    """Compare every column that is really there with the field inventory."""
    evidence = survey.evidence
    there = {**columns(evidence.main), **columns(evidence.keys)}
    untold = compare(there).untold
    text = f"columns that the inventory does not know: {', '.join(untold[:5])}"
    return Look(
        looked_at=sum(len(names) for names in there.values()),
        violations=[Finding(text=text, count=len(untold))] if untold else [],
    )


CHECKS: tuple[Check, ...] = (
    Check(
        id="log.verifies",
        promise="Nothing in the log was changed, dropped or added.",
        rows=("R43",),
        how="every entry, tile and signature recomputed from the entries",
        look=ledgers.log_verifies,
    ),
    Check(
        id="log.rows_have_entries",
        promise="What the database says happened stands in the log, with the same content.",
        rows=("R42", "R47"),
        how="each row's entry looked up by its place; each commitment opened with the kept salt",
        look=ledgers.rows_have_entries,
    ),
    Check(
        id="log.entries_have_rows",
        promise="What the log says changed is in the database: it was not set back.",
        rows=("R43", "R47"),
        how="each entry that changes something looked up among the rows",
        look=ledgers.entries_have_rows,
    ),
    Check(
        id="log.witnesses_fresh",
        promise="Each witness signed this very log, and lately.",
        rows=("R43",),
        how="each kept cosignature verified, its tree recomputed from the entries, its age taken",
        look=machine.witnesses_are_fresh,
    ),
    Check(
        id="consent.states_are_the_fold",
        promise="The stored choices are what each person's acts add up to, no more.",
        rows=("R01", "R08"),
        how="all acts folded anew and compared row by row",
        look=ledgers.states_are_the_fold,
    ),
    Check(
        id="consent.grants_name_a_notice",
        promise="Every yes was given on a notice that had been published.",
        rows=("R09",),
        how="each grant's notice looked up in the log before it",
        look=ledgers.grants_name_a_notice,
    ),
    Check(
        id="datasets.only_the_willing",
        promise="No manifest holds a record whose person had not said yes when it was built.",
        rows=("R01", "R25"),
        how="all acts replayed up to each build's intent; each record's person looked up",
        look=manifests.only_the_willing,
    ),
    Check(
        id="datasets.rows_are_the_leaves",
        promise="What the home says is in a dataset is what its signed manifest holds.",
        rows=("R30", "R47"),
        how="each record's leaf made anew from its conversation's key and compared",
        look=leaves.rows_are_the_leaves,
    ),
    Check(
        id="datasets.match_the_log",
        promise="Every dataset was announced, built and signed as the log says.",
        rows=("R42", "R47"),
        how="kept files, statement, intent and end of each dataset compared with the log",
        look=manifests.datasets_match_the_log,
    ),
    Check(
        id="models.cases_open",
        promise="Who may not be used any more has a case for each model that learned from them.",
        rows=("R61", "R80"),
        how="what runs were planned with compared with what may be used now, cases and copies",
        look=models.cases_are_open,
    ),
    Check(
        id="keys.match_rows",
        promise="Every conversation has its key and ciphertext, and no key outlives its data.",
        rows=("R36", "R45"),
        how="every key page opened for its list of conversations, compared both ways; no content",
        look=holdings.keys_match_rows,
    ),
    Check(
        id="tenants.apart",
        promise="Regions, realms and tenants share no keys.",
        rows=("R48", "R64", "R76"),
        how="the scope of each key page compared with its person, each epoch with the home",
        look=holdings.apart,
    ),
    Check(
        id="rules.prohibitions_in_force",
        promise="Prohibited uses are denied by the rules that decide, on every plan.",
        rows=("R49", "R50", "R51", "R52", "R53", "R54", "R55", "R77"),
        how="the pack in force read and admitted anew; the live policy asked for each such class",
        look=rules.prohibitions_in_force,
    ),
    Check(
        id="access.logged_first",
        promise="Whatever was opened was announced in the log before.",
        rows=("R42",),
        how="each end of an access matched with the intent before it, by place and count",
        look=rules.logged_first,
    ),
    Check(
        id="access.ended_means_ended",
        promise="Whoever closed or is erasing an account is used for nothing.",
        rows=("R34", "R37"),
        how="every purpose decided for everybody; the ended accounts looked up in the answers",
        look=rules.ended_means_ended,
    ),
    Check(
        id="erasures.in_time",
        promise="No erasure is late.",
        rows=("R33", "R34", "R38"),
        how="each erasure compared with its deadlines, their number with the log",
        look=promises.erasures_in_time,
    ),
    Check(
        id="holds.in_time",
        promise="No hold goes on past its end.",
        rows=("R41",),
        how="each hold compared with its end, their number with the log",
        look=promises.holds_in_time,
    ),
    Check(
        id="requests.in_time",
        promise="No rights request is late.",
        rows=("R63",),
        how="each request compared with its deadline, their number with the log",
        look=promises.requests_in_time,
    ),
    Check(
        id="home.databases_set",
        promise="The databases overwrite what is deleted and survive a power cut.",
        rows=("R36",),
        how="settings asked for, SQLite's own check run, every freed page read",
        look=machine.databases_are_set,
    ),
    Check(
        id="home.files_private",
        promise="Nobody else on this machine can read or change the home or its keys.",
        rows=("R46",),
        how="the mode of every folder, file and secret",
        look=machine.files_are_private,
    ),
    Check(
        id="home.custody_outside",
        promise="No key that opens the home lies in the home.",
        rows=("R46",),
        how="the two places compared; every file of the home searched for every secret",
        look=machine.custody_is_outside,
    ),
    Check(
        id="home.files_known",
        promise="The home holds nothing that nobody knows of.",
        rows=("R40", "R96"),
        how="every path compared with the file classes of the inventory",
        look=machine.files_are_known,
    ),
    Check(
        id="home.fields_told",
        promise="Every field that is held is in the inventory that people are shown.",
        rows=("R96",),
        how="the columns of both databases compared with the inventory",
        look=_schema_is_told,
    ),
    Check(
        id="audits.kept",
        promise="Earlier audits are kept as they were signed.",
        rows=("R47",),
        how="each kept report hashed and compared with its row and its log entry",
        look=ledgers.audits_are_kept,
    ),
)
