"""Multi30k task 1: ``raw/SPLIT.LANG[.gz]`` parallel to ``image_splits/SPLIT.txt``."""

from __future__ import annotations

from pathlib import Path

from m2m_adapters.corpus.files import text_lines
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Items, Missing, assemble, below, parallel


def read(
    folder: Path,
    *,
    items: Path | None = None,
    allow_missing: Missing = False,
    split: str = "test_2016_flickr",
) -> Benchmark:
    """One translation of one caption for each image, in the languages that are there."""
    listed = [p for p in below(folder, f"{split}.txt") if p.parent.name == "image_splits"]
    files: dict[str, Path] = {}
    for path in below(folder, f"{split}.*"):
        code = path.name.removeprefix(f"{split}.").removesuffix(".gz")
        if code.isalpha() and len(code) == 2:
            files.setdefault(code, path)
    if not listed or not files:
        raise UserError(
            f"{folder} does not hold image_splits/{split}.txt and raw/{split}.LANG",
            "run `m2m fetch multi30k`, or choose another --split",
        )
    # In test_2017_mscoco the number of the caption follows the image's name.
    names = [line.split("#")[0].strip() for line in text_lines(listed[0])]
    rows = []
    for code, path in files.items():
        rows += [(n, code, t) for n, t in zip(names, parallel(names, path, listed[0]), strict=True)]
    item_files = Items([items] if items else [folder], "image")
    return assemble(
        f"multi30k ({split})",
        "image",
        rows,
        {name: item_files.find(name) for name in names},
        allow_missing=allow_missing,
        where=items or folder,
        license="non-commercial research; images by the terms of Flickr30k",
    )
