"""Clotho: ``clotho_captions_SPLIT.csv`` as published, or the table with a column per language."""

from __future__ import annotations

from pathlib import Path

from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Items, Missing, Row, assemble, below
from m2m_adapters.evaluation.datasets.table import read_named
from m2m_adapters.evaluation.datasets.table_files import records

LICENSE = "non-commercial (captions, Tampere University); sounds by Freesound licenses"


def read(
    folder: Path,
    *,
    items: Path | None = None,
    allow_missing: Missing = False,
    split: str = "evaluation",
) -> Benchmark:
    """Five captions per sound: caption_1 ... caption_5 of file_name."""
    files = below(folder, f"clotho_captions_{split}.csv")
    if not files:
        return read_named(
            "clotho", "audio", folder, items=items, allow_missing=allow_missing, license=LICENSE,
            notes="captions in other languages than English are machine translations",
            split={"evaluation": "test"}.get(split, split),
        )  # fmt: skip
    rows: list[Row] = []
    names: dict[str, None] = {}
    for record in records(files[0]):
        if "file_name" not in record or "caption_1" not in record:
            raise UserError(
                f"{files[0]} has no columns file_name and caption_1", "fetch Clotho again"
            )
        name = str(record["file_name"])
        names[name] = None
        rows += [(name, "en", str(v)) for k, v in record.items() if k.startswith("caption_") and v]
    item_files = Items([items] if items else [folder], "audio")
    return assemble(
        "clotho",
        "audio",
        rows,
        {name: item_files.find(name) for name in names},
        allow_missing=allow_missing,
        where=items or folder,
        license=LICENSE,
    )
