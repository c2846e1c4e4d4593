"""Recognize the format of vectors at a path or address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from m2m_adapters.errors import UserError
from m2m_adapters.search.readers import databases, files
from m2m_adapters.search.readers.entries import Columns, Source
from m2m_adapters.search.readers.parquet import numbered

KINDS = (
    "a clip-retrieval folder, .npy, .npz, .safetensors, .parquet (or a folder of them), a faiss "
    "index, a Qdrant server or folder, or a LanceDB table"
)


def open_source(
    place: str | Path,
    *,
    ids: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    collection: str | None = None,
) -> Source:
    """The reader of ``place``: a path, ``http(s)://host:port`` of Qdrant, the address of a
    dataset of ``m2m embed`` (``s3://...``), or one of LanceDB (``s3://....lance``)."""
    name, wanted = str(place), Columns.of(columns or {})
    listed = Path(ids).expanduser() if ids is not None else None
    if name.startswith(("http://", "https://")):
        return _without_ids(databases.qdrant_server(name, collection, wanted), listed)
    path = Path(name).expanduser()
    if "://" in name and path.suffix != ".lance" and collection is None:
        return _without_ids(files.embedded(name), listed)
    if "://" in name or path.suffix == ".lance":
        return _without_ids(databases.lance_table(name, collection, wanted), listed)
    if not path.exists():
        raise UserError(f"there is no file or folder {place}", "check the path")
    if path.is_dir():
        return _folder(path, listed, wanted, collection)
    if path.suffix == ".parquet":
        return files.parquet_files([path], listed, wanted)
    if path.suffix in (".npy", ".npz", ".safetensors"):
        return files.array_file(path, listed, wanted)
    if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".bin"):
        raise UserError(f"{path} may contain code, so it is not read", f"give {KINDS}")
    return files.faiss_file(path, listed, wanted)


def _folder(path: Path, ids: Path | None, columns: Columns, collection: str | None) -> Source:
    if (path / "meta.json").is_file() and (path / "collection").is_dir():
        return _without_ids(databases.qdrant_folder(path, collection, columns), ids)
    if any(path.glob("*.lance")):
        return _without_ids(databases.lance_table(str(path), collection, columns), ids)
    if files.is_embedded(path):
        return _without_ids(files.embedded(str(path)), ids)
    if (source := files.clip_retrieval(path, columns)) is not None:
        return _without_ids(source, ids)
    if tables := numbered(path, ".parquet"):
        return files.parquet_files(tables, ids, columns)
    raise UserError(f"{path} contains no vectors in a supported format", f"give {KINDS}")


def _without_ids(source: Source, ids: Path | None) -> Source:
    if ids is not None:
        raise UserError(f"{source.place} contains the names of its items", "leave --ids out")
    return source
