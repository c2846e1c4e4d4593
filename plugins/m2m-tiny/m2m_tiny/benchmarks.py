"""The held-out galleries as benchmarks: 1,000 items each, a caption in every language."""

from __future__ import annotations

import random
from typing import Any

from m2m_adapters.evaluation import Benchmark, LazyItems
from m2m_tiny import scenes as visual
from m2m_tiny import sounds as audible
from m2m_tiny.captions import LANGUAGES, caption

ITEMS_SEED, CAPTIONS_SEED = 5, 17
NOTES = "Every item stands among four that differ from it in one attribute."


def scenes() -> Benchmark:
    """1,000 scenes as uint8 pixels ``[40, 40, 3]``."""
    specs, said = visual.gallery()
    pixels = visual.render_batch(specs, random.Random(ITEMS_SEED))
    return Benchmark("tiny-scenes", "image", list(pixels), captions(said), notes=NOTES,
                     licence="apache-2.0")  # fmt: skip


def sounds() -> Benchmark:
    """1,000 sounds as (float32 samples, rate), rendered when they are asked for."""
    specs, said = audible.gallery()

    def make(index: int) -> Any:
        return audible.render(
            specs[index], random.Random(ITEMS_SEED * 1_000_003 + index)
        ), audible.RATE

    return Benchmark("tiny-sounds", "audio", LazyItems(len(specs), make), captions(said),
                     notes=NOTES, licence="apache-2.0")  # fmt: skip


def captions(said: list[dict[str, Any]]) -> dict[str, list[str]]:
    """One caption of each meaning in every language, always the same."""
    found = {}
    for number, code in enumerate(LANGUAGES):
        rng = random.Random(CAPTIONS_SEED + number)
        found[code] = [caption(spec, code, rng) for spec in said]
    return found
