"""``m2m index``: folders of photos or sounds into an index that can be searched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from m2m_adapters._internal.spelling import counted
from m2m_cli.options import DEVICE, JSON, PRECISION, TRUST
from m2m_cli.output import print_json

OF_IMPORTS = {"ids": "--ids", "column": "--column", "collection": "--collection",
              "compare": "--compare", "in_place": "--in-place",
              "previews": "--previews or --no-previews"}  # fmt: skip
OF_FOLDERS = {"window": "--window", "batch_size": "--batch-size", "retry_bad": "--retry-bad"}


def index(
    context: typer.Context,
    target: str = typer.Argument(..., help="A target, or an adapter to it."),
    folders: list[Path] | None = typer.Argument(
        None,
        help="Folders of pictures or sounds; by default those the index was built from. With "
        "--from: the folder that relative paths start from.",
    ),
    out: Path = typer.Option(..., "--out", "-o", help="Folder to write the index to."),
    source: str | None = typer.Option(
        None,
        "--from",
        help="Import vectors that you already have: a clip-retrieval folder, .npy, .safetensors, "
        ".parquet, a faiss index, a Qdrant server (http://...) or folder, a LanceDB table.",
    ),
    ids: Path | None = typer.Option(
        None,
        "--ids",
        help="With --from: file with the path or id of each row (.txt, .csv, .jsonl, .parquet).",
    ),
    column: list[str] | None = typer.Option(
        None, "--column", help="With --from: vector=NAME, path=NAME or text=NAME; repeatable."
    ),
    collection: str | None = typer.Option(
        None, "--collection", help="With --from: name of the Qdrant collection or LanceDB table."
    ),
    compare: int = typer.Option(
        24,
        "--compare",
        help="With --from: number of items to encode again, to check that the target is the "
        "model that made the vectors.",
        min=0,
    ),
    in_place: bool = typer.Option(
        False, "--in-place", help="With --from: leave the vectors on the Qdrant server."
    ),
    previews: bool = typer.Option(
        True, "--previews/--no-previews", help="With --from: make previews of the files that exist."
    ),
    window: float = typer.Option(
        10.0, "--window", help="Long sounds are cut into parts of this many seconds."
    ),
    batch_size: int = typer.Option(64, "--batch-size", help="Items per batch.", min=1),
    workers: int = typer.Option(4, "--workers", help="Threads that read files.", min=1),
    lists_from: int = typer.Option(
        1_000_000,
        "--lists-from",
        help="With --engine faiss: number of vectors from which search is approximate.",
        min=1,
    ),
    engine: str | None = typer.Option(
        None,
        "--engine",
        help="Where vectors are kept and searched: faiss (files in the index folder), qdrant or "
        "lancedb. By default faiss, or the engine that the index has.",
    ),
    url: str | None = typer.Option(
        None,
        "--url",
        help="With --engine qdrant: address of the server (http://...). With --engine lancedb: "
        "another folder or address (s3://...) than the index folder.",
    ),
    retry_bad: bool = typer.Option(
        False, "--retry-bad", help="Try again the files that could not be read before."
    ),
    device: str = DEVICE,
    precision: str = PRECISION,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Index photos or sounds, so that `m2m search` finds them by text in any language.

    Run the command again to update the index: only new and changed files are encoded.

    [dim]m2m index clip-b32 ~/Photos --out photos[/dim]
    """
    from m2m_adapters.errors import UserError
    from m2m_adapters.search.build import build_index
    from m2m_adapters.search.imported import import_index

    options: dict[str, Any] = {
        "device": device, "precision": precision, "trust_remote_code": trust_remote_code,
    }  # fmt: skip
    options |= {"workers": workers, "lists_from": lists_from, "engine": engine, "url": url}
    if source is None:
        if without_effect := _written(context, OF_IMPORTS):
            raise UserError(f"{without_effect} is for imported vectors", "add --from")
        built = build_index(
            target,
            list(folders or []),
            out,
            window=window,
            batch_size=batch_size,
            retry_bad=retry_bad,
            **options,
        )
    else:
        if without_effect := _written(context, OF_FOLDERS):
            raise UserError(
                f"{without_effect} has no effect on imported vectors", "leave it or --from out"
            )
        if len(folders or []) > 1:
            raise UserError("--from takes at most one folder", "name one, or none")
        built = import_index(
            target,
            source,
            out,
            ids=ids,
            columns=_columns(column or []),
            collection=collection,
            folder=folders[0] if folders else None,
            compare=compare,
            previews=previews,
            in_place=in_place,
            **options,
        )
    report(built, json)


def _written(context: typer.Context, options: Mapping[str, str]) -> str:
    """The first of these options that is in the command line, or an empty string."""
    for parameter, option in options.items():
        source = context.get_parameter_source(parameter)
        if source is not None and source.name == "COMMANDLINE":
            return option
    return ""


def _columns(pairs: list[str]) -> dict[str, str]:
    from m2m_adapters.errors import UserError

    named: dict[str, str] = {}
    for pair in pairs:
        what, sign, name = pair.partition("=")
        if not sign or not name:
            raise UserError(f"--column {pair} is not WHAT=NAME", "write it like path=file_name")
        named[what] = name
    return named


def report(built: Any, json: bool) -> None:
    """Print what was done, as text or JSON."""
    from dataclasses import asdict

    import msgspec

    changes, record = built.changes, built.record
    if json:
        print_json(
            {"index": str(built.folder), "items": record.items, "rows": record.rows,
             "engine": msgspec.to_builtins(record.engine), **asdict(changes)}
        )  # fmt: skip
        return
    for bad in changes.bad[:10]:
        typer.echo(f"m2m: cannot use {bad.path}: {bad.reason}", err=True)
    if len(changes.bad) > 10:
        typer.echo(f"m2m: and {len(changes.bad) - 10:,} more files that cannot be used", err=True)
    counts = ", ".join(
        f"{getattr(changes, name):,} {name}"
        for name in ("new", "changed", "moved", "deleted", "unchanged")
        if getattr(changes, name)
    )
    bad = f", {len(changes.bad):,} bad" if changes.bad else ""
    if record.origin is not None:
        typer.echo(f"imported from {record.origin.place}: {_checked(record.origin)}")
    engine = record.engine
    how = "exact search"
    if engine.collection:
        how = f"in the collection {engine.collection} at {engine.place or built.folder}"
    if engine.recall is not None:
        how = f"recall@{engine.recall.k} {engine.recall.at:.3f} at nprobe {engine.nprobe}"
    typer.echo(
        f"{record.items:,} {record.target.modality} items ({counts or 'none'}{bad}) in "
        f"{built.folder}: {counted(record.rows, 'vector')}, {how}, {changes.seconds:.1f} s"
    )


def _checked(origin: Any) -> str:
    """How well the vectors of an imported index were compared."""
    if not origin.compared:
        return "no item was encoded again, so only the dimension was checked"
    items = counted(origin.compared, "item")
    return f"{items} encoded again: mean cosine {origin.cosine:.4f} to the stored vectors"
