"""How many English sentences are needed, and where anytime alignment stops.

Aligns the tiny family with 100 to 50,000 sentences and finds items in every language; then once
with the default stopping rule on 50,000. Captions and items are embedded once, by the models as
they are; every alignment projects the same vectors.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import Report, arguments

import m2m_adapters as m2m
from m2m_adapters.alignment.anytime import Stopping
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.embeddings.store import Store
from m2m_adapters.evaluation.find import load_benchmark
from m2m_adapters.evaluation.metrics import text_to_item
from m2m_adapters.evaluation.ranking import rank

SIZES = (100, 300, 1_000, 3_000, 10_000, 50_000)
PAIRINGS = (
    ("tiny-clip", "tiny-scene-captions", "tiny-scenes"),
    ("tiny-open-clip", "tiny-scene-captions", "tiny-scenes"),
    ("tiny-clap", "tiny-sound-captions", "tiny-sounds"),
)


@dataclass
class Judge:
    """A benchmark's captions as the source embeds them, and its items as the target does."""

    captions: dict[str, np.ndarray]
    items: np.ndarray
    owners: dict[str, np.ndarray]

    def recalls(self, adapter: Adapter) -> dict[str, float]:
        """Language -> R@10 from text to item, in percent."""
        return {code: self.recall(adapter.project(rows), code)
                for code, rows in self.captions.items()}  # fmt: skip

    def recall(self, queries: np.ndarray, code: str) -> float:
        ranks = rank(queries, self.items, self.owners[code])
        return 100 * float(text_to_item(ranks, self.owners[code]).means[2])


def main() -> None:
    told = arguments(__doc__, recipe={"default": "auto"})
    report = Report(
        "Sentences needed", "python benchmarks/anytime.py",
        ("target", "sentences", "used", "English R@10", "mean R@10 of 12 others",
         "weakest", "own English R@10"),
    )  # fmt: skip
    source = m2m.load_source("tiny-text")
    embedded: dict[str, dict[str, np.ndarray]] = {}
    for target, corpus, name in PAIRINGS:
        bench, model = load_benchmark(name), m2m.load_target(target)
        if name not in embedded:
            embedded[name] = {code: source.encode(texts) for code, texts in bench.captions.items()}
        judge = Judge(embedded[name], model.encode_items(bench.items), bench.owners)
        own = judge.recall(model.text.encode(bench.captions["en"]), "en")
        with tempfile.TemporaryDirectory() as folder:
            for size in (*SIZES, None):
                # From an empty store: where every vector is there already, all are used.
                place = Path(folder) / ("anytime" if size is None else "all")
                adapter = m2m.align(
                    source, model, corpus, names=("tiny-text", target), progress=False,
                    max_sentences=size or SIZES[-1], recipe=told.recipe, store=Store(place),
                    stopping=Stopping(use_all=size is not None),
                )  # fmt: skip
                found = judge.recalls(adapter)
                others = {code: value for code, value in found.items() if code != "en"}
                least = min(others, key=lambda code: others[code])
                report.add(target, f"{size:,}" if size else f"{SIZES[-1]:,}, anytime",
                           f"{adapter.record.corpus.used:,}", f"{found['en']:.1f}",
                           f"{np.mean(list(others.values())):.1f}",
                           f"{least} {others[least]:.1f}", f"{own:.1f}")  # fmt: skip
    report.finish(told)


if __name__ == "__main__":
    main()
