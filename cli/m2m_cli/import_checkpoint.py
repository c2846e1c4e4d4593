"""``m2m import``: a published checkpoint as an adapter."""

from __future__ import annotations

from pathlib import Path

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json


def import_checkpoint(
    checkpoint: Path = typer.Argument(..., help="A published .pth file."),
    source: str | None = typer.Option(
        None, "--source", "-s", help="Its text encoder; by default read from its config.json."
    ),
    target: str | None = typer.Option(
        None, "--target", "-t", help="Its frozen model; by default read from its config.json."
    ),
    out: Path = typer.Option(..., "--out", "-o", help="Folder to write the adapter to."),
    residual: bool | None = typer.Option(
        None,
        "--residual/--plain",
        help="Whether its layers are residual; by default read from its config.json.",
    ),
    json: bool = JSON,
) -> None:
    """Convert a checkpoint published with the M2M paper into an adapter.

    [dim]m2m import checkpoint.pth --source mpnet --target jina-clip --out mpnet-jina[/dim]
    """
    from m2m_adapters.artifact.import_m2m import import_checkpoint as read
    from m2m_adapters.projectors.affine import AffineShape

    adapter = read(checkpoint, source, target, residual=residual)
    adapter.save(out)
    shape, imported = adapter.projector.shape, adapter.record.imported
    assert isinstance(shape, AffineShape) and imported is not None
    if json:
        print_json({"adapter": str(out), **adapter.record.to_dict()})
        return
    layers = f"{shape.layers} layer{'s' if shape.layers > 1 else ''}"
    typer.echo(
        f"{adapter.name}: {shape.d_in} -> {shape.d_out}, {layers}"
        f"{', residual' if shape.residual else ''}, head {shape.head}, published in "
        f"{imported.dtype}; written to {out}"
    )
