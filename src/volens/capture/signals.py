"""Negative signals that came with a conversation.

Only a no is ever read. A field that says yes changes nothing: an import grants nothing. A field
that is there but unclear counts as a no.
"""

from __future__ import annotations

from collections.abc import Mapping

from volens.core.canonical import Json
from volens.core.purposes import Signal

_WORDS = {
    "istemporary": Signal.TEMPORARY,
    "istemporarychat": Signal.TEMPORARY,
    "temporary": Signal.TEMPORARY,
    "temporarychat": Signal.TEMPORARY,
    "isephemeral": Signal.TEMPORARY,
    "ephemeral": Signal.TEMPORARY,
    "isincognito": Signal.TEMPORARY,
    "incognito": Signal.TEMPORARY,
    "expiredat": Signal.TEMPORARY,
    "expiresat": Signal.TEMPORARY,
    "isdonotremember": Signal.DO_NOT_REMEMBER,
    "donotremember": Signal.DO_NOT_REMEMBER,
    "donottrain": Signal.EXCLUDED,
    "excludefromtraining": Signal.EXCLUDED,
    "excludedfromtraining": Signal.EXCLUDED,
    "trainingoptout": Signal.EXCLUDED,
    "istrainingdisabled": Signal.EXCLUDED,
    "trainingdisabled": Signal.EXCLUDED,
    "historyandtrainingdisabled": Signal.EXCLUDED,
    "notraining": Signal.EXCLUDED,
    "optout": Signal.EXCLUDED,
    "optedout": Signal.EXCLUDED,
    "isdeleted": Signal.EXCLUDED,
    "deleted": Signal.EXCLUDED,
    "deletedat": Signal.EXCLUDED,
}
_PERMISSIONS = frozenset(
    {
        "trainingallowed",
        "allowtraining",
        "istrainingallowed",
        "trainingenabled",
        "trainingconsent",
        "consenttotraining",
        "trainable",
        "optin",
        "optedin",
    }
)
_MEMORY_ON = frozenset({"global_enabled", "global", "enabled"})
_STRICTNESS = (Signal.NONE, Signal.DO_NOT_REMEMBER, Signal.EXCLUDED, Signal.TEMPORARY)


def strictest(*signals: Signal) -> Signal:
    """Return the signal that forbids most."""
    return max(signals, key=_STRICTNESS.index, default=Signal.NONE)


def read_signal(record: Mapping[str, Json]) -> Signal:
    """Return the strictest negative signal among a record's own members."""
    found = Signal.NONE
    for name, value in record.items():
        if value is None:
            continue
        word = name.replace("_", "").replace("-", "").casefold()
        if word in _WORDS and value is not False:
            found = strictest(found, _WORDS[word])
        elif word in _PERMISSIONS and value is not True:
            found = strictest(found, Signal.EXCLUDED)
        elif word == "memoryscope" and not (isinstance(value, str) and value in _MEMORY_ON):
            found = strictest(found, Signal.DO_NOT_REMEMBER)
    return found
