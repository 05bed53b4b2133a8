"""The only place that talks to Cedar, and the reason an error can never permit.

Cedar alone fails open: a `forbid` whose condition errs is skipped and the request may be allowed,
with the error only in the diagnostics. Here any error, any missing decision and any rule without a
known reason makes the answer an error, which `volens.policy.decision` turns into a deny.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import cedarpy

from volens.core.errors import InvalidInput
from volens.core.purposes import PROHIBITED, Purpose
from volens.policy.model import (
    DIGITS,
    PERMIT_REASONS,
    REASONS_BY_ATTRIBUTE,
    ClassAttributes,
    ReasonCode,
)
from volens.policy.pack import Rule

UNKNOWN_ACTION = "unknown"
CONTEXT = tuple(name for name, _ in DIGITS if name != "purpose")
_ANNOTATIONS = frozenset({"id", "reason", "reason_from", "row", "en", "de"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Cedar said. With any error the verdict means nothing."""

    allowed: bool
    rules: tuple[str, ...]
    """Ids of the deciding rules, sorted."""
    errors: tuple[str, ...]


class Engine:
    """Cedar rules, parsed and validated once, ready to be asked."""

    def __init__(self, cedar: str, schema: str) -> None:
        """Parse and validate.

        Raises:
            InvalidInput: ``policy_invalid`` if Cedar refuses the rules, naming the rule.
        """
        try:
            self._schema = cedarpy.Schema.from_str(schema)
            self._policies = cedarpy.PolicySet.from_str(cedar)
            # Built with the schema: a ready handle is not checked against one later.
            self._entities = cedarpy.Entities.from_json_str("[]", self._schema)
        except ValueError as error:
            raise InvalidInput("policy_invalid", f"cedar refuses the rules: {error}") from error
        result = cedarpy.validate_policies(cedar, self._schema)
        if not result.validation_passed:
            names = result.id_annotations_by_policy_id
            first = result.errors[0]
            named = names.get(first.policy_id, first.policy_id)
            raise InvalidInput(
                "policy_invalid",
                f"the rule {named!r} does not fit the schema: {first.error}",
                hint="see packs/base/schema.cedarschema for the words a rule may use",
            )

    def ask(self, attributes: ClassAttributes) -> Answer:
        """Ask about one class; never raises."""
        action = UNKNOWN_ACTION if attributes.purpose is None else attributes.purpose.value
        return self.ask_in_context(
            action, {name: getattr(attributes, name).value for name in CONTEXT}
        )

    def ask_in_context(self, action: str, context: Mapping[str, str]) -> Answer:
        """Ask with a context spelled out; never raises. A missing attribute gives an error."""
        try:
            request = {
                "principal": {"type": "Subject", "id": "subject"},
                "action": {"type": "Action", "id": action},
                "resource": {"type": "Conversation", "id": "conversation"},
                "context": json.dumps(dict(context)),
            }
            result = cedarpy.is_authorized(request, self._policies, self._entities, self._schema)
            decision = result.decision
            ids = result.diagnostics.reasons
            names = result.diagnostics.id_annotations_by_reason
            errors = list(result.diagnostics.errors)
            rules = tuple(sorted(names[policy_id] for policy_id in ids))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in the engine is a deny
            return Answer(allowed=False, rules=(), errors=(f"{type(error).__name__}: {error}",))
        if decision is cedarpy.Decision.NoDecision and not errors:
            errors.append("cedar gave no decision")
        return Answer(
            allowed=decision is cedarpy.Decision.Allow and not errors,
            rules=rules,
            errors=tuple(errors),
        )


def read_rules(cedar: str, *, base: bool, file: str) -> tuple[Rule, ...]:
    """Return the rules of one Cedar file with their annotations.

    Raises:
        InvalidInput: ``policy_invalid`` on a template, a rule without an ``@id``, an annotation
            that is not known, or a reason code that does not exist.
    """
    rules = []
    for policy in _static_policies(cedar, file):
        notes = policy.annotations
        name = notes.get("id", "")
        where = f"{file}: the rule {name or policy.id!r}"
        if not name or set(notes) - _ANNOTATIONS or not notes.get("en"):
            raise InvalidInput(
                "policy_invalid",
                f"{where} needs @id and @en, and may have only {sorted(_ANNOTATIONS)}",
            )
        reason, reason_from = notes.get("reason", ""), notes.get("reason_from", "")
        if not _known_reason(reason, reason_from, permits=policy.effect == "permit"):
            raise InvalidInput(
                "policy_invalid",
                f"{where} names no known reason for a {policy.effect}",
                hint="a permit takes @reason with granted, basis, ...; a forbid takes @reason with "
                "another code, or @reason_from with an attribute",
            )
        rules.append(
            Rule(
                id=name,
                base=base,
                permits=policy.effect == "permit",
                reason=reason,
                reason_from=reason_from,
                rows=notes.get("row", ""),
                text={key: notes[key] for key in ("en", "de") if key in notes},
                body=repr((policy.principal, policy.action, policy.resource, policy.clauses)),
            )
        )
    return tuple(rules)


def _known_reason(reason: str, reason_from: str, *, permits: bool) -> bool:
    if reason_from:
        return not reason and not permits and reason_from in REASONS_BY_ATTRIBUTE
    return reason in set(ReasonCode) and (reason in PERMIT_REASONS) is permits


def _static_policies(cedar: str, file: str) -> list[cedarpy.pst.Template]:
    """Return the rules in the order of the file (Cedar numbers them policy0, policy1, ...)."""
    try:
        parsed = cedarpy.policies_to_pst(cedar)
    except ValueError as error:
        raise InvalidInput("policy_invalid", f"{file}: not Cedar: {error}") from error
    if parsed.templates or parsed.template_links:
        raise InvalidInput("policy_invalid", f"{file}: templates (?principal) are not taken")
    return sorted(parsed.static_policies.values(), key=lambda policy: (len(policy.id), policy.id))


def permitted_actions(cedar: str, file: str) -> dict[str, frozenset[str] | None]:
    """Return, for each permitting rule's id, the actions and groups its head names.

    None stands for a head that names no action at all, and so covers every one.
    """
    heads: dict[str, frozenset[str] | None] = {}
    for policy in _static_policies(cedar, file):
        if policy.effect != "permit":
            continue
        scope = policy.action
        name = policy.annotations.get("id", policy.id)
        if isinstance(scope, cedarpy.pst.ActionEq):
            heads[name] = frozenset({scope.entity.id})
        elif isinstance(scope, cedarpy.pst.ActionIn):
            heads[name] = frozenset(entity.id for entity in scope.entities)
        else:
            heads[name] = None
    return heads


def covers_prohibited(actions: frozenset[str] | None) -> tuple[Purpose | None, ...]:
    """Return the purposes that no rule may permit but that a head with `actions` covers.

    None in the answer stands for the unknown purpose.
    """
    if actions is None:
        return (*sorted(PROHIBITED), Purpose.GOVERNMENT_TRAINING, None)
    found: list[Purpose | None] = []
    if "prohibited" in actions:
        found += sorted(PROHIBITED)
    found += [purpose for purpose in sorted(PROHIBITED) if purpose.value in actions]
    if actions & {"learning", Purpose.GOVERNMENT_TRAINING.value}:
        found.append(Purpose.GOVERNMENT_TRAINING)
    if UNKNOWN_ACTION in actions:
        found.append(None)
    return tuple(found)
