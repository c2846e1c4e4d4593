"""``m2m align --pairs``: learn the map from vectors alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from m2m_cli.output import print_json, table

FILES = typer.Argument(None, help="With --pairs: the file of target vectors.", show_default=False)
PAIRS = typer.Option(
    None,
    "--pairs",
    help="Learn from vectors alone: SOURCE.npy TARGET.npy (also safetensors, parquet, npz), or one "
    "file with the arrays 'source' and 'target'.",
)
SOURCE_NAME = typer.Option(
    None, "--source-name", help="With --pairs: name of the model that encoded the source vectors."
)
TARGET_NAME = typer.Option(
    None, "--target-name", help="With --pairs: name of the model that encoded the target vectors."
)


def check_alone(pairs: Sequence[Path] | None, others: Mapping[str, object]) -> None:
    """Refuse options that cannot be used with ``--pairs``, and files without it."""
    from m2m_adapters.errors import UserError

    if not pairs:
        raise UserError(
            "files of vectors and their names need --pairs",
            "write m2m align --pairs SOURCE.npy TARGET.npy --out FOLDER",
        )
    if odd := [name for name, value in others.items() if value]:
        raise UserError(f"{odd[0]} cannot be used with --pairs", "leave it out")


def require(**options: object) -> None:
    """Name every required option that is absent, in one line."""
    from m2m_adapters.errors import UserError

    missing = [f"'--{name}'" for name, value in options.items() if not value]
    if missing:
        raise UserError(
            f"Missing option{'s' * (len(missing) > 1)} {', '.join(missing)}",
            "see `m2m align --help`",
        )


def align_pairs(
    pairs: list[Path] | None,
    more: list[Path] | None,
    out: Path,
    names: tuple[str | None, str | None],
    seed: int,
    changes: dict[str, Any],
    json: bool,
    others: Mapping[str, object],
) -> None:
    """Learn, save, and print the figures. others: options that must not be set."""
    import m2m_adapters as m2m
    from m2m_adapters.artifact.place import check_place
    from m2m_adapters.embeddings.vector_pairs import open_pair
    from m2m_adapters.errors import UserError

    check_alone(pairs, others)
    if changes.pop("level") == "token":
        raise UserError("pairs of vectors are aligned at sentence level", "leave --level out")
    check_place(out)
    x, y = open_pair([*(pairs or []), *(more or [])])
    adapter = m2m.align_vectors(
        x, y, source_name=names[0], target_name=names[1], seed=seed, **changes
    )
    adapter.save(out)
    if json:
        print_json({"adapter": str(out), "skipped": adapter.skipped, **adapter.record.to_dict()})
        return
    held = adapter.record.held_out
    assert held is not None
    rows = [
        ("pairs", f"{len(x) - adapter.skipped:,}"),
        ("of them held out", f"{held.sentences:,}"),
        ("left out (NaN, infinity or zero)", f"{adapter.skipped:,}"),
        ("held-out loss", f"{held.loss:.5f}"),
        ("held-out top-1", f"{100 * held.top1:.1f} %"),
    ]
    typer.echo(table(rows, (adapter.name, str(out))))
