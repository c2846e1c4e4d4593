"""XTD10: ``test_image_names.txt`` and one ``test_1kcaptions_LANG.txt`` for each language."""

from __future__ import annotations

from pathlib import Path

from m2m_adapters.corpus.files import text_lines
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Items, Missing, assemble, below, parallel

NAMES = "test_image_names.txt"
PREFIX = "test_1kcaptions_"


def read(folder: Path, *, items: Path | None = None, allow_missing: Missing = False) -> Benchmark:
    """Caption files below ``folder`` (XTD10/, MIC/, STAIR/ or flat), line i = image i."""
    listed = below(folder, NAMES)
    files = below(folder, f"{PREFIX}*.txt")
    if not listed or not files:
        raise UserError(
            f"{folder} does not hold {NAMES} and {PREFIX}LANG.txt", "run `m2m fetch xtd10`"
        )
    names = [line.strip() for line in text_lines(listed[0])]
    rows = []
    for path in files:
        code = path.stem.removeprefix(PREFIX)
        rows += [(n, code, t) for n, t in zip(names, parallel(names, path, listed[0]), strict=True)]
    item_files = Items([items] if items else [folder], "image")
    return assemble(
        "xtd10",
        "image",
        rows,
        {name: item_files.find(name) for name in names},
        allow_missing=allow_missing,
        where=items or folder,
        license="captions for non-commercial research; images by their Flickr owners",
        notes="German and French from Multi30k's team (MIC), Japanese from STAIR",
    )
