"""Routes and sums of two sources in the tiny world.

The two sources are made up: tiny-text, once with noise of twice their length in texts of other than
Latin script ("west"), once with it in texts of Latin script other than English ("east", its vectors
turned by a random rotation besides). So each is good at what the other is bad at.

    python benchmarks/routing.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from measure import Report, arguments

import m2m_adapters as m2m
from m2m_adapters._internal.languages import language
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.metrics import text_to_item
from m2m_adapters.evaluation.ranking import Penalty, rank
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.registry.fusion import Fusion
from m2m_adapters.registry.route import Route

TARGETS = {"tiny-clip": ("tiny-scene-captions", "tiny-scenes"),
           "tiny-clap": ("tiny-sound-captions", "tiny-sounds")}  # fmt: skip
SENTENCES = 6_000
NOISE = 2.0
"""Length of the noise; vectors have length 1."""


class Half(m2m.TextEncoder):
    """A source that is noisy at some languages. noisy: texts that get the noise."""

    def __init__(self, inner: m2m.TextEncoder, name: str, noisy: set[str], seed: int) -> None:
        self._inner, self._name, self._noisy = inner, name, noisy
        self.dim, self.max_tokens = inner.dim, inner.max_tokens
        drawn = np.random.default_rng(seed).standard_normal((inner.dim, inner.dim))
        self._turn = np.linalg.qr(drawn)[0].astype(np.float32)

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        rows = normalize(self._inner.encode(list(texts), **options))
        for at, text in enumerate(texts):
            if text in self._noisy:
                random = np.random.default_rng(len(text) + sum(map(ord, text)))
                rows[at] += NOISE * normalize(random.standard_normal((1, self.dim)))[0]
        return np.asarray(normalize(rows) @ self._turn, np.float32)

    @property
    def fingerprint(self) -> str:
        return f"benchmark:{self._name}:{self._inner.fingerprint}"


def recalls(adapter: m2m.Adapter, bench: Benchmark, items: Vectors, named: bool) -> str:
    """R@1 / R@10 of English and of the mean of all others, with the English bank."""
    found = {}
    penalty = Penalty(-adapter.item_bias(items))
    for code, texts in bench.captions.items():
        vectors = adapter.encode(texts, **({"language": code} if named else {}))
        ranks = rank(vectors, items, bench.owners[code], penalty=penalty)
        figures = text_to_item(ranks, bench.owners[code]).means
        found[code] = (100 * float(figures[0]), 100 * float(figures[2]))
    others = np.mean([value for code, value in found.items() if code != "en"], axis=0)
    return f"{found['en'][0]:.1f} / {found['en'][1]:.1f}, {others[0]:.1f} / {others[1]:.1f}"


def measured(target: str, inner: m2m.TextEncoder) -> Iterator[tuple[str, str]]:
    """(source, figures) of one target."""
    corpus, name = TARGETS[target]
    bench, model = m2m.load_benchmark(name), m2m.load_target(target)
    assert isinstance(bench, Benchmark)
    items = model.encode_items(bench.items)
    latin = {code for code in bench.languages if language(code).script == "Latin"} - {"en"}
    east = [code for code in bench.languages if code not in latin and code != "en"]
    halves = [
        Half(inner, "west", {t for code in east for t in bench.captions[code]}, 1),
        Half(inner, "east", {t for code in latin for t in bench.captions[code]}, 2),
    ]
    sources = {
        "tiny-text itself": inner,
        "west alone": halves[0],
        "east alone": halves[1],
        "west+east": Fusion(halves),
        f"route(west, east[{','.join(east)}])": Route(halves, [[], east]),
    }
    for title, source in sources.items():
        adapter = m2m.align(
            source, model, corpus, max_sentences=SENTENCES, progress=False, store=False
        )
        yield title, recalls(adapter, bench, items, False)
        if isinstance(source, Route):
            yield "... languages named, not detected", recalls(adapter, bench, items, True)


def main() -> None:
    asked = arguments(__doc__)
    report = Report(
        "Routes", "python benchmarks/routing.py",
        ("source", *(f"{target}: English, 12 others (R@1 / R@10)" for target in TARGETS)),
    )  # fmt: skip
    inner = m2m.load_source("tiny-text")
    cells: dict[str, list[str]] = {}
    for target in TARGETS:
        for title, cell in measured(target, inner):
            cells.setdefault(title, []).append(cell)
            print(target, title, cell, flush=True)
    for title, row in cells.items():
        report.add(title, *row)
    report.notes.append(f"{SENTENCES:,} English sentences; with the English bank")
    report.finish(asked)


if __name__ == "__main__":
    main()
