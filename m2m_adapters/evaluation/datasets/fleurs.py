"""FLEURS: ``LANG/SPLIT.tsv`` and recordings below each language's folder, as published.

Rows of a table: number of the sentence, recording, text as written, text in lower case, its
letters, samples, gender of the speaker. Numbers are the same in every language, and a sentence is
often recorded more than once. Items are the English recordings, so that speech and text of one
meaning stand side by side; captions are the sentences as written, in every language that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from m2m_adapters._internal.languages import is_known, normalize_tag
from m2m_adapters.corpus.files import text_lines
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets.assemble import Items, Missing, assemble, below

COLUMNS = 7
FEWEST = 20
"""Sentences below which no similarity is worth a figure."""
LICENSE = "cc-by-4.0"


def read(
    folder: Path,
    *,
    items: Path | None = None,
    allow_missing: Missing = False,
    split: str = "test",
) -> Benchmark:
    """Sentences that were recorded in English; the first recording of each is the item."""
    tables = _tables(folder, split)
    english = next(iter(tables))
    recordings: dict[str, str] = {}
    for number, recording, _ in sentences(tables[english]):
        recordings.setdefault(number, recording)
    rows = []
    for name, path in tables.items():
        seen = set()
        for number, _, text in sentences(path):
            if number in recordings and number not in seen:
                seen.add(number)
                rows.append((number, name, text))
    item_files = Items([items] if items else [tables[english].parent, folder], "audio")
    return assemble(
        f"fleurs ({split})",
        "audio",
        rows,
        {number: item_files.find(recording) for number, recording in recordings.items()},
        allow_missing=allow_missing,
        where=items or folder,
        license=LICENSE,
        notes="English recordings; translations of the sentences of FLoRes",
    )


def spoken(
    folder: str | Path, *, split: str = "test", languages: Sequence[str] | None = None,
    limit: int | None = None,
) -> tuple[dict[str, list[str]], dict[str, list[Path]]]:  # fmt: skip
    """(sentences, recordings) by language, of sentences recorded in every one of them."""
    folder = Path(folder).expanduser()
    wanted = None if languages is None else {"en", *map(normalize_tag, languages)}
    texts: dict[str, dict[str, str]] = {}
    files: dict[str, dict[str, Path]] = {}
    for name, path in _tables(folder, split).items():
        code = normalize_tag(name)
        if wanted is not None and code not in wanted:
            continue
        held = Items([path.parent], "audio")
        texts[code], files[code] = {}, {}
        for number, recording, text in sentences(path):
            recording_path = held.find(recording)
            if recording_path is not None:
                texts[code].setdefault(number, text)
                files[code].setdefault(number, recording_path)
    if missing := sorted((wanted or set()) - set(texts)):
        raise UserError(f"{folder} has no {split}.tsv in '{missing[0]}'", "correct --langs")
    shared = set.intersection(*(set(side) for side in files.values()))
    numbers = sorted(shared, key=int)[:limit]
    if len(numbers) < FEWEST:
        raise UserError(
            f"{len(numbers)} sentences of {folder} are recorded in all of {', '.join(files)}",
            f"at least {FEWEST} are needed; unpack the archives in each language's audio folder",
        )
    return (
        {code: [side[number] for number in numbers] for code, side in texts.items()},
        {code: [side[number] for number in numbers] for code, side in files.items()},
    )


def _tables(folder: Path, split: str) -> dict[str, Path]:
    """Folder of a language -> its table, English first."""
    tables = {path.parent.name: path for path in below(folder, f"{split}.tsv")
              if is_known(path.parent.name)}  # fmt: skip
    if len(tables) < 2 or all(normalize_tag(name) != "en" for name in tables):
        raise UserError(
            f"{folder} does not hold en_us/{split}.tsv and LANG/{split}.tsv",
            "give the folder that holds FLEURS' folders of languages, or choose another --split",
        )
    return dict(sorted(tables.items(), key=lambda one: normalize_tag(one[0]) != "en"))


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
