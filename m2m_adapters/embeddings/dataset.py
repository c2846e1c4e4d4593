"""Vectors of a corpus as a folder of parquet files, one for each block of rows.

A part holds ``id`` (int64, the row of the corpus), ``text`` or ``item`` (string) and ``vector``
(float32, fixed length). It appears whole or not at all, and its name says which block it is and
what texts it is of. So a run goes on by looking at names, and whoever writes a block twice
writes one file twice. ``_about.json`` says which encoder it was.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct, structs

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

BLOCK = 2048
"""Rows of a part, and what a crash can cost. The store's windows are of the same size."""
ABOUT = "_about.json"  # parquet readers pass over names that begin so
PART = re.compile(r"part-(\d{8})-([0-9a-f]{16})\.parquet")


class About(Struct, frozen=True, forbid_unknown_fields=True):
    """``_about.json``. kind: what the rows are of. rows: None until the dataset is complete."""

    encoder: str
    fingerprint: str
    dim: Annotated[int, Meta(ge=1)]
    kind: Literal["text", "item"]
    normalized: bool
    block: Annotated[int, Meta(ge=1)] = BLOCK
    rows: Annotated[int, Meta(ge=0)] | None = None
    format: Literal[1] = 1


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a corpus: block ``number`` of those of ``size`` rows."""

    number: int
    rows: list[str]
    size: int = BLOCK

    @property
    def name(self) -> str:
        digest = hashlib.blake2b(digest_size=8)
        for row in self.rows:
            data = row.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        return f"part-{self.number:08d}-{digest.hexdigest()}.parquet"


def blocks(rows: Iterable[str], size: int = BLOCK) -> Iterator[Block]:
    """A corpus in blocks, the last of them shorter."""
    unread = iter(rows)
    for number in itertools.count():
        block = list(itertools.islice(unread, size))
        if not block:
            return
        yield Block(number, block, size)


def pyarrow_modules() -> tuple[Any, Any, Any]:
    """(pyarrow, pyarrow.parquet, pyarrow.fs), or how to get them."""
    try:
        import pyarrow as pa
        import pyarrow.fs as fs
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "datasets are parquet files, which need pyarrow",
            'pip install "m2m-adapters[parquet]"',
        ) from error
    return pa, pq, fs


class Place:
    """A folder on disk or of an object store (``s3://bucket/path``, ``gs://...``)."""

    def __init__(self, name: str | Path) -> None:
        pa, _, fs = pyarrow_modules()
        self.name = str(name)
        self.local = "://" not in self.name
        if self.local:
            self._fs, self._path = fs.LocalFileSystem(), str(Path(self.name).expanduser())
            return
        try:
            self._fs, self._path = fs.FileSystem.from_uri(self.name)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UserError(
                f"cannot open {self.name}: {str(error).splitlines()[0]}",
                "give a folder, or an address such as s3://bucket/path",
            ) from error

    def names(self) -> list[str]:
        """Files, sorted; hidden ones are unfinished and left out."""
        _, _, fs = pyarrow_modules()
        selector = fs.FileSelector(self._path, allow_not_found=True)
        names = [info.base_name for info in self._fs.get_file_info(selector)]
        return sorted(name for name in names if not name.startswith("."))

    def has(self, name: str) -> bool:
        _, _, fs = pyarrow_modules()
        return bool(self._fs.get_file_info(f"{self._path}/{name}").type == fs.FileType.File)

    def read(self, name: str) -> bytes:
        with self._fs.open_input_file(f"{self._path}/{name}") as stream:
            return bytes(stream.read())

    def write(self, name: str, data: bytes) -> None:
        """Write the file atomically."""
        if self.local:
            with whole_file(Path(self._path) / name) as temporary:
                temporary.write_bytes(data)
            return
        self._fs.create_dir(self._path, recursive=True)
        # An object appears when its stream is closed; all of its data is written by now.
        with self._fs.open_output_stream(f"{self._path}/{name}") as stream:
            stream.write(data)


class Dataset:
    """The parts in one place. Open an existing one with :func:`open_dataset`."""

    def __init__(self, place: str | Path | Place) -> None:
        self.place = place if isinstance(place, Place) else Place(place)

    @property
    def about(self) -> About | None:
        """None where nothing has been begun."""
        if not self.place.has(ABOUT):
            return None
        try:
            return msgspec.json.decode(self.place.read(ABOUT), type=About)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{self.place.name}/{ABOUT} does not describe a dataset of this release",
                "give a folder that `m2m embed --out` wrote",
            ) from error

    def begin(self, about: About) -> None:
        """Write the dataset's description, or check the existing one."""
        existing = self.about
        if existing is None:
            if self.place.names():
                raise UserError(
                    f"{self.place.name} holds other files", "choose a folder of its own for --out"
                )
            self._tell(about)
            return
        # The name may be a folder, and lie elsewhere on another machine.
        for key in ("fingerprint", "dim", "kind", "normalized", "block"):
            wanted, recorded = getattr(about, key), getattr(existing, key)
            if wanted != recorded:
                raise UserError(
                    f"{self.place.name} was started with another encoder ({existing.encoder}; "
                    f"{key} {recorded}, not {wanted})",
                    "choose another --out, or remove it",
                )

    def finish(self, rows: int) -> None:
        """Mark the dataset as complete, after checking that every part exists."""
        about = self.about
        assert about is not None
        wanted = -(-rows // about.block)
        existing = sorted(self.parts())
        if existing != list(range(wanted)):
            lost = sorted(set(range(wanted)).symmetric_difference(existing))
            raise UserError(
                f"{self.place.name} does not hold the {wanted} parts of this corpus "
                f"(look at part {lost[0]})",
                "choose another --out, or remove it",
            )
        if about.rows != rows:
            self._tell(structs.replace(about, rows=rows))

    def _tell(self, about: About) -> None:
        text = json.dumps(structs.asdict(about), indent=2, sort_keys=True, ensure_ascii=False)
        self.place.write(ABOUT, text.encode() + b"\n")

    def parts(self) -> dict[int, str]:
        """Number and name of every part."""
        names: dict[int, str] = {}
        for name in self.place.names():
            if match := PART.fullmatch(name):
                if int(match[1]) in names:
                    raise UserError(
                        f"{self.place.name} holds two parts with number {int(match[1])}",
                        "two corpora were embedded into it at once; remove it",
                    )
                names[int(match[1])] = name
        return names

    def has(self, block: Block, parts: dict[int, str]) -> bool:
        """Whether the block is among ``parts``; refuses when another block has its place."""
        existing = parts.get(block.number)
        if existing is not None and existing != block.name:
            raise UserError(
                f"{self.place.name} was started with another corpus: its rows from "
                f"{block.number * block.size:,} on differ",
                "choose another --out, or give the corpus it was started with",
            )
        return existing is not None

    def write(self, block: Block, vectors: Vectors, kind: str) -> None:
        """vectors: float32 ``[len(block.rows), dim]``; a row of NaN is written as null."""
        pa, pq, _ = pyarrow_modules()
        first = block.number * block.size
        flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
        missing = np.isnan(vectors).all(axis=1)
        mask = {"mask": pa.array(missing)} if missing.any() else {}
        table = pa.table(
            {
                "id": pa.array(np.arange(first, first + len(block.rows), dtype=np.int64)),
                kind: pa.array(block.rows, pa.string()),
                "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], **mask),
            }
        )
        sink = io.BytesIO()
        # Vectors do not compress; texts hardly matter beside them.
        pq.write_table(
            table, sink, compression="none", use_dictionary=False, write_page_checksum=True
        )
        self.place.write(block.name, sink.getvalue())

    def read(self) -> Iterator[tuple[list[str], Vectors]]:
        """(rows, float32 ``[n, dim]``) of part after part; every page's checksum is compared.

        Rows without a vector are left out.
        """
        pa, pq, _ = pyarrow_modules()
        about = self.about
        assert about is not None
        for number, name in sorted(self.parts().items()):
            try:
                data = io.BytesIO(self.place.read(name))
                table = pq.ParquetFile(data, page_checksum_verification=True).read()
                rows = table.column(about.kind).to_pylist()
                column = table.column("vector").combine_chunks()
                present = column.is_valid().to_numpy(zero_copy_only=False)
                vectors = column.drop_null().flatten().to_numpy()
                vectors = vectors.reshape(int(present.sum()), about.dim)
                whole = Block(number, rows, about.block).name == name
                rows = [row for row, there in zip(rows, present, strict=True) if there]
            except (pa.ArrowException, OSError, KeyError, ValueError) as error:
                raise self._damaged(name) from error
            if not whole:
                raise self._damaged(name)
            yield rows, vectors

    def _damaged(self, name: str) -> UserError:
        return UserError(
            f"{self.place.name}/{name} is damaged",
            "remove that file and run the same `m2m embed` again",
        )


def open_dataset(place: str | Path) -> tuple[Dataset, About]:
    """A dataset that is complete."""
    dataset = Dataset(place)
    about = dataset.about
    if about is None:
        raise UserError(
            f"{place} is not a dataset: it has no {ABOUT}",
            "give a folder that `m2m embed --out` wrote",
        )
    if about.rows is None:
        raise UserError(f"{place} is not complete", "run the same `m2m embed` again")
    return dataset, about
