"""Requests that go nowhere: prohibited uses, and uses that the gate does not permit (R49, R50)."""

from __future__ import annotations

from volens.app.home import Home
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.purposes import PROHIBITED, Purpose
from volens.gate.facts import Use, known_purpose
from volens.log.fields import Value
from volens.log.kinds import EntryKind, RefusalCause
from volens.policy.model import ReasonCode
from volens.vault.subjects import Subject


def check_declared(home: Home, word: str, subject: str) -> None:
    """Pass if a declared purpose is permitted for this person; a refusal is in the log first.

    Args:
        home: the home.
        word: the purpose, as the caller wrote it.
        subject: the person, as the caller named them; may be empty, or nobody here.

    Raises:
        Denied: ``purpose_unknown``, or the first reason of the decision; ``subject_unknown`` if
            nobody is named about whom the policy could decide.
    """
    purpose = known_purpose(word)
    person = _find(home, subject)
    if person is not None:
        decision = home.gate.decide(person, Use(purpose=purpose.value))
        if decision.permit:
            return
        code = decision.reasons[0].value
    elif purpose in PROHIBITED:
        code = ReasonCode.PROHIBITED.value
    elif purpose is Purpose.PROVIDE_SERVICE:
        return
    else:
        code = "subject_unknown"
    raise _refused(home, purpose, RefusalCause.DECLARED, code)


def refuse_recognised(home: Home, purpose: Purpose) -> None:
    """Refuse a request that was recognised as one for a prohibited use; logged first.

    Raises:
        Denied: ``prohibited``, always.
    """
    raise _refused(home, purpose, RefusalCause.RECOGNISED, ReasonCode.PROHIBITED.value)


def _refused(home: Home, purpose: Purpose, cause: RefusalCause, code: str) -> Denied:
    fields: dict[str, Value] = {
        "purpose": purpose,
        "cause": cause,
        "policy_hash": bytes.fromhex(home.policy.ref.hash),
    }
    home.recorder.record(EntryKind.USE_REFUSED, fields)
    if cause is RefusalCause.RECOGNISED:
        hint = "nobody is identified by face, voice, print or manner here; ask for something else"
        return Denied(code, f"the request asks for {purpose.value}, which is prohibited", hint=hint)
    hint = f"volens ask SUBJECT {purpose.value} tells why"
    return Denied(code, f"{purpose.value} is not permitted for this request", hint=hint)


def _find(home: Home, name: str) -> Subject | None:
    if not name:
        return None
    try:
        return home.subjects.find(name)
    except (NotFound, InvalidInput):
        return None
