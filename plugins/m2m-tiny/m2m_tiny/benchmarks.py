"""The held-out galleries as benchmarks: 1,000 items each, a caption in every language.

And ``tiny-drawables``: prompts for what tiny-flux and tiny-sd draw, with a reader that judges.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m2m_adapters.evaluation import Benchmark, LazyItems, PerPicture, PictureJudge, Prompts
from m2m_tiny import drawable, reader
from m2m_tiny import scenes as visual
from m2m_tiny import sounds as audible
from m2m_tiny.captions import LANGUAGES, caption
from m2m_tiny.family import MODELS

ITEMS_SEED, CAPTIONS_SEED = 5, 17
DRAWABLE_SEED, DRAWABLES = 11, 200
NOTES = "40 groups of a base and 24 variations, most of which change one attribute of the base."


def scenes() -> Benchmark:
    """1,000 scenes as uint8 pixels ``[40, 40, 3]``."""
    specs, said = visual.gallery()
    pixels = visual.render_batch(specs, random.Random(ITEMS_SEED))
    return Benchmark("tiny-scenes", "image", list(pixels), captions(said), notes=NOTES,
                     license="apache-2.0")  # fmt: skip


def sounds() -> Benchmark:
    """1,000 sounds as (float32 samples, rate), rendered when they are asked for."""
    specs, said = audible.gallery()

    def make(index: int) -> Any:
        return audible.render(
            specs[index], random.Random(ITEMS_SEED * 1_000_003 + index)
        ), audible.RATE

    return Benchmark("tiny-sounds", "audio", LazyItems(len(specs), make), captions(said),
                     notes=NOTES, license="apache-2.0")  # fmt: skip


def captions(said: list[dict[str, Any]]) -> dict[str, list[str]]:
    """One caption of each meaning in every language, always the same."""
    written = {}
    for number, code in enumerate(LANGUAGES):
        rng = random.Random(CAPTIONS_SEED + number)
        written[code] = [caption(spec, code, rng) for spec in said]
    return written


def drawables(folder: Path | None = None) -> Prompts:
    """200 held-out scenes to be drawn: neither painters nor alignment met their meaning.

    folder: the reader's weights, if not the embedded ones.
    """
    chosen = drawable.draw(drawable.split()[1], DRAWABLES, random.Random(DRAWABLE_SEED))
    said = {}
    for number, code in enumerate(LANGUAGES):
        rng = random.Random(DRAWABLE_SEED + number)
        said[code] = [caption(scene, code, rng) for scene in chosen]
    weights = folder or MODELS / "tiny-reader"
    there = (weights / "model.safetensors").is_file()
    return Prompts(
        "tiny-drawables",
        "image",
        said,
        AttributeReader(chosen, weights) if there else None,
        license="apache-2.0",
        notes="One or two objects; a reader trained on renderings says what each picture shows.",
        why_no_judge="" if there else "the weights of tiny-reader, its judge, are not there",
    )


class AttributeReader(PictureJudge):
    """Reads place, shapes and colors off a picture and compares them with its scene."""

    name = "tiny-reader"
    headline = "attributes"

    def __init__(self, scenes: list[drawable.Scene], folder: Path) -> None:
        self._truth, self._folder = reader.labels(scenes), folder

    def look(self, pictures: Sequence[Any]) -> Any:
        return reader.read(pictures, self._folder)

    def figures(self, seen: Any) -> dict[str, PerPicture]:
        return reader.accuracy(seen, self._truth[: len(seen)])

    def alike(self, english: Any, seen: Any) -> dict[str, PerPicture]:
        return {"same answers as English": PerPicture.mean((english == seen).mean(1))}
