"""What re-ranking by a joint model gains, in English and in twelve languages it has not seen.

tiny-text is aligned to tiny-clip, which finds the first 50 of 1,000 scenes, and token by token to
tiny-vilt, which puts them in order. Both from English captions alone.

    python -m m2m_tiny.zoo.vilt --out tiny-vilt
    python benchmarks/rerank.py --joint tiny-vilt
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments

import m2m_adapters as m2m
from m2m_adapters.evaluation import Benchmark, evaluate
from m2m_adapters.evaluation.reranked import rerank_evaluation


class OwnWords:
    """The joint model reading English itself, in the place of an adapter to it."""

    record = None

    def __init__(self, target: Any) -> None:
        self.target = target

    def score(self, texts: list[str], items: list[Any]) -> Any:
        vector = self.target.text.encode(texts[:1])  # all are one text
        return self.target.score(np.repeat(vector, len(items), 0), items, batch_size=50)


def every(benchmark: Benchmark, step: int) -> Benchmark:
    """Every ``step``-th caption; all items."""
    captions = {code: texts[::step] for code, texts in benchmark.captions.items()}
    owners = {code: list(who)[::step] for code, who in benchmark.owners.items()}
    return Benchmark(benchmark.name, "image", benchmark.items, captions, owners)


PLACES = ("R@1", "R@5", "R@10")


def main() -> None:
    options = arguments(
        __doc__,
        joint={"type": Path, "required": True, "help": "the folder of tiny-vilt"},
        sentences={"type": int, "default": 6000},
        epochs={"type": int, "default": 10},
        step={"type": int, "default": 10, "help": "ask every how many-th caption"},
    )
    report = Report(
        "Re-ranking by a joint model", "python benchmarks/rerank.py --joint tiny-vilt",
        ("captions", *(f"{k}, before -> after" for k in PLACES)),
    )  # fmt: skip
    finds = m2m.align("tiny-text", "tiny-clip", "tiny-scene-captions", progress=False)
    target = m2m.load_target(f"joint:{options.joint}", device="cpu")
    scenes = every(m2m.load_benchmark("tiny-scenes"), options.step)
    asked, english = evaluate(finds, scenes), evaluate(finds, scenes, langs=["en"])
    own = rerank_evaluation(english, OwnWords(target))
    report.add("en, read by the joint model itself", *map(cell, own["en"].values()))
    began = time.perf_counter()
    texts = m2m.read_corpus("tiny-scene-captions", max_sentences=options.sentences).sentences
    joint = m2m.align("tiny-text", target, texts, level="token", epochs=options.epochs,
                      store=False, progress=False)  # fmt: skip
    report.notes.append(f"aligned in {(time.perf_counter() - began) / 60:.0f} minutes")
    rows = rerank_evaluation(asked, joint, progress=lambda done: print(done, flush=True))
    for code, row in rows.items():
        report.add(code, *map(cell, row.values()))
    others = [[row[k] for k in PLACES] for code, row in rows.items() if code != "en"]
    report.add("mean of the 12 other languages", *map(cell, np.mean(others, 0)))
    report.finish(options)


def cell(pair: Any) -> str:
    before, after = pair
    return f"{before:.1f} -> {after:.1f}"


if __name__ == "__main__":
    main()
