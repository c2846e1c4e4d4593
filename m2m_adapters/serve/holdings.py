"""What a server holds: indexes, the spaces they are in, and the adapters that query them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.load import load_adapter
from m2m_adapters.errors import M2MError, UserError
from m2m_adapters.interfaces import ModalityModel, Vectors, normalize
from m2m_adapters.models.items import encode_items
from m2m_adapters.models.text_encoder import embed
from m2m_adapters.search.index import Index, load_index
from m2m_adapters.search.query import Query
from m2m_adapters.search.several import refuse_repeated, served_by
from m2m_adapters.search.towers import NATIVE, load_recorded

NUMBER = re.compile(r"[0-9]{1,12}")
FOLDERS = 500
"""Folders that the page offers as filters: those with the most items."""


@dataclass
class Space:
    """The space of one target, with every index in it and whatever encodes texts into it.

    first: the index that names the target. adapters: by name; the first is the one an index is
    asked with unless the client chooses.
    """

    first: Index
    options: dict[str, Any]
    indexes: list[str] = field(default_factory=list)
    adapters: dict[str, Adapter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._loading = Lock()
        self._loaded: ModalityModel | None = None
        target = self.first.record.target
        self.name, self.dim, self.modality = target.name, target.dim, target.modality
        self.fingerprint = target.fingerprint

    @property
    def default(self) -> str:
        return next(iter(self.adapters), NATIVE)

    def encode_texts(
        self, adapter: str, texts: Sequence[str], language: str | None = None
    ) -> Vectors:
        """float32 ``[n, dim]``, rows of length 1. adapter: a name, or ``native``. language: of
        the texts; for adapters with a table of languages and sources that are chosen by it."""
        if adapter != NATIVE:
            return normalize(self.adapters[adapter].encode(list(texts), language=language))
        return normalize(embed(self.target.text, list(texts), what="target"))

    def encode_items(self, items: Sequence[Any]) -> Vectors:
        """float32 ``[n, dim]``, rows of length 1, of pictures or sounds as bytes."""
        return normalize(encode_items(self.target, list(items)))

    def encode_speech(self, adapter: str, sounds: Sequence[Any]) -> Vectors:
        """float32 ``[n, dim]``, rows of length 1, of spoken sentences as bytes."""
        return normalize(self.adapters[adapter].encode_speech(list(sounds)))

    def takes_speech(self, adapter: str) -> bool:
        """Whether the source of an adapter takes spoken sentences; loads the source."""
        return adapter in self.adapters and _takes_speech(self.adapters[adapter])

    @property
    def target(self) -> ModalityModel:
        """Loaded with the first item, or the first text for the target's own tower."""
        with self._loading:
            if self._loaded is None:
                index = self.first
                if index.record.target.name and not index.has_target:
                    self._loaded = load_recorded(index.record.target, **self.options)
                else:
                    self._loaded = index.target
            return self._loaded


@dataclass(frozen=True)
class Held:
    """An index under the name that clients use."""

    name: str
    index: Index
    space: Space

    def id_of(self, number: int) -> str:
        """The id of an item for clients: numbers are of one generation of the index."""
        return f"{int(self.index.record.generation)}-{number}"

    def number_of(self, item: str | int) -> int:
        """The number of the item with this id; an id of another generation is refused."""
        generation, dash, number = str(item).rpartition("-")
        if not NUMBER.fullmatch(number) or (dash and not NUMBER.fullmatch(generation)):
            raise UserError(f"'{str(item)[:40]}' is not the id of an item", "use the id of a hit")
        if dash and int(generation) != int(self.index.record.generation):
            raise UserError(f"the index {self.name} has been updated since", "search again")
        return int(number)

    def item_vector(self, number: int) -> Vectors:
        """float32 ``[dim]``: the direction of a stored item, of a long sound the mean."""
        rows = self.index.metadata.rows_of_item(number)
        if not rows:
            raise UserError(f"the index {self.name} has no item {number}", "search again")
        vectors = self.index.engine.vectors(np.array(rows, np.int64))[:, : self.index.dim]
        mean: Vectors = normalize(normalize(vectors).mean(0, keepdims=True))[0]
        return mean

    def described(self) -> dict[str, Any]:
        """What the page offers as filters."""
        metadata, record = self.index.metadata, self.index.record
        return {
            "name": self.name,
            "target": self.space.name,
            "modality": metadata.counts("modality"),
            "items": record.items,
            "folders": [
                {"name": name, "items": count}
                for name, count in metadata.counts("folder", FOLDERS).items()
                if name
            ],
            "dates": list(metadata.dates() or ()),
            "adapter": self.space.default,
        }


