"""``m2m fetch``: published benchmarks and corpora onto this machine."""

from __future__ import annotations

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json, table


def fetch(
    name: str | None = typer.Argument(None, help="Which data set; none: list them."),
    out: str | None = typer.Option(
        None, "--out", "-o", help="The folder; else where the benchmarks look (M2M_DATA)."
    ),
    json: bool = JSON,
) -> None:
    """Fetch a published data set; an interrupted fetch goes on where it was.

    [dim]m2m fetch xtd10[/dim]
    """
    from m2m_adapters.evaluation.datasets import fetched_folder
    from m2m_adapters.evaluation.datasets.sources import SOURCES

    if name is None:
        rows = [
            {"name": key, "here": fetched_folder(key).is_dir(), "notes": source.told}
            for key, source in SOURCES.items()
        ]
        if json:
            print_json(rows)
        else:
            shown = [[r["name"], "yes" if r["here"] else None, r["notes"]] for r in rows]
            typer.echo(table(shown, ("name", "here", "notes")))
        return
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.evaluation.datasets.fetch import fetch as fetch_data

    if name in SOURCES:
        typer.echo(f"{name}: {SOURCES[name].told}", err=True)
    folder = fetch_data(name, out, progress=progress_for())
    if json:
        print_json({"name": name, "folder": str(folder)})
    else:
        typer.echo(str(folder))
