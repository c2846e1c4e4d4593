"""The demonstration: align from English alone, evaluate every language, write a page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters._internal.folders import check_folder, whole_folder
from m2m_adapters._internal.languages import language
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.align import align
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.results import PLAIN
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import Evaluation, evaluate
from m2m_adapters.evaluation.find import load_benchmark, load_named
from m2m_adapters.evaluation.prompts import REFERENCE, Prompts
from m2m_adapters.evaluation.systems import BASELINES
from m2m_adapters.registry.names import load_target
from m2m_adapters.registry.plugins import catalogue
from m2m_adapters.report import sections
from m2m_adapters.report.generator_page import sheet
from m2m_adapters.report.page import document

SENTENCES = 6_000
MAPPED = 8  # items in the picture of meanings
BATCH = 14  # pictures painted at once


@dataclass(frozen=True)
class Pairing:
    """What the demonstration aligns, with what text, and how it is judged; all by name."""

    title: str
    source: str
    target: str
    corpus: str
    benchmark: str


@dataclass
class Shown:
    """One pairing, aligned and measured."""

    pairing: Pairing
    adapter: Adapter
    evaluation: Evaluation


TINY = (
    Pairing("Images", "tiny-text", "tiny-clip", "tiny-scene-captions", "tiny-scenes"),
    Pairing("Sounds", "tiny-text", "tiny-clap", "tiny-sound-captions", "tiny-sounds"),
)


@dataclass(frozen=True)
class Painted:
    """What the demonstration paints, by name: scenes of a benchmark of prompts."""

    source: str = "tiny-text"
    painter: str = "tiny-flux"
    corpus: str = "tiny-drawable-captions"
    benchmark: str = "tiny-drawables"
    sentences: int = 4_000
    scenes: int = 4

    def there(self) -> bool:
        """Whether this machine has the painter: its weights may not be part of a release."""
        return ":" in self.painter or catalogue().find("target", self.painter) is not None


PAINTED = Painted()


def painted_sheet(painted: Painted = PAINTED, progress: Progress | None = None) -> str:
    """One row for each scene, one column for each language; nothing where the painter is not."""
    if not painted.there():
        return ""
    try:
        load_target(painted.painter)
    except UserError as missing:  # the model is installed, but a library that runs it is not
        return f"<h2>Generation</h2><p class='note'>Left out: {escape(str(missing))}</p>"
    began = time.perf_counter()
    prompts = load_named(painted.benchmark, modality="image")
    assert isinstance(prompts, Prompts), f"{painted.benchmark} is a benchmark of prompts"
    asked = prompts.only(limit=painted.scenes)
    bar = progress or Progress()
    adapter = align(
        painted.source, painted.painter, painted.corpus, max_sentences=painted.sentences,
        progress=bar,
    )  # fmt: skip
    english = asked.captions[REFERENCE]
    # All prompts at once: pictures this small cost less than the calls that make them.
    vectors = [adapter.target.text.encode(english)]
    vectors += [adapter.encode(asked.captions[code]) for code in asked.languages]
    rows = np.concatenate(vectors)
    with bar.stage("paint", len(rows), "pictures") as done:
        pictures = adapter.target.generate(
            rows, seed=0, batch_size=BATCH, progress=lambda n, _: done(n)
        )
    columns = [("native English", REFERENCE, english, pictures[: painted.scenes])]
    for number, code in enumerate(asked.languages, start=1):
        column = pictures[number * painted.scenes : (number + 1) * painted.scenes]
        columns.append((language(code).name, code, asked.captions[code], column))
    corpus = adapter.record.corpus
    assert corpus is not None
    return (
        f"<h2>Generation: {escape(adapter.name)}</h2>"
        f"<p>{escape(painted.painter)} was trained on English captions alone. The source is "
        f"aligned to its text encoder with {corpus.sentences:,} English sentences; this took "
        f"{time.perf_counter() - began:.0f} seconds, with generation. Every row is one scene that "
        "neither the model nor the alignment has seen; every column starts from the same noise. "
        "The first column is the model with English prompts, without an adapter.</p>"
        + sheet(columns)
    )


def run_demo(
    out: Path,
    pairings: Sequence[Pairing] = TINY,
    *,
    sentences: int = SENTENCES,
    progress: Progress | None = None,
    extras: Sequence[Callable[[], str]] = (),
) -> list[Shown]:
    """Align and evaluate each pairing; write adapters, results and ``index.html`` to ``out``."""
    check_folder(out)
    began = time.perf_counter()
    shown = [_one(pairing, sentences, progress or Progress()) for pairing in pairings]
    more = "".join(extra() for extra in extras)
    seconds = time.perf_counter() - began
    with whole_folder(out) as folder:
        for one in shown:
            name = one.pairing.target
            one.adapter.save(folder / f"adapter-{name}")
            text = json.dumps(one.evaluation.to_dict(), indent=2, ensure_ascii=False) + "\n"
            (folder / f"results-{name}.json").write_text(text, encoding="utf-8")
        page = document(
            "m2m-adapters: every language, from English alone", _body(shown, seconds) + more
        )
        (folder / "index.html").write_text(page, encoding="utf-8")
    return shown


def _one(pairing: Pairing, sentences: int, progress: Progress) -> Shown:
    adapter = align(
        pairing.source, pairing.target, pairing.corpus, max_sentences=sentences, progress=progress
    )
    evaluation = evaluate(
        adapter,
        load_benchmark(pairing.benchmark),
        baselines=list(BASELINES),
        progress=progress,
    )
    return Shown(pairing, adapter, evaluation)


def _body(shown: Sequence[Shown], seconds: float) -> str:
    parts = [
        "<p>A multilingual sentence encoder and English-only models of pictures and sounds were "
        "trained separately. A linear map between their <em>text</em> spaces was learned from "
        "English sentences alone. Now texts in every language of the sentence encoder find the "
        f"pictures and sounds. All of it took {seconds:.0f} seconds on this machine.</p>"
    ]
    for one in shown:
        record, evaluation = one.adapter.record, one.evaluation
        corpus, held = record.corpus, record.held_out
        assert corpus is not None and held is not None
        parts.append(
            f"<h2>{escape(one.pairing.title)}: {escape(one.adapter.name)}</h2>"
            f"<p>Learned from {corpus.sentences:,} English sentences "
            f"({held.sentences:,} of them held out) and no other text; {held.parameters:,} "
            f"parameters; held-out top-1 {100 * held.top1:.1f} %.</p>"
        )
        parts.append(sections.results(evaluation))
        parts.append(sections.language_bars(evaluation))
        parts.append(sections.loss_curve(record))
        apart = max(1, len(evaluation.benchmark.items) // MAPPED)
        chosen = list(range(0, len(evaluation.benchmark.items), apart))[:MAPPED]
        before = {
            code: evaluation["unaligned"].vectors[code] for code in evaluation["adapter"].vectors
        }
        parts.append("<h3>Meanings before and after</h3>")
        parts.append(sections.meaning_map(evaluation, before, chosen))
        parts.append(
            "<h3>Queries and their results</h3><p class='note'>A green frame marks the item "
            "that the caption was written for; the others are its rivals.</p>"
        )
        pictures = evaluation.benchmark.modality == "image"
        parts.append(
            sections.queries(
                evaluation, _asked(evaluation, 13 if pictures else 6), shown=5 if pictures else 3
            )
        )
    return "\n".join(parts)


def _asked(evaluation: Evaluation, n: int) -> list[tuple[str, int]]:
    """A query in each of n languages, far apart in the benchmark; other scripts come first."""
    codes = sorted(
        evaluation["adapter"].vectors,
        key=lambda c: (c not in ("ar", "zh", "hi", "ja", "ru", "ko"), c),
    )
    return [(code, (47 + 68 * place) % len(evaluation.benchmark.captions[code]))
            for place, code in enumerate(codes[:n])]  # fmt: skip


def summary(shown: Sequence[Shown]) -> list[dict[str, Any]]:
    """The figures of the demonstration's summary."""
    figures = []
    for one in shown:
        evaluation = one.evaluation
        own = evaluation.value("native", "en")
        foreign = [code for code in evaluation["adapter"].figures if code != "en"]
        reached = {code: evaluation.value("adapter", code) for code in foreign}
        plain = [evaluation.value(PLAIN, code) for code in foreign]
        native = [evaluation.value("native", code) for code in foreign]
        figures.append(
            {
                "target": one.pairing.target,
                "own English R@10": own,
                "own English R@10, item to text": evaluation.value(
                    "native", "en", direction="item_to_text"
                ),
                "aligned English, % of own": round(
                    100 * evaluation.value("adapter", "en") / own, 1
                ),
                "mean of other languages, % of own": round(
                    100 * sum(reached.values()) / len(reached) / own, 1
                ),
                "weakest language, % of own": round(100 * min(reached.values()) / own, 1),
                "weakest language": min(reached, key=lambda code: reached[code]),
                "without the English bank, % of own: English": round(
                    100 * evaluation.value(PLAIN, "en") / own, 1
                ),
                "without the English bank, % of own: other languages": round(
                    100 * sum(plain) / len(plain) / own, 1
                ),
                "native tower on them, % of own": round(100 * sum(native) / len(native) / own, 1),
            }
        )
    return figures
