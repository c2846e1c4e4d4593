"""Whether the denoiser judges recipes as the reader of pictures does.

Adapters for tiny-sd (or tiny-flux, tiny-pixart) are aligned by recipes from bad to good. Each is
scored by both figures of `m2m evaluate --judge denoiser` (English prompts, and the same moved as
far as translations are; nothing painted), by the squared error of its conditioning, and by what
tiny-reader finds right in pictures of prompts in languages it has not seen. Rank correlations say
which of the first three knows the last.

    python benchmarks/denoiser_judge.py
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments

import m2m_adapters as m2m
from m2m_adapters.evaluation.denoiser import denoiser_agreements
from m2m_adapters.evaluation.translated import TRANSLATED
from m2m_adapters.interfaces import Vectors

SHORT = {"level": "token", "epochs": 8}
RECIPES: dict[str, dict[str, Any]] = {
    "token, 16 epochs": {**SHORT, "epochs": 16},
    "token, 8 epochs": SHORT,
    "token, 4 epochs": {**SHORT, "epochs": 4},
    "token, 2 epochs": {**SHORT, "epochs": 2},
    "token, 8 epochs, seed 1": {**SHORT, "seed": 1},
    "token, hidden 32": {**SHORT, "hidden": 32},
    "token, one layer": {**SHORT, "layers": 1},
    "token, left_out 0": {**SHORT, "left_out": 0.0},
    "token, left_out 0.5": {**SHORT, "left_out": 0.5},
    "token, noise 0.5 on states": {**SHORT, "noise": 0.5},
    "token, noise 1.5 on states": {**SHORT, "noise": 1.5},
    "sentence, closed form": {"level": "sentence", "recipe": "closed-form"},
}
FEW = {"level": "sentence", "recipe": "closed-form", "stopping": m2m.Stopping(use_all=True)}
OF_FLUX: dict[str, dict[str, Any]] = {
    "1,500 sentences": FEW,
    "300 sentences": {**FEW, "max_sentences": 300},
    "120 sentences": {**FEW, "max_sentences": 120},
    "60 sentences": {**FEW, "max_sentences": 60},
    "40 sentences": {**FEW, "max_sentences": 40},
    "ridge 1": {**FEW, "ridge": 1.0},
    "ridge 10": {**FEW, "ridge": 10.0},
    "ridge 100": {**FEW, "ridge": 100.0},
    "a scaled rotation": {**FEW, "procrustes": True},
}
EACH = {"level": "token", "recipe": "tokenwise"}
OF_PIXART: dict[str, dict[str, Any]] = {
    "tokenwise, 1,500 sentences": EACH,
    "tokenwise, 300 sentences": {**EACH, "max_sentences": 300},
    "tokenwise, 120 sentences": {**EACH, "max_sentences": 120},
    "tokenwise, 60 sentences": {**EACH, "max_sentences": 60},
    "tokenwise, 40 sentences": {**EACH, "max_sentences": 40},
    "tokenwise, ridge 0.1": {**EACH, "ridge": 0.1},
    "tokenwise, ridge 1": {**EACH, "ridge": 1.0},
    "tokenwise, ridge 10": {**EACH, "ridge": 10.0},
    "tokenwise, noise 0.5 on states": {**EACH, "noise": 0.5},
    "token, 8 epochs": SHORT,
    "token, 4 epochs": {**SHORT, "epochs": 4},
}
OF_TARGET = {"tiny-sd": RECIPES, "tiny-flux": OF_FLUX, "tiny-pixart": OF_PIXART}
LANGUAGES = ("en", "ar", "de", "hi", "zh")


class Noisy(m2m.TextEncoder):
    """A source whose token states bear noise, in units of their spread, until it is taken off."""

    def __init__(self, source: m2m.TextEncoder, noise: float) -> None:
        self.source, self.noise = source, noise
        self.dim, self.normalized = source.dim, source.normalized
        self.fingerprint = f"noisy {source.fingerprint}"

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return self.source.encode(texts, **options)

    def encode_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        states = self.source.encode_tokens(texts)
        if not self.noise:
            return states
        chance = np.random.default_rng(len(texts))
        scale = self.noise * float(np.concatenate(states).std())
        return [
            (one + scale * chance.standard_normal(one.shape)).astype(np.float32) for one in states
        ]


def aligned(
    source: Any, target: Any, sentences: int, recipe: dict[str, Any], folder: Path
) -> m2m.Adapter:
    """The adapter in ``folder``, aligned if it is not there yet."""
    recipe = dict(recipe)
    noise = recipe.pop("noise", 0.0)
    source = Noisy(source, noise) if noise else source
    if not folder.is_dir():
        m2m.align(
            source, target, "tiny-drawable-captions", store=False, progress=False,
            **{"max_sentences": sentences, **recipe},
        ).save(folder)  # fmt: skip
    if noise:
        source.noise = 0.0
    return m2m.load_adapter(folder, source=source, target=target)


def right(adapter: m2m.Adapter, prompts: Any, scenes: int, file: Path) -> tuple[float, float]:
    """Attributes right in English and in other languages, % of native; kept in ``file``."""
    if not file.is_file():
        made = m2m.evaluate_generator(
            adapter, prompts, langs=LANGUAGES, limit=scenes, systems=("adapter",), batch_size=30
        ).to_dict()
        share = made["systems"]["adapter"]["share of native English"]
        row = [share[part]["attributes"][0] for part in ("en", "without English")]
        file.write_text(json.dumps({"row": row}))
    own, foreign = json.loads(file.read_text())["row"]
    return own, foreign


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's; ties share their mean rank."""
    ranks = []
    for values in (np.array(a), np.array(b)):
        below = (values[:, None] > values).sum(1)
        ranks.append(below + ((values[:, None] == values).sum(1) - 1) / 2)
    return float(np.corrcoef(*ranks)[0, 1])


