"""The fixed words around what packs say, in the languages that packs speak."""

from __future__ import annotations

from volens.policy.pack import Cell, LegalBasis, Text

FALLBACK = "en"


def say(text: Text, language: str) -> str:
    """Return `text` in `language`, or in English if it is not there."""
    return text.get(language) or text.get(FALLBACK, "")


NEED: dict[Cell, Text] = {
    Cell.NEVER: {"en": "never", "de": "nie"},
    Cell.BASIS: {
        "en": "without asking, after telling you; you may object",
        "de": "ohne Frage, nach einem Hinweis; du kannst widersprechen",
    },
    Cell.BASIS_INSIDE: {
        "en": "without asking, after telling you, inside your organisation only; you may object",
        "de": "ohne Frage, nach einem Hinweis, nur in deiner Organisation; du kannst widersprechen",
    },
    Cell.GRANT: {"en": "only with your yes", "de": "nur mit deinem Ja"},
    Cell.NAMED_GRANT: {
        "en": "only with your yes to this data set, run or partner by name; nobody asks you for it",
        "de": "nur mit deinem Ja zu diesem Datensatz, Lauf oder Partner, beim Namen genannt; "
        "niemand fragt dich danach",
    },
    Cell.EXCEPTION: {
        "en": "only through a recorded exception",
        "de": "nur über eine dokumentierte Ausnahme",
    },
    Cell.ALWAYS: {"en": "always, and you can't say no", "de": "immer, ein Nein ist nicht möglich"},
}
"""How each need is said after a purpose's name."""

WAITS: Text = {
    "en": "it waits until its safeguard exists",
    "de": "es wartet, bis der nötige Schutz da ist",
}
BASES: dict[LegalBasis, Text] = {
    LegalBasis.CONSENT: {"en": "your consent", "de": "deine Einwilligung"},
    LegalBasis.CONTRACT: {"en": "the contract with you", "de": "der Vertrag mit dir"},
    LegalBasis.LEGAL_OBLIGATION: {"en": "a duty by law", "de": "eine gesetzliche Pflicht"},
    LegalBasis.VITAL_INTERESTS: {
        "en": "protecting somebody's life",
        "de": "der Schutz eines Lebens",
    },
    LegalBasis.LEGITIMATE_INTEREST: {
        "en": "a legitimate interest",
        "de": "ein berechtigtes Interesse",
    },
    LegalBasis.NONE: {"en": "none", "de": "keine"},
}
IMPACT: dict[str, Text] = {
    "high": {"en": "high", "de": "hoch"},
    "medium": {"en": "medium, mostly safety", "de": "mittel, vor allem Sicherheit"},
    "low": {"en": "low to none", "de": "gering bis keine"},
    "none": {"en": "none", "de": "keine"},
    "varies": {"en": "varies with the level chosen", "de": "je nach gewählter Stufe"},
}
STAGE_IMPACT: dict[str, Text] = {
    "high": {"en": "high", "de": "hoch"},
    "medium": {"en": "medium", "de": "mittel"},
    "low": {"en": "low", "de": "gering"},
}
HEADINGS: dict[str, Text] = {
    "level": {"en": "Level", "de": "Stufe"},
    "uses": {
        "en": "What your chats may be used for",
        "de": "Wofür deine Chats genutzt werden dürfen",
    },
    "rules": {"en": "The rules behind this", "de": "Die Regeln dahinter"},
    "always": {"en": "What always holds", "de": "Was immer gilt"},
    "plan": {"en": "Plan", "de": "Tarif"},
    "start": {"en": "Starts on", "de": "Beginnt auf"},
    "with_yes": {"en": "Only with your yes", "de": "Nur mit deinem Ja"},
    "named": {"en": "Only with a yes by name", "de": "Nur mit einem namentlichen Ja"},
    "no_yes": {"en": "Without a yes", "de": "Ohne Ja"},
    "never": {"en": "Never", "de": "Nie"},
    "conversation_training": {"en": "Training on chats", "de": "Training mit Chats"},
    "data_deletion": {"en": "Deletion", "de": "Löschung"},
    "safety_monitoring": {"en": "Safety monitoring", "de": "Sicherheitsprüfung"},
    "account_security": {"en": "Account security", "de": "Kontosicherheit"},
    "impact": {"en": "Impact on privacy", "de": "Wirkung auf die Privatsphäre"},
    "choice": {"en": "Who may change it", "de": "Wer darf wechseln"},
    "stage": {"en": "Stage", "de": "Abschnitt"},
    "source": {"en": "Data source", "de": "Datenquelle"},
    "purposes": {"en": "Purposes", "de": "Zwecke"},
    "purpose": {"en": "Purpose", "de": "Zweck"},
    "basis": {"en": "Legal basis", "de": "Rechtsgrundlage"},
    "nobody": {"en": "nobody", "de": "niemand"},
    "nothing": {"en": "nothing", "de": "nichts"},
}
CHOOSERS: dict[str, Text] = {
    "person": {"en": "you", "de": "du"},
    "organisation": {"en": "the organisation, in writing", "de": "die Organisation, schriftlich"},
    "account": {"en": "whoever holds the account", "de": "wer das Konto hält"},
}
