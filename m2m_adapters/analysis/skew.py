"""Skew at k: which labels are more frequent among the first k pictures than in the whole folder.

Of a label, ln(share among the first k / share in the folder), as Geyik et al. 2019; a label that is
absent counts as half a picture, so that the logarithm exists.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from m2m_adapters.analysis.measures import Matrix, unit
from m2m_adapters.analysis.paired import Resamples
from m2m_adapters.analysis.people import CHECK, phrases
from m2m_adapters.analysis.study import Study
from m2m_adapters.corpus.files import DELIMITERS, kind_of, text_lines
from m2m_adapters.errors import UserError

K = 10


def read_labels(path: str | Path) -> tuple[list[Path], dict[str, list[str]]]:
    """(files, labels by the name of their column) of a .tsv or .csv whose first column is files.

    Files are relative to the table.
    """
    path = Path(path).expanduser()
    lines = text_lines(path)
    table = [row for row in csv.reader(lines, delimiter=DELIMITERS.get(kind_of(path), "\t")) if row]
    if len(table) < 2 or len(table[0]) < 2:
        raise UserError(f"{path} has no labels", "first row: file and the names of the labels")
    header, *rows = table
    for number, row in enumerate(rows, 2):
        if len(row) != len(header) or not all(cell.strip() for cell in row):
            raise UserError(f"{path}, line {number}: a cell is missing", "give every label")
    columns = dict(zip(header, ([cell.strip() for cell in column] for column in zip(*rows))))
    files = [path.parent / name for name in columns.pop(header[0])]
    if missing := [file for file in files if not file.is_file()]:
        raise UserError(f"{len(missing)} files of {path} are not there: {missing[0]}", "correct it")
    return files, columns


def skew(first: Sequence[str], everything: Sequence[str], value: str) -> float:
    """Of one label value among the first pictures."""
    among = max(sum(one == value for one in first), 0.5) / len(first)
    return float(np.log(among / (sum(one == value for one in everything) / len(everything))))


def with_skew(
    study: Study,
    encode: Callable[[list[str]], Matrix],
    pictures: Matrix,
    labels: Mapping[str, Sequence[str]],
    languages: Sequence[str],
    *,
    k: int = K,
    seed: int = 0,
) -> Study:
    """The study, its findings followed by the mean skew of every label in every language."""
    if k >= len(pictures):
        raise UserError(f"{len(pictures)} pictures are too few for the first {k}", "give more")
    held = unit(pictures)
    findings = list(study.findings)
    for code in languages:
        texts = [one.text for one in phrases(code) if one.kind != CHECK]
        ranked = np.argsort(-(unit(encode(texts)) @ held.T), axis=1, kind="stable")[:, :k]
        for name, values in labels.items():
            findings += _sentences(f"skew at {k}, {code}, {name}", values, ranked, seed)
    return replace(study, findings=findings)


def _sentences(
    what: str, values: Sequence[str], ranked: npt.NDArray[np.int64], seed: int
) -> list[str]:
    """The mean over phrases of each label's skew. ranked: ``[phrases, k]``, pictures by rank."""
    draws = Resamples(len(ranked), seed=seed)
    lines = []
    for value in sorted(set(values)):
        each = np.array([skew([values[i] for i in row], values, value) for row in ranked])
        mean, low, high = draws.mean(each).rounded()
        lines.append(
            f"{what} = {value}: {mean:+.3f} ({low:+.3f} to {high:+.3f}; 0: as frequent as in the "
            "folder)"
        )
    return lines
