"""One file of stored vectors or token states: keys and rows under one checksum.

Layout: 32 bytes of header (magic, texts, columns, bytes per number), 16-byte keys, rows, and a
CRC-32 of everything before it. Token states have several rows for each text; where each text's
rows end stands between keys and rows, 8 bytes each. A shard is written once, whole, and never
changed; it is read without copies.
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
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.rows import Rows, TokenStates

MAGIC = b"m2m-shard-1\n"
MAGIC_STATES = b"m2m-states1\n"
HEADER = struct.Struct("<12sQII4x")  # magic, rows, columns, bytes per number
KEY_BYTES = 16
END_BYTES = 8
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


def write_shard(path: Path, keys: Keys, rows: Rows | npt.NDArray[np.floating]) -> None:
    """Keys ``[n, 2]`` and rows (float32 or float16) into a file, whole or not at all."""
    states = rows if isinstance(rows, TokenStates) else None
    values = np.ascontiguousarray(states.values if states is not None else rows)
    parts: list[bytes | memoryview] = [
        HEADER.pack(
            MAGIC if states is None else MAGIC_STATES,
            len(keys),
            values.shape[1],
            values.dtype.itemsize,
        ),
        np.ascontiguousarray(keys, dtype="<u8").tobytes(),
        b"" if states is None else np.ascontiguousarray(states.ends, dtype="<i8").tobytes(),
        values.data.cast("B") if values.size else b"",
    ]
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
            file.write(part)
        file.write(struct.pack("<I", checksum))


class Shard:
    """A checked shard. keys: ``[n, 2]``; rows: ``[n, d]``, or all tokens' states, memory-mapped.

    ends: for token states, the row after each text's last; None for vectors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        head = _checked(*_identity(path))
        self.keys: Keys = np.memmap(path, "<u8", "r", HEADER.size, (head.texts, 2))
        offset = HEADER.size + head.texts * KEY_BYTES
        rows = head.texts
        self.ends: npt.NDArray[np.int64] | None = None
        if head.states:
            self.ends = np.fromfile(path, "<i8", head.texts, offset=offset)
            offset += head.texts * END_BYTES
            rows = int(self.ends[-1]) if head.texts else 0
        kind = np.float16 if head.number == 2 else np.float32
        self.rows = np.memmap(path, kind, "r", offset, (rows, head.width))

    def states(self, text: int) -> npt.NDArray[np.floating]:
        """A copy of the token states of one text, ``[tokens, width]``."""
        assert self.ends is not None
        start = self.ends[text - 1] if text else 0
        return np.array(self.rows[start : self.ends[text]])

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


class Head(NamedTuple):
    """What a shard's header says; states: whether it holds token states."""

    states: bool
    texts: int
    width: int
    number: int


@lru_cache(maxsize=65536)
def _checked(name: str, size: int, stamp: int, inode: int) -> Head:
    """The header, once the checksum has been compared."""
    if wrong := damage(Path(name)):
        raise UserError(
            f"the stored vectors in {name} are damaged ({wrong})",
            "run `m2m cache verify --mend` to drop them; they will be computed again",
        )
    with open(name, "rb") as file:
        magic, count, width, number = HEADER.unpack(file.read(HEADER.size))
    return Head(magic == MAGIC_STATES, count, width, number)


def damage(path: Path) -> str | None:
    """What is wrong with a shard's bytes, None when nothing is. Not cached."""
    size = path.stat().st_size
    if size < HEADER.size + TAIL:
        return "too short"
    with open(path, "rb") as file:
        head = file.read(HEADER.size)
        magic, count, width, number = HEADER.unpack(head)
        if magic not in (MAGIC, MAGIC_STATES) or number not in (2, 4):
            return "not a shard of this release"
        rows, ends = count, 0
        if magic == MAGIC_STATES:
            ends = count * END_BYTES
            rows = _states(file, size, count)
        if size != HEADER.size + count * KEY_BYTES + ends + rows * width * number + TAIL:
            return "its size is not what its header says"
        file.seek(HEADER.size)
        checksum, left = zlib.crc32(head), size - HEADER.size - TAIL
        while left:
            block = file.read(min(BLOCK, left))
            checksum, left = zlib.crc32(block, checksum), left - len(block)
        if struct.unpack("<I", file.read(TAIL))[0] != checksum:
            return "its checksum differs"
    return None


def _states(file: BinaryIO, size: int, count: int) -> int:
    """How many token states a file of ``count`` texts says it has; -1 if it is too short."""
    last = HEADER.size + count * KEY_BYTES + (count - 1) * END_BYTES
    if count == 0 or last + END_BYTES > size:
        return 0 if count == 0 else -1
    file.seek(last)
    return int(struct.unpack("<q", file.read(END_BYTES))[0])


def drop(path: Path) -> None:
    """Remove a shard; another process that has it mapped goes on reading it."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
