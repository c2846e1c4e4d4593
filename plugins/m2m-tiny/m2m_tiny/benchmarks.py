"""The held-out galleries as benchmarks: 1,000 items each, a caption in every language.

And ``tiny-drawables`` and ``tiny-drawable-videos``: prompts for what the tiny painters draw, with a
reader that judges.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.evaluation import Benchmark, LazyItems, PerPicture, PictureJudge, Prompts
from m2m_tiny import drawable, reader
from m2m_tiny import scenes as visual
from m2m_tiny import sounds as audible
from m2m_tiny.captions import LANGUAGES, caption
from m2m_tiny.family import MODELS

ITEMS_SEED, CAPTIONS_SEED = 5, 17
DRAWABLE_SEED, DRAWABLES = 11, 200
DRIFT = range(4, 11)  # pixels to the right from first to last frame; seven is exact
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
    return _prompts("tiny-drawables", "image", AttributeReader, folder)


def drawable_videos(folder: Path | None = None) -> Prompts:
    """The same scenes, to be drawn while they drift from left to right."""
    return _prompts("tiny-drawable-videos", "video", DriftReader, folder)


def _prompts(
    name: str, modality: str, judge: type[AttributeReader], folder: Path | None
) -> Prompts:
    chosen = drawable.draw(drawable.split()[1], DRAWABLES, random.Random(DRAWABLE_SEED))
    said = {}
    for number, code in enumerate(LANGUAGES):
        rng = random.Random(DRAWABLE_SEED + number)
        said[code] = [caption(scene, code, rng) for scene in chosen]
    weights = folder or MODELS / "tiny-reader"
    there = (weights / "model.safetensors").is_file()
    return Prompts(
        name,
        modality,
        said,
        judge(chosen, weights) if there else None,
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


class DriftReader(AttributeReader):
    """Reads the frame in which the scene is in its place, and whether it drifts to the right."""

    def look(self, pictures: Sequence[Any]) -> Any:
        videos = [np.asarray(frames) for frames, _ in pictures]
        middle = super().look([_uint8(frames[len(frames) // 2]) for frames in videos])
        drifts = [_middle_of_mass(frames[-1]) - _middle_of_mass(frames[0]) for frames in videos]
        return np.column_stack([middle, np.array(drifts).round().astype(np.int64)])

    def figures(self, seen: Any) -> dict[str, PerPicture]:
        moved = np.isin(seen[:, -1], DRIFT).astype(float)
        return {**super().figures(seen[:, :-1]), "drifts": PerPicture.mean(moved)}

    def alike(self, english: Any, seen: Any) -> dict[str, PerPicture]:
        return super().alike(english[:, :-1], seen[:, :-1])


def _uint8(frame: Any) -> Any:
    return frame if frame.dtype == np.uint8 else (frame * 255).round().astype(np.uint8)


def _middle_of_mass(frame: Any) -> float:
    """Column around which what differs from the background lies."""
    pixels = _uint8(frame).astype(np.float32)
    away = np.abs(pixels - np.median(pixels, (0, 1))).max(-1)
    mass = np.where(away > 50, away, 0).sum(0)
    return float((mass * np.arange(len(mass))).sum() / max(mass.sum(), 1e-6))
