"""Every name that can be used, with what a reader needs to choose: the rows of ``m2m list``."""

from __future__ import annotations

from typing import Any

from m2m_adapters.corpus.published import SOURCES, fetched_folder, published_corpora
from m2m_adapters.hookspecs import Offer
from m2m_adapters.registry.entries import Entry, Plugin, registry
from m2m_adapters.registry.plugins import catalogue

Row = dict[str, Any]

KEYS = ("name", "model", "dim", "modality", "abilities", "license", "needs", "notes", "plugin")
COLUMNS = {
    "source": ("name", "model", "dim", "license", "needs", "notes"),
    "target": ("name", "model", "dim", "modality", "abilities", "license", "needs", "notes"),
    "corpus": ("name", "license", "needs", "notes"),
    "benchmark": ("name", "modality", "license", "needs", "notes"),
    "adapter": ("name", "source", "target", "modality", "size", "notes"),
    "loss": ("name", "notes"),
}
"""Columns of each kind's table. abilities: of a target, ``encode items`` or ``generate``."""


def rows(kind: str) -> list[Row]:
    """Every name of a kind: of plugins, of the registry, and built in."""
    offers, entries = catalogue(), registry()
    listed_rows = [
        _of_offer(offers.offers[key]) for key in sorted(offers.offers) if key[0] == kind
    ]  # fmt: skip
    for name in entries.names(kind):
        entry = entries.find(kind, name)
        offer = offers.offers.get((kind, name))
        # A scheme of the same name (clap:MODEL) is another row; a plain name comes first.
        if entry is not None and (offer is None or offer.scheme):
            listed_rows.append(_of_adapter(entry) if kind == "adapter" else _of_entry(entry))
    listed = {row["name"] for row in listed_rows}
    return listed_rows + [row for row in _built_in(kind) if row["name"] not in listed]


def _built_in(kind: str) -> list[Row]:
    if kind == "corpus":
        return _corpora()
    if kind == "benchmark":
        return _benchmarks()
    return _losses() if kind == "loss" else []


def _row(**values: Any) -> Row:
    return dict.fromkeys(KEYS) | values


def _of_offer(offer: Offer) -> Row:
    abilities = offer.details.get("abilities")
    if abilities is None and offer.scheme:
        abilities = registry().plugins.get(offer.name, Plugin()).abilities or None
    return _row(
        name=f"{offer.name}:MODEL" if offer.scheme else offer.name,
        dim=offer.details.get("dim"),
        modality=offer.modality,
        abilities=abilities,
        license=offer.details.get("license"),
        notes=offer.description,
        plugin=offer.distribution,
    )


def _of_entry(entry: Entry) -> Row:
    known = registry()
    plugin = known.plugins.get(entry.plugin, Plugin())
    ready = not entry.plugin or (entry.kind, entry.plugin) in catalogue().offers
    needs = None if ready else known.install_line(entry)
    if entry.kind == "corpus" and entry.name in published_corpora():
        needs = _needs_fetch(entry.name)
    return _row(
        name=entry.name,
        model=entry.model or None,
        dim=entry.dim,
        modality=entry.modality,
        abilities=plugin.abilities or None,
        license=entry.license,
        needs=needs,
        notes=entry.notes or None,
        plugin=plugin.distribution or entry.plugin or None,
    )


def _of_adapter(entry: Entry) -> Row:
    """size: dimensions of the source and of the target."""
    known = registry()
    source = known.find("source", entry.source or "")
    target = known.find("target", entry.target or "")
    width = entry.dim or (target.dim if target else None)
    return _of_entry(entry) | {
        "source": entry.source,
        "target": entry.target,
        "size": f"{source.dim} -> {width}" if source and source.dim and width else None,
    }


def _needs_fetch(name: str) -> str | None:
    return None if fetched_folder(name).is_dir() else f"m2m fetch {name}"


def _corpora() -> list[Row]:
    return [
        _row(name=name, needs=_needs_fetch(name), notes=SOURCES[name].notes)
        for name in published_corpora()
    ]


def _benchmarks() -> list[Row]:
    from m2m_adapters.evaluation.datasets import READERS

    return [
        _row(
            name=name,
            modality=reader.modality,
            license=reader.license,
            needs=_needs_fetch(name) if name in SOURCES else None,
            notes=reader.notes,
        )
        for name, reader in READERS.items()
    ]


def _losses() -> list[Row]:
    from m2m_adapters.alignment.losses import LOSSES

    return [
        _row(name=name, notes=(function.__doc__ or "").splitlines()[0])
        for name, function in LOSSES.items()
    ]
