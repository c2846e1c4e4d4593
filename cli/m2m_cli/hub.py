"""``m2m push`` and ``m2m pull``: adapters to and from the hub."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json


def push(
    adapter: Path = typer.Argument(..., help="An adapter's folder."),
    repo: str = typer.Argument(..., help="Repository on the hub: ORG/NAME."),
    private: bool | None = typer.Option(
        None,
        "--private/--public",
        help="Visibility of a new repository; by default that of your account.",
    ),
    branch: str | None = typer.Option(
        None, "--branch", help="Branch to write to; by default main."
    ),
    pull_request: bool = typer.Option(
        False, "--pull-request", help="Open a pull request instead of writing to the branch."
    ),
    message: str = typer.Option("Add an adapter", "--message", "-m", help="Commit message."),
    json: bool = JSON,
) -> None:
    """Publish an adapter on the Hugging Face Hub: weights, record, card and results.

    Needs `hf auth login` once. The card states the license that follows from those of source,
    target and corpus.

    [dim]m2m push mpnet-clip our-org/mpnet-clip[/dim]
    """
    from m2m_adapters.artifact.card_data import license_of
    from m2m_adapters.artifact.codec import read_record
    from m2m_adapters.artifact.publish import push as publish

    done = publish(
        adapter, repo, private=private, branch=branch, create_pr=pull_request, message=message
    )
    license = license_of(read_record(adapter))
    if json:
        print_json({**asdict(done), "license": asdict(license)})
        return
    typer.echo(
        f"{done.url} at {done.commit}\ndigest sha256:{done.digest}\nlicense {license.license}"
    )
    for line in license.statements:
        typer.echo(f"note: {line}")


def pull(
    name: str = typer.Argument(..., help="ORG/NAME, ORG/NAME@REVISION or a registry name."),
    out: Path = typer.Option(..., "--out", "-o", help="Folder to write the adapter to."),
    digest: str | None = typer.Option(
        None,
        "--digest",
        help="The digest that the adapter's author published; any other is refused.",
    ),
    json: bool = JSON,
) -> None:
    """Download an adapter from the Hugging Face Hub into a folder, and verify its digest.

    [dim]m2m pull our-org/mpnet-clip --out mpnet-clip[/dim]
    """
    from m2m_adapters.artifact.publish import pull as fetch

    done = fetch(name, out, digest)
    if json:
        print_json({"adapter": str(out), **asdict(done)})
    else:
        typer.echo(f"{out}: {done.repo} at {done.commit}\ndigest sha256:{done.digest}")
