"""MS COCO 30K in many languages: ``metadata.csv``, English in ``caption``, others by language."""

from __future__ import annotations

from pathlib import Path

from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Missing
from m2m_adapters.evaluation.datasets.table import read_named


def read(folder: Path, *, items: Path | None = None, allow_missing: Missing = False) -> Benchmark:
    return read_named(
        "mscoco-multilingual",
        "image",
        folder,
        items=items,
        allow_missing=allow_missing,
        license="cc-by-4.0 (captions); images by their Flickr owners",
        notes="captions in other languages than English are machine translations",
    )
