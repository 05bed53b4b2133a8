"""The Croissant description of a dataset, written from its manifest alone.

Croissant 1.1 (http://mlcommons.org/croissant/1.1) with the responsible-AI terms of Croissant RAI
1.0. Files are named relative to the folder. The sealed form has no record set: nobody can describe
to a loader how to read what only the gate opens.
"""

from __future__ import annotations

from volens.core.canonical import Json, canonical_json
from volens.core.time import format_moment
from volens.datasets.card import LIMITS, title
from volens.datasets.manifest import Manifest
from volens.datasets.model import Format

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
DATASET_TAG = "tag:volens.example,2026:dataset/"
"""Stands before the id: a name for a dataset that has no page of its own (RFC 4151)."""

_OWN_TERMS = (
    "annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field "
    "fileProperty fileObject fileSet format includes isArray isLiveDataset jsonPath key md5 "
    "parentField path readLines recordSet references regex repeated replace samplingRate sdVersion "
    "separator source subField transform unArchive value"
)
_CONTEXT: dict[str, Json] = {  # Croissant 1.1, Appendix 1, with the terms that 1.0 readers want
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _OWN_TERMS.split()},
}
_MEDIA_TYPES = {
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
}
_OCTETS = "application/octet-stream"
_RECORDS = "records"


def render_croissant(manifest: Manifest) -> bytes:
    """Return the description as canonical JSON; the same manifest gives the same bytes."""
    data = sorted(manifest.files)  # the data files: the description is not in it yet
    document: dict[str, Json] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "@id": DATASET_TAG + manifest.dataset,
        "conformsTo": list(CONFORMS_TO),
        "name": title(manifest),
        "description": _description(manifest),
        "url": DATASET_TAG + manifest.dataset,
        "identifier": manifest.dataset,
        "version": "1.0.0",
        "license": {"@type": "sc:CreativeWork", "name": _terms(manifest)},
        "citeAs": f"{title(manifest)}, made by {manifest.log.origin}.",
        "creator": {"@type": "sc:Organization", "name": manifest.log.origin},
        "dateCreated": format_moment(manifest.created),
        "datePublished": format_moment(manifest.created),
        "isLiveDataset": False,
        "distribution": [_file(manifest, path) for path in data],
        **_responsible(manifest),
    }
    languages = sorted(tag for tag in manifest.languages if tag != "other")
    if languages:
        document["inLanguage"] = languages
    if manifest.format is not Format.SEALED:
        document["recordSet"] = [
            _record_set(manifest.format, number, path)
            for number, path in enumerate(path for path in data if _media_type(path) != _OCTETS)
        ]
    return canonical_json(document)


def _description(manifest: Manifest) -> str:
    counts = manifest.counts
    return (
        f"{counts.records} conversations ({counts.turns} turns) for the purpose "
        f"{manifest.purpose.value}, chosen under the policy {manifest.policy.name} version "
        f"{manifest.policy.version}. Every record rests on a decision that can be checked offline."
    )


def _terms(manifest: Manifest) -> str:
    duty = f" {manifest.recall}" if manifest.recall else ""
    return f"No licence is given beyond the purpose {manifest.purpose.value}.{duty}"


def _file(manifest: Manifest, path: str) -> Json:
    ref = manifest.files[path]
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path.rpartition("/")[2],
        "contentUrl": path,
        "contentSize": f"{ref.size_bytes} B",
        "encodingFormat": _media_type(path),
        "sha256": ref.sha256.hex(),
    }


def _record_set(form: Format, number: int, path: str) -> Json:
    """Describe the rows of one file; each file has a record set of its own, in their order."""
    name = f"{_RECORDS}-{number:05d}"
    turns, role, text = (
        ("conversations", "from", "value")
        if form is Format.SHAREGPT
        else ("messages", "role", "content")
    )
    fields = [_turns_field(name, path, turns, {role: "who speaks", text: "what is said"})]
    leaf = {Format.HF: "record", Format.TRL: "record", Format.SHAREGPT: "id"}.get(form)
    if leaf is not None:
        fields.insert(0, _field(f"{name}/{leaf}", "the leaf of the manifest", path, leaf))
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _turns_field(name: str, path: str, turns: str, parts: dict[str, str]) -> Json:
    return {
        "@type": "cr:Field",
        "@id": f"{name}/{turns}",
        "name": turns,
        "description": "the turns of the conversation, in order",
        "isArray": True,
        "arrayShape": "-1",
        "subField": [
            _field(f"{name}/{turns}/{part}", meaning, path, f"{turns}[*].{part}")
            for part, meaning in parts.items()
        ],
    }


def _field(identifier: str, meaning: str, path: str, place: str) -> Json:
    column, _, inner = place.partition("[*].")
    source: dict[str, Json] = {"fileObject": {"@id": path}, "extract": {"column": column}}
    if inner:
        source["transform"] = {"jsonPath": inner}
    return {
        "@type": "cr:Field",
        "@id": identifier,
        "name": identifier.rpartition("/")[2],
        "description": meaning,
        "dataType": "sc:Text",
        "source": source,
    }


def _responsible(manifest: Manifest) -> dict[str, Json]:
    """Return the terms of Croissant RAI 1.0 that the manifest can answer."""
    left_out = ", ".join(
        f"{reason}: {count}" for reason, count in sorted(manifest.excluded.items())
    )
    return {
        "rai:dataCollection": "Conversations of people with an assistant. Each was opened for this "
        "dataset only after the rules in force permitted this purpose for it.",
        "rai:dataCollectionType": ["User-generated content data"],
        "rai:dataCollectionMissingData": f"Left out, by reason: {left_out or 'nothing'}.",
        "rai:dataPreprocessingProtocol": [f"redaction profile: {manifest.redaction}"],
        "rai:dataUseCases": [manifest.purpose.value],
        "rai:dataLimitations": list(LIMITS),
        "rai:dataBiases": ["Only people who said yes are in it; they may differ from the others."],
        "rai:personalSensitiveInformation": [
            "Conversations are personal data, also after redaction. People may speak of anything."
        ],
        "rai:dataReleaseMaintenancePlan": [
            (
                "Not updated. A record whose owner takes the yes back is revoked; holders of a "
                "copy in the clear must delete it when its removal is announced."
            )
        ],
    }


def _media_type(path: str) -> str:
    return _MEDIA_TYPES.get(path[path.rfind(".") :], _OCTETS)
