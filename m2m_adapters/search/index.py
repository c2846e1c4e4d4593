"""``load_index``: open an index and search it. It does not change while it is open."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from m2m_adapters._internal.spelling import refuse_typos
from m2m_adapters.artifact.load import LOAD_OPTIONS
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors
from m2m_adapters.models.items import encode_items
from m2m_adapters.search import towers
from m2m_adapters.search.bias import Biases, RowBias
from m2m_adapters.search.engine import Engine, Rows
from m2m_adapters.search.faiss_files import Codes, as_codes
from m2m_adapters.search.format import (
    GENERATIONS,
    ITEMS,
    MEDIA,
    IndexRecord,
    described,
    read_record,
)
from m2m_adapters.search.hits import Hits
from m2m_adapters.search.media import Media, Preview
from m2m_adapters.search.metadata import Bad, Item, Metadata
from m2m_adapters.search.query import Query, combined, parse
from m2m_adapters.search.ranking import ranked
from m2m_adapters.search.stores import open_engine
from m2m_adapters.search.where import compile_where

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

ATTEMPTS = 10
FILTERS_KEPT = 16
SEARCH_OPTIONS = ("where", "adapter", "bank", "language")


@dataclass(frozen=True)
class Changes:
    """What a run of ``build_index`` did, in files; encoded counts windows."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    deleted: int = 0
    unchanged: int = 0
    encoded: int = 0
    seconds: float = 0.0
    bad: list[Bad] = field(default_factory=list)


