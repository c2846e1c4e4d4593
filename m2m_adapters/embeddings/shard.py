"""One file of stored vectors: keys and rows under one checksum, read without copies.

Layout: 32 bytes of header (magic, rows, columns, bytes per number), 16-byte keys, rows, and a
CRC-32 of everything before it. A shard is written once, whole, and never changed.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError

MAGIC = b"m2m-shard-1\n"
HEADER = struct.Struct("<12sQII4x")  # magic, rows, columns, bytes per number
KEY_BYTES = 16
TAIL = 4
BLOCK = 1 << 22

Keys = npt.NDArray[np.uint64]
"""uint64 ``[n, 2]``: the first 16 bytes of a text's BLAKE2b."""


def keys_of(texts: Sequence[str]) -> Keys:
    """A key for each text."""
    joined = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
        for text in texts
    )
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)


def write_shard(path: Path, keys: Keys, vectors: npt.NDArray[np.floating]) -> None:
    """Keys ``[n, 2]`` and rows ``[n, d]`` (float32 or float16) into a file, whole or not at all."""
    rows = np.ascontiguousarray(vectors)
    parts: list[bytes | memoryview] = [
        HEADER.pack(MAGIC, len(rows), rows.shape[1], rows.dtype.itemsize),
        np.ascontiguousarray(keys, dtype="<u8").tobytes(),
        rows.data.cast("B") if rows.size else b"",
    ]
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
            file.write(part)
        file.write(struct.pack("<I", checksum))


class Shard:
    """A checked shard. keys: ``[n, 2]``; rows: ``[n, d]`` mapped from disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        count, width, size = _checked(*_identity(path))
        self.keys: Keys = np.memmap(path, "<u8", "r", HEADER.size, (count, 2))
        kind = np.float16 if size == 2 else np.float32
        offset = HEADER.size + count * KEY_BYTES
        self.rows = np.memmap(path, kind, "r", offset, (count, width))

    def __len__(self) -> int:
        return len(self.keys)

    def release(self) -> None:
        """Give pages that were read back to the system; they are read again when needed."""
        mapped: Any = getattr(self.rows, "_mmap", None)
        if hasattr(mapped, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def _identity(path: Path) -> tuple[str, int, int, int]:
    seen = path.stat()
    return str(path), seen.st_size, seen.st_mtime_ns, seen.st_ino


@lru_cache(maxsize=65536)
def _checked(name: str, size: int, stamp: int, inode: int) -> tuple[int, int, int]:
    """(rows, columns, bytes per number), once the checksum has been compared."""
    if wrong := damage(Path(name)):
        raise UserError(
            f"the stored vectors in {name} are damaged ({wrong})",
            "run `m2m cache verify --mend` to drop them; they will be computed again",
        )
    with open(name, "rb") as file:
        _, count, width, number = HEADER.unpack(file.read(HEADER.size))
    return count, width, number


def damage(path: Path) -> str | None:
    """What is wrong with a shard's bytes, None when nothing is. Never remembered."""
    size = path.stat().st_size
    if size < HEADER.size + TAIL:
        return "too short"
    with open(path, "rb") as file:
        head = file.read(HEADER.size)
        magic, count, width, number = HEADER.unpack(head)
        if magic != MAGIC or number not in (2, 4):
            return "not a shard of this release"
        if size != HEADER.size + count * (KEY_BYTES + width * number) + TAIL:
            return "its size is not what its header says"
        checksum, left = zlib.crc32(head), size - HEADER.size - TAIL
        while left:
            block = file.read(min(BLOCK, left))
            checksum, left = zlib.crc32(block, checksum), left - len(block)
        if struct.unpack("<I", file.read(TAIL))[0] != checksum:
            return "its checksum differs"
    return None


def drop(path: Path) -> None:
    """Remove a shard; another process that has it mapped goes on reading it."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
