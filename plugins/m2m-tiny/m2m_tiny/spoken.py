"""Captions of the tiny world said aloud: a benchmark, and how well they find their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.evaluation import Benchmark, LazyItems
from m2m_tiny import benchmarks
from m2m_tiny.speaking import synthesizer

if TYPE_CHECKING:
    import m2m_adapters as m2m

STRANGERS = ("m4", "f3")
"""Speakers whom tiny-speech was not trained on."""
QUERIES = 100


def say(text: str, lang: str, number: int) -> tuple[Any, int]:
    """(samples, rate) by a speaker, at a speed and pitch that depend on ``number``."""
    return synthesizer().say(
        text, lang, speaker=STRANGERS[number % len(STRANGERS)],
        speed=(150, 165, 180, 195)[number % 4], pitch=(40, 50, 60)[number % 3],
    )  # fmt: skip


def benchmark() -> Benchmark:
    """The captions of tiny-scenes: said in English, written in every language."""
    written = benchmarks.scenes()
    synthesizer()  # an error now, rather than with the first item

    def make(index: int) -> Any:
        return say(written.captions["en"][index], "en", index)

    items = LazyItems(len(written.items), make)
    return Benchmark("tiny-spoken", "audio", items, written.captions,
                     notes="Said by eSpeak NG.", license="apache-2.0")  # fmt: skip


EXAMPLES = Path(__file__).parent / "spoken_examples"


def examples() -> Benchmark:
    """Four captions of tiny-scenes as sound files, each in a language of its own.

    What ``make_examples`` said once: there is no need of a synthesizer to try a spoken query.
    """
    scenes = benchmarks.scenes()
    files = sorted(EXAMPLES.glob("*.flac"))
    captions, owners = {}, {}
    for place, file in enumerate(files):
        code, _, scene = file.stem.partition("-")
        captions[code] = [scenes.captions[code][int(scene)]]
        owners[code] = [place]
    return Benchmark("tiny-spoken-examples", "audio", [str(file) for file in files], captions,
                     owners, notes="Said by eSpeak NG.", license="apache-2.0")  # fmt: skip


def make_examples(folder: Path = EXAMPLES) -> None:
    """Say the examples again, into ``folder``."""
    import soundfile

    from m2m_adapters.models import resampled

    scenes = benchmarks.scenes()
    folder.mkdir(parents=True, exist_ok=True)
    for number, (code, scene) in enumerate((("en", 101), ("de", 272), ("it", 482), ("ko", 700))):
        samples, rate = say(scenes.captions[code][scene], code, number)
        path = folder / f"{code}-{scene:03d}.flac"
        soundfile.write(path, resampled(samples, rate, 16_000), 16_000, subtype="PCM_16")


def image_recall(
    source: m2m.TextEncoder, languages: Sequence[str] | None = None, queries: int = QUERIES
) -> dict[str, tuple[float, float]]:
    """Language -> image R@10 in percent of (spoken, written) captions, among 1,000 scenes.

    The adapter from ``source`` to tiny-clip is aligned on English text alone.
    """
    import m2m_adapters as m2m

    scenes = benchmarks.scenes()
    adapter = m2m.align(
        source, "tiny-clip", "tiny-scene-captions", max_sentences=6_000, progress=False
    )
    items = adapter.encode_items(scenes.items)
    chosen = np.linspace(0, len(items) - 1, queries).astype(int)
    recall = {}
    for code in languages or scenes.languages:
        lines = [scenes.captions[code][i] for i in chosen]
        said = [say(line, code, number) for number, line in enumerate(lines)]
        recall[code] = (
            _recall(adapter.encode_speech(said), items, chosen),
            _recall(adapter.encode(lines), items, chosen),
        )
    return recall


def _recall(rows: Any, items: Any, owners: Any, k: int = 10) -> float:
    scores = rows @ items.T
    own = scores[np.arange(len(rows)), owners]
    return 100 * float(np.mean((scores >= own[:, None]).sum(1) <= k))
