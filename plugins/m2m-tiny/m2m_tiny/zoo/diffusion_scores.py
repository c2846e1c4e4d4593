"""What tiny-flux or tiny-sd paints when prompted through an adapter in 13 languages.

python -m m2m_tiny.zoo.diffusion_scores ADAPTER [--scenes 100] [--sheet S.html] [--json OUT.json]

Scenes are held out: neither the pipeline nor the alignment met their meaning. A reader trained
on renderings says what each picture shows; ``native`` is the pipeline's own tower, fed the
foreign prompt; ``neutral`` no prompt at all.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from m2m_tiny import drawable
from m2m_tiny.captions import LANGUAGES, caption
from m2m_tiny.reader import accuracy, labels, read

SEED = 11


def prompts(n: int) -> tuple[list[drawable.Scene], dict[str, list[str]]]:
    """``n`` held-out scenes and a caption of each in every language, always the same."""
    chosen = drawable.draw(drawable.split()[1], n, random.Random(SEED))
    found = {}
    for number, code in enumerate(LANGUAGES):
        rng = random.Random(SEED + number)
        found[code] = [caption(scene, code, rng) for scene in chosen]
    return chosen, found


def scores(adapter: Any, n: int, keep: Any = lambda *_: None, **options: Any) -> dict[str, Any]:
    """Accuracy of places, shapes and colours for every system and language."""
    from m2m_adapters.evaluation.generators import score_generator

    chosen, captions = prompts(n)
    truth = labels(chosen)
    return score_generator(
        adapter,
        captions,
        lambda pictures: accuracy(read(pictures), truth),
        alike=lambda a, b: float((read(a) == read(b)).mean()),
        keep=keep,
        progress=lambda system, code: print(system, code, flush=True),
        **options,
    )


def main() -> None:
    from m2m_adapters import load_adapter
    from m2m_adapters.contact_sheet import write_sheet
    from m2m_adapters.evaluation.generators import relative

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("adapter")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--sheet", type=Path, help="a page with the first eight scenes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    shown: dict[str, list[Any]] = {}

    def keep(system: str, code: str, pictures: list[Any]) -> None:
        if system in ("reference", "adapter"):
            shown[f"{system} {code}"] = pictures[:8]

    adapter = load_adapter(given.adapter, device="cpu")
    found = scores(adapter, given.scenes, keep, batch_size=given.batch_size)
    if given.sheet:
        _, captions = prompts(given.scenes)
        cells = [
            (captions[column.split()[1]][row], pictures[row])
            for row in range(min(8, given.scenes))
            for column, pictures in shown.items()
        ]
        write_sheet(given.sheet, cells, columns=len(shown))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    figures = ["place", "shape", "color", "attributes", "exact"]
    print("native English", {name: round(found["reference"][name], 3) for name in figures})
    for system, languages in found["systems"].items():
        for code, row in languages.items():
            told = "  ".join(f"{name} {row[name]:.3f}" for name in [*figures, "as_english"])
            print(f"{system:8} {code:3} {told}")
    print(
        "share of native English",
        {k: round(v, 3) for k, v in relative(found, "attributes").items()},
    )


if __name__ == "__main__":
    main()
