"""One system's results on a benchmark: ranks, and the figures they come to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from m2m_adapters._internal.languages import language
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.intervals import Figures, Resampler, average
from m2m_adapters.evaluation.metrics import DIRECTIONS, item_to_text, text_to_item
from m2m_adapters.evaluation.ranking import Ints, Penalty, rank
from m2m_adapters.evaluation.systems import System
from m2m_adapters.interfaces import Vectors


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

    def groups(self) -> dict[str, list[str]]:
        """Name of an average -> its languages: all, without English, by script and by family."""
        groups: dict[str, list[str]] = {"all languages": list(self.figures)}
        if "en" in self.figures and len(self.figures) > 1:
            groups["without English"] = [code for code in self.figures if code != "en"]
        for code in self.figures:
            known = language(code)
            groups.setdefault(f"script: {known.script}", []).append(code)
            groups.setdefault(f"family: {known.family}", []).append(code)
        return groups

    def averages(self) -> dict[str, dict[str, Figures]]:
        """Macro averages of :meth:`groups`: every language counts the same."""
        return {
            name: {d: average([self.figures[c][d] for c in codes]) for d in DIRECTIONS}
            for name, codes in self.groups().items()
        }


@dataclass(frozen=True)
class Scorer:
    """Ranks the vectors of a system and turns the ranks into figures."""

    asked: Benchmark
    items: Vectors
    resample: Resampler
    device: str

    def penalty(self, system: System) -> Penalty | None:
        """What the system's own bias takes off the items' scores."""
        return None if system.bias is None else Penalty(-system.bias(self.items))

    def __call__(
        self,
        system: System,
        vectors: dict[str, Vectors],
        penalties: dict[str, Penalty] | None = None,
    ) -> Scored:
        figures, top, places = {}, {}, {}
        always = self.penalty(system)
        for code, rows in vectors.items():
            owners = self.asked.owners[code]
            penalty = penalties.get(code) if penalties else always
            ranks = rank(rows, self.items, owners, penalty=penalty, device=self.device)
            figures[code] = {
                "text_to_item": self.resample(text_to_item(ranks, owners)),
                "item_to_text": self.resample(item_to_text(ranks)),
            }
            top[code], places[code] = ranks.top, ranks.text
        return Scored(system, figures, top, places, vectors)


def worst_queries(scored: Scored, n: int = 12) -> list[tuple[str, int, int]]:
    """(language, caption number, rank of the right item) of queries that rank it below first,
    the worst ones first."""
    misses = []
    for code, ranks in scored.ranks.items():
        for place in np.argsort(-ranks, kind="stable")[:n]:
            if ranks[place] > 1:
                misses.append((code, int(place), int(ranks[place])))
    return sorted(misses, key=lambda row: -row[2])[:n]