def correlations(scores: list[tuple[float, ...]], of: str) -> list[str]:
    """How agreement and squared error rank what is right in pictures."""
    agreement, translated, error, own, foreign = zip(*scores, strict=True)
    less = [-one for one in error]
    return [
        f"rank correlation of {what} with attributes: "
        f"{rank_correlation(figures, own):.2f} in English, "
        f"{rank_correlation(figures, foreign):.2f} in other languages, over {len(scores)} {of}"
        for what, figures in (
            ("the denoiser's agreement", agreement),
            ("its agreement as translated", translated),
            ("less squared error", less),
        )
    ]


def main() -> None:
    from m2m_tiny.benchmarks import drawables

    given = arguments(
        __doc__,
        sentences={"type": int, "default": 1500},
        scenes={"type": int, "default": 30},
        target={"choices": tuple(OF_TARGET), "default": "tiny-sd"},
        distance={"type": float, "default": TRANSLATED, "help": "of translations from English"},
        work={"type": Path, "help": "keep adapters and readings here; a killed run goes on"},
    )
    work = given.work or Path(tempfile.mkdtemp(prefix="m2m-judge-"))
    work.mkdir(parents=True, exist_ok=True)
    report = Report(
        f"The denoiser as judge of {given.target}",
        f"python benchmarks/denoiser_judge.py --target {given.target} "
        f"--sentences {given.sentences} --scenes {given.scenes} --distance {given.distance:g}",
        ("recipe", "agreement", "as translated", "squared error",
         "attributes, English, % of native",
         f"{len(LANGUAGES) - 1} other languages, %"),
    )  # fmt: skip
    source, target = m2m.load_source("tiny-text"), m2m.load_target(given.target)
    prompts = drawables()
    english = list(prompts.captions["en"])
    native = target.text.encode(english[:64])
    spread = float(np.square(native - native.mean(0)).mean())
    scores = []
    recipes = OF_TARGET[given.target]
    for name, recipe in recipes.items():
        began = time.perf_counter()
        folder = work / name.replace(" ", "_").replace(",", "")
        adapter = aligned(source, target, given.sentences, recipe, folder)
        judged, translated = denoiser_agreements(
            adapter, english, (0.0, given.distance), sample="tiny-drawable-captions"
        )
        error = float(np.square(adapter.encode(english[:64]) - native).mean()) / spread
        row = right(adapter, prompts, given.scenes, work / f"{folder.name}.json")
        scores.append((judged.agreement, translated.agreement, error, *row))
        agreements = (f"{one.agreement:.3f} [{one.low:.3f}, {one.high:.3f}]"
                      for one in (judged, translated))  # fmt: skip
        report.add(name, *agreements, f"{error:.3f}", *(f"{one:.1f}" for one in row))
        print(f"{time.perf_counter() - began:.0f} s", flush=True)
    report.notes += correlations(scores, "recipes")
    token = [row for row, name in zip(scores, recipes, strict=True) if name.startswith("token")]
    if token and len(token) < len(scores):
        report.notes += correlations(token, "recipes of token level")
    report.finish(given)


if __name__ == "__main__":
    main()
