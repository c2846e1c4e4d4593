"""The layout of an index folder and its record, ``index.json``.

::

    photos/
      index.json              names the current generation; replaced by one rename
      generations/000003/     files that never change: items.sqlite, flat.faiss, ivf.faiss
      lancedb/                a table for each generation, with that engine
      media.sqlite            thumbnails and peaks by digest of the file
      biases/                 of items, one file for each adapter that has asked
      work/                   batches encoded by a run that has not finished
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError

RECORD = "index.json"
GENERATIONS = "generations"
WORK = "work"
MEDIA = "media.sqlite"
BIASES = "biases"
TABLES = "lancedb"
LOCK = ".lock"
ITEMS, FLAT, IVF, POINTS = "items.sqlite", "flat.faiss", "ivf.faiss", "points.sqlite"
JOURNAL, SPOOL, KEYS = "journal.sqlite", "items.jsonl", "keys.txt"
"""In the folder of work: of a run over folders; of an import."""
FORMAT = 1

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(max_length=4096)]


class Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every part of the record: unknown keys and wrong types are refused."""


class TargetRecord(Strict, frozen=True):
    """The model whose space the vectors are in. name: empty for an object without a name."""

    name: Text
    options: dict[str, str | bool | int | float]
    modality: Text
    fingerprint: Text
    dim: Positive


class FileRecord(Strict, frozen=True):
    bytes: Count
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Recall(Strict, frozen=True):
    """Measured when the index was built.

    k, queries: of the measurement. at: recall at k against exact search of the same vectors.
    """

    k: Positive
    queries: Positive
    at: Annotated[float, Meta(ge=0, le=1)]


class EngineRecord(Strict, frozen=True):
    """How the vectors are searched.

    kind: ``flat`` (faiss: every row, exact), ``ivf`` (faiss: lists, approximate), ``qdrant`` or
    ``lancedb`` (a collection of a database). nprobe: lists that are looked at. rescored: the best
    of the 8-bit rows are compared again by their fp16 rows. place, collection, vector: of the
    database; LanceDB in the folder of the index has no place.
    """

    kind: Annotated[str, Meta(pattern="^(flat|ivf|qdrant|lancedb)$")]
    lists: Count = 0
    nprobe: Count = 0
    rescored: bool = False
    place: Text = ""
    collection: Text = ""
    vector: Text = ""
    recall: Recall | None = None


class Bias(Strict, frozen=True):
    """Per-item scores stored as an extra column of the vectors. name: what they came from."""

    name: Text


class Origin(Strict, frozen=True):
    """Where the vectors of an imported index came from, and how well they were checked.

    compared: items that were encoded again; cosine: the mean of theirs to the stored vectors.
    """

    place: Text
    compared: Count
    cosine: float | None


class IndexRecord(Strict, frozen=True):
    """The content of ``index.json``."""

    format: Positive
    generation: Annotated[str, Meta(pattern="^[0-9]{6}$")]
    target: TargetRecord
    rows: Count
    items: Count
    bad: Count
    roots: list[Text]
    window: float
    engine: EngineRecord
    files: dict[Annotated[str, Meta(pattern="^[a-z]+[.][a-z]+$")], FileRecord]
    adapter: Text = ""
    bias: Bias | None = None
    origin: Origin | None = None


def read_record(folder: Path) -> IndexRecord:
    """The record of the index in ``folder``, decoded strictly."""
    path = folder / RECORD
    if not path.is_file():
        if (folder / WORK / JOURNAL).is_file():
            raise UserError(
                f"the index {folder} is not finished", "run the `m2m index` command again"
            )
        raise UserError(
            f"{folder} is not an index: it has no {RECORD}", "make one with `m2m index`"
        )
    try:
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=dict[str, Any]).get("format")
        if isinstance(version, int) and version > FORMAT:
            raise UserError(
                f"{path} has format {version}; this version reads up to {FORMAT}",
                "upgrade m2m-adapters",
            )
        return msgspec.json.decode(data, type=IndexRecord, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}", "build the index again") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def write_record(folder: Path, record: IndexRecord) -> None:
    """The switch to a generation: readers see the old record or this one."""
    with whole_file(folder / RECORD) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def described(path: Path) -> FileRecord:
    """Size and digest of a file."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return FileRecord(bytes=size, sha256=digest.hexdigest())
