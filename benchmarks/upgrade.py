"""An index is kept when the model changes: queries of the new model, mapped into the old index.

The old model is tiny-clip, the new one tiny-open-clip. ``m2m.align_vectors`` learns the map from
new to old from pairs of vectors: random scenes, drawn and encoded by both models (none of the
gallery's), and, as a second way, English captions encoded by both. The index holds the gallery's
1,000 pictures by the old model. Queries are their English captions, and other drawings of the
same scenes; R@10 asks whether the picture of the same scene is among the first ten.

    python benchmarks/upgrade.py
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from measure import Report, arguments

import m2m_adapters as m2m
from m2m_adapters.evaluation.intervals import interval
from m2m_adapters.interfaces import Vectors


def drawn(pictures: list[Any], seed: int) -> list[Any]:
    """The scenes as pictures; another seed draws them otherwise."""
    from m2m_tiny import scenes
    from PIL import Image

    return [Image.fromarray(one) for one in scenes.render_batch(pictures, random.Random(seed))]


def training_scenes(count: int) -> list[Any]:
    """Random scenes that the gallery does not hold."""
    from m2m_tiny import scenes

    held_out = {scenes.key(scene) for scene in scenes.gallery()[0]}
    rng, found = random.Random(7), []
    while len(found) < count:
        scene = scenes.random_scene(rng)
        if scenes.key(scene) not in held_out:
            found.append(scene)
    return found


def hits(queries: Vectors, items: Vectors) -> np.ndarray[Any, Any]:
    """1 for each query whose own item is among the first ten; a tie counts against."""
    scores = queries @ items.T
    better = (scores >= scores.diagonal()[:, None]).sum(1) - 1
    return (better < 10).astype(float)


def main() -> None:
    from m2m_tiny import captions, scenes

    given = arguments(__doc__, pairs={"type": int, "default": 3000})
    report = Report(
        "Upgrade",
        f"python benchmarks/upgrade.py --pairs {given.pairs}",
        ("queries", "index", "captions R@10", "share of re-embedding", "pictures R@10", "share"),
    )
    old, new = (m2m.load_target(name) for name in ("tiny-clip", "tiny-open-clip"))
    specs, said = scenes.gallery()
    rng = random.Random(3)
    texts = [captions.caption(one, "en", rng) for one in said]
    index, fresh = drawn(specs, 1), drawn(specs, 2)
    old_items, new_items = old.encode_items(index), new.encode_items(index)
    queries = {
        "old": (old.text.encode(texts), old.encode_items(fresh)),
        "new": (new.text.encode(texts), new.encode_items(fresh)),
    }
    training = training_scenes(given.pairs)
    pictures = drawn(training, 4)
    sentences = list(dict.fromkeys(captions.caption(one, "en", rng) for one in training))
    by_items = m2m.align_vectors(
        new.encode_items(pictures), old.encode_items(pictures), progress=False
    )
    by_texts = m2m.align_vectors(
        new.text.encode(sentences), old.text.encode(sentences), progress=False
    )
    systems = [
        ("new", "new: everything embedded again", queries["new"], new_items),
        ("old", "old", queries["old"], old_items),
        (f"new, map from {len(pictures):,} pictures", "old",
         tuple(by_items.project(one) for one in queries["new"]), old_items),
        (f"new, map from {len(sentences):,} captions", "old",
         tuple(by_texts.project(one) for one in queries["new"]), old_items),
        ("new, each by the map of its kind", "old",
         (by_texts.project(queries["new"][0]), by_items.project(queries["new"][1])), old_items),
    ]  # fmt: skip
    if old_items.shape[1] == new_items.shape[1]:
        systems.insert(2, ("new, no map", "old", queries["new"], old_items))
    random_rows = np.random.default_rng(0)
    best = [100 * hits(one, new_items).mean() for one in queries["new"]]
    for name, where, asked, items in systems:
        cells: list[str] = []
        for one, whole in zip(asked, best, strict=True):
            found = hits(one, items)
            rows = random_rows.integers(0, len(found), (1000, len(found)))
            value, low, high = interval(found.mean(), found[rows].mean(1))
            cells += [
                f"{value:.1f} [{low:.1f}, {high:.1f}]",
                f"{100 * value / whole:.1f} %",
            ]
        report.add(name, where, *cells)
    report.notes = [
        "the old model is tiny-clip, the new one tiny-open-clip; 1,000 pictures in the index",
        "share: R@10 as a part of that of the new model with everything embedded again",
    ]
    report.finish(given)


if __name__ == "__main__":
    main()
