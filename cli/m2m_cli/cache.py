"""``m2m cache``: the stored embeddings."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from m2m_adapters._internal.spelling import counted
from m2m_cli.options import JSON
from m2m_cli.output import print_json, table

cache = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show, check and shrink the store of embeddings and int8 models.",
)
FOLDER = typer.Option(None, "--cache", help="Folder of the store; by default M2M_CACHE.")


@cache.command("path")
def path(folder: Path | None = FOLDER, json: bool = JSON) -> None:
    """Print the folder of the store.

    [dim]m2m cache path[/dim]
    """
    from m2m_adapters.embeddings.store import Store

    place = str(Store(folder).folder)
    if json:
        print_json({"path": place})
    else:
        typer.echo(place)


@cache.command("ls")
def ls(folder: Path | None = FOLDER, json: bool = JSON) -> None:
    """List the encoders whose vectors are stored, and the int8 models.

    [dim]m2m cache ls[/dim]
    """
    from m2m_adapters.embeddings.cache import int8_models
    from m2m_adapters.embeddings.store import Store

    store = Store(folder)
    rows: list[dict[str, str | int | None]] = [
        {
            "encoder": str(section.about["fingerprint"]),
            "dim": section.dim,
            "format": str(section.about["dtype"]),
            "vectors": len(section),
            "bytes": section.size,
            "last_used": _day(section.last_used),
        }
        for section in store.sections()
    ]
    rows += [
        {
            "encoder": model.path.relative_to(store.folder).as_posix(),
            "dim": None,
            "format": "int8 model",
            "vectors": None,
            "bytes": model.size,
            "last_used": _day(model.last_used),
        }
        for model in int8_models(store.folder)
    ]
    if json:
        print_json(rows)
    elif rows:
        cells = [[str(row["encoder"])[:60], row["dim"] or "", row["format"],
                  "" if row["vectors"] is None else f"{row['vectors']:,}",
                  size_text(int(row["bytes"] or 0)), row["last_used"]] for row in rows]  # fmt: skip
        typer.echo(table(cells, ["encoder", "dim", "format", "vectors", "size", "last used"]))
    else:
        typer.echo("nothing is stored yet")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


@cache.command("info")
def info(folder: Path | None = FOLDER, json: bool = JSON) -> None:
    """Print the number and size of the stored vectors and int8 models.

    [dim]m2m cache info --json[/dim]
    """
    from m2m_adapters.embeddings.cache import int8_models
    from m2m_adapters.embeddings.store import Store

    store = Store(folder)
    sections, models = list(store.sections()), list(int8_models(store.folder))
    totals = {
        "path": str(store.folder),
        "encoders": len(sections),
        "vectors": sum(len(section) for section in sections),
        "int8_models": len(models),
        "bytes": sum(s.size for s in sections) + sum(model.size for model in models),
    }
    if json:
        print_json(totals)
    else:
        totals["size"] = size_text(int(str(totals.pop("bytes"))))
        typer.echo(table([[key, value] for key, value in totals.items()], ["store", ""]))


@cache.command("add")
def add(
    datasets: list[str] = typer.Argument(..., help="Datasets of texts that `m2m embed` wrote."),
    folder: Path | None = FOLDER,
    json: bool = JSON,
) -> None:
    """Add datasets of vectors to the store, so that `m2m align` need not encode them again.

    [dim]m2m cache add captions-mpnet captions-clip[/dim]
    """
    from m2m_adapters.embeddings.bulk import add_to_store
    from m2m_adapters.embeddings.store import Store

    added = []
    for dataset in datasets:
        rows, new = add_to_store(dataset, Store(folder))
        added.append({"dataset": dataset, "rows": rows, "new": new})
        if not json:
            typer.echo(f"{dataset}: {counted(rows, 'row')}, {new:,} of them new")
    if json:
        print_json(added)


@cache.command("verify")
def verify(
    folder: Path | None = FOLDER,
    mend: bool = typer.Option(
        False, "--mend", help="Remove damaged files; their vectors are encoded again when needed."
    ),
    json: bool = JSON,
) -> None:
    """Compare all files with their checksums; exit code 1 if something is damaged.

    [dim]m2m cache verify --mend[/dim]
    """
    from m2m_adapters.embeddings.store import Store

    damaged = Store(folder).verify(mend=mend)
    if json:
        print_json([{"file": str(file), "damage": wrong} for file, wrong in damaged])
    else:
        for file, wrong in damaged:
            typer.echo(f"{file}: {wrong}" + (" (removed)" if mend else ""))
        typer.echo(f"{len(damaged)} damaged" if damaged else "nothing is damaged")
    if damaged and not mend:
        raise typer.Exit(1)


@cache.command("prune")
def prune(
    folder: Path | None = FOLDER,
    max_size: str | None = typer.Option(None, "--max-size", help="Size to shrink to, e.g. 20G."),
    older_than: float | None = typer.Option(
        None, "--older-than", help="Delete what was not used for this many days."
    ),
    json: bool = JSON,
) -> None:
    """Delete stored vectors and int8 models, those of the least recently used encoder first.

    [dim]m2m cache prune --max-size 20G[/dim]
    """
    from m2m_adapters.embeddings.cache import prune as shrink
    from m2m_adapters.errors import UserError

    if max_size is None and older_than is None:
        raise UserError("it is not clear what to delete", "give --max-size or --older-than")
    if older_than is not None and not older_than >= 0:
        raise UserError(f"--older-than must be zero days or more, not {older_than}")
    freed = shrink(
        folder,
        max_bytes=None if max_size is None else bytes_of(max_size),
        older_than_days=older_than,
    )
    if json:
        print_json({"freed": freed})
    else:
        typer.echo(f"{size_text(freed)} freed")


def bytes_of(written: str) -> int:
    """``20G`` -> bytes; a plain number is bytes."""
    from m2m_adapters.errors import UserError

    units = {"K": 10, "M": 20, "G": 30, "T": 40}
    text = written.strip().upper().removesuffix("B").removesuffix("I")
    unit = units.get(text[-1:], 0)
    try:
        size = int(float(text[:-1] if unit else text) * (1 << unit))
    except (ValueError, OverflowError):  # OverflowError: infinity
        size = -1
    if size < 0:
        raise UserError(f"'{written}' is not a size", "write 500M or 20G")
    return size


def size_text(size: int) -> str:
    """A number of bytes with a unit, e.g. ``1.5 MiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
