"""Benchmark x systems -> figures for every language, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters._internal.languages import language
from m2m_adapters._internal.progress import Progress
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.consistency import consistency
from m2m_adapters.evaluation.intervals import Figures, Resampler, average, difference
from m2m_adapters.evaluation.metrics import DIRECTIONS, item_to_text, text_to_item
from m2m_adapters.evaluation.ranking import Ints, rank
from m2m_adapters.evaluation.systems import System, systems
from m2m_adapters.interfaces import Vectors


@dataclass
class Scored:
    """One system on one benchmark.

    top: language -> int32 ``[captions, 10]``, items found. ranks: language -> int32
    ``[captions]``, at which rank the right item came.
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
        told: Any = self[system].figures[code][direction].to_dict()[figure]
        return float(told[0])

    def to_dict(self) -> dict[str, Any]:
        """Made once: a report asks for it in every section. Not to be changed by who asks."""
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
                "what": one.system.told,
                "languages": _told(one.figures),
                "averages": _told(one.averages()),
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


def _told(figures: dict[str, dict[str, Figures]]) -> dict[str, Any]:
    return {
        code: {direction: found[direction].to_dict() for direction in DIRECTIONS}
        for code, found in figures.items()
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
    texts: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """R@1/5/10 and more, both ways, for each language, for the adapter and its baselines.

    others: further systems beside it, such as other adapters to the same target.
    corrections: named post-processing, each reported as a system of its own.
    texts: English corpus for the fitted baselines; the adapter's own unless given.
    """
    bar = progress or Progress()
    _same_modality(adapter, benchmark)
    asked = benchmark.only(langs).under(protocol)
    with bar.stage("load", None):
        compared = [*systems(adapter, baselines, texts), *others]
    with bar.stage("encode items", len(asked.items), "items") as done:
        items = adapter.encode_items(asked.items, progress=lambda n, _: done(n))
    resample = Resampler(len(asked.items), seed=seed)
    device = _device()
    scored = []
    for system in compared:
        with bar.stage(f"encode texts: {system.name}", len(asked.languages), "languages") as done:
            vectors = {}
            for number, code in enumerate(asked.languages):
                vectors[code] = system.encode(asked.captions[code])
                done(number + 1)
        scored.append(_score(system, vectors, items, asked, resample, device))
    if corrections:
        from m2m_adapters.evaluation.corrections import corrected

        for system, vectors, penalties in corrected(corrections, adapter, scored[0], items, texts):
            scored.append(_score(system, vectors, items, asked, resample, device, penalties))
    told = {
        "name": adapter.name,
        "digest": adapter.digest,
        "source": adapter.record["source"]["name"],
        "target": adapter.record["target"]["name"],
    }
    return Evaluation(asked, protocol, told, scored, items)


def _score(
    system: System,
    vectors: dict[str, Vectors],
    items: Vectors,
    asked: Benchmark,
    resample: Resampler,
    device: str,
    penalties: dict[str, Any] | None = None,
) -> Scored:
    figures, top, places = {}, {}, {}
    for code, found in vectors.items():
        owners = asked.owners[code]
        penalty = penalties.get(code) if penalties else None
        ranks = rank(found, items, owners, penalty=penalty, device=device)
        figures[code] = {
            "text_to_item": resample(text_to_item(ranks, owners)),
            "item_to_text": resample(item_to_text(ranks)),
        }
        top[code], places[code] = ranks.top, ranks.text
    return Scored(system, figures, top, places, vectors)


def _same_modality(adapter: Adapter, benchmark: Benchmark) -> None:
    from m2m_adapters.errors import UserError

    if benchmark.modality != adapter.modality:
        raise UserError(
            f"the benchmark '{benchmark.name}' holds items of kind {benchmark.modality}, "
            f"the adapter leads to {adapter.modality}",
            f"choose a benchmark of {adapter.modality} items (`m2m list --benchmarks`)",
        )


def _device() -> str:
    from m2m_adapters.models.devices import choose_device

    return str(choose_device("auto"))


def worst_queries(scored: Scored, n: int = 12) -> list[tuple[str, int, int]]:
    """(language, caption number, rank of its item): the queries that went most wrong."""
    found = []
    for code, ranks in scored.ranks.items():
        for place in np.argsort(-ranks)[:n]:
            found.append((code, int(place), int(ranks[place])))
    return sorted(found, key=lambda row: -row[2])[:n]
