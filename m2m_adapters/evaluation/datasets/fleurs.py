"""FLEURS: ``LANG/SPLIT.tsv`` and recordings below each language's folder, as published.

Rows of a table: number of the sentence, recording, text as written, text in lower case, its
letters, samples, gender of the speaker. Numbers are the same in every language, and a sentence is
often recorded more than once. Items are the English recordings, so that speech and text of one
meaning stand side by side; captions are the sentences as written, in every language that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from m2m_adapters._internal.languages import is_known, normalize_tag
from m2m_adapters.corpus.files import text_lines
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Items, Missing, assemble, below

COLUMNS = 7
LICENSE = "cc-by-4.0"


def read(
    folder: Path,
    *,
    items: Path | None = None,
    allow_missing: Missing = False,
    split: str = "test",
) -> Benchmark:
    """Sentences that were recorded in English; the first recording of each is the item."""
    tables = {path.parent.name: path for path in below(folder, f"{split}.tsv")
              if is_known(path.parent.name)}  # fmt: skip
    english = next((name for name in tables if normalize_tag(name) == "en"), None)
    if english is None or len(tables) < 2:
        raise UserError(
            f"{folder} does not hold en_us/{split}.tsv and LANG/{split}.tsv",
            "give the folder that holds FLEURS' folders of languages, or choose another --split",
        )
    recordings: dict[str, str] = {}
    for number, recording, _ in sentences(tables[english]):
        recordings.setdefault(number, recording)
    rows = []
    for name, path in sorted(tables.items(), key=lambda one: one[0] != english):
        seen = set()
        for number, _, text in sentences(path):
            if number in recordings and number not in seen:
                seen.add(number)
                rows.append((number, name, text))
    found = Items([items] if items else [tables[english].parent, folder], "audio")
    return assemble(
        f"fleurs ({split})",
        "audio",
        rows,
        {number: found.find(recording) for number, recording in recordings.items()},
        allow_missing=allow_missing,
        where=items or folder,
        license=LICENSE,
        notes="English recordings; translations of the sentences of FLoRes",
    )


def sentences(path: Path) -> Iterator[tuple[str, str, str]]:
    """(number, recording, sentence as written) of each row."""
    for place, line in enumerate(text_lines(path), 1):
        cells = line.split("\t")
        if len(cells) != COLUMNS or not cells[0].isdigit():
            raise UserError(
                f"{path}, line {place}: {len(cells)} columns, not the {COLUMNS} of FLEURS",
                "fetch the file again",
            )
        yield cells[0], cells[1], cells[2].strip()
