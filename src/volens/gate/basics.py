"""A look at what is known of an account, without any conversation: logged before it is shown.

Nothing sealed is opened, so no key is asked for. It is an access all the same (R42): the person
finds it among who has seen their data.
"""

from __future__ import annotations

from contextlib import suppress

from volens.core.errors import Unavailable
from volens.core.purposes import Purpose
from volens.gate.accesses import ACCOUNT, AccessLeaf, AccessLeaves, opened_parts
from volens.gate.gate import Gate
from volens.log.kinds import AccessAction, AccessOutcome, AccessReason, Actor, EntryKind
from volens.log.recorder import Recorder
from volens.vault.subjects import Subject


def log_basics(
    gate: Gate, recorder: Recorder, leaves: AccessLeaves, subject: Subject, actor: Actor
) -> int:
    """Log that somebody sees what is known of an account; return the entry's place in the log.

    1. ``access.intent``, about no conversation. 2. What opens it to the person. 3. ``access.done``.
    If it stops before 3, the intent stands as the upper bound.

    Raises:
        Unavailable: if log or database can't be written; nothing may be shown then.
    """
    started = gate.blocks().at
    salt, commitment = recorder.commit(*opened_parts(subject.holder.raw, ACCOUNT))
    intent = recorder.record(
        EntryKind.ACCESS_INTENT,
        {
            "purpose": Purpose.PROVIDE_SERVICE,
            "actor": actor,
            "action": AccessAction.SHOW,
            "reason": AccessReason.SERVICE,
            "policy_hash": bytes.fromhex(gate.policy.ref.hash),
            "count": 0,
            "commitment": commitment,
        },
    )
    leaves.keep(subject.number, AccessLeaf(log_index=intent, salt=salt, opening=ACCOUNT))
    with suppress(Unavailable):
        gate.end_access(intent, 0, started, AccessOutcome.COMPLETED)
    return intent
