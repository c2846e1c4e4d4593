"""Trust report: what figures by language do not show.

Whether the map costs English anything, whether languages agree on what they find, how queries in
two languages at once fare, and whether words that look English are read as English.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from m2m_adapters.corpus.code_switch import RULE, mixed
from m2m_adapters.evaluation.agreement import RANK_VARIANCE_SOURCE, agreement
from m2m_adapters.evaluation.benchmark import Benchmark, Owners
from m2m_adapters.evaluation.false_friends import false_friends
from m2m_adapters.evaluation.intervals import Figures, difference, interval
from m2m_adapters.evaluation.metrics import Floats
from m2m_adapters.evaluation.ranking import Ints, Penalty, rank
from m2m_adapters.evaluation.scored import Scored, Scorer
from m2m_adapters.evaluation.systems import Encode, System
from m2m_adapters.interfaces import Vectors
from m2m_adapters.models.text_encoder import embed

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

ENGLISH = "en"
TOP = 10
SWITCHED = ("English first", "English last", "each alone", "mixed, less each alone")

_Spreads: TypeAlias = dict[str, tuple[float, Floats]]
"""Column -> its value, and the same in every resample."""


def trust_report(
    adapter: Adapter, own: Scored, scorer: Scorer, native: Scored | None = None
) -> dict[str, object]:
    """Every part of the report; a part that does not apply says why.

    own: the adapter's results. native: those of the target's own text tower, if they are there.
    """
    asked, weights = scorer.asked, scorer.resample.weights
    english: dict[str, object] = {"not applicable": "the benchmark has no English captions"}
    if ENGLISH in asked.captions:
        if native is None:
            tower = System("native", "", lambda texts: embed(adapter.target.text, texts))
            vectors = {ENGLISH: tower.encode(asked.captions[ENGLISH])}
            native = scorer(tower, vectors)
        way = "text_to_item"
        english = english_check(own.figures[ENGLISH][way], native.figures[ENGLISH][way])
    report: dict[str, object] = {
        "English before and after": english,
        "agreement": agreement_report(own.top, own.ranks, asked, weights),
        "code-switched": code_switched(
            own.system.encode,
            own.ranks,
            asked,
            scorer.items,
            weights,
            scorer.device,
            scorer.penalty(own.system),
        ),
        "false friends": false_friends(adapter, list(asked.captions)),
    }
    return {"summary": summary(report), **report}


def english_check(adapter: Figures, tower: Figures) -> dict[str, object]:
    """English through the adapter against the target's own text tower, paired by item.

    ``no loss``: the whole interval of the difference is 0 or above. ``loss``: all of it is below 0.
    """
    paired = difference(adapter, tower)
    before, after = tower.to_dict(), adapter.to_dict()
    return {
        name: {
            "own tower": before[name],
            "adapter": after[name],
            **paired[name],
            "verdict": _verdict(paired[name]["low"], paired[name]["high"]),
        }
        for name in ("R@1", "R@10")
    }


def _verdict(low: float, high: float) -> str:
    if low >= 0:
        return "no loss"
    return "loss" if high < 0 else f"undecided: a loss of up to {-low:.1f} is possible"


def agreement_report(
    top: Mapping[str, Ints], ranks: Mapping[str, Ints], benchmark: Benchmark, weights: Floats
) -> dict[str, object]:
    """Agreement between languages on one item, with intervals over items."""
    agreed = agreement(top, ranks, benchmark)
    if agreed is None:
        return {"not applicable": "no item is described in two languages"}
    asked = weights[:, agreed.items]
    counts = np.maximum(asked.sum(1), 1e-12)

    def share(values: Floats) -> list[float]:
        return interval(float(values.mean()), (asked @ values) / counts)

    spread = agreed.rank_variance
    low, high = np.percentile((asked @ spread) / counts, [2.5, 97.5])
    return {
        "items": len(agreed.items),
        "first ten in common": share(agreed.overlap),
        "with English": {code: share(values) for code, values in agreed.with_english().items()},
        "mean rank variance": [round(float(v), 3) for v in (spread.mean(), low, high)],
        "measure": RANK_VARIANCE_SOURCE,
    }


def code_switched(
    encode: Encode,
    ranks: Mapping[str, Ints],
    benchmark: Benchmark,
    items: Vectors,
    weights: Floats,
    device: str,
    penalty: Penalty | None = None,
) -> dict[str, object]:
    """R@10 of queries that begin in one language and end in another, each pair with English.

    Beside it, on the same items, the mean of the two languages on their own. penalty: of the
    items, as the system of ``ranks`` has it.
    """
    others = [code for code in benchmark.languages if code != ENGLISH]
    if ENGLISH not in benchmark.captions or not others:
        return {"not applicable": "the benchmark has no language beside English"}
    by_language: dict[str, _Spreads] = {}
    counted: dict[str, int] = {}
    for code in others:
        english, foreign, owners = _parallel(benchmark, code)
        if not len(owners):
            continue
        a = [benchmark.captions[ENGLISH][i] for i in english]
        b = [benchmark.captions[code][i] for i in foreign]
        pairs = list(zip(a, b, strict=True))

        def hits(texts: list[str], owners: Owners = owners) -> Floats:
            ranks_found = rank(encode(texts), items, owners, penalty=penalty, device=device)
            return _within(ranks_found.text)

        alone = (_within(ranks[ENGLISH][english]) + _within(ranks[code][foreign])) / 2
        first, last = hits([mixed(x, y) for x, y in pairs]), hits([mixed(y, x) for x, y in pairs])
        columns = (first, last, alone, (first + last) / 2 - alone)
        by_language[code] = _spreads(dict(zip(SWITCHED, columns, strict=True)), owners, weights)
        counted[code] = len(owners)
    if not by_language:
        return {"not applicable": "no item is described in English and another language"}
    return {
        "rule": RULE,
        "figure": f"R@{TOP}",
        "languages": {
            code: {"items": counted[code], **_intervals(row)} for code, row in by_language.items()
        },
        "mean": _intervals(_mean(list(by_language.values()))),
    }


def _spreads(columns: Mapping[str, Floats], owners: Owners, weights: Floats) -> _Spreads:
    asked = weights[:, owners]
    counts = np.maximum(asked.sum(1), 1e-12)
    return {
        name: (float(values.mean()), (asked @ values) / counts) for name, values in columns.items()
    }


def _mean(rows: list[_Spreads]) -> _Spreads:
    """Mean over languages, in every resample too."""
    return {
        name: (
            float(np.mean([row[name][0] for row in rows])),
            np.mean([row[name][1] for row in rows], axis=0),
        )
        for name in SWITCHED
    }


def _intervals(spreads: _Spreads) -> dict[str, list[float]]:
    return {name: interval(value, drawn) for name, (value, drawn) in spreads.items()}


def _parallel(benchmark: Benchmark, code: str) -> tuple[Owners, Owners, Owners]:
    """(rows in English, rows in ``code``, items): the first captions of items with both."""
    english_items, first = np.unique(benchmark.owners[ENGLISH], return_index=True)
    foreign_items, second = np.unique(benchmark.owners[code], return_index=True)
    items, at, there = np.intersect1d(english_items, foreign_items, return_indices=True)
    return first[at], second[there], items


def _within(ranks: Ints) -> Floats:
    return np.asarray(ranks <= TOP, np.float64)


def summary(report: Mapping[str, Any]) -> list[str]:
    """One line for each part: what the card says."""
    lines = []
    english, agreed = report["English before and after"], report["agreement"]
    switched, friends = report["code-switched"], report["false friends"]
    if "R@1" in english:
        row = english["R@1"]
        lines.append(
            f"English, R@1 against the target's own tower: {row['difference']:+.1f} "
            f"[{row['low']:+.1f}, {row['high']:+.1f}], {row['verdict']}"
        )
    if "items" in agreed:
        lines.append(
            "Two languages asking for one item share "
            f"{_percent(agreed['first ten in common'])} of their first ten; "
            f"mean rank variance {agreed['mean rank variance'][0]:.2f}"
        )
    if "mean" in switched:
        mean = switched["mean"]
        lines.append(
            f"Queries in English and another language, R@10: {_percent(mean['English first'])} "
            f"English first, {_percent(mean['English last'])} English last; each language alone "
            f"{_percent(mean['each alone'])}"
        )
    if "all" in friends:
        row = friends["all"]
        lines.append(
            f"False friends read rightly: {_percent(row['right'])} of {row['pairs']}; the source "
            f"itself {_percent(row['source'])}"
        )
    else:
        lines.append(f"False friends: not applicable, {friends['not applicable']}")
    return lines


def _percent(values: list[float]) -> str:
    value, low, high = values
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"
