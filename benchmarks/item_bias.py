"""What the English bank changes in search: the galleries of the tiny world, with it and without.

An adapter is aligned from English captions, the gallery's 1,000 items are indexed with it, and
each item's caption in each language is searched. Hits count where the item itself comes first, or
among the first ten.

    python benchmarks/item_bias.py
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments

import m2m_adapters as m2m
from m2m_adapters.search.query import Query


def write_items(target: str, folder: Path) -> list[Any]:
    """The gallery as files named by number; returns what each of them shows."""
    from m2m_tiny import scenes, sounds

    folder.mkdir()
    if target == "tiny-clip":
        from PIL import Image

        drawn, said = scenes.gallery()
        for number, pixels in enumerate(scenes.render_batch(drawn, random.Random(1))):
            Image.fromarray(pixels).save(folder / f"{number:04d}.png")
        return list(said)
    import soundfile

    played, said = sounds.gallery()
    for number, spec in enumerate(played):
        samples = sounds.render(spec, random.Random(1000 + number))
        soundfile.write(folder / f"{number:04d}.wav", samples, sounds.RATE)
    return list(said)


def found(index: Any, texts: list[str], **how: Any) -> tuple[float, float]:
    """R@1 and R@10 in percent."""
    answers = index.search([Query.of_text(text) for text in texts], 10, **how)
    places = [
        next((rank for rank, hit in enumerate(hits) if int(hit.item.name[:4]) == number), 10)
        for number, hits in enumerate(answers)
    ]
    ranks = np.array(places)
    return 100 * float((ranks < 1).mean()), 100 * float((ranks < 10).mean())


def main() -> None:
    from m2m_tiny import captions

    given = arguments(__doc__, sentences={"type": int, "default": 3000})
    report = Report(
        "Item bias in search", f"python benchmarks/item_bias.py --sentences {given.sentences}",
        ("target", "queries", "R@1 without the bank", "with it", "R@10 without", "with it"),
    )  # fmt: skip
    for target, corpus in (
        ("tiny-clip", "tiny-scene-captions"),
        ("tiny-clap", "tiny-sound-captions"),
    ):
        rng = random.Random(3)
        with tempfile.TemporaryDirectory() as name:
            said = write_items(target, Path(name) / "items")
            adapter = m2m.align(
                "tiny-text", target, corpus, max_sentences=given.sentences, progress=False
            )
            index = m2m.build_index(adapter, Path(name) / "items", Path(name) / "index")
            rows = {}
            for language in captions.LANGUAGES:
                texts = [captions.caption(one, language, rng) for one in said]
                plain = found(index, texts, adapter=adapter, bank=False)
                rows[language] = (*plain, *found(index, texts, adapter=adapter))
            others = np.mean([row for code, row in rows.items() if code != "en"], axis=0)
            for who, row in (("English", rows["en"]), (f"{len(rows) - 1} others", others)):
                cells = [f"{row[at]:.1f}" for at in (0, 2, 1, 3)]
                report.add(target, who, *cells)
            index.close()
    report.finish(given)


if __name__ == "__main__":
    main()
