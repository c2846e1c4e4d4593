"""Several recipes on the same stored embeddings, ranked by their figures on held-out pairs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters.alignment.align import align
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.corpus.sentences import read_corpus
from m2m_adapters.corpus.suited import fetched_corpus
from m2m_adapters.errors import UserError
from m2m_adapters.registry.names import check_name, load_source, load_target

GRIDDED = ("recipe", *(f.name for f in fields(Recipe) if f.name not in ("name", "fit", "level")))


@dataclass(frozen=True)
class Tried:
    """values: this point of the grid. figures: held-out top-1 and loss."""

    values: dict[str, Any]
    adapter: Adapter

    @property
    def figures(self) -> dict[str, float]:
        held = self.adapter.record.held_out
        assert held is not None
        return {"top-1": held.top1, "loss": held.loss}

    def to_dict(self) -> dict[str, Any]:
        return {"values": self.values, "held_out": self.figures}


def sweep(
    source: Any,
    target: Any,
    texts: Any,
    grid: Sequence[str],
    *,
    changes: dict[str, Any] | None = None,
    model_options: dict[str, Any] | None = None,
    **common: Any,
) -> list[Tried]:
    """Align at every point of ``grid`` (``["recipe=auto,paper", "ridge=0.01,0.1"]``), best first.

    The two models are loaded once and every text is encoded once. Ranked by held-out top-1,
    which means the same under every loss; ties by the loss.
    """
    axes = parse_grid(grid)
    options = model_options or {}
    for kind, model_or_name in (("source", source), ("target", target)):
        if isinstance(model_or_name, str):
            check_name(kind, model_or_name)
    names = tuple(
        model_or_name if isinstance(model_or_name, str) else None
        for model_or_name in (source, target)
    )
    encoder = load_source(source, **options) if isinstance(source, str) else source
    model = load_target(target, **options) if isinstance(target, str) else target
    reading = {key: common.pop(key) for key in ("column", "max_sentences") if key in common}
    corpus = read_corpus(
        fetched_corpus(target) if texts is None else texts, seed=common.get("seed", 0), **reading
    )
    tried = []
    for point in itertools.product(*axes.values()):
        values = dict(zip(axes, point, strict=True))
        adapter = align(
            encoder,
            model,
            corpus,
            model_options=options,
            names=names,
            **{**(changes or {}), **values},
            **common,
        )
        tried.append(Tried(values, adapter))
    return sorted(tried, key=lambda one: (-one.figures["top-1"], one.figures["loss"]))


def parse_grid(grid: Sequence[str]) -> dict[str, list[Any]]:
    """Name -> values of every axis; each value once."""
    axes: dict[str, list[Any]] = {}
    for written in grid:
        name, values = parse_axis(written)
        if name in axes:
            both = ",".join(str(value) for value in [*axes[name], *values])
            raise UserError(f"the grid varies '{name}' twice", f"write {name}={both}")
        axes[name] = list(dict.fromkeys(values))
    return axes


def parse_axis(written: str) -> tuple[str, list[Any]]:
    """``ridge=0.01,0.1`` -> ``("ridge", [0.01, 0.1])``."""
    name, equals, rest = written.partition("=")
    name = name.strip().replace("-", "_")
    values = [value.strip() for value in rest.split(",") if value.strip()]
    if not equals or not values:
        raise UserError(f"'{written}' is not a grid axis", "e.g. recipe=auto,paper")
    if name not in GRIDDED:
        raise UserError(
            f"a grid cannot vary '{name}'{did_you_mean(name, list(GRIDDED))}",
            f"it can vary {', '.join(GRIDDED)}",
        )
    return name, [_typed(name, value) for value in values]


def _typed(name: str, value: str) -> Any:
    kind = {f.name: str(f.type) for f in fields(Recipe)}.get(name, "str")
    try:
        if kind.startswith("bool"):
            return {"true": True, "false": False}[value.lower()]
        if kind.startswith("int"):
            return int(value)
        if kind.startswith("float"):
            return float(value)
    except (ValueError, KeyError) as error:
        raise UserError(f"'{value}' is not a value of {name}", f"it has type {kind}") from error
    return value
