"""What the hub's index reads from a card: base models, languages, license, tags."""

from __future__ import annotations

from typing import Any

from m2m_adapters.artifact.licenses import Composed, compose
from m2m_adapters.artifact.record import Record, SourceRecord, TargetRecord
from m2m_adapters.artifact.results import results
from m2m_adapters.registry.entries import Entry, registry
from m2m_adapters.registry.plugins import catalogue
from m2m_adapters.registry.route import sources_of


def card_data(record: Record) -> dict[str, Any]:
    """The front matter of the card."""
    composed = license_of(record)
    data: dict[str, Any] = {
        "library_name": "m2m-adapters",
        "pipeline_tag": "feature-extraction",
        "tags": ["m2m-adapters", "multilingual", record.target.modality],
        "language": languages(record),
        "license": composed.license,
    }
    if composed.license == "other":
        data["license_name"] = "terms-of-source-and-target"
    if bases := [*base_models(record.source), *base_models(record.target)]:
        data |= {"base_model": bases, "base_model_relation": "adapter"}
    return data


def base_models(side: SourceRecord | TargetRecord) -> list[str]:
    """Ids on the hub of the source (one, or each of a fusion) or of the target."""
    parts = side.provenance.get("parts")
    models = [
        part["model"]
        for part in [side.provenance, *(parts if isinstance(parts, list) else [])]
        # A model with a digest is a local folder.
        if isinstance(part, dict) and isinstance(part.get("model"), str) and "digest" not in part
    ]
    models = models or [entry.model for entry in entries(side) if entry.model]
    return [model for model in models if model.count("/") == 1 and model[0] not in "./~"]


def languages(record: Record) -> list[str]:
    """Codes that the source's entry lists; else those measured, and ``multilingual``."""
    for entry in entries(record.source):
        if isinstance(entry.languages, list):
            return [str(code) for code in entry.languages]
    measured = {code for rows in results(record).values() for code, _, _ in rows}
    return sorted(measured | {"multilingual"})


def license_of(record: Record) -> Composed:
    """The licenses of source, target and corpus, as recorded or in the registry, composed."""
    parts: dict[str, str | None] = {}
    for role, side in (("source", record.source), ("target", record.target)):
        recorded = side.provenance.get("license")
        if isinstance(recorded, str) and recorded:
            _add(parts, role, [recorded])
        else:
            _add(parts, role, [entry.license for entry in entries(side)] or [None])
    if record.imported is not None:
        parts["published checkpoint"] = record.imported.license
    if record.corpus is not None:
        _add(parts, "corpus", [_corpus_license(origin.name) for origin in record.corpus.origins])
    return compose(parts)


def _add(parts: dict[str, str | None], role: str, licenses: list[str | None]) -> None:
    """One part for each distinct license: ``corpus``, ``corpus 2``, ..."""
    for number, name in enumerate(dict.fromkeys(licenses) or [None]):
        parts[role if number == 0 else f"{role} {number + 1}"] = name


def _corpus_license(name: str | None) -> str | None:
    entry = registry().find("corpus", name) if name else None
    return entry.license if entry else None


def entries(side: SourceRecord | TargetRecord) -> list[Entry]:
    """What registry and plugins know of a model; several for a fusion of sources."""
    if not side.name:
        return []
    if isinstance(side, TargetRecord):
        kind, names = "target", [side.name]
    else:
        kind, names = "source", sources_of(side.name)
    return [entry for name in names if (entry := _entry(kind, name)) is not None]


def _entry(kind: str, name: str) -> Entry | None:
    if (entry := registry().find(kind, name)) is not None:
        return entry
    scheme, colon, model = name.partition(":")
    if colon:
        same = [e for e in registry().entries.values() if (e.kind, e.model) == (kind, model)]
        return next((e for e in same if e.plugin == scheme), None)
    offer = catalogue().find(kind, name)
    if offer is None or "license" not in offer.details:
        return None
    return Entry(kind, name, license=offer.details["license"])
