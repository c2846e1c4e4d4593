"""``m2m new-plugin``: start a plugin."""

from __future__ import annotations

from pathlib import Path

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json


def new_plugin(
    name: str = typer.Argument(
        ..., help="Name, e.g. my-encoder; the package will be called m2m-my-encoder."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="Folder to write to; by default m2m-NAME."
    ),
    json: bool = JSON,
) -> None:
    """Create a new plugin from a template: a package with tests, ready to install.

    [dim]m2m new-plugin my-encoder[/dim]
    """
    from m2m_adapters.testing.new_plugin import write_plugin

    folder = write_plugin(name, out)
    if json:
        print_json({"folder": str(folder)})
    else:
        typer.echo(
            f"{folder} is ready. Next:\n  pip install -e '{folder}[test]'\n"
            f"  m2m plugins\n  pytest {folder}"
        )
