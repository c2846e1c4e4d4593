"""``m2m embed``: a corpus or a folder of items into a dataset of vectors."""

from __future__ import annotations

from dataclasses import asdict

import typer

from m2m_adapters._internal.spelling import counted
from m2m_cli.options import (
    BACKEND,
    COMPILE,
    DEVICE,
    JSON,
    PRECISION,
    SKIP_BAD,
    TRUST,
    model_options,
)
from m2m_cli.output import print_json


def embed(
    encoder: str = typer.Argument(
        ..., help="A source, a target, an adapter's folder or name, or ORG/NAME on the hub."
    ),
    corpus: str = typer.Argument(
        ..., help="Text as for `m2m align --texts`; with --items a folder or a list of paths."
    ),
    out: str = typer.Option(..., "--out", "-o", help="Folder or s3://... to write the dataset to."),
    items: bool = typer.Option(
        False, "--items", help="Encode pictures or sounds instead of texts."
    ),
    skip_bad: bool = SKIP_BAD,
    column: str | None = typer.Option(
        None, "--column", help="Column with the texts or paths, for a table."
    ),
    max_rows: int | None = typer.Option(
        None, "--max-rows", help="Encode only this many rows from the start.", min=1
    ),
    engine: str = typer.Option("local", "--engine", help="local, or ray for many machines."),
    ray_address: str | None = typer.Option(
        None,
        "--ray-address",
        help="Address of a Ray cluster, e.g. auto or ray://head:10001; by default this machine.",
    ),
    workers: int | None = typer.Option(
        None, "--workers", help="With Ray: number of encoders; by default one per GPU.", min=1
    ),
    no_cache: bool = typer.Option(False, "--no-cache", help="Do not keep vectors in the store."),
    device: str = DEVICE,
    precision: str = PRECISION,
    backend: str | None = BACKEND,
    compile: bool = COMPILE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Encode a corpus of any size into parquet files; an interrupted run can be resumed.

    [dim]m2m embed mpnet captions.txt --out captions-mpnet[/dim]
    """
    from m2m_adapters.embeddings.bulk import embed_dataset

    result = embed_dataset(
        encoder,
        corpus,
        out,
        items=items,
        column=column,
        max_rows=max_rows,
        engine=engine,
        ray_address=ray_address,
        workers=workers,
        store=not no_cache,
        model_options=model_options(device, precision, backend, compile, trust_remote_code),
        skip_bad=skip_bad,
    )
    if json:
        print_json(asdict(result))
        return
    rate = f", {result.encoded / result.seconds:,.0f} rows/s" if result.encoded else ""
    if result.tokens:
        rate += f", {result.tokens / result.seconds:,.0f} tokens/s"
    typer.echo(
        f"{counted(result.rows, 'vector')} of dimension {result.dim} in {result.out} "
        f"({result.encoded:,} encoded now, {result.seconds:.1f} s{rate})"
    )
