"""Published benchmarks, each read from the layout in which it is published."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2m_adapters.corpus.published import fetched_folder
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Missing


@dataclass(frozen=True)
class DatasetReader:
    """reads: module of this package with ``read(folder, **options) -> Benchmark``.

    splits: the names ``--split`` knows, the usual one first; empty where there is only one.
    """

    reads: str
    modality: str
    license: str
    notes: str
    splits: tuple[str, ...] = ()


READERS = {
    "xtd10": DatasetReader(
        "xtd10", "image", "non-commercial research", "1,000 MS COCO images, 11 languages"
    ),
    "multi30k": DatasetReader(
        "multi30k",
        "image",
        "non-commercial research",
        "1,000 Flickr30k images, English, German, French, Czech",
        ("test_2016_flickr", "test_2017_flickr", "test_2018_flickr", "test_2017_mscoco", "val"),
    ),
    "xm3600": DatasetReader(
        "crossmodal", "image", "cc-by-4.0", "Crossmodal-3600: 3,600 images, 36 lang."
    ),
    "mscoco-multilingual": DatasetReader(
        "mscoco", "image", "cc-by-4.0", "MS COCO 30K with machine-translated captions"
    ),
    "audiocaps": DatasetReader(
        "audiocaps", "audio", "mit (captions)", "AudioCaps test, English or multilingual",
        ("test", "val"),
    ),
    "clotho": DatasetReader(
        "clotho", "audio", "non-commercial", "Clotho evaluation, English or multilingual",
        ("evaluation", "validation"),
    ),
    "fleurs": DatasetReader(
        "fleurs", "audio", "cc-by-4.0", "FLEURS: read-aloud sentences, up to 102 languages; --data",
        ("test", "dev", "train"),
    ),
    "table": DatasetReader(
        "table", "any", "", "your own: a folder or table of items with a `captions` file"
    ),
}  # fmt: skip


def read(
    name: str,
    folder: str | Path | None = None,
    *,
    items: str | Path | None = None,
    split: str | None = None,
    allow_missing: Missing = False,
    modality: str | None = None,
) -> Benchmark:
    """The benchmark ``name`` from its folder.

    items: where the pictures or sounds lie, if not in the same folder.
    allow_missing: leave out items that are not there, or keep them by their names where only the
        texts are read; an error otherwise.
    modality: of a table whose items' names do not tell it.
    """
    reader = READERS[name]
    if split is not None and split not in reader.splits:
        have = ", ".join(reader.splits) or "one part only"
        raise UserError(f"'{name}' has no split '{split}'", f"it has {have}")
    place = Path(folder).expanduser() if folder is not None else fetched_folder(name)
    if not place.exists():
        if folder is not None:
            raise UserError(f"there is no folder {place}", "correct the path")
        raise UserError(
            f"the benchmark '{name}' is not on this machine",
            f"run `m2m fetch {name}`, or give its folder with --data",
        )
    if items is not None and not Path(items).expanduser().is_dir():
        raise UserError(f"there is no folder of items {items}", "correct the path")
    module = importlib.import_module(f"{__name__}.{reader.reads}")
    options: dict[str, Any] = {
        "items": None if items is None else Path(items).expanduser(),
        "allow_missing": allow_missing,
    }
    if reader.splits:
        options["split"] = split or reader.splits[0]
    if name == "table":
        options["modality"] = modality
    benchmark: Benchmark = module.read(place, **options)
    return benchmark
