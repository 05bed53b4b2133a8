"""What an erasure receipt says in plain words, in English and German."""

from __future__ import annotations

from collections.abc import Mapping

from volens.holds.erasure import ErasureState
from volens.lifecycle.map_rows import Method
from volens.log.kinds import ErasureCause, ErasureScope

Text = Mapping[str, str]
FALLBACK = "en"
LANGUAGES: Mapping[str, str] = {"en": "ltr", "de": "ltr"}
"""Each language there are words in, and which way it runs."""


def language_for(wanted: str) -> str:
    """Return `wanted`, or its base language, if there are words in it, else English."""
    base = wanted.replace("_", "-").split("-")[0].lower()
    return base if base in LANGUAGES else FALLBACK


TITLE: Mapping[str, Text] = {
    "receipt": {"en": "Erasure receipt", "de": "Löschquittung"},
    "status": {"en": "Erasure: where it stands", "de": "Löschung: der Stand"},
}
STATE: Mapping[ErasureState, Text] = {
    ErasureState.ACCESS_ENDED: {
        "en": "Nobody can use it any more. It is not gone yet.",
        "de": "Niemand kann es mehr benutzen. Es ist noch nicht weg.",
    },
    ErasureState.HELD: {
        "en": "Nobody can use it any more. It is not gone yet: a hold keeps it for a while.",
        "de": "Niemand kann es mehr benutzen. Es ist noch nicht weg: Es muss eine Zeit lang "
        "aufbewahrt werden.",
    },
    ErasureState.KEYS_REMOVED: {
        "en": "Its keys are removed, so our systems can't open it any more. An old copy of our "
        "systems still could, until their key is destroyed.",
        "de": "Die Schlüssel dazu sind entfernt, unsere Systeme können es nicht mehr öffnen. Eine "
        "alte Kopie unserer Systeme könnte es noch, bis deren Schlüssel zerstört ist.",
    },
    ErasureState.IRRECOVERABLE: {
        "en": "It is gone for good. No copy that we keep, old or new, can be opened.",
        "de": "Es ist endgültig weg. Keine Kopie bei uns, alt oder neu, lässt sich öffnen.",
    },
    ErasureState.CANCELLED: {
        "en": "The erasure was taken back. Nothing was erased.",
        "de": "Die Löschung wurde zurückgenommen. Nichts wurde gelöscht.",
    },
}
SCOPE: Mapping[ErasureScope, Text] = {
    ErasureScope.CONVERSATION: {"en": "named chats", "de": "einzelne Chats"},
    ErasureScope.HISTORY: {"en": "all chats", "de": "alle Chats"},
    ErasureScope.ACCOUNT: {
        "en": "the account with everything in it",
        "de": "das Konto mit allem darin",
    },
}
CAUSE: Mapping[ErasureCause, Text] = {
    ErasureCause.REQUEST: {"en": "you asked for it", "de": "du hast darum gebeten"},
    ErasureCause.SCHEDULE: {
        "en": "its time was over (retention schedule)",
        "de": "die Frist war abgelaufen (Löschfrist)",
    },
    ErasureCause.HOLD_RELEASED: {
        "en": "a hold on it ended",
        "de": "eine Aufbewahrungspflicht ist entfallen",
    },
    ErasureCause.RESTORE: {
        "en": "it came back with a backup and was erased again",
        "de": "es kam mit einer Sicherung zurück und wurde wieder gelöscht",
    },
}
LABEL: Mapping[str, Text] = {
    "reference": {"en": "Reference number", "de": "Vorgangsnummer"},
    "scope": {"en": "What", "de": "Was"},
    "cause": {"en": "Why", "de": "Warum"},
    "conversations": {"en": "Chats", "de": "Chats"},
    "promised_by": {"en": "Promised by", "de": "Zugesagt bis"},
    "issued": {"en": "As of", "de": "Stand"},
    "controller": {"en": "Kept by (name of the log)", "de": "Geführt von (Name des Protokolls)"},
    "contact": {"en": "Whom to ask", "de": "Ansprechstelle"},
    "timeline": {"en": "What happened when", "de": "Was wann geschah"},
    "steps": {"en": "Store by store", "de": "Speicher für Speicher"},
    "method": {"en": "How it is erased", "de": "Wie gelöscht wird"},
    "check": {"en": "How to check this", "de": "So lässt es sich prüfen"},
    "checkpoint": {"en": "Checkpoint of the log", "de": "Prüfpunkt des Protokolls"},
    "step": {"en": "Step", "de": "Schritt"},
    "when": {"en": "When (UTC)", "de": "Wann (UTC)"},
    "proof": {"en": "Proof", "de": "Beleg"},
    "store": {"en": "Where", "de": "Wo"},
    "how": {"en": "How", "de": "Wie"},
    "entry": {"en": "log entry", "de": "Protokolleintrag"},
    "stated": {"en": "stated by us", "de": "unsere Angabe"},
    "not_yet": {"en": "not yet", "de": "noch nicht"},
    "save": {"en": "Save the signed receipt (JSON)", "de": "Signierte Quittung sichern (JSON)"},
    "requested": {"en": "Erasure asked for", "de": "Löschung beantragt"},
    "access_ended": {"en": "Access ended", "de": "Zugriff beendet"},
    "cool_off_ends": {"en": "Can be taken back until", "de": "Rücknahme möglich bis"},
    "held_until": {"en": "Kept by a hold until", "de": "Aufbewahrt bis"},
    "cancelled": {"en": "Taken back", "de": "Zurückgenommen"},
    "keys_removed": {"en": "Keys removed", "de": "Schlüssel entfernt"},
    "irrecoverable": {"en": "Gone for good", "de": "Endgültig weg"},
}
STORE: Mapping[str, Text] = {
    "keys": {"en": "keys", "de": "Schlüssel"},
    "content": {"en": "content of chats", "de": "Inhalt der Chats"},
    "rows": {"en": "tables of the database", "de": "Tabellen der Datenbank"},
    "choices": {"en": "consent choices", "de": "Einwilligungen"},
    "datasets": {"en": "datasets", "de": "Datensätze"},
    "runs": {"en": "trained models", "de": "trainierte Modelle"},
    "impact": {"en": "cases about models", "de": "Fälle zu Modellen"},
    "requests": {"en": "rights requests", "de": "Anträge"},
    "holds": {"en": "holds", "de": "Aufbewahrung"},
    "exports": {"en": "exports", "de": "Exporte"},
    "reports": {"en": "reported chats", "de": "gemeldete Chats"},
    "safety": {"en": "flags and safety cases", "de": "Hinweise und Fälle"},
    "access": {"en": "sign-in", "de": "Anmeldung"},
}
"""Known stores; any other is shown by its own word."""
METHOD: Mapping[str, Text] = {
    Method.KEY_REMOVED.value: {"en": "key removed", "de": "Schlüssel entfernt"},
    Method.RESEALED.value: {"en": "sealed anew without it", "de": "ohne es neu versiegelt"},
    Method.ROW_DELETED.value: {
        "en": "any rows of it deleted and overwritten",
        "de": "etwaige Zeilen gelöscht und überschrieben",
    },
    Method.VALUE_CLEARED.value: {
        "en": "any values of it overwritten",
        "de": "etwaige Werte überschrieben",
    },
    Method.REMOVAL_LISTED.value: {
        "en": "if it was in one: listed for holders of copies to remove",
        "de": "falls darin: für Inhaber von Kopien zum Entfernen gelistet",
    },
    Method.FILE_REPLACED.value: {
        "en": "file replaced by one without it",
        "de": "Datei durch eine ohne es ersetzt",
    },
    Method.EPOCH_DESTROYED.value: {
        "en": "key destroyed with its epoch",
        "de": "Schlüssel mit seiner Epoche zerstört",
    },
    Method.UNLINKED.value: {
        "en": "stays, but nothing leads to you any more",
        "de": "bleibt, aber nichts führt mehr zu dir",
    },
}
MEANS: Text = {
    "en": "Every chat is stored encrypted. To erase it we remove its key, then the encrypted text "
    "and the rows about it. The key that protected the removed key is replaced and destroyed too. "
    "From then on nobody can open a copy of the stored text, not even one from an old backup "
    "(cryptographic erase, NIST SP 800-88).",
    "de": "Jeder Chat ist verschlüsselt gespeichert. Zum Löschen entfernen wir seinen Schlüssel, "
    "dann den verschlüsselten Text und die Zeilen darüber. Auch der Schlüssel, der den entfernten "
    "geschützt hat, wird ersetzt und zerstört. Von da an kann niemand eine Kopie des gespeicherten "
    "Textes öffnen, auch nicht aus einer alten Sicherung (kryptografisches Löschen, NIST SP "
    "800-88).",
}
KEPT: Text = {
    "en": "If a law or a court makes us keep a part of it, that part goes later, as soon as we "
    "may, without a new request.",
    "de": "Wenn ein Gesetz oder ein Gericht uns verpflichtet, einen Teil zu behalten, geht dieser "
    "Teil später: sobald wir dürfen, ohne neuen Antrag.",
}
CHECKING: Text = {
    "en": "The signed receipt is the JSON file. Anybody can check it without us and without the "
    "net, with the public key of the log:",
    "de": "Die signierte Quittung ist die JSON-Datei. Alle können sie ohne uns und ohne Netz "
    "prüfen, mit dem öffentlichen Schlüssel des Protokolls:",
}
PROVES: Text = {
    "en": "That shows that each step with a log entry was recorded, for this reference number, no "
    "later than the checkpoint below, and that nothing here was changed since. It can't show that "
    "nobody outside our systems kept a copy.",
    "de": "Das zeigt: Jeder Schritt mit Protokolleintrag wurde für diese Vorgangsnummer vermerkt, "
    "spätestens mit dem Prüfpunkt unten, und nichts hier wurde seither geändert. Es kann nicht "
    "zeigen, dass niemand außerhalb unserer Systeme eine Kopie behalten hat.",
}
LATE: Text = {
    "en": "This is later than we promised. You can complain to the contact above or to a data "
    "protection authority.",
    "de": "Das ist später als zugesagt. Du kannst dich bei der Ansprechstelle oben oder bei einer "
    "Datenschutzbehörde beschweren.",
}
SUBJECT_LINE: Mapping[str, Text] = {
    "receipt": {"en": "Your erasure receipt", "de": "Deine Löschquittung"},
    "status": {"en": "Your erasure: where it stands", "de": "Deine Löschung: der Stand"},
}
