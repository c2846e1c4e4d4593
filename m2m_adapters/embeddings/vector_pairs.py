"""Two tables of vectors that belong together row by row, read without loading them whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError

FORMATS = (".npy", ".npz", ".safetensors", ".parquet")
SIDES = ("source", "target")


def open_pair(paths: Sequence[str | os.PathLike[str]]) -> tuple[Any, Any]:
    """Source and target ``[n, d]`` from two files, or from one with arrays of those names."""
    files = [Path(path) for path in paths]
    if len(files) not in (1, 2):
        raise UserError(
            f"pairs of vectors are in one file or in two, not in {len(files)}",
            "give SOURCE.npy TARGET.npy, or one file with the arrays 'source' and 'target'",
        )
    tables = [arrays(path) for path in files]
    if len(tables) == 1:
        if missing := [side for side in SIDES if side not in tables[0]]:
            raise UserError(
                f"{files[0]} has no '{missing[0]}' among {_listed(tables[0])}",
                "name its two arrays or columns 'source' and 'target', or give two files",
            )
        return tables[0]["source"], tables[0]["target"]
    chosen = []
    for path, table, side in zip(files, tables, SIDES, strict=True):
        names = [name for name in (side, "vectors", "vector") if name in table] or list(table)
        if len(names) != 1 and names[0] not in (side, "vectors", "vector"):
            raise UserError(
                f"{path} holds several arrays: {_listed(table)}", f"name the right one '{side}'"
            )
        chosen.append(table[names[0]])
    return chosen[0], chosen[1]


def _listed(table: dict[str, Any]) -> str:
    return ", ".join(sorted(table)[:6]) or "nothing"


def arrays(path: Path) -> dict[str, Any]:
    """The arrays of a file by name; .npy and .safetensors are mapped, not read."""
    if not path.is_file():
        raise UserError(f"there is no file {path}", "check the path")
    if path.suffix not in FORMATS:
        raise UserError(f"vectors cannot be read from '{path.suffix or path.name}'",
                        f"use {', '.join(FORMATS)}")  # fmt: skip
    try:
        if path.suffix == ".npy":
            return {"vectors": np.load(path, mmap_mode="r", allow_pickle=False)}
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        if path.suffix == ".safetensors":
            return _safetensors(path)
        return _parquet(path)
    except UserError:
        raise
    except Exception as error:
        said = str(error).partition("\n")[0][:160]
        raise UserError(f"{path} cannot be read as vectors ({said})", "write it again") from error


class _Tensor:
    """A tensor of a safetensors file, read slice by slice."""

    def __init__(self, path: Path, name: str) -> None:
        from safetensors import safe_open

        file: Any = safe_open(str(path), framework="pt")
        self._slice = file.get_slice(name)
        self.shape = tuple(self._slice.get_shape())
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> Any:
        return self._slice[rows].float().numpy()


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        names = list(file.keys())
    return {name: _Tensor(path, name) for name in names}


def _parquet(path: Path) -> dict[str, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "reading parquet needs pyarrow", 'pip install "m2m-adapters[parquet]"'
        ) from error
    schema = pq.read_schema(path)
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    names = [field.name for field in schema if any(kind(field.type) for kind in lists)]
    table = pq.read_table(path, columns=names, memory_map=True)
    columns = {}
    for name in names:
        column = table.column(name).combine_chunks()
        if column.null_count:
            raise UserError(f"{path} has rows without a vector in '{name}'", "leave them out")
        values = column.flatten().to_numpy(zero_copy_only=False)
        if len(column) == 0 or len(values) % len(column):
            raise UserError(f"{path} has vectors of different length in '{name}'", "correct it")
        columns[name] = values.reshape(len(column), -1)
    return columns
