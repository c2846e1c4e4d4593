"""``m2m doctor``: what is installed, what is missing, what would break."""

from __future__ import annotations

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json, table


def doctor(json: bool = JSON) -> None:
    """Check this installation: Python, libraries, devices, caches, plugins.

    [dim]m2m doctor[/dim]  (exit code 1 when something is wrong)
    """
    from m2m_adapters.registry.doctor import diagnose

    findings = diagnose()
    if json:
        print_json([finding.to_dict() for finding in findings])
    else:
        typer.echo(
            table(
                [(f.mark, f.what, f.found, f.remedy) for f in findings],
                ("", "what", "found", "remedy"),
            )
        )
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
