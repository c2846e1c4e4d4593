"""What a tiny model scores, measured through the plugins that load hub models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from m2m_adapters import load_source, load_target
from m2m_adapters.evaluation import item_to_text, rank, text_to_item
from m2m_tiny import benchmarks
from m2m_tiny.captions import LANGUAGES

SCHEMES = {
    "tiny-clip": ("clip:", "scenes"),
    "tiny-open-clip": ("open-clip:local-dir:", "scenes"),
    "tiny-clap": ("clap:", "sounds"),
}


def score(name: str, folder: Path) -> dict[str, float]:
    """Figure -> percent."""
    if name == "tiny-speech":
        return _speech(folder)
    return _source(folder) if name == "tiny-text" else _target(folder, *SCHEMES[name])


def _target(folder: Path, scheme: str, benchmark: str) -> dict[str, float]:
    model = load_target(f"{scheme}{folder}")
    bench = getattr(benchmarks, benchmark)()
    items = model.encode_items(bench.items)

    def recall(code: str) -> tuple[float, float]:
        ranks = rank(model.text.encode(bench.captions[code]), items, bench.owners[code])
        there, back = text_to_item(ranks, bench.owners[code]), item_to_text(ranks)
        return 100 * float(there.means[2]), 100 * float(back.means[2])

    there, back = recall("en")
    foreign = [recall(code)[0] for code in LANGUAGES if code != "en"]
    return {
        f"own English R@10, text to item, tiny-{benchmark}": there,
        f"own English R@10, item to text, tiny-{benchmark}": back,
        "mean R@10 of the 12 other languages, by its own text tower": float(np.mean(foreign)),
    }


def _speech(folder: Path) -> dict[str, float]:
    """Spoken against written queries for pictures, after aligning on English text alone."""
    from m2m_tiny.family import tiny_text
    from m2m_tiny.hearing import TinySpeech
    from m2m_tiny.spoken import image_recall
    from m2m_tiny.zoo.speech_data import HEARD

    scores = image_recall(TinySpeech(tiny_text(), folder))
    figures = {}
    for code, (spoken, written) in scores.items():
        heard = "heard in training" if code in HEARD else "never heard"
        figures[f"image R@10 of spoken {code} ({heard}); written: {written:.1f}"] = spoken
    new = [code for code in scores if code not in HEARD]
    parts = {code: 100 * scores[code][0] / scores[code][1] for code in scores}
    figures["spoken as a share of written, English"] = parts["en"]
    figures["spoken as a share of written, mean of languages never heard"] = float(
        np.mean([parts[code] for code in new])
    )
    return figures


def _source(folder: Path) -> dict[str, float]:
    model = load_source(f"st:{folder}")
    figures = {}
    for bench in (benchmarks.scenes(), benchmarks.sounds()):
        english = model.encode(bench.captions["en"])
        hits = [
            rank(model.encode(bench.captions[code]), english, bench.owners[code]).text
            for code in LANGUAGES
            if code != "en"
        ]
        figures[f"finds the English caption, R@10, mean of 12 languages, {bench.name}"] = (
            100 * float(np.mean([(ranks <= 10).mean() for ranks in hits]))
        )
    return figures
