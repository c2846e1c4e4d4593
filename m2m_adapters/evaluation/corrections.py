"""Post-processing of an adapter's vectors, each reported as a system of its own.

Against hubs (items that come up for every query) the correction is learned from a bank of
*English* sentences, never from the test queries. Removing what vectors tell of their language
needs unlabeled text of that language, here the benchmark's own captions without their items;
such systems say so in their description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.ranking import Penalty
from m2m_adapters.evaluation.systems import System
from m2m_adapters.interfaces import Vectors, normalize

CORRECTIONS = {
    "csls": "items' mean similarity to their nearest English bank sentences is taken off (CSLS)",
    "qb-norm": "inverted softmax over an English query bank, for queries that hit a hub (QB-Norm)",
    "centered": "each language's mean vector is taken off; uses unlabeled foreign text",
    "lir": "each language's first principal component goes (LIR); uses unlabeled foreign text",
    "lsar": "the subspace that tells languages apart goes (LSAR); uses unlabeled foreign text",
}  # fmt: skip
BANK = 5_000
NEAREST = 10
SHARPNESS = 20.0  # of the inverted softmax, as published for QB-Norm

Corrected = tuple[System, dict[str, Vectors], dict[str, Penalty] | None]


def corrected(
    names: Sequence[str],
    own: System,
    vectors: dict[str, Vectors],
    items: Vectors,
    english: Callable[[], list[str]],
) -> Iterator[Corrected]:
    """(system, vectors by language, penalties by language) for each named correction.

    own, vectors: the system that is corrected. english: returns the sentences of the query bank;
    called only where a correction needs one. Corrections of items replace the bias of the system,
    corrections of languages leave it.
    """
    for name in names:
        if name not in CORRECTIONS:
            raise UserError(f"unknown correction '{name}'", f"one of {', '.join(CORRECTIONS)}")
    bank: Vectors | None = None
    for name in names:
        system = replace(own, name=name, description=CORRECTIONS[name])
        if name in BANKED:
            if bank is None:
                bank = normalize(own.encode(english()))
            penalty = BANKED[name](bank, normalize(items))
            yield system, vectors, {code: penalty for code in vectors}
        else:
            yield system, without_language(name, vectors), None


def csls(bank: Vectors, items: Vectors) -> Penalty:
    """Half the mean cosine of each item with its nearest bank sentences.

    CSLS is 2 cos - r(item) - r(query); r(query) is the same for all items of a query.
    """
    scores = items @ bank.T
    nearest = min(NEAREST, scores.shape[1])
    top = np.partition(scores, -nearest, axis=1)[:, -nearest:]
    return Penalty((top.mean(1) / 2).astype(np.float32))


def inverted_softmax(bank: Vectors, items: Vectors) -> Penalty:
    """log of the sum over the bank, for queries whose first hit is a bank query's first hit."""
    scores = bank @ items.T
    highest = scores.max(0)
    spread = np.log(np.exp(SHARPNESS * (scores - highest)).sum(0)) / SHARPNESS + highest
    hubs = np.zeros(len(items), bool)
    hubs[np.unique(scores.argmax(1))] = True
    return Penalty(spread.astype(np.float32), hubs)


BANKED = {"csls": csls, "qb-norm": inverted_softmax}


def without_language(name: str, vectors: dict[str, Vectors]) -> dict[str, Vectors]:
    """Vectors of each language after what marks the language is removed."""
    units = {code: normalize(rows) for code, rows in vectors.items()}
    overall = np.mean([rows.mean(0) for rows in units.values()], axis=0)
    if name == "centered":
        # Put back on the common mean: the target's items are not centered.
        return {code: rows - rows.mean(0) + overall for code, rows in units.items()}
    if name == "lir":
        results = {}
        for code, rows in units.items():
            # Not centered, as published: the first axis is nearly the language's mean. The first
            # axis of centered vectors would be the strongest difference in meaning.
            _, _, axes = np.linalg.svd(rows, full_matrices=False)
            results[code] = rows - (rows @ axes[:1].T) @ axes[:1]
        return results
    means = np.stack([rows.mean(0) for rows in units.values()])
    if len(means) < 2:
        return units
    _, strengths, axes = np.linalg.svd(means - means.mean(0), full_matrices=False)
    axes = axes[strengths > 1e-6 * max(strengths.max(), 1e-12)]
    return {code: rows - rows @ axes.T @ axes for code, rows in units.items()}
