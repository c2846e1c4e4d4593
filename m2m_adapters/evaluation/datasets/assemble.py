"""Rows of (item, language, caption) and files on disk -> a benchmark, gaps accounted for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from m2m_adapters._internal.languages import normalize_tag
from m2m_adapters._internal.media import SUFFIXES
from m2m_adapters.corpus.files import text_lines
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark, Item

Row = tuple[str, str, str]
"""(name of the item, language as the file writes it, caption)."""

Missing: TypeAlias = bool | Literal["by name"]
"""What happens to items that are not there: an error, left out, or kept by their names only."""


class Items:
    """Files below some folders, found by relative path, by name, or by name without suffix."""

    def __init__(self, folders: Sequence[Path], modality: str) -> None:
        self._folders = list(folders)
        self._suffixes = SUFFIXES.get(modality, (*SUFFIXES["image"], *SUFFIXES["audio"]))

    def find(self, *names: str) -> Path | None:
        """The first of the names that is there."""
        for name in names:
            for folder in self._folders:
                path = folder / name
                if lies_in(folder, path) and is_file(path):
                    return path
        for name in names:
            base = Path(name).name
            path_below = self._below.get(base) or self._below.get(base + "/")
            if path_below is not None:
                return path_below
        return None

    @cached_property
    def _below(self) -> dict[str, Path]:
        """File name, and stem with a slash behind it, -> path; the first in order wins."""
        paths: dict[str, Path] = {}
        for folder in self._folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in self._suffixes and path.is_file():
                    paths.setdefault(path.name, path)
                    paths.setdefault(path.stem + "/", path)
        return paths


def lies_in(folder: Path, path: Path) -> bool:
    """Whether a path stays in the folder as it is written, so that a table names nothing else."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def is_file(path: Path) -> bool:
    """Whether it is a file; names that no file can have (overlong ones) are not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def assemble(
    name: str,
    modality: str,
    rows: Iterable[Row],
    places: Mapping[str, Item | None],
    *,
    allow_missing: Missing,
    where: Path,
    license: str = "",
    notes: str = "",
) -> Benchmark:
    """A benchmark of the items in ``places`` (name -> item, None when it is not there)."""
    if allow_missing == "by name":
        places = {item: item if place is None else place for item, place in places.items()}
    missing = _missing(name, places, bool(allow_missing), where)
    index = {item: i for i, item in enumerate(i for i, p in places.items() if p is not None)}
    captions: dict[str, list[str]] = {}
    owners: dict[str, list[int]] = {}
    for item, written, text in rows:
        code = normalize_tag(written)  # rows may spell one language in several ways
        if item in index and text.strip():
            captions.setdefault(code, []).append(text.strip())
            owners.setdefault(code, []).append(index[item])
    return Benchmark(
        name,
        modality,
        [places[item] for item in index],
        captions,
        {code: np.asarray(indices, np.int64) for code, indices in owners.items()},
        names=list(index),
        missing=missing,
        license=license,
        notes=notes,
    )


def _missing(name: str, places: Mapping[str, Item | None], allowed: bool, where: Path) -> list[str]:
    """Names of items that are not there; an error unless that is allowed and others are."""
    missing = [item for item, place in places.items() if place is None]
    if not missing or (allowed and len(missing) < len(places)):
        return missing
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    remedy = "fetch them, or say where they lie with --items"
    if len(missing) < len(places):
        remedy += ", or leave them out with --allow-missing"
    raise UserError(
        f"{len(missing):,} of {len(places):,} items of '{name}' are not in {where}: {shown}", remedy
    )


def below(folder: Path, *patterns: str) -> list[Path]:
    """Files below a folder that match one of the patterns, sorted."""
    return sorted({path for pattern in patterns for path in folder.rglob(pattern)})


def parallel(names: list[str], path: Path, names_path: Path) -> list[str]:
    """Captions of a file that runs parallel to the list of items."""
    texts = text_lines(path)
    if len(texts) != len(names):
        raise UserError(
            f"{path} has {len(texts):,} lines, {names_path.name} has {len(names):,}",
            "fetch both again",
        )
    return texts
