"""``m2m export``: an adapter in the format of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from m2m_cli.options import DEVICE, JSON, TRUST
from m2m_cli.output import print_json


def export(
    adapter: str = typer.Argument(..., help="An adapter's folder, or ORG/NAME on the hub."),
    to: str = typer.Option(
        ...,
        "--to",
        help="sentence-transformers, sentence-transformers-router (router), onnx, "
        "onnx-projector, immich or numpy.",
    ),
    out: Path = typer.Option(..., "--out", "-o", help="File or folder to write."),
    precision: str | None = typer.Option(
        None, "--precision", help="For the ONNX formats: fp32, fp16 or int8."
    ),
    name: str | None = typer.Option(
        None, "--name", help="For immich: the model Immich is set to, e.g. ViT-B-32__openai."
    ),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Convert an adapter for other programs; the result is loaded again and compared.

    [dim]m2m export mpnet-clip --to sentence-transformers --out mpnet-clip-st[/dim]

    [dim]m2m export mpnet-clip --to onnx-projector --precision fp16 --out projector.onnx[/dim]
    """
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.exporters import export as write

    options: dict[str, Any] = {
        key: value for key, value in (("precision", precision), ("name", name)) if value
    }
    # Formats are compared with what we compute, so both must do it in fp32.
    loaded = load_adapter(
        adapter, device=device, precision="fp32", trust_remote_code=trust_remote_code
    )
    exported = write(loaded, to, out, **options)
    if json:
        print_json(exported.to_dict())
        return
    typer.echo(str(exported))
    for note in exported.notes:
        typer.echo(f"note: {note}")
