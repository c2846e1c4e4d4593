"""English vectors moved as far as translations lie from them: for judges that read only English."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from m2m_adapters.alignment.corpus_again import REMEDY, english_sentences
from m2m_adapters.alignment.prior import SILENT
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.corpus.sentences import TextsLike
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.models.token_states import read
from m2m_adapters.projectors.rows import TokenStates

TRANSLATED = 3.0
"""Variance of translations around their English, over that of the source's median direction.

They differ about evenly in all directions, by 1.3 to 1.9 for multilingual-e5-small (Multi30k) and
by 4 to 13 for tiny-text (its drawable scenes); this is about their geometric mean."""
SAMPLE = 2000
"""Sentences that the median direction is measured on, at most."""
ENOUGH = 2
"""Vectors for each dimension that its measurement needs."""


def as_translated(
    adapter: Adapter,
    texts: Sequence[str],
    sample: TextsLike | None = None,
    *,
    distance: float = TRANSLATED,
    seed: int = 0,
) -> Vectors:
    """``adapter.encode(texts)``, had the source read translations of these English texts.

    sample: English sentences that show how the source's vectors spread; by default those of the
    corpus that the adapter was aligned on. distance: where it is known for the source.
    """
    sentences = english_sentences(adapter, sample, limit=SAMPLE)
    rng = np.random.default_rng(seed)
    rows = read(adapter.source, list(texts), adapter.level, what="source")
    spread = read(adapter.source, sentences, adapter.level, what="source")
    deviation = np.float32(np.sqrt(distance * median_variance(_values(spread))))

    def moved(values: Vectors) -> Vectors:
        noise: Vectors = deviation * rng.standard_normal(values.shape, np.float32)
        return values + noise

    if isinstance(rows, TokenStates):
        return adapter.project(TokenStates(moved(_values(rows)), rows.ends))
    vectors = moved(rows)
    return adapter.project(normalize(vectors) if adapter.source.normalized else vectors)


def median_variance(values: Vectors) -> float:
    """Variance along the median of the directions that vectors ``[n, d]`` fill."""
    if len(values) < ENOUGH * values.shape[1]:
        raise UserError(
            f"{len(values):,} vectors of {values.shape[1]:,} dimensions are too few to know how "
            "far translations lie from them",
            f"{REMEDY} with at least {ENOUGH * values.shape[1]:,} English sentences",
        )
    variances = np.linalg.eigvalsh(np.cov(values.astype(np.float64), rowvar=False))
    return float(np.median(variances[variances > SILENT * variances.max()]))


def _values(rows: Vectors | TokenStates) -> Vectors:
    values = rows.values if isinstance(rows, TokenStates) else rows
    return values.astype(np.float32)
