"""The decision table: one verdict for each class, asked of the rules once and then looked up.

Single decisions and bulk scans read this same table, so they can't disagree. A table belongs to one
policy version and is refused from its `valid_until` on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import numpy.typing as npt

from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import Purpose
from volens.core.time import format_moment
from volens.policy.model import (
    CLASS_COUNT,
    PURPOSE_CLASSES,
    ClassAttributes,
    Decision,
    ReasonCode,
    decode,
    digit,
)

Codes = npt.NDArray[np.int32]
Verdicts = npt.NDArray[np.uint8]

_UNASKED = 2  # neither deny (0) nor permit (1): not asked yet


class DecisionTable:
    """Class code -> decision, filled as classes are met or whole for one purpose."""

    def __init__(
        self, decide_class: Callable[[ClassAttributes], Decision], valid_until: datetime
    ) -> None:
        """Start empty.

        Args:
            decide_class: asks the rules about one class; must not raise.
            valid_until: from this moment on nothing is answered.
        """
        self.valid_until = valid_until
        self._decide_class = decide_class
        self._verdicts: Verdicts = np.full(CLASS_COUNT, _UNASKED, dtype=np.uint8)
        self._decisions: dict[int, Decision] = {}
        self._alike: dict[Decision, Decision] = {}  # many classes share one answer

    def decision(self, code: int, at: datetime) -> Decision:
        """Return the decision of one class.

        Raises:
            Denied: ``table_expired`` if `at` is not before `valid_until`.
            InvalidInput: ``class_code`` if there is no such class.
        """
        self.require_fresh(at)
        known = self._decisions.get(code)
        if known is None:
            asked = self._decide_class(decode(code))
            known = self._alike.setdefault(asked, asked)
            self._verdicts[code] = known.permit
            self._decisions[code] = known
        return known

    def verdicts(self, codes: Codes, at: datetime) -> Verdicts:
        """Return 1 (permit) or 0 (deny) for each class code, in the same shape.

        Classes not met before are asked first, each once.

        Raises:
            Denied: ``table_expired`` if `at` is not before `valid_until`.
            InvalidInput: ``class_code`` if a code is out of range.
        """
        self.require_fresh(at)
        if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < CLASS_COUNT:
            raise InvalidInput("class_code", f"a class code is not in 0..{CLASS_COUNT - 1}")
        found = self._verdicts[codes]
        if np.any(found == _UNASKED):
            for code in np.unique(codes[found == _UNASKED]).tolist():
                self.decision(code, at)
            found = self._verdicts[codes]
        return found

    def fill(self, purpose: Purpose | None, at: datetime) -> None:
        """Ask every class of one purpose (tens of thousands: seconds, not microseconds).

        Raises:
            Denied: ``table_expired`` if `at` is not before `valid_until`.
        """
        first = digit("purpose", purpose) * PURPOSE_CLASSES
        for code in range(first, first + PURPOSE_CLASSES):
            self.decision(code, at)

    def require_fresh(self, at: datetime) -> None:
        """Pass if the table may be used at `at`.

        Raises:
            Denied: ``table_expired``.
        """
        if at >= self.valid_until:
            raise Denied(
                ReasonCode.TABLE_EXPIRED,
                f"the decision table ended at {format_moment(self.valid_until)}",
                hint="load the policy version that is in force now",
            )
