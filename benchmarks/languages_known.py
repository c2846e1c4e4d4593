"""What unlabeled text of a language adds: part of ``transfer.py``, on the real pair and tiny."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report
from query_sets import QuerySet

import m2m_adapters as m2m
from m2m_adapters.adaptation.judging import English, judge
from m2m_adapters.artifact.languages import LanguageTable
from m2m_adapters.evaluation.intervals import interval
from m2m_adapters.interfaces import Vectors, normalize

RESAMPLES = 1000
ENGLISH = 4000
TINY = {"tiny-clip": ("tiny-scene-captions", "tiny-scenes", "scenes", "random_scene"),
        "tiny-clap": ("tiny-sound-captions", "tiny-sounds", "sounds", "random_sound")}  # fmt: skip
TINY_TEXTS = 1000


def paired(before: np.ndarray, after: np.ndarray, k: int) -> str:
    """Difference of R@k in points, with its 95 % interval over resampled queries."""
    gained = (after < k).astype(float) - (before < k)
    draws = np.random.default_rng(0).integers(0, len(gained), (RESAMPLES, len(gained)))
    value, low, high = interval(float(gained.mean()), gained[draws].mean(1))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def unlabeled(path: Path | None, data: Any) -> dict[str, Vectors]:
    """Vectors of unlabeled text by language: of a file of their own, or beside the others."""
    if path is not None:
        held = np.load(path)
        return {code: normalize(held[code].astype(np.float32)) for code in held
                if held[code].ndim == 2 and code != "en"}  # fmt: skip
    return {key.rpartition("_")[2]: normalize(data[key].astype(np.float32))
            for key in data if key.startswith("unlabeled_source_")}  # fmt: skip


def real_pair(
    texts: dict[str, Vectors], english: Vectors, tests: dict[str, QuerySet], map_: Any, bank: Any
) -> Report:
    """The real pair with and without the shifts of the languages there is text of."""
    report = Report(
        "Transfer with languages known", "python benchmarks/transfer.py --vectors FILE",
        ("set", "language", "text", "without R@1 / R@10", "known", "difference R@1", "R@10",
         "centered on the queries themselves (upper bound)"),
    )  # fmt: skip
    chosen = np.random.default_rng(0).permutation(len(english))[:ENGLISH]
    projected = normalize(map_(english[chosen]))
    known = English(projected[: ENGLISH // 2], projected[ENGLISH // 2 :])
    for name, asked in tests.items():
        bias = bank(asked.items)
        for code in sorted(set(asked.queries) & set(texts)):
            judged = judge(code, map_(texts[code]), known)
            queries = normalize(map_(asked.queries[code]))
            own = queries.mean(0) - known.mean
            before, after, bound = (
                asked.ranks(normalize(queries - shift), bias) for shift in (0, judged.shift, own)
            )
            cells = [f"{100 * (r < 1).mean():.1f} / {100 * (r < 10).mean():.1f}"
                     for r in (before, after, bound)]  # fmt: skip
            stored = f"{judged.sentences:,}" + (" (refused)" if judged.refused else "")
            report.add(
                name, code, stored, *cells[:2], paired(before, after, 1),
                paired(before, after, 10), cells[2],
            )  # fmt: skip
    report.notes.append(
        "`auto` with the English bank; text: captions of Multi30k's training set in that language, "
        "vectors only, their pairing with English not used"
    )
    report.notes.append("XTD10 has no Czech; of its other languages there is no text but the test")
    return report


def tiny_world() -> Report:
    """The tiny targets with and without the shifts of all twelve languages."""
    from m2m_tiny import captions

    report = Report(
        "Languages known in the tiny world", "python benchmarks/transfer.py --tiny",
        ("target", "stored", "without R@1 / R@10", "known, stored ones", "difference R@10",
         "all shifts, refused ones too"),
    )  # fmt: skip
    for target, (corpus, benchmark, module, draw) in TINY.items():
        world = __import__(f"m2m_tiny.{module}", fromlist=[module])
        held_out = {world.key(one) for one in world.gallery()[0]}
        texts = {}
        for code in sorted(set(captions.LANGUAGES) - {"en"}):
            rng = random.Random(7)
            drawn = (getattr(world, draw)(rng) for _ in range(10 * TINY_TEXTS))
            kept = [one for one in drawn if world.key(one) not in held_out][:TINY_TEXTS]
            texts[code] = [captions.caption(world.mention(one, rng, 0.15), code, rng)
                           for one in kept]  # fmt: skip
        adapter = m2m.align("tiny-text", target, corpus, max_sentences=6000, progress=False)
        done = m2m.adapt(adapter, texts, progress=False)
        whole = {one.code: one.shift for one in done.judged}
        found = m2m.evaluate(done.adapter, m2m.load_benchmark(benchmark))
        name = "adapter, languages known" if done.stored else "adapter"
        codes = list(whole)
        # Every shift, also those that were refused: what the judgment is worth.
        every = adapter.with_languages(LanguageTable(whole, 0.75, 0, ()))
        forced = m2m.evaluate(every, m2m.load_benchmark(benchmark))

        def mean(one: Any, system: str, figure: str, codes: list[str] = codes) -> float:
            return float(np.mean([one.value(system, code, figure) for code in codes]))

        cells = [
            f"{mean(one, system, 'R@1'):.1f} / {mean(one, system, 'R@10'):.1f}"
            for one, system in ((found, "adapter"), (found, name),
                                (forced, "adapter, languages known"))
        ]  # fmt: skip
        change = "0"
        if done.stored:
            groups = found.to_dict()["compared with the adapter"][name]["without English"]
            row = groups["text_to_item"]["R@10"]
            change = f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]"
        report.add(target, ", ".join(done.stored) or "none", cells[0], cells[1], change, cells[2])
        halves = sum("halves" in one.refused for one in done.judged)
        report.notes.append(
            f"{target}: {len(done.judged) - len(done.stored)} of {len(done.judged)} refused, "
            f"{halves} because halves of their text disagree"
        )
    report.notes.append(
        f"mean of the 12 other languages, with the English bank; {TINY_TEXTS:,} captions of each "
        "language, none of a held-out item"
    )
    return report
