"""Check the names in a question, without loading or downloading anything."""

from __future__ import annotations

from collections.abc import Iterable

from m2m_adapters._internal.languages import is_language, normalize_tag
from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters.errors import UserError
from m2m_adapters.planning.facts import DEFAULT_BENCHMARK, MODALITY
from m2m_adapters.planning.facts import sources as known_sources
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.names import known_names, unknown
from m2m_adapters.registry.plugins import catalogue

DIRECTIONS = ("t2i", "i2t")


def check_name(kind: str, name: str) -> str:
    """A known source or target, or ``scheme:MODEL``; it need not be installed."""
    scheme, colon, rest = name.partition(":")
    schemes = {*catalogue().names(kind, scheme=True), *registry().plugins}
    facts = known_sources() if kind == "source" else []
    if name in known_names(kind) or name in facts or (colon and rest and scheme in schemes):
        return name
    raise unknown(kind, name)


def check_languages(languages: Iterable[str]) -> list[str]:
    """One tag for each language, without repetitions."""
    if isinstance(languages, str):
        languages = [part for part in languages.split(",") if part.strip()]
    tags: dict[str, None] = {}
    for written in languages:
        if not is_language(written):
            raise UserError(
                f"'{written}' is not a language", "write tags or English names, e.g. sw,te,de"
            )
        tags[normalize_tag(written)] = None
    if not tags:
        raise UserError("no language is named", "name at least one, e.g. sw,te,de")
    return list(tags)


def check_benchmark(benchmark: str | None, modality: str | None) -> str:
    """A benchmark with published figures that fits the modality; by default the largest."""
    if benchmark is None:
        return DEFAULT_BENCHMARK[modality if modality in DEFAULT_BENCHMARK else "image"]
    if benchmark not in MODALITY:
        raise UserError(
            f"no figures are recorded for the benchmark '{benchmark}'"
            f"{did_you_mean(benchmark, list(MODALITY))}",
            f"choose one of {', '.join(MODALITY)}",
        )
    if modality in DEFAULT_BENCHMARK and MODALITY[benchmark] != modality:
        fitting = [name for name, kind in MODALITY.items() if kind == modality]
        raise UserError(
            f"the benchmark '{benchmark}' is of modality {MODALITY[benchmark]}, not {modality}",
            f"choose one of {', '.join(fitting)}",
        )
    return benchmark


def check_direction(direction: str) -> str:
    if direction not in DIRECTIONS:
        raise UserError(
            f"'{direction}' is not a direction", "write t2i (text to item) or i2t (item to text)"
        )
    return direction


def modality_of(target: str) -> str | None:
    """The modality of a target by name; None where the registry does not say."""
    offer = catalogue().find("target", target)
    if offer is not None and not offer.scheme:
        return offer.modality or None
    entry = registry().find("target", target)
    return entry.modality if entry is not None else None
