"""The tiny painters, steered in languages that their text towers have never met."""

from __future__ import annotations

import random

import numpy as np
import torch
from m2m_tiny import drawable, scenes
from m2m_tiny.benchmarks import DRAWABLE_SEED, DRAWABLES, drawable_videos, drawables
from m2m_tiny.zoo.diffusion_video import drifting

import m2m_adapters as m2m
from m2m_adapters.evaluation.generator_evaluation import evaluate_generator


def test_it_paints_what_other_languages_say() -> None:
    adapter = m2m.align("tiny-text", "tiny-flux", "tiny-drawable-captions", max_sentences=3000,
                        store=False, progress=False)  # fmt: skip
    found = evaluate_generator(
        adapter, drawables(), langs=["en", "de", "ja", "ar", "hi"], limit=16, batch_size=16,
        systems=("adapter", "native"),
    ).to_dict()  # fmt: skip
    share = found["systems"]["adapter"]["share of native English"]["without English"]
    native = found["systems"]["native"]["averages"]["without English"]
    assert found["reference"]["attributes"][0] >= 80
    assert share["attributes"][0] >= 90
    assert native["attributes"][0] < 40, "chance is near 20"


def test_tiny_pixart_paints_what_its_own_t5_reads() -> None:
    target, prompts = m2m.load_target("tiny-pixart"), drawables()
    vectors = target.text.encode(list(prompts.captions["en"][:24]))
    assert prompts.judge is not None
    seen = prompts.judge.look(target.generate(vectors, batch_size=24))
    assert prompts.judge.figures(seen)["attributes"].value >= 0.8


def test_tiny_pixart_paints_what_other_languages_say() -> None:
    adapter = m2m.align("tiny-text", "tiny-pixart", "tiny-drawable-captions", max_sentences=2000,
                        store=False, progress=False)  # fmt: skip
    assert adapter.record.recipe is not None and adapter.record.recipe.name == "tokenwise"
    found = evaluate_generator(
        adapter, drawables(), langs=["en", "de", "ja", "ar", "hi"], limit=16, batch_size=16,
        systems=("adapter", "native"),
    ).to_dict()  # fmt: skip
    share = found["systems"]["adapter"]["share of native English"]["without English"]
    assert share["attributes"][0] >= 85
    native = found["systems"]["native"]["averages"]["without English"]
    assert native["attributes"][0] < 40, "chance is near 20"


def test_tiny_video_films_what_its_own_tower_reads() -> None:
    target, prompts = m2m.load_target("tiny-video"), drawable_videos()
    vectors = target.text.encode(list(prompts.captions["en"][:8]))
    assert prompts.judge is not None
    figures = prompts.judge.figures(prompts.judge.look(target.generate(vectors, batch_size=8)))
    assert figures["attributes"].value >= 0.9 and figures["drifts"].value >= 0.9


def rendered(n: int) -> np.ndarray:
    """The first scenes of the prompts, drifting: uint8 ``[n, 8, 40, 40, 3]``."""
    chosen = drawable.draw(drawable.split()[1], DRAWABLES, random.Random(DRAWABLE_SEED))[:n]
    pixels = torch.from_numpy(scenes.render_batch(chosen, random.Random(3)))
    return drifting(pixels.permute(0, 3, 1, 2)).permute(0, 1, 3, 4, 2).numpy()


def test_the_judge_of_videos_reads_the_scene_and_its_drift() -> None:
    judge, frames = drawable_videos().judge, rendered(40)
    assert judge is not None
    moving = judge.figures(judge.look([(video, 8) for video in frames]))
    still = judge.look([(np.repeat(video[4:5], 8, 0) / 255, 8) for video in frames])
    assert moving["attributes"].value >= 0.95 and moving["drifts"].value == 1
    figures = judge.figures(still)
    assert figures["attributes"].value >= 0.95 and figures["drifts"].value == 0
    backwards = judge.look([(video[::-1], 8) for video in frames])
    assert judge.figures(backwards)["drifts"].value == 0
