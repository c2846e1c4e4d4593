"""Crossmodal-3600: ``captions.jsonl``, one image per line with its captions by language."""

from __future__ import annotations

import json
from pathlib import Path

from m2m_adapters.corpus.files import text_lines
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Items, Missing, Row, assemble, below


def read(folder: Path, *, items: Path | None = None, allow_missing: Missing = False) -> Benchmark:
    """All captions of all languages; images are called KEY.jpg."""
    files = below(folder, "captions.jsonl")
    if not files:
        raise UserError(f"{folder} does not hold captions.jsonl", "run `m2m fetch xm3600`")
    rows: list[Row] = []
    keys: dict[str, None] = {}
    for number, line in enumerate(text_lines(files[0]), start=1):
        try:
            record = json.loads(line)
            key = record["image/key"]
            captions_of = {
                code: entry["caption"]
                for code, entry in record.items()
                if isinstance(entry, dict) and "caption" in entry
            }
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{files[0]}, line {number}: not a record of Crossmodal-3600", "fetch it again"
            ) from None
        keys[key] = None
        rows += [(key, code, text) for code, texts in captions_of.items() for text in texts]
    files_of = Items([items] if items else [folder], "image")
    return assemble(
        "xm3600",
        "image",
        rows,
        {key: files_of.find(f"{key}.jpg", key) for key in keys},
        allow_missing=allow_missing,
        where=items or folder,
        license="cc-by-4.0",
        notes="two or more captions for most images and languages",
    )
