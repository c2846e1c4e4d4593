"""A generator's adapter judged by the frozen denoiser: no picture is made, nothing foreign read.

The squared error of a conditioning says little about pictures: most of its columns hardly matter,
a few matter very much. The denoiser itself knows which. It is asked for its predictions under
native English conditioning and under ours, on the same latents, at a few noise levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.evaluation.intervals import Resampler
from m2m_adapters.models.text_encoder import embed

LEVELS = 4
PROMPTS = 64


@dataclass(frozen=True)
class DenoiserDistance:
    """How far the denoiser's predictions are from those under native English conditioning.

    distance: 0 where they are the same, 1 where they are as far as without any prompt. low, high:
    its 95 % interval over prompts. by_level: from the most noise to the least. prompts: how many.
    """

    distance: float
    low: float
    high: float
    by_level: list[float]
    prompts: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def denoiser_distance(
    adapter: Adapter,
    texts: Sequence[str],
    *,
    levels: int = LEVELS,
    seed: int = 0,
    limit: int | None = PROMPTS,
    **options: Any,
) -> DenoiserDistance:
    """Score an adapter for a generator by its denoiser, from English prompts alone.

    texts: English prompts that the adapter was not aligned with. levels: noise levels. limit: use
    only the first so many prompts. options: of the target (``batch_size``, ``size``).
    """
    ask = getattr(adapter.target, "denoiser_changes", None)
    if ask is None:
        raise AbilityMissing(
            f"{type(adapter.target).__name__} has no denoiser",
            "choose an adapter for a diffusion model",
        )
    english = list(texts)[:limit]
    if not english or levels < 1:
        raise UserError(
            f"{len(english)} prompts at {levels} noise levels judge nothing", "give at least one"
        )
    text = adapter.target.text
    native, nothing = (embed(text, rows, what="target") for rows in (english, [""]))
    ours = adapter.encode(english)
    others = [ours, np.repeat(nothing, len(english), axis=0)]
    changes, most = ask(native, others, levels=levels, seed=seed, **options)
    scale = most.mean(0)
    if not (scale > 0).all():
        raise UserError(
            "the denoiser answers alike with a prompt and without one", "check the pipeline"
        )
    each = changes / scale
    drawn = Resampler(len(english), seed=seed).weights @ each.mean(1) / len(english)
    low, high = (float(one) for one in np.percentile(drawn, [2.5, 97.5]))
    by_level = [float(level) for level in each.mean(0)]
    return DenoiserDistance(float(each.mean()), low, high, by_level, len(english), seed)