@dataclass
class Holdings:
    """examples: queries that the page offers."""

    indexes: dict[str, Held]
    spaces: list[Space]
    examples: list[str] = field(default_factory=list)

    def chosen(self, wanted: str | Sequence[str] | None) -> list[Held]:
        """The indexes of these names; all without any."""
        if wanted is None:
            return list(self.indexes.values())
        names = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
        return [self.index(name) for name in names]

    def index(self, name: str) -> Held:
        if name not in self.indexes:
            raise UserError(
                f"there is no index '{name[:80]}'", f"choose one of {', '.join(self.indexes)}"
            )
        return self.indexes[name]

    def side(self, held: Held, adapter: str | None) -> str | None:
        """What encodes queries for an index; None if the chosen adapter has another target."""
        if adapter is None:
            return held.space.default
        return adapter if adapter == NATIVE or adapter in held.space.adapters else None

    def adapters(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "source": adapter.record.source.title,
                "target": space.name,
                "indexes": space.indexes,
                "languages": _languages(adapter),
                "speech": _takes_speech(adapter),
            }
            for space in self.spaces
            for name, adapter in space.adapters.items()
        ]

    def described(self) -> dict[str, Any]:
        """The answer to ``GET /indexes``."""
        return {
            "indexes": [held.described() for held in self.indexes.values()],
            "adapters": self.adapters(),
            "native": True,
            "examples": self.examples,
        }

    def warm_up(self) -> None:
        """Load what encodes queries, so that the first one does not wait."""
        for space in self.spaces:
            if space.adapters:
                space.encode_texts(space.default, ["warm up"])
        for held in self.indexes.values():
            for adapter in held.space.adapters.values():
                held.index.biases([Query.of_text("warm up")], adapter)

    def close(self) -> None:
        for held in self.indexes.values():
            held.index.close()


def open_holdings(
    folders: Sequence[str | Path | Index],
    adapters: Sequence[str | Path | Adapter] = (),
    *,
    names: Sequence[str] | None = None,
    adapter_names: Sequence[str] | None = None,
    examples: Iterable[str] = (),
    **options: Any,
) -> Holdings:
    """Open indexes, and adapters for them; one that serves no index is refused.

    adapters: each serves the indexes whose target it leads to; the first of several is what an
    index is asked with. Without any, the one that an index was built with, else its target's own
    text tower. names, adapter_names: of the indexes and adapters, by default those of their
    folders. options: ``device``,
    ... for the models.
    """
    opened = [one if isinstance(one, Index) else load_index(one) for one in folders]
    if not opened:
        raise UserError("there is no index to serve", "give the folder of one (`m2m index`)")
    refuse_repeated(opened)
    called = list(names) if names is not None else [index.folder.resolve().name for index in opened]
    if len(called) != len(opened):
        raise UserError(
            f"there are {len(called)} names for {len(opened)} indexes", "give one for each, or none"
        )
    spaces: dict[str, Space] = {}
    indexes: dict[str, Held] = {}
    for name, index in zip(_distinct(called), opened):
        space = spaces.setdefault(index.record.target.fingerprint, Space(index, options))
        space.indexes.append(name)
        indexes[name] = Held(name, index, space)
    by = adapter_names if adapter_names is not None else [_name_of(a) for a in adapters]
    _add_adapters(list(spaces.values()), adapters, by, options)
    return Holdings(indexes, list(spaces.values()), list(examples))


def _add_adapters(
    spaces: Sequence[Space],
    adapters: Sequence[str | Path | Adapter],
    names: Sequence[str],
    options: dict[str, Any],
) -> None:
    loaded = [a if isinstance(a, Adapter) else load_adapter(a, **options) for a in adapters]
    for name, adapter in zip(_distinct(names, {NATIVE}), loaded):
        for place in served_by(adapter, [space.first for space in spaces]):
            spaces[place].adapters[name] = adapter
    for space in spaces:
        recorded = space.first.record.adapter
        if not space.adapters and recorded:
            name = next(_distinct([_name_of(recorded)], {n for s in spaces for n in s.adapters}))
            built_with = space.first.queries(**options)
            assert isinstance(built_with, Adapter)
            space.adapters[name] = built_with


def _name_of(adapter: str | Path | Adapter) -> str:
    if isinstance(adapter, Adapter):
        return adapter.name
    path = Path(adapter)
    return path.resolve().name if path.exists() else str(adapter)


def _languages(adapter: Adapter) -> list[str]:
    """Languages whose choice changes what the adapter computes."""
    return list(adapter.languages.shifts) if adapter.languages is not None else []


def _takes_speech(adapter: Adapter) -> bool:
    try:
        source = adapter.source
    except M2MError:  # texts are refused too, with the reason
        return False
    hears = source.item_modality == "audio" and source.can("encode_items")
    return hears and adapter.level == "sentence"


def _distinct(names: Iterable[str], taken: Iterable[str] = ()) -> Iterator[str]:
    """Names without slashes, each once: ``photos``, ``photos-2``."""
    seen = set(taken)
    for name in names:
        plain = name.strip("/").replace("/", "-") or "index"
        unique, number = plain, 2
        while unique in seen:
            unique, number = f"{plain}-{number}", number + 1
        seen.add(unique)
        yield unique
