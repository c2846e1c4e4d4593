"""Score every system of an evaluation on a benchmark: figures by language, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters._internal.languages import language
from m2m_adapters._internal.progress import Progress
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.corpus.sentences import TextsLike
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.consistency import consistency
from m2m_adapters.evaluation.corpus_again import english_sentences
from m2m_adapters.evaluation.intervals import Figures, Resampler, average, difference
from m2m_adapters.evaluation.metrics import DIRECTIONS, item_to_text, text_to_item
from m2m_adapters.evaluation.ranking import Ints, Penalty, rank
from m2m_adapters.evaluation.systems import System, systems
from m2m_adapters.interfaces import Vectors
from m2m_adapters.models.devices import choose_device
from m2m_adapters.models.items import Skipped


@dataclass
class Scored:
    """One system on one benchmark.

    top: language -> int32 ``[captions, 10]``, the first items. ranks: language -> int32
    ``[captions]``, the rank of the right item.
    """

    system: System
    figures: dict[str, dict[str, Figures]]
    top: dict[str, Ints]
    ranks: dict[str, Ints]
    vectors: dict[str, Vectors] = field(repr=False)

    def averages(self) -> dict[str, dict[str, Figures]]:
        """Macro averages: all, without English, by script and by family."""
        groups: dict[str, list[str]] = {"all languages": list(self.figures)}
        if "en" in self.figures and len(self.figures) > 1:
            groups["without English"] = [code for code in self.figures if code != "en"]
        for code in self.figures:
            known = language(code)
            groups.setdefault(f"script: {known.script}", []).append(code)
            groups.setdefault(f"family: {known.family}", []).append(code)
        return {
            name: {d: average([self.figures[c][d] for c in codes]) for d in DIRECTIONS}
            for name, codes in groups.items()
        }


@dataclass
class Evaluation:
    """All systems on one benchmark; ``to_dict`` is what ``--json`` prints."""

    benchmark: Benchmark
    protocol: str
    adapter: dict[str, Any]
    scored: list[Scored]
    items: Vectors = field(repr=False)

    def __getitem__(self, system: str) -> Scored:
        return next(one for one in self.scored if one.system.name == system)

    def value(
        self, system: str, code: str, figure: str = "R@10", direction: str = "text_to_item"
    ) -> float:
        """One figure in percent."""
        return self[system].figures[code][direction].percent(figure)

    def to_dict(self) -> dict[str, Any]:
        """The whole evaluation as JSON values; computed once, so callers must not change it."""
        return self._dict

    @cached_property
    def _dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "benchmark": self.benchmark.describe(),
            "protocol": self.protocol,
            "ties": "pessimistic",
            "intervals": "95%, bootstrap over items",
            "adapter": self.adapter,
            "systems": {},
        }
        for one in self.scored:
            found["systems"][one.system.name] = {
                "what": one.system.description,
                "languages": _as_dicts(one.figures),
                "averages": _as_dicts(one.averages()),
                "consistency": consistency(one.top, self.benchmark),
            }
        first = self.scored[0]
        found["compared with the adapter"] = {
            other.system.name: {
                name: {d: difference(other.averages()[name][d], mine[d]) for d in DIRECTIONS}
                for name, mine in first.averages().items()
                if ":" not in name
            }
            for other in self.scored[1:]
        }
        return found


def _as_dicts(figures: dict[str, dict[str, Figures]]) -> dict[str, Any]:
    return {
        code: {direction: ways[direction].to_dict() for direction in DIRECTIONS}
        for code, ways in figures.items()
    }


def evaluate(
    adapter: Adapter,
    benchmark: Benchmark,
    *,
    langs: Sequence[str] | None = None,
    baselines: Sequence[str] = (),
    others: Sequence[System] = (),
    protocol: str = "all",
    corrections: Sequence[str] = (),
    texts: TextsLike | None = None,
    skip_bad: bool = False,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """R@1/5/10 and more, both ways, for each language, for the adapter and its baselines.

    others: further systems to compare with, such as other adapters to the same target.
    corrections: named post-processing, each reported as a system of its own.
    texts: English corpus for fitted baselines and query banks; the adapter's own by default.
    skip_bad: leave out items that cannot be read, and name them; an error otherwise.
    device: where similarities are computed; the models keep the device they were loaded on.
    """
    bar = progress or Progress()
    _same_modality(adapter, benchmark)
    compute = str(choose_device(device))
    asked = benchmark.only(langs).under(protocol)
    with bar.stage("load", None):
        compared = [*systems(adapter, baselines, texts), *others]
    items, asked = _encode_items(adapter, asked, skip_bad, bar)
    scorer = _Scorer(asked, items, Resampler(len(asked.items), seed=seed), compute)
    scored = []
    for system in compared:
        with bar.stage(f"encode texts: {system.name}", len(asked.languages), "languages") as done:
            vectors = {}
            for number, code in enumerate(asked.languages):
                vectors[code] = system.encode(asked.captions[code])
                done(number + 1)
        scored.append(scorer(system, vectors))
    if corrections:
        from m2m_adapters.evaluation.corrections import BANK, corrected

        own = scored[0]
        for system, vectors, penalties in corrected(
            corrections,
            own.system.encode,
            own.vectors,
            items,
            lambda: english_sentences(adapter, texts, limit=BANK),
        ):
            scored.append(scorer(system, vectors, penalties))
    described = {
        "name": adapter.name,
        "digest": adapter.digest,
        "source": adapter.record.source.name,
        "target": adapter.record.target.name,
    }
    return Evaluation(asked, protocol, described, scored, items)


def _encode_items(
    adapter: Adapter, asked: Benchmark, skip_bad: bool, bar: Progress
) -> tuple[Vectors, Benchmark]:
    """Vectors of the items, and the benchmark without those that were skipped."""
    with bar.stage("encode items", len(asked.items), "items") as done:

        def report(finished: int, _: int) -> None:
            done(finished)

        if not skip_bad:
            return adapter.encode_items(asked.items, progress=report), asked
        skipped: list[Skipped] = []
        items = adapter.encode_items(asked.items, progress=report, on_error="skip", skipped=skipped)
    return items, asked.without({one.index: one.reason for one in skipped})


@dataclass(frozen=True)
class _Scorer:
    """Ranks the vectors of a system and turns the ranks into figures."""

    asked: Benchmark
    items: Vectors
    resample: Resampler
    device: str

    def __call__(
        self,
        system: System,
        vectors: dict[str, Vectors],
        penalties: dict[str, Penalty] | None = None,
    ) -> Scored:
        figures, top, places = {}, {}, {}
        for code, rows in vectors.items():
            owners = self.asked.owners[code]
            penalty = penalties.get(code) if penalties else None
            ranks = rank(rows, self.items, owners, penalty=penalty, device=self.device)
            figures[code] = {
                "text_to_item": self.resample(text_to_item(ranks, owners)),
                "item_to_text": self.resample(item_to_text(ranks)),
            }
            top[code], places[code] = ranks.top, ranks.text
        return Scored(system, figures, top, places, vectors)


def _same_modality(adapter: Adapter, benchmark: Benchmark) -> None:
    if benchmark.modality != adapter.modality:
        raise UserError(
            f"the benchmark '{benchmark.name}' holds items of kind {benchmark.modality}, "
            f"the adapter maps into a space of kind {adapter.modality}",
            f"choose a benchmark of {adapter.modality} items (`m2m list --benchmarks`)",
        )


def worst_queries(scored: Scored, n: int = 12) -> list[tuple[str, int, int]]:
    """(language, caption number, rank of the right item) of queries that rank it below first,
    the worst ones first."""
    misses = []
    for code, ranks in scored.ranks.items():
        for place in np.argsort(-ranks, kind="stable")[:n]:
            if ranks[place] > 1:
                misses.append((code, int(place), int(ranks[place])))
    return sorted(misses, key=lambda row: -row[2])[:n]
