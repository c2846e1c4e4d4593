"""A generator's adapter judged by the frozen denoiser: no picture is made, nothing foreign read.

The denoiser is asked for its predictions under native English conditioning, under ours and without
a prompt, on the same latents, at a few noise levels. What counts is whether a prompt moves its
predictions to where the native prompt does. The plain distance between predictions does not rank
recipes as their pictures do: half-learned conditioning moves them little, and is then nearer than
one that moves them a long way with one attribute wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.corpus.sentences import TextsLike
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.evaluation.intervals import Resampler
from m2m_adapters.evaluation.translated import as_translated
from m2m_adapters.models.text_encoder import embed

LEVELS = 4
PROMPTS = 64


@dataclass(frozen=True)
class DenoiserAgreement:
    """How far the denoiser follows our conditioning as it follows native English conditioning.

    agreement: the inner product of what both prompts change in its predictions, over the mean of
    their squares: 1 where it answers the same, 0 where it answers as without a prompt, or in an
    unrelated way. low, high: its 95 % interval over prompts. by_level: from the most noise to the
    least. prompts: how many.
    """

    agreement: float
    low: float
    high: float
    by_level: list[float]
    prompts: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def denoiser_agreement(
    adapter: Adapter,
    texts: Sequence[str],
    *,
    levels: int = LEVELS,
    seed: int = 0,
    limit: int | None = PROMPTS,
    distance: float = 0.0,
    sample: TextsLike | None = None,
    **options: Any,
) -> DenoiserAgreement:
    """Score an adapter for a generator by its denoiser, from English prompts alone.

    texts: English prompts that the adapter was not aligned with. levels: noise levels. limit: use
    only the first so many prompts. distance: move the source's vectors as far as translations lie
    from English, in variances of the source's median direction; 3 (``TRANSLATED``) where it is not
    known. sample: English sentences that show how its vectors spread; by default those the adapter
    was aligned on. options: of the target (``batch_size``, ``size``).
    """
    (result,) = denoiser_agreements(
        adapter, texts, (distance,), levels=levels, seed=seed, limit=limit, sample=sample, **options
    )
    return result


def denoiser_agreements(
    adapter: Adapter,
    texts: Sequence[str],
    distances: Sequence[float],
    *,
    levels: int = LEVELS,
    seed: int = 0,
    limit: int | None = PROMPTS,
    sample: TextsLike | None = None,
    **options: Any,
) -> list[DenoiserAgreement]:
    """:func:`denoiser_agreement` at several distances, the native answers computed once."""
    ask = getattr(adapter.target, "denoiser_changes", None)
    if ask is None:
        raise AbilityMissing(
            f"{type(adapter.target).__name__} has no denoiser",
            "choose an adapter for a diffusion model",
        )
    english = list(texts)[:limit]
    if not english or levels < 1:
        raise UserError(
            f"{len(english)} prompts at {levels} noise levels are too few to judge",
            "give at least one",
        )
    text = adapter.target.text
    native, nothing = (embed(text, rows, what="target") for rows in (english, [""]))
    ours = [
        as_translated(adapter, english, sample, distance=distance, seed=seed)
        if distance
        else adapter.encode(english)
        for distance in distances
    ]
    others = [*ours, np.repeat(nothing, len(english), axis=0)]
    changed = ask(native, others, levels=levels, seed=seed, **options)
    weights = Resampler(len(english), seed=seed).weights
    results = []
    for number in range(1, len(others)):
        compared = np.ix_(*map(range, changed.shape[:2]), *[(0, number, len(others))] * 2)
        each = agreement(changed[compared])
        low, high = np.percentile(weights @ each.mean(1) / len(english), [2.5, 97.5])
        by_level = [float(level) for level in each.mean(0)]
        results.append(
            DenoiserAgreement(
                float(each.mean()), float(low), float(high), by_level, len(english), seed
            )
        )
    return results


def agreement(differences: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``[n, levels, 3, 3]`` of native, ours and nothing -> ``[n, levels]``."""
    apart, native, ours = (
        differences[..., a, b] for a, b in ((0, 1), (0, 2), (1, 2))
    )  # fmt: skip
    both = native + ours  # twice the inner product is what is missing from it in `apart`
    return np.where(both > 0, (both - apart) / np.where(both > 0, both, 1), 1.0)
