"""Files -> vectors in batches, each committed to the journal before the next one begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from m2m_adapters._internal.progress import Update
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors, normalize
from m2m_adapters.models.items import encode_items
from m2m_adapters.search.facts import Facts, facts, read_window
from m2m_adapters.search.journal import Journal, Key
from m2m_adapters.search.media import Media, Preview
from m2m_adapters.search.metadata import Bad, Item
from m2m_adapters.search.scan import File

BATCH = 64
"""Items that are encoded and committed together: what a kill can cost."""


IDLE_BATCHES = 16
"""After so many batches' worth of files without anything to encode they are committed, too."""

Row = tuple[Key, Vectors]


@dataclass(frozen=True)
class Input:
    """What the target gets: a file, or a window of a sound."""

    item: Item
    start: float | None
    end: float | None

    def load(self) -> Any:
        if self.start is None or self.end is None:
            return self.item.path
        return read_window(self.item.path, self.start, self.end)


@dataclass
class Batch:
    """What the next commit holds."""

    items: list[Item] = field(default_factory=list)
    previews: list[tuple[str, Preview]] = field(default_factory=list)
    windows: list[tuple[str, float, float | None]] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    inputs: dict[Key, Input] = field(default_factory=dict)


class Encoding:
    """A run over pending files.

    known: whether an earlier generation holds the vectors of a digest. size: windows encoded and
    committed together.
    """

    def __init__(
        self,
        target: ModalityModel,
        journal: Journal,
        media: Media,
        known: Callable[[str], bool],
        *,
        window: float,
        size: int = BATCH,
        workers: int = 4,
    ) -> None:
        self._target, self._journal, self._media = target, journal, media
        self._known, self._window, self._size, self._workers = known, window, size, workers
        self._batch = Batch()
        self.encoded = 0

    def run(self, files: Sequence[File], update: Update) -> None:
        """Encode what the journal lacks."""
        for done, (file, read) in enumerate(self._ahead(files)):
            if isinstance(read, UserError):
                self._batch.bad.append(Bad(file.path, file.size, file.mtime_ns, read.what))
            else:
                self._put(read)
            if len(self._batch.items) + len(self._batch.bad) >= IDLE_BATCHES * self._size:
                self._commit()
            update(done + 1)
        self._commit()

    def _ahead(self, files: Sequence[File]) -> Iterator[tuple[File, Facts | UserError]]:
        """Facts of the files in their order, read by threads while the model works."""
        modality = self._target.modality

        def look(file: File) -> Facts | UserError:
            try:
                return facts(file, modality, self._window)
            except UserError as error:
                return error
            except OSError as error:
                return UserError(f"cannot be read: {error.strerror or error}")

        with ThreadPoolExecutor(self._workers, thread_name_prefix="m2m-index") as pool:
            waiting: deque[tuple[File, Future[Facts | UserError]]] = deque()
            unread, ahead = iter(files), 2 * self._size
            try:
                while True:
                    while len(waiting) < ahead and (file := next(unread, None)) is not None:
                        waiting.append((file, pool.submit(look, file)))
                    if not waiting:
                        return
                    file, future = waiting.popleft()
                    yield file, future.result()
            finally:
                for _, future in waiting:
                    future.cancel()

    def _put(self, read: Facts) -> None:
        item = read.item
        self._batch.items.append(item)
        self._batch.previews.append((item.digest, read.preview))
        self._batch.windows += [(item.digest, start or 0.0, end) for start, end in read.windows]
        if self._known(item.digest):
            return
        for start, end in read.windows:
            key = (item.digest, start or 0.0)
            if key in self._batch.inputs or self._journal.has(key):
                continue
            self._batch.inputs[key] = Input(item, start, end)
            if len(self._batch.inputs) == self._size:
                self._commit()

    def _commit(self) -> None:
        batch, self._batch = self._batch, Batch()
        vectors, bad = self._encoded(batch.inputs)
        self._media.add(batch.previews)
        self._journal.commit(batch.items, batch.windows, vectors, [*batch.bad, *bad])
        self.encoded += len(vectors)

    def _encoded(self, inputs: dict[Key, Input]) -> tuple[list[Row], list[Bad]]:
        if not inputs:
            return [], []
        try:
            loaded = [one.load() for one in inputs.values()]
            return list(zip(inputs, normalize(encode_items(self._target, loaded)))), []
        except (UserError, OSError, RuntimeError):
            return self._one_by_one(inputs)

    def _one_by_one(self, inputs: dict[Key, Input]) -> tuple[list[Row], list[Bad]]:
        """After a batch failed: the vectors of the good ones, and those to blame."""
        vectors: list[Row] = []
        bad: dict[str, Bad] = {}
        for key, one in inputs.items():
            item = one.item
            try:
                vectors.append((key, normalize(encode_items(self._target, [one.load()]))[0]))
            except (UserError, OSError) as error:
                what = error.what if isinstance(error, UserError) else str(error)
                reason = what.removeprefix(f"{item.path}: ")
                bad.setdefault(item.path, Bad(item.path, item.size, item.mtime_ns, reason))
        return vectors, list(bad.values())
