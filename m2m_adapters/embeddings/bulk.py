"""A whole corpus, or a folder of items, into a dataset of vectors; parts that exist are kept."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters._internal.progress import Progress, progress_for
from m2m_adapters.embeddings.dataset import Dataset, open_dataset
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.work import Embedder, Work
from m2m_adapters.errors import UserError

ENGINES = ("local", "ray")
PARTS_AT_ONCE = 16


@dataclass(frozen=True)
class Embedded:
    """rows: of the dataset. encoded: rows encoded now; the others existed already.

    tokens: of texts encoded on this machine, where the encoder counts them.
    """

    out: str
    rows: int
    encoded: int
    dim: int
    seconds: float
    tokens: int = 0


def embed_dataset(
    name: str,
    corpus: str | Path,
    out: str | Path,
    *,
    items: bool = False,
    column: str | None = None,
    max_rows: int | None = None,
    engine: str = "local",
    ray_address: str | None = None,
    workers: int | None = None,
    store: Store | bool = True,
    progress: Progress | bool | None = None,
    model_options: dict[str, Any] | None = None,
    skip_bad: bool = False,
) -> Embedded:
    """Write the vector of every row of ``corpus`` to the parquet dataset ``out``, exactly once.

    name: a source, a target (its text tower, or with ``items`` its other one), an adapter's
    folder or name, or ``ORG/NAME`` on the hub.
    engine: ``local``, through the store; ``ray`` spreads the blocks over a cluster's machines.
    skip_bad: items that cannot be read have no vector (null), instead of stopping the work.
    Run again after a crash, it continues where it stopped.
    """
    if engine not in ENGINES:
        raise UserError(f"there is no engine '{engine}'", f"use {' or '.join(ENGINES)}")
    if engine == "local" and (ray_address is not None or workers is not None):
        raise UserError("--ray-address and --workers belong to --engine ray", "add --engine ray")
    if skip_bad and not items:
        raise UserError("--skip-bad is for items", "add --items, or leave it out")
    # Other processes may run in other folders.
    name, where = _absolute(name), _absolute(corpus)
    into = str(out) if "://" in str(out) else str(Path(out).expanduser().resolve())
    work = Work(name, where, into, items, column, max_rows, model_options, skip_bad)
    bar = progress if isinstance(progress, Progress) else progress_for(progress)
    began, tokens = time.perf_counter(), 0
    if engine == "ray":
        from m2m_adapters.embeddings.ray import embed_with_ray

        rows, encoded = embed_with_ray(work, ray_address, workers, bar)
    else:
        kept = store if isinstance(store, Store) else Store() if store else None
        rows, encoded, tokens = _locally(work, kept, bar)
    if not rows:
        raise UserError(f"{corpus} contains no rows", "give texts, one a line, or items")
    dataset = Dataset(out)
    dataset.finish(rows)
    about = dataset.about
    assert about is not None
    return Embedded(str(out), rows, encoded, about.dim, time.perf_counter() - began, tokens)


def _absolute(place: str | Path) -> str:
    if "://" in str(place) or str(place) == "-":
        return str(place)
    path = Path(place).expanduser()
    try:
        return str(path.resolve()) if path.exists() else str(place)
    except OSError:
        return str(place)


def _locally(work: Work, store: Store | None, bar: Progress) -> tuple[int, int, int]:
    with bar.stage("load", None):
        embedder = Embedder(work, store)
    dataset = Dataset(work.out)
    parts: dict[int, str] | None = None
    rows = encoded = 0
    with bar.stage("encode", None, "rows") as done:
        for block in work.blocks():
            if parts is None:  # not before there is a row: nothing is left by a bad corpus
                dataset.begin(embedder.about)
                parts = dataset.parts()
            if not dataset.has(block, parts):
                dataset.write(block, embedder.encode(block.rows), work.kind)
                encoded += len(block.rows)
                if rate := embedder.speed.to_dict().get("tokens_per_second"):
                    bar.note(f"{rate:,.0f} tokens/s")
            rows += len(block.rows)
            done(rows)
    return rows, encoded, embedder.speed.tokens


def add_to_store(place: str | Path, store: Store) -> tuple[int, int]:
    """Put a dataset's texts and vectors into the store; (rows read, vectors that were new)."""
    dataset, about = open_dataset(place)
    if about.kind != "text":
        raise UserError(f"{place} holds items, the store holds texts", "give a dataset of texts")
    section = store.section_of(about.fingerprint, about.dim)
    if section is None:
        raise UserError(
            f"{place} was made by an encoder without a fingerprint of its own",
            "set fingerprint in its class, so that stored vectors are not mixed up",
        )
    before, rows = len(section), 0
    unread = dataset.read()
    while parts := list(itertools.islice(unread, PARTS_AT_ONCE)):
        texts = [text for part, _ in parts for text in part]
        section.add(texts, np.concatenate([vectors for _, vectors in parts]))
        rows += len(texts)
    return rows, len(section) - before
