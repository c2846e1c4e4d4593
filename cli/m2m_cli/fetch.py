"""``m2m fetch``: published benchmarks and corpora onto this machine."""

from __future__ import annotations

from pathlib import Path

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json, table


def fetch(
    name: str | None = typer.Argument(
        None, help="Name of the data set; without one, all are listed."
    ),
    out: Path | None = typer.Option(
        None,
        "--out",
        "-o",
        help="Folder to write to; by default where --benchmark and --texts look for it.",
    ),
    json: bool = JSON,
) -> None:
    """Download a published benchmark or corpus; run again to continue an interrupted download.

    [dim]m2m fetch xtd10[/dim]

    [dim]m2m fetch coco-captions[/dim]
    """
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.corpus.fetch import fetch as download
    from m2m_adapters.corpus.published import SOURCES, fetched_folder

    if name is None:
        rows = [
            {"name": key, "here": fetched_folder(key).is_dir(), "notes": source.notes}
            for key, source in SOURCES.items()
        ]
        if json:
            print_json(rows)
        else:
            shown = [[r["name"], "yes" if r["here"] else None, r["notes"]] for r in rows]
            typer.echo(table(shown, ("name", "here", "notes")))
        return
    if name in SOURCES:
        typer.echo(f"{name}: {SOURCES[name].notes}", err=True)
    folder = download(name, out, progress=progress_for())
    if json:
        print_json({"name": name, "folder": str(folder)})
    else:
        typer.echo(str(folder))
