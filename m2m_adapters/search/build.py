"""``build_index``: index folders of photos or sounds; unchanged files keep their vectors."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters._internal.progress import Progress, progress_for
from m2m_adapters._internal.spelling import refuse_typos
from m2m_adapters.artifact.load import LOAD_OPTIONS
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, precision_of, same_model
from m2m_adapters.models.devices import AUTO
from m2m_adapters.search import generation, lists, scan
from m2m_adapters.search.encode import BATCH
from m2m_adapters.search.format import RECORD, TargetRecord
from m2m_adapters.search.index import Index, load_index
from m2m_adapters.search.stores import chosen_store
from m2m_adapters.search.towers import item_target, target_record
from m2m_adapters.search.update import ItemBias, Update

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

WINDOW = 10.0
"""Seconds of a window of a long sound: what CLAP hears at once."""
BUILD_OPTIONS = ("adapter", "window", "bias", "lists_from", "engine", "url", "batch_size",
                 "workers", "retry_bad", "progress")  # fmt: skip


def build_index(
    target: ModalityModel | Adapter | str | Path,
    folders: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    adapter: str | Path = "",
    window: float = WINDOW,
    bias: ItemBias | None = None,
    lists_from: int = lists.THRESHOLD,
    engine: str | None = None,
    url: str | None = None,
    batch_size: int = BATCH,
    workers: int = 4,
    retry_bad: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Index:
    """Make or update the index ``out`` of the items in ``folders``.

    target: a target, an adapter to it, or the name of either. Files are encoded once: unchanged
    and moved ones keep their vectors, and a run that was killed goes on at its last batch. Items
    of folders that are not mentioned stay in the index. ``Index.changes`` counts what was done.

    adapter: one to the target, to be recorded as what queries are encoded with by default; needed
    only if ``target`` is an object. window: seconds of a part of a long sound; each part has a
    vector of its own. lists_from: rows from which the index is approximate (IVF, 8 bits), with its
    recall measured. batch_size: items encoded and committed together. retry_bad: look again at
    unchanged files that could not be
    used. engine: ``faiss`` (by default), ``qdrant`` (a server at ``url``) or ``lancedb`` (in the
    index, or a folder or address ``url``); an index keeps the one it has. options: ``device``,
    ``precision``, ... of the target; an index that is there keeps the precision it has.
    """
    refuse_typos(options, (*BUILD_OPTIONS, *LOAD_OPTIONS), "build_index")
    began = time.perf_counter()
    place = Path(out)
    _check_numbers(window, batch_size, workers)
    named = [folders] if isinstance(folders, (str, Path)) else list(folders)
    with generation.locked(place):
        old = load_index(place) if (place / RECORD).is_file() else None
        wanted = scan.roots(named or (old.record.roots if old else []))
        if not wanted:
            raise UserError("there is nothing to index", "name a folder")
        if old is not None and isinstance(target, str | Path):
            options = _as_before(options, old)
        model, named_by = item_target(target, options)
        default = str(adapter or named_by or (old.record.adapter if old else ""))
        about = target_record(model)
        if old is not None:
            _check_same(old, about, window, bias)
        store = chosen_store(place, engine, url, lists_from)
        update = Update(place, old, about, wanted, window, bias, retry_bad, store)
        encoded = update.encode(model, batch_size, workers, progress or progress_for())
        changes = update.write(default)
        if old is not None:
            old.close()
    index = load_index(place, target=model)
    index.keep_bias()
    seconds = time.perf_counter() - began
    index.changes = replace(changes, encoded=encoded, seconds=seconds)
    return index


def _check_numbers(window: float, batch_size: int, workers: int) -> None:
    if batch_size < 1 or workers < 1:
        raise UserError("batch_size and workers must be positive", "choose a larger number")
    if not 0 < window < math.inf:
        raise UserError(f"the window is {window} seconds", "choose a number above 0, such as 10")


def _as_before(options: dict[str, Any], old: Index) -> dict[str, Any]:
    """Options of the target; the precision is that of the index where none is chosen."""
    if options.get("precision", AUTO) != AUTO:
        return options
    return {**options, "precision": precision_of(old.record.target.fingerprint)}


def _check_same(old: Index, target: TargetRecord, window: float, bias: ItemBias | None) -> None:
    """Refuse to mix vectors of different kinds in one index."""
    record = old.record
    if record.origin is not None:
        raise UserError(
            f"{old.folder} was imported from {record.origin.place}", "index files into a new folder"
        )
    if not same_model(record.target.fingerprint, target.fingerprint):
        raise UserError(
            f"{old.folder} is an index of '{record.target.name}' "
            f"({record.target.fingerprint}), not of '{target.name}' ({target.fingerprint})",
            "choose another folder for the index",
        )
    before, now = precision_of(record.target.fingerprint), precision_of(target.fingerprint)
    if before != now:
        raise UserError(
            f"the vectors of {old.folder} were computed in {before}, not in {now}",
            f"choose precision {before}, or another folder for the index",
        )
    if record.window != window:
        raise UserError(
            f"{old.folder} has windows of {record.window:g} s, not {window:g} s",
            f"give --window {record.window:g}, or choose another folder",
        )
    held, brought = record.bias.name if record.bias else "", bias.name if bias else ""
    if held != brought:
        raise UserError(
            f"{old.folder} has the item bias '{held}', this run has '{brought}'",
            "pass the same bias, or choose another folder",
        )