class Index:
    """A generation of an index, open for reading.

    record: what ``index.json`` says. changes: set by ``build_index``. It is safe to ask from
    several threads, and to open one index in several processes while another updates it;
    :meth:`newer` says when a newer generation is there.
    """

    changes: Changes | None = None

    def __init__(
        self, folder: Path, record: IndexRecord, engine: Engine, metadata: Metadata
    ) -> None:
        self.folder, self.record = folder, record
        self.engine, self.metadata = engine, metadata
        self.media = Media(folder / MEDIA)
        self._target: ModalityModel | None = None
        self._adapters: dict[Any, towers.Queries] = {}
        self._biases = Biases(folder, record.generation, engine, record.target.dim)
        self._filters: OrderedDict[str, Rows] = OrderedDict()
        self._filtering = Lock()

    def __repr__(self) -> str:
        record = self.record
        return f"Index({self.folder}, {record.items:,} x {record.target.modality})"

    def __len__(self) -> int:
        return self.record.items

    @property
    def dim(self) -> int:
        return self.record.target.dim

    @property
    def modality(self) -> str:
        return self.record.target.modality

    @property
    def target(self) -> ModalityModel:
        """The target that encodes items; loaded on first use, and not needed for texts."""
        if self._target is None:
            self._target = towers.load_recorded(self.record.target)
        return self._target

    @property
    def has_target(self) -> bool:
        """Whether the target is loaded."""
        return self._target is not None

    def close(self) -> None:
        self.metadata.close()

    def newer(self) -> bool:
        """Whether the folder holds a newer generation than this one."""
        return read_record(self.folder).generation != self.record.generation

    def verify(self) -> list[str]:
        """Names of files whose content is not what the record says."""
        place = self.folder / GENERATIONS / self.record.generation
        return [name for name, file in sorted(self.record.files.items())
                if not (place / name).is_file() or described(place / name) != file]  # fmt: skip

    def preview(self, item: Item) -> Preview:
        """Thumbnail or peaks of an item."""
        return self.media.get(item.digest)

    def codes(self, rows: Rows) -> Codes:
        """uint8 ``[n, 2 * columns]``: fp16 rows as they are stored, with the bias column."""
        return as_codes(self.engine.vectors(rows))

    def queries(
        self, adapter: Adapter | str | Path | None = None, **options: Any
    ) -> towers.Queries:
        """What encodes texts: ``adapter``, else the recorded one, else the target's own tower."""
        chosen = adapter if adapter is not None else self.record.adapter or towers.NATIVE
        chosen = str(chosen) if isinstance(chosen, Path) else chosen
        key = chosen if isinstance(chosen, str) else id(chosen)
        if key not in self._adapters:
            if isinstance(chosen, str) and chosen == towers.NATIVE:
                native = self._target or towers.load_recorded(self.record.target, **options)
                self._adapters[key] = towers.NativeQueries(native.text)
            else:
                self._adapters[key] = towers.adapter_queries(chosen, self.record.target, **options)
        return self._adapters[key]

    def rows_where(self, where: str | None) -> Rows | None:
        """Rows that a filter keeps, sorted; None without a filter."""
        if where is None or not where.strip():
            return None
        rows = self._filters.get(where)
        if rows is None:
            condition, parameters = compile_where(where)
            rows = np.array(self.metadata.rows_where(condition, parameters), np.int64)
            with self._filtering:  # another thread may have been as far
                self._filters[where] = rows
                while len(self._filters) > FILTERS_KEPT:
                    self._filters.popitem(last=False)
        return rows

    @overload
    def search(self, queries: str | Query, k: int = ..., **options: Any) -> Hits: ...
    @overload
    def search(
        self, queries: Sequence[str | Query] | Vectors, k: int = ..., **options: Any
    ) -> list[Hits]: ...
    def search(
        self,
        queries: str | Query | Sequence[str | Query] | Vectors,
        k: int = 20,
        *,
        where: str | None = None,
        adapter: Adapter | str | Path | None = None,
        bank: bool = True,
        language: str | None = None,
        **options: Any,
    ) -> Hits | list[Hits]:
        """The ``k`` best items for each query; for a single query one :class:`Hits`.

        queries: texts in any language that the adapter reads, with sums and differences
        (``"beach - people"``, ``"2:dog + snow"``), :class:`Query` objects, or float32
        ``[n, dim]``. where: a filter on metadata (docs/search.md). adapter: one to the index's
        target, or ``"native"`` for the target's own text tower. bank: the adapter's English
        bank, if it has one, corrects the scores of texts. language: of texts, or ``"auto"``; for
        adapters with a table of languages. options: ``device``, ... for the models.
        """
        refuse_typos(options, (*SEARCH_OPTIONS, *LOAD_OPTIONS), "search")
        if options and not isinstance(adapter, str | Path | None):
            raise towers.loaded_already(options, "adapter")
        if k < 1:
            raise UserError(f"k is {k}", "ask for at least one item")
        kept = self.rows_where(where)
        if isinstance(queries, np.ndarray):
            names = [f"vector {i + 1}" for i in range(len(queries))]
            return self.nearest(queries, k, kept, names)
        single = isinstance(queries, (str, Query))
        wanted = [queries] if isinstance(queries, (str, Query)) else list(queries)
        parsed = [parse(one) if isinstance(one, str) else one for one in wanted]
        vectors = self.encode(parsed, adapter, language, **options)
        biases = self.biases(parsed, adapter, **options) if bank else None
        answers = self.nearest(vectors, k, kept, [query.name for query in parsed], biases)
        return answers[0] if single else answers

    def encode(
        self,
        queries: Sequence[Query],
        adapter: Adapter | str | Path | None = None,
        language: str | None = None,
        **options: Any,
    ) -> Vectors:
        """float32 ``[n, dim]``: the vectors of queries, each text encoded once.

        language: of the texts, or ``"auto"``; for adapters with a table of languages.
        """

        def texts(lines: list[str]) -> Vectors:
            encoder = self.queries(adapter, **options)
            if language is None:
                return encoder.encode(lines)
            towers.check_language(language, encoder)
            return encoder.encode(lines, language=language)

        def items(batch: list[Any]) -> Vectors:
            return encode_items(self.target, batch)

        def speech(files: list[Any]) -> Vectors:
            return self.queries(adapter, **options).encode_speech(files)

        return combined(queries, texts, items, self.dim, speech)

    def biases(
        self,
        queries: Sequence[Query],
        adapter: Adapter | str | Path | None = None,
        **options: Any,
    ) -> list[RowBias | None]:
        """For each query what is added to the rows' scores, or None.

        Queries of texts alone that an adapter with an English bank encodes have a bias. An index
        that was built with an ``ItemBias`` has its correction already.
        """
        bias = None
        if self.record.bias is None and any(query.of_texts for query in queries):
            bank = getattr(self.queries(adapter, **options), "bank", None)
            bias = self._biases.of(bank) if bank is not None else None
        return [bias if query.of_texts else None for query in queries]

    def keep_bias(self) -> None:
        """Compute the item bias of the recorded adapter now, so that no query waits for it."""
        if self.record.adapter:
            try:
                self.biases([Query.of_text("all")])
            except UserError:  # the adapter is elsewhere by now; who names it gets its bias then
                pass

    def nearest(
        self,
        vectors: Vectors,
        k: int,
        kept: Rows | None,
        names: Sequence[str],
        biases: Sequence[RowBias | None] | None = None,
    ) -> list[Hits]:
        """Answers to vectors. biases: as :meth:`biases` gives them; none without."""
        rows = self._checked(vectors)
        # No more columns than rows, whatever is asked for: they are allocated.
        k = min(k, self.record.rows)
        return ranked(self, rows, k, kept, names, biases or [None] * len(rows))

    def _checked(self, vectors: Vectors) -> Vectors:
        array: Vectors = np.asarray(vectors, dtype=np.float32)
        fits = array.ndim == 2 and array.shape[1] == self.dim
        lengths = np.sqrt(np.einsum("nd,nd->n", array, array, dtype=np.float64)) if fits else None
        if lengths is None or not np.isfinite(lengths).all():
            raise UserError(
                f"queries of shape {list(array.shape)} are not finite [n, {self.dim}]",
                "encode them with an adapter to the index's target",
            )
        lengths[lengths == 0] = 1
        array = np.asarray(array / lengths[:, None], np.float32)
        if self.record.bias is not None:
            array = np.hstack([array, np.ones((len(array), 1), np.float32)])
        return np.ascontiguousarray(array, dtype=np.float32)


def load_index(folder: str | Path, *, target: ModalityModel | None = None) -> Index:
    """Open the index in ``folder``; vectors stay on disk until they are asked for.

    target: an object to use instead of the recorded name.
    """
    place = Path(folder)
    for attempt in range(ATTEMPTS):
        record = read_record(place)
        try:
            index = _opened(place, record)
            break
        except (UserError, OSError):
            # A writer may have switched to the next generation and removed this one.
            if attempt == ATTEMPTS - 1 or read_record(place).generation == record.generation:
                raise
            time.sleep(0.01 * attempt)
    if target is not None:
        index._target = towers.same_target(target, record.target)
    return index


def _opened(place: Path, record: IndexRecord) -> Index:
    inside = place / GENERATIONS / record.generation
    for name, file in record.files.items():
        if not (inside / name).is_file() or (inside / name).stat().st_size != file.bytes:
            raise UserError(
                f"{inside / name} is missing or not as long as the record says",
                "build the index again",
            )
    metadata = Metadata(inside / ITEMS, single=record.rows == record.items)
    columns = record.target.dim + (record.bias is not None)
    return Index(place, record, open_engine(place, inside, record, columns), metadata)
