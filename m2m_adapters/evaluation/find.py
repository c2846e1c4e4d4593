"""A benchmark by its name, its folder, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets import READERS, read
from m2m_adapters.evaluation.datasets.assemble import Missing
from m2m_adapters.evaluation.prompts import Prompts, read_prompts
from m2m_adapters.registry.names import resolve


def load_named(name: str, *, modality: str) -> Prompts | Benchmark | None:
    """A plugin's benchmark, or a table's captions as prompts; None if ``name`` is neither.

    modality: of what the table's prompts are for.
    """
    from m2m_adapters.evaluation.datasets.table import has_table

    if name in READERS or (":" in name and not name.startswith("table:")):
        return None
    place = place_of(name)
    if has_table(place):
        return read_prompts(place, modality)
    if place.is_dir():
        return None
    benchmark = resolve("benchmark", name)
    return benchmark if isinstance(benchmark, (Prompts, Benchmark)) else None


def place_of(name: str) -> Path:
    """Where a table called ``PATH`` or ``table:PATH`` would lie."""
    return Path(name.removeprefix("table:")).expanduser()


def load_benchmark(
    name: str,
    *,
    data: str | Path | None = None,
    items: str | Path | None = None,
    split: str | None = None,
    allow_missing: Missing = False,
    modality: str | None = None,
    **options: Any,
) -> Benchmark:
    """A published benchmark, one of a plugin, or your own.

    name: ``xtd10`` (in ``data``, else where ``m2m fetch`` put it), ``xtd10:FOLDER``, the path of
        a folder or table with captions, or the name of a plugin's benchmark.
    items, split, allow_missing: see :func:`m2m_adapters.evaluation.datasets.read`.
    modality: of your own items, where their names do not tell it.
    """
    from m2m_adapters.evaluation.datasets.table import has_table

    known, colon, folder = name.partition(":")
    place: str | Path | None = data
    if colon and known in READERS:
        if data is not None:
            raise UserError(f"'{name}' and --data both give a folder", "give one")
        place = folder
    elif not colon and name in READERS:
        known = name
    elif has_table(Path(name).expanduser()):
        known, place = "table", name
    elif Path(name).is_dir():
        raise UserError(
            f"the folder {name} holds no captions file",
            "write captions.jsonl, captions.csv or captions.parquet (item, language, caption), "
            f"or say what it is, such as xtd10:{name}",
        )
    else:
        return _of_plugin(name, data, **options)
    if known == "table" and place is None:
        raise UserError("the table is missing", "give it with --data, or as table:PATH")
    return read(
        known, place, items=items, split=split, allow_missing=allow_missing, modality=modality
    )


def _of_plugin(name: str, data: str | Path | None, **options: Any) -> Benchmark:
    if data is not None:
        known = ", ".join(READERS)
        raise UserError(f"'{name}' is not read from a folder", f"with --data, use one of {known}")
    benchmark = resolve("benchmark", name, **options)
    if isinstance(benchmark, Prompts):
        raise UserError(
            f"'{name}' is a benchmark of prompts: it has no items to find",
            "evaluate an adapter of a model that generates on it",
        )
    if not isinstance(benchmark, Benchmark):
        raise UserError(
            f"the benchmark '{name}' gave a {type(benchmark).__name__}, not a Benchmark",
            "correct the plugin",
        )
    return benchmark
