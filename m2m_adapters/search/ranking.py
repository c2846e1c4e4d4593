"""From the rows that an engine returns to answers: one hit for each item."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from m2m_adapters.interfaces import Vectors
from m2m_adapters.search import bias as item_bias
from m2m_adapters.search.engine import Engine, Rows
from m2m_adapters.search.format import IndexRecord
from m2m_adapters.search.hits import Hit, Hits, Previews
from m2m_adapters.search.metadata import Metadata


class Ranked(Previews, Protocol):
    """What ranking needs from an index."""

    folder: Path
    record: IndexRecord
    engine: Engine
    metadata: Metadata


def ranked(
    index: Ranked,
    vectors: Vectors,
    k: int,
    kept: Rows | None,
    names: Sequence[str],
    biases: Sequence[item_bias.RowBias | None],
) -> list[Hits]:
    """Answers to vectors of the engine's width; queries of the same bias are asked together."""
    groups: dict[int, list[int]] = {}
    for at, bias in enumerate(biases):
        groups.setdefault(id(bias), []).append(at)
    answers: dict[int, Hits] = {}
    for group in groups.values():
        asked = [names[at] for at in group]
        hits = _of_one_bias(index, vectors[group], k, kept, asked, biases[group[0]])
        answers.update(zip(group, hits))
    return [answers[at] for at in range(len(vectors))]


def _of_one_bias(
    index: Ranked,
    vectors: Vectors,
    k: int,
    kept: Rows | None,
    names: Sequence[str],
    bias: item_bias.RowBias | None,
) -> list[Hits]:
    """Of a sound with several windows only the best counts, so more rows may be needed."""
    most = index.engine.rows
    wanted = k if index.record.rows == index.record.items else min(4 * k, most)
    while True:
        if bias is None:
            scores, rows = index.engine.search(vectors, wanted, kept)
        else:
            scores, rows = item_bias.search_with(index.engine, vectors, wanted, kept, bias)
        about = index.metadata.at(sorted({row for row in rows.ravel().tolist() if row >= 0}))
        answers = [_hits(index, *one, about, k) for one in zip(names, scores, rows)]
        enough = all(len(answer) >= k for answer in answers)
        if enough or wanted >= most or wanted == k or (rows < 0).any():
            return answers
        wanted = min(4 * wanted, most)


def _hits(index: Ranked, name: str, scores: Any, rows: Any, about: Any, k: int) -> Hits:
    folder = str(index.folder)
    hits: dict[int, Hit] = {}
    for score, row in zip(scores.tolist(), rows.tolist()):
        if (known := about.get(row)) is None:  # also where fewer rows were found than asked for
            continue
        part, item = known
        if part.item not in hits:
            hits[part.item] = Hit(score, item, row, part.start, part.end, folder, part.item)
            if len(hits) == k:
                break
    return Hits(name, list(hits.values()), {folder: index})
