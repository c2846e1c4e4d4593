"""How many English sentences are needed, and where anytime alignment stops.

Aligns the tiny family with 100 to 50,000 sentences and evaluates every language; then once with
the default stopping rule on 50,000.
"""

from __future__ import annotations

from measure import Report, arguments

import m2m_adapters as m2m
from m2m_adapters.anytime import Stopping
from m2m_adapters.evaluation import evaluate
from m2m_adapters.evaluation.find import load_benchmark

SIZES = (100, 300, 1_000, 3_000, 10_000, 50_000)
PAIRINGS = (
    ("tiny-clip", "tiny-scene-captions", "tiny-scenes"),
    ("tiny-open-clip", "tiny-scene-captions", "tiny-scenes"),
    ("tiny-clap", "tiny-sound-captions", "tiny-sounds"),
)


def main() -> None:
    told = arguments(__doc__, recipe={"default": "auto"})
    report = Report(
        "Sentences needed", "python benchmarks/anytime.py",
        ("target", "sentences", "used", "English R@10", "mean R@10 of 12 others",
         "weakest", "own English R@10"),
    )  # fmt: skip
    for target, corpus, bench in PAIRINGS:
        benchmark = load_benchmark(bench)
        model = m2m.load_target(target)
        for size in (*SIZES, "50,000, anytime"):
            anytime = isinstance(size, str)
            adapter = m2m.align(
                "tiny-text", model, corpus, names=("tiny-text", target), progress=False,
                max_sentences=50_000 if anytime else int(size), recipe=told.recipe,
                stopping=None if anytime else Stopping(use_all=True),
                store=not anytime,
            )  # fmt: skip
            found = evaluate(adapter, benchmark, baselines=["native"])
            codes = [code for code in found["adapter"].figures if code != "en"]
            others = {code: found.value("adapter", code) for code in codes}
            least = min(others, key=lambda code: others[code])
            report.add(target, f"{size:,}" if not anytime else size,
                       f"{adapter.record['corpus']['used']:,}",
                       f"{found.value('adapter', 'en'):.1f}",
                       f"{sum(others.values()) / len(others):.1f}",
                       f"{least} {others[least]:.1f}",
                       f"{found.value('native', 'en'):.1f}")  # fmt: skip
    report.finish(told)


if __name__ == "__main__":
    main()
