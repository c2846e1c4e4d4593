"""What the cache folder keeps of encoders and can be computed again, and how it is shrunk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from m2m_adapters.embeddings.store import Store
from m2m_adapters.models.onnx_int8 import kept_models


class Kept(NamedTuple):
    """A folder of vectors or the file of an int8 model; when it was used last, in seconds."""

    path: Path
    size: int
    last_used: float

    def remove(self) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def int8_models(folder: Path) -> Iterator[Kept]:
    """The int8 models in a cache folder."""
    for path in kept_models(folder):
        with suppress(FileNotFoundError):  # deleted by another process
            seen = path.stat()
            yield Kept(path, seen.st_size, seen.st_mtime)


def prune(
    folder: str | Path | None = None,
    *,
    max_bytes: int | None = None,
    older_than_days: float | None = None,
) -> int:
    """Delete vectors by encoder, and int8 models, least recently used first; the bytes freed.

    folder: of the cache; by default M2M_CACHE.
    """
    store = Store(folder)
    sections = (Kept(s.folder, s.size, s.last_used) for s in store.all_sections())
    kept = sorted([*sections, *int8_models(store.folder)], key=lambda one: one.last_used)
    total, freed = sum(one.size for one in kept), 0
    for one in kept:
        old = older_than_days is not None and time.time() - one.last_used > older_than_days * 86_400
        if old or (max_bytes is not None and total - freed > max_bytes):
            freed += one.size
            one.remove()
    return freed
