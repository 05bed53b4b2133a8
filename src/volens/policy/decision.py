"""Deciding: one loaded pack, asked through Cedar, answering with reasons.

Whatever goes wrong while asking is a deny with the reason ``policy_error``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from volens.core.purposes import PROHIBITED
from volens.core.time import FAR_FUTURE
from volens.policy.cedar import Answer, Engine
from volens.policy.classify import ConversationFacts, SubjectFacts, UseFacts, classify
from volens.policy.model import (
    PERMIT_REASONS,
    REASONS_BY_ATTRIBUTE,
    ClassAttributes,
    Decision,
    PolicyRef,
    ReasonCode,
    encode,
    in_order,
)
from volens.policy.pack import Pack
from volens.policy.table import DecisionTable

_ERROR = (False, (ReasonCode.POLICY_ERROR,), ())


def judge(
    pack: Pack, answer: Answer, attributes: ClassAttributes
) -> tuple[bool, tuple[ReasonCode, ...], tuple[str, ...]]:
    """Turn Cedar's answer into verdict, reasons and deciding rules; anything unclear is a deny.

    A deny that no rule explains is an error of the pack: every deny has a rule with a reason.
    """
    if answer.errors or not answer.rules:
        return _ERROR
    reasons: set[ReasonCode] = set()
    for name in answer.rules:
        rule = pack.rules.get(name)
        if rule is None:
            return _ERROR
        if rule.reason_from:
            value = getattr(attributes, rule.reason_from)
            reason = REASONS_BY_ATTRIBUTE[rule.reason_from].get(value)
        else:
            reason = ReasonCode(rule.reason)
        if reason is None or (reason in PERMIT_REASONS) is not answer.allowed:
            return _ERROR
        reasons.add(reason)
    return answer.allowed, in_order(reasons), answer.rules


class Policy:
    """A pack in force, ready to decide."""

    def __init__(self, pack: Pack, *, next_version_from: datetime | None = None) -> None:
        """Parse the pack's rules.

        Args:
            pack: an admitted pack.
            next_version_from: when the next version takes effect, if that is known; no decision
                is valid beyond it.
        """
        self.pack = pack
        self.valid_until = next_version_from or FAR_FUTURE
        self._engine = Engine(pack.cedar, pack.schema)

        self._table = DecisionTable(self.decide_class, self.valid_until)

    @property
    def ref(self) -> PolicyRef:
        """Name, version and hash of the pack."""
        return self.pack.ref

    def decide_class(self, attributes: ClassAttributes) -> Decision:
        """Decide one class; never raises. A purpose that the pack does not list is unknown."""
        known = attributes.purpose in self.pack.matrix or attributes.purpose in PROHIBITED
        asked = attributes if known else replace(attributes, purpose=None)
        permit, reasons, rules = judge(self.pack, self._engine.ask(asked), asked)
        return Decision(
            permit=permit,
            reasons=reasons,
            policy=self.ref,
            rules=rules,
            valid_until=self.valid_until,
        )

    def table(self) -> DecisionTable:
        """Return the table that every decision of this policy is read from."""
        return self._table

    def decide(
        self, subject: SubjectFacts, conversation: ConversationFacts, use: UseFacts
    ) -> Decision:
        """Decide one use; never raises, whatever the facts hold.

        Past the end of this policy version the answer is a deny with ``table_expired``; facts that
        can't be read at all (a moment without a zone, say) give a deny with ``policy_error``.
        """
        try:
            return self._decide(subject, conversation, use)
        except Exception:  # noqa: BLE001 - whatever goes wrong while deciding is a deny
            return self._deny(ReasonCode.POLICY_ERROR)

    def _decide(
        self, subject: SubjectFacts, conversation: ConversationFacts, use: UseFacts
    ) -> Decision:
        if use.at >= self.valid_until:
            return self._deny(ReasonCode.TABLE_EXPIRED)
        classified = classify(self.pack, subject, conversation, use)
        decision = self._table.decision(encode(classified.attributes), use.at)
        return replace(decision, valid_until=min(decision.valid_until, classified.valid_until))

    def _deny(self, reason: ReasonCode) -> Decision:
        return Decision(
            permit=False,
            reasons=(reason,),
            policy=self.ref,
            rules=(),
            valid_until=self.valid_until,
        )
