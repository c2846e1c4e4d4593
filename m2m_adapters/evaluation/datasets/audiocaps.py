"""AudioCaps: ``test.csv`` as published (English), or the table with a column per language."""

from __future__ import annotations

from pathlib import Path

from m2m_adapters.artifact.record import Json
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Items, Missing, Row, assemble, below
from m2m_adapters.evaluation.datasets.table import read_named
from m2m_adapters.evaluation.datasets.table_files import records

LICENSE = "mit (captions); sounds by the terms of YouTube"
COLUMNS = {"audiocap_id", "youtube_id", "start_time", "caption"}


def read(
    folder: Path, *, items: Path | None = None, allow_missing: Missing = False, split: str = "test"
) -> Benchmark:
    """Five captions per clip. Clips are called by YouTube id, with or without their times."""
    for path in below(folder, f"{split}.csv"):
        published = list(records(path))
        if published and set(published[0]) >= COLUMNS:
            return _published(published, folder, items, allow_missing)
    return read_named(
        "audiocaps", "audio", folder, items=items, allow_missing=allow_missing, license=LICENSE,
        notes="captions in other languages than English are machine translations",
        split=split,
    )  # fmt: skip


def _published(
    published: list[Json], folder: Path, items: Path | None, allow_missing: Missing
) -> Benchmark:
    files = Items([items] if items else [folder], "audio")
    rows: list[Row] = []
    tried: dict[str, list[str]] = {}
    for record in published:
        clip, start = str(record["youtube_id"]), int(float(record["start_time"]))
        rows.append((clip, "en", str(record["caption"])))
        names = tried.setdefault(clip, [])
        for stem in (
            clip,
            f"Y{clip}",
            f"{clip}_{start}",
            f"{clip}_{start * 1000}_{start * 1000 + 10_000}",
            f"{clip}_{start}_{start + 10}",
            str(record["audiocap_id"]),
        ):
            names.append(f"{stem}.wav")
    return assemble(
        "audiocaps",
        "audio",
        rows,
        {clip: files.find(*names) for clip, names in tried.items()},
        allow_missing=allow_missing,
        where=items or folder,
        license=LICENSE,
    )
