"""Vectors and what they are of in one file: npy, safetensors, parquet or json lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

FORMATS = (".npy", ".safetensors", ".parquet", ".jsonl")


def check_format(out: Path) -> None:
    """Refuse a file name whose suffix names no format."""
    if out.suffix not in FORMATS:
        raise UserError(
            f"cannot write '{out.suffix or out.name}' files", f"use {', '.join(FORMATS)}"
        )


def write_vectors(out: Path, rows: Sequence[str], vectors: Vectors, kind: str = "text") -> None:
    """Vectors, and their texts or items where the format has room, in one file.

    kind: how the column or key of the rows is called.
    """
    check_format(out)
    with whole_file(out) as temporary:
        if out.suffix == ".npy":
            with open(temporary, "wb") as handle:
                np.save(handle, vectors, allow_pickle=False)
        elif out.suffix == ".safetensors":
            from safetensors.numpy import save_file

            save_file({"vectors": vectors}, str(temporary))
        elif out.suffix == ".parquet":
            _write_parquet(temporary, rows, vectors, kind)
        else:
            with open(temporary, "w", encoding="utf-8") as lines:
                for row, vector in zip(rows, vectors.tolist(), strict=True):
                    line = json.dumps({kind: row, "vector": vector}, ensure_ascii=False)
                    lines.write(line + "\n")


def _write_parquet(path: Path, rows: Sequence[str], vectors: Vectors, kind: str) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "writing parquet needs pyarrow", 'pip install "m2m-adapters[parquet]"'
        ) from error
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    pq.write_table(pa.table({kind: list(rows), "vector": column}), path)
