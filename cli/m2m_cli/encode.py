"""``m2m encode``: texts or items in, vectors out."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Any

import typer

from m2m_cli.options import DEVICE, JSON, TRUST
from m2m_cli.output import print_json

FORMATS = (".npy", ".safetensors", ".parquet", ".jsonl")


def encode(
    encoder: str = typer.Argument(
        ..., help="An adapter's folder, or the name of a source or target."
    ),
    texts: list[str] | None = typer.Argument(None, help="Texts; none: one a line from stdin."),
    file: Path | None = typer.Option(None, "--file", "-f", help="Texts from a file, one a line."),
    items: bool = typer.Option(
        False, "--items", help="The arguments are items (paths), not texts."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help=".npy, .safetensors, .parquet, .jsonl; without it, json lines."
    ),
    device: str = DEVICE,
    precision: str | None = typer.Option(None, "--precision", help="fp32, bf16 or fp16."),
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Encode texts of any language (or items) into the space of an adapter or model.

    [dim]echo "ein Hund bellt" | m2m encode mpnet-clap > vectors.jsonl[/dim]
    """
    from m2m_adapters.errors import UserError

    if out is not None and out.suffix not in FORMATS:
        raise UserError(
            f"cannot write '{out.suffix or out.name}' files", f"use {', '.join(FORMATS)}"
        )
    if file is not None and texts:
        raise UserError("texts are given twice, as arguments and with --file", "choose one")
    wanted = list(texts or []) or _read_lines(file)
    options: dict[str, Any] = {"device": device, "trust_remote_code": trust_remote_code}
    if precision is not None:
        options["precision"] = precision
    vectors = _vectors(encoder, wanted, items, options)
    if out is None:
        for text, vector in zip(wanted, vectors.tolist(), strict=True):
            line = {"item" if items else "text": text, "vector": vector}
            sys.stdout.write(jsonlib.dumps(line, ensure_ascii=False) + "\n")
        return
    write_vectors(out, wanted, vectors)
    if json:
        print_json({"out": str(out), "rows": len(wanted), "dim": int(vectors.shape[1])})
    else:
        typer.echo(f"{len(wanted):,} vectors of dimension {vectors.shape[1]} in {out}", err=True)


def _vectors(name: str, wanted: list[str], items: bool, options: dict[str, Any]) -> Any:
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.errors import UserError
    from m2m_adapters.models.items import encode_items
    from m2m_adapters.models.text_encoder import embed
    from m2m_adapters.registry.names import known_names, load_source, load_target

    if (Path(name) / "adapter.json").is_file() or name in known_names("adapter"):
        adapter = load_adapter(name, **options)
        return adapter.encode_items(wanted) if items else adapter.encode(wanted)
    scheme = name.split(":", 1)[0]
    from m2m_adapters.registry.plugins import catalogue

    is_target = name in known_names("target") or catalogue().find("target", scheme) is not None
    if is_target:
        model = load_target(name, **options)
        return encode_items(model, wanted) if items else embed(model.text, wanted, what="target")
    if Path(name).exists():
        raise UserError(
            f"{name} is not an adapter: it has no adapter.json",
            "give the folder that `m2m align --out` wrote",
        )
    if items:
        raise UserError(
            f"'{name}' is a source and encodes texts only", "give an adapter or a target"
        )
    return embed(load_source(name, **options), wanted, what="source")


def _read_lines(file: Path | None) -> list[str]:
    from m2m_adapters.corpus.files import expand, read_file, read_stdin

    if file is None and sys.stdin.isatty():
        from m2m_adapters.errors import UserError

        raise UserError("there is nothing to encode", "give texts, --file, or pipe lines in")
    lines = read_stdin() if file is None else (line for f in expand(file) for line in read_file(f))
    # Rows of the result answer to lines of the input, so nothing is dropped here.
    return list(lines)


def write_vectors(out: Path, texts: list[str], vectors: Any) -> None:
    """Vectors (and their texts where the format has room) in one whole file."""
    import numpy as np

    from m2m_adapters._internal.files import whole_file
    from m2m_adapters.errors import UserError

    with whole_file(out) as temporary:
        if out.suffix == ".npy":
            with open(temporary, "wb") as handle:
                np.save(handle, vectors, allow_pickle=False)
        elif out.suffix == ".safetensors":
            from safetensors.numpy import save_file

            save_file({"vectors": vectors}, str(temporary))
        elif out.suffix == ".parquet":
            try:
                import pyarrow as pa
                import pyarrow.parquet as pq
            except ImportError as error:
                raise UserError(
                    "writing parquet needs pyarrow", 'pip install "m2m-adapters[parquet]"'
                ) from error
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
            pq.write_table(pa.table({"text": texts, "vector": column}), temporary)
        else:
            with open(temporary, "w", encoding="utf-8") as lines:
                for text, vector in zip(texts, vectors.tolist(), strict=True):
                    row = {"text": text, "vector": vector}
                    lines.write(jsonlib.dumps(row, ensure_ascii=False) + "\n")
