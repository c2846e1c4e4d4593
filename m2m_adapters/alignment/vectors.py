"""A map learned from pairs of vectors alone, for encoders that cannot be run here.

Two uses: an encoder behind an API or long gone, and an upgrade, where an index of old vectors is
kept and queries of the new model are mapped into it (arXiv 2509.23471).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.progress import Progress, progress_for
from m2m_adapters.alignment.fit import Fitted, fit
from m2m_adapters.alignment.losses import parse_loss
from m2m_adapters.alignment.pairs import CHUNK, Chunk, Pairs, held_out_rows
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.alignment.recipes import recipe as named_recipe
from m2m_adapters.alignment.results import held_out_results, pull_record, recipe_record
from m2m_adapters.artifact.record import VECTORS
from m2m_adapters.embeddings.vector_pairs import open_pair
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors, normalize

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

MIN_PAIRS = 32
VectorsLike = Any
"""A path, or a table ``[n, d]`` that is read by slices of its rows (numpy, h5py, ...)."""


def align_vectors(
    source: VectorsLike,
    target: VectorsLike | None = None,
    *,
    recipe: str = "auto",
    normalized: bool = True,
    source_name: str | None = None,
    target_name: str | None = None,
    modality: str = "vectors",
    seed: int = 0,
    progress: Progress | bool | None = None,
    **changes: Any,
) -> Adapter:
    """Learn the map from ``source`` vectors to ``target`` vectors; row i belongs to row i.

    source, target: arrays ``[n, d]``, or files (npy, npz, safetensors, parquet); source alone may
    be one file with arrays or columns called ``source`` and ``target``.
    normalized: vectors are compared by angle, so rows are scaled to length 1.
    source_name, target_name: models to load by the adapter, where they have names. Without them
    the adapter maps vectors with ``project`` and encodes no text.
    recipe, changes: as for ``align``. The adapter's ``skipped`` says how many pairs were left out
    because a vector was not finite or zero.
    """
    chosen = named_recipe(recipe, **changes)
    if chosen.loss is not None:
        parse_loss(chosen.loss)
    if not 0 <= seed < 1 << 63:
        raise UserError(f"seed {seed} is not a whole number from 0 to 2^63", "e.g. 0")
    bar = progress if isinstance(progress, Progress) else progress_for(progress)
    x, y = _opened(source, target)
    with bar.stage("read", None):
        usable = np.flatnonzero(_usable(x, y))
        if len(usable) < MIN_PAIRS:
            raise UserError(
                f"{len(usable)} usable pairs of vectors are too few to align with",
                f"give at least {MIN_PAIRS}; a thousand give good results",
            )
        pairs = _pairs(x, y, usable, normalized, seed)
    fitted = fit(pairs, chosen, normalized, seed=seed, progress=bar)
    names = (source_name, target_name)
    adapter = _assemble(fitted, pairs, chosen, normalized, names, modality, seed)
    adapter.skipped = len(x) - len(usable)
    adapter.seconds = dict(bar.seconds)
    return adapter


def _opened(source: VectorsLike, target: VectorsLike | None) -> tuple[Any, Any]:
    """Both tables, checked for their shapes."""
    if isinstance(source, (str, os.PathLike)) and (
        target is None or isinstance(target, (str, os.PathLike))
    ):
        x, y = open_pair([source] if target is None else [source, target])
    elif target is None:
        raise UserError("an array of source vectors needs its target vectors", "pass both")
    else:
        x, y = (
            open_pair([one, one])[side] if isinstance(one, (str, os.PathLike)) else one
            for side, one in enumerate((source, target))
        )
    for side, table in (("source", x), ("target", y)):
        numeric = getattr(table, "dtype", np.dtype(np.float32)).kind in "fiu"
        if table.ndim != 2 or not table.shape[1] or not numeric:
            raise UserError(
                f"the {side} vectors are not a table of numbers [n, d] (shape {list(table.shape)})",
                "give one row per vector",
            )
    if len(x) != len(y):
        raise UserError(
            f"{len(x):,} source vectors and {len(y):,} target vectors do not pair up",
            "row i of both must belong together",
        )
    return x, y


def _rows(table: Any, start: int, stop: int) -> Vectors:
    return np.ascontiguousarray(table[start:stop], dtype=np.float32)


def _usable(x: Any, y: Any) -> np.ndarray[Any, Any]:
    """Which pairs have finite vectors that are not zero."""
    good = np.zeros(len(x), bool)
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite: left out
            both = [_rows(table, start, start + CHUNK) for table in (x, y)]
        good[part] = np.all([np.isfinite(b).all(1) & b.any(1) for b in both], axis=0)
    return good


def _pairs(
    x: Any, y: Any, usable: np.ndarray[Any, Any], normalized: bool, seed: int
) -> Pairs:  # fmt: skip
    """Pairs streamed from their files; those to fit on in the order of the files."""
    train, held = held_out_rows(len(usable), seed)
    train, held = usable[np.sort(train)], usable[held]

    def gathered(rows: np.ndarray[Any, Any]) -> Chunk:
        gathered_sides = []
        for table in (x, y):
            out = np.empty((len(rows), table.shape[1]), np.float32)
            for begin in range(0, len(rows), CHUNK):
                chunk = rows[begin : begin + CHUNK]
                blocks = chunk // CHUNK
                for block in np.unique(blocks):
                    inside = np.flatnonzero(blocks == block)
                    first = int(chunk[inside[0]])
                    whole = _rows(table, first, int(chunk[inside[-1]]) + 1)
                    out[begin + inside] = whole[chunk[inside] - first]
            gathered_sides.append(normalize(out) if normalized else out)
        return gathered_sides[0], gathered_sides[1]

    return Pairs(len(train), lambda a, b: gathered(train[a:b]), *gathered(held))


def _assemble(
    fitted: Fitted,
    pairs: Pairs,
    chosen: Recipe,
    normalized: bool,
    names: tuple[str | None, str | None],
    modality: str,
    seed: int,
) -> Adapter:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.record import ModelOptions, SourceRecord, TargetRecord
    from m2m_adapters.artifact.weights import new_record

    common: dict[str, Any] = {
        "class_name": VECTORS,
        "fingerprint": None,  # vectors do not name their encoder
        "provenance": {"pairs": pairs.n + len(pairs.x_held)},
        "options": ModelOptions(),
    }
    record = new_record(
        fitted.projector,
        source=SourceRecord(
            name=names[0], dim=pairs.d_in, normalize=normalized, max_tokens=None, **common
        ),
        target=TargetRecord(
            name=names[1], dim=pairs.d_out, normalized=normalized, modality=modality, **common
        ),
        recipe=recipe_record(chosen, fitted, normalized, seed),
        held_out=held_out_results(pairs, fitted),
        pull=pull_record(fitted),
    )
    return Adapter(fitted.projector, record)
