"""``m2m list`` and ``m2m plugins``: what there is."""

from __future__ import annotations

from typing import Any

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json, table

KINDS = {
    "sources": "source",
    "targets": "target",
    "corpora": "corpus",
    "benchmarks": "benchmark",
    "adapters": "adapter",
    "losses": "loss",
}


def list_names(
    sources: bool = typer.Option(False, "--sources", help="Text encoders of many languages."),
    targets: bool = typer.Option(False, "--targets", help="Models to open up."),
    corpora: bool = typer.Option(False, "--corpora", help="English text."),
    benchmarks: bool = typer.Option(False, "--benchmarks", help="Items with captions."),
    adapters: bool = typer.Option(False, "--adapters", help="Published adapters."),
    losses: bool = typer.Option(False, "--losses", help="What alignment can minimise."),
    json: bool = JSON,
) -> None:
    """List every name that can be used, and what it needs.

    [dim]m2m list --targets[/dim]
    """
    asked = {
        "sources": sources,
        "targets": targets,
        "corpora": corpora,
        "benchmarks": benchmarks,
        "adapters": adapters,
        "losses": losses,
    }
    chosen = [plural for plural in KINDS if asked[plural]] or list(KINDS)
    found = {plural: rows(KINDS[plural]) for plural in chosen}
    if json:
        print_json(found)
        return
    header = ("name", "model", "dim", "modality", "licence", "needs", "notes")
    for plural, entries in found.items():
        if entries:
            typer.echo(f"\n{plural}")
            typer.echo(table([[e[key] for key in header] for e in entries], header))


def rows(kind: str) -> list[dict[str, Any]]:
    """Every name of a kind, from plugins and from the registry."""
    from m2m_adapters.registry.entries import registry
    from m2m_adapters.registry.plugins import catalogue

    found, known = catalogue(), registry()
    result = []
    for offer in (found.offers[key] for key in sorted(found.offers) if key[0] == kind):
        name = f"{offer.name}:MODEL" if offer.scheme else offer.name
        result.append(
            {
                "name": name,
                "model": None,
                "dim": offer.details.get("dim"),
                "modality": offer.modality,
                "licence": offer.details.get("licence"),
                "needs": None,
                "notes": offer.description,
                "plugin": offer.distribution,
            }
        )
    for name in known.names(kind):
        entry = known.find(kind, name)
        if entry is None or (kind, name) in found.offers:
            continue
        ready = not entry.plugin or found.offers.get((kind, entry.plugin)) is not None
        result.append(
            {
                "name": name,
                "model": entry.model or None,
                "dim": entry.dim,
                "modality": entry.modality,
                "licence": entry.licence,
                "needs": None if ready else known.install_line(entry),
                "notes": entry.notes or None,
                "plugin": entry.plugin or None,
            }
        )
    if kind == "benchmark":
        from m2m_adapters.evaluation.datasets import READERS

        for name, reader in READERS.items():
            result.append(
                dict.fromkeys(("model", "dim", "needs", "plugin"))
                | {"name": name, "modality": reader.modality, "licence": reader.licence}
                | {"notes": reader.told}
            )
    if kind == "loss":
        from m2m_adapters.alignment.losses import LOSSES

        for name, function in LOSSES.items():
            result.append(
                dict.fromkeys(("model", "dim", "modality", "licence", "needs", "plugin"))
                | {"name": name, "notes": (function.__doc__ or "").splitlines()[0]}
            )
    return result


def plugins(
    json: bool = JSON,
    traceback: bool = typer.Option(
        False, "--traceback", help="Show the whole traceback of broken plugins."
    ),
) -> None:
    """Show the plugins that are installed, what they offer and whether they are well.

    [dim]m2m plugins[/dim]
    """
    from m2m_adapters.registry.plugins import catalogue

    found = catalogue()
    shown: list[dict[str, Any]] = []
    for plugin in found.plugins:
        offers = [f"{o.kind} {o.name}{':MODEL' if o.scheme else ''}" for o in plugin.offers]
        clashing = [
            f"{kind} {name}"
            for (kind, name), dists in found.clashes.items()
            if plugin.distribution in dists
        ]
        health = plugin.reason or ("clash: " + ", ".join(clashing) if clashing else "ok")
        shown.append(
            {
                "plugin": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "offers": offers,
                "health": health,
                "traceback": plugin.error,
            }
        )
    if json:
        print_json(shown)
        return
    header = ("plugin", "distribution", "version", "health", "offers")
    lines = [
        [
            row["plugin"],
            row["distribution"],
            row["version"],
            row["health"],
            ", ".join(row["offers"]),
        ]
        for row in shown
    ]
    typer.echo(table(lines, header) if lines else "no plugin is installed")
    for row in shown:
        if traceback and row["traceback"]:
            typer.echo(f"\n{row['plugin']}:\n{row['traceback']}")
