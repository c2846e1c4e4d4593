"""``m2m list`` and ``m2m plugins``: the names that can be used, and who offers them."""

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
    sources: bool = typer.Option(False, "--sources", help="Multilingual text encoders."),
    targets: bool = typer.Option(False, "--targets", help="Multimodal models to map into."),
    corpora: bool = typer.Option(False, "--corpora", help="English text."),
    benchmarks: bool = typer.Option(False, "--benchmarks", help="Items with captions."),
    adapters: bool = typer.Option(False, "--adapters", help="Published adapters."),
    losses: bool = typer.Option(False, "--losses", help="Losses that alignment can minimize."),
    json: bool = JSON,
) -> None:
    """List all known models, corpora, benchmarks and adapters, with what each needs installed.

    [dim]m2m list --targets[/dim]
    """
    from m2m_adapters.report.names import COLUMNS, rows

    asked = (sources, targets, corpora, benchmarks, adapters, losses)
    chosen = [plural for plural, one in zip(KINDS, asked, strict=True) if one] or list(KINDS)
    listed = {plural: rows(KINDS[plural]) for plural in chosen}
    if json:
        print_json(listed)
        return
    for plural, entries in listed.items():
        if entries:
            columns = [c for c in COLUMNS[KINDS[plural]] if any(e[c] for e in entries)]
            typer.echo(f"\n{plural}")
            typer.echo(table([[entry[key] for key in columns] for entry in entries], columns))


def plugins(
    json: bool = JSON,
    traceback: bool = typer.Option(
        False, "--traceback", help="Show the whole traceback of broken plugins."
    ),
) -> None:
    """Show the installed plugins, what they offer, and which of them are broken.

    [dim]m2m plugins[/dim]
    """
    from m2m_adapters.registry.plugins import catalogue

    installed = catalogue()
    shown: list[dict[str, Any]] = []
    for plugin in installed.plugins:
        offers = [f"{o.kind} {o.name}{':MODEL' if o.scheme else ''}" for o in plugin.offers]
        clashing = [
            f"{kind} {name}"
            for (kind, name), dists in installed.clashes.items()
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
