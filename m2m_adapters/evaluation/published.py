"""Published figures, to compare with ours. Data only.

From the metrics files of the repository of M2M (arXiv 2601.10096), R@10 in percent, text to
item and item to text; "average" is the plain mean over the benchmark's languages with English.
"""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "arXiv 2601.10096"


@dataclass(frozen=True)
class PaperFigures:
    """english and average: (text to item, item to text); None where nothing was published."""

    what: str
    english: tuple[float, float | None]
    average: tuple[float, float | None]
    languages: int
    notes: str = ""


def _images(
    *rows: tuple[tuple[float, float], tuple[float, float]],
) -> dict[str, PaperFigures]:
    """XTD10, Multi30k and Crossmodal-3600 of one pair of models."""
    names = (("xtd", 11), ("multi30k", 4), ("xm3600", 36))
    return {
        name: PaperFigures("published", english, average, languages)
        for (name, languages), (english, average) in zip(names, rows, strict=True)
    }


ADAPTERS: dict[tuple[str, str], dict[str, PaperFigures]] = {
    ("mpnet", "jina-clip"): _images(
        ((94.4, 95.6), (89.2, 89.3)), ((92.4, 92.0), (90.1, 89.7)), ((79.9, 85.1), (66.4, 72.9))
    ),
    ("jina-v3", "jina-clip"): _images(
        ((95.3, 94.7), (87.8, 87.5)), ((90.0, 89.6), (87.9, 87.2)), ((79.7, 85.1), (67.0, 72.2))
    ),
    ("minilm", "jina-clip"): _images(
        ((94.1, 93.8), (86.5, 84.9)), ((91.6, 89.7), (87.8, 85.7)), ((74.4, 80.2), (57.7, 64.3))
    ),
    ("labse", "jina-clip"): _images(
        ((86.4, 87.3), (82.4, 80.1)), ((80.7, 77.1), (78.7, 75.2)), ((65.7, 69.8), (62.8, 65.6))
    ),
    ("mpnet", "clip-l14"): _images(
        ((91.0, 93.7), (84.2, 85.9)), ((93.4, 94.9), (90.6, 92.0)), ((67.7, 77.7), (55.5, 66.9))
    ),
    ("mpnet", "align"): _images(
        ((93.0, 94.2), (86.8, 86.1)), ((93.3, 93.5), (90.4, 90.0)), ((73.2, 81.1), (59.1, 68.5))
    ),
    ("mpnet", "clap"): {
        "audiocaps": PaperFigures(
            "published", (77.2, 81.5), (48.3, 60.8), 34, "aligned on AudioCaps, Clotho and WavCaps"
        ),
        "clotho": PaperFigures(
            "published", (47.8, 50.6), (33.3, 39.6), 34, "aligned on AudioCaps, Clotho and WavCaps"
        ),
    },
}

TOWERS: dict[str, dict[str, PaperFigures]] = {
    "jina-clip": {
        "xtd": PaperFigures("published: own tower", (95.0, 95.8), (37.4, None), 11),
        "multi30k": PaperFigures("published: own tower", (93.5, 93.6), (58.9, 59.6), 4),
        "xm3600": PaperFigures("published: own tower", (85.7, 91.8), (16.2, 21.7), 36),
    },
}
"""The targets' own English text towers, fed every language as it is."""
