"""One run over folders: what is new, changed, moved or deleted, and the next generation of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from m2m_adapters._internal.progress import Progress
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors
from m2m_adapters.search import faiss_files, generation, scan
from m2m_adapters.search.encode import Encoding
from m2m_adapters.search.faiss_files import Codes
from m2m_adapters.search.format import FORMAT, MEDIA, WORK, Bias, TargetRecord
from m2m_adapters.search.index import Changes, Index
from m2m_adapters.search.journal import Journal
from m2m_adapters.search.media import Media
from m2m_adapters.search.metadata import Bad, Item, Part
from m2m_adapters.search.place import remove_work
from m2m_adapters.search.scan import File
from m2m_adapters.search.stores import Store

PIECE = 4096
"""Rows that are collected before they are added to an index."""

LOST = "its vectors are missing: another copy of it could not be used"


@dataclass(frozen=True)
class ItemBias:
    """A score added to every item, such as a correction for items that are near to every query.

    name: recorded; updates of the index must bring a bias of the same name. of: float32
    ``[n, dim]`` of items -> float32 ``[n]``.
    """

    name: str
    of: Callable[[Vectors], Vectors]


class Held:
    """Content of the previous generation, by path and by digest."""

    def __init__(self, old: Index | None) -> None:
        self.items: dict[str, Item] = {}
        self.bad: dict[str, Bad] = {}
        self.windows: dict[str, list[tuple[int, float | None, float | None]]] = {}
        """By digest: (row, start, end)."""
        if old is None:
            return
        numbered = dict(old.metadata)
        self.items = {item.path: item for item in numbered.values()}
        self.bad = {one.path: one for one in old.metadata.bad()}
        rows: dict[int, list[tuple[int, float | None, float | None]]] = {}
        for row, part in enumerate(old.metadata.all_parts()):
            rows.setdefault(part.item, []).append((row, part.start, part.end))
        for number, item in numbered.items():
            self.windows.setdefault(item.digest, rows.get(number, []))


class Update:
    """Compare, encode what is pending, write."""

    def __init__(
        self,
        place: Path,
        old: Index | None,
        target: TargetRecord,
        roots: list[str],
        window: float,
        bias: ItemBias | None,
        retry_bad: bool,
        store: Store,
    ) -> None:
        self._place, self._old, self._target, self._store = place, old, target, store
        self._roots, self._window, self._bias = roots, window, bias
        self._held = Held(old)
        self._files = list(scan.walk(roots, target.modality, without=[place]))
        about = [FORMAT, target.fingerprint, target.modality, window]
        self._journal = Journal(place / WORK, json.dumps(about))
        self._media = Media(place / MEDIA, write=True)
        self._pending = [f for f in self._files if not self._same(f, retry_bad)]
        self._unchanged = {f.path for f in self._files} - {f.path for f in self._pending}

    def _same(self, file: File, retry_bad: bool) -> bool:
        """Whether the previous generation has the file unchanged."""
        before: Item | Bad | None = self._held.items.get(file.path)
        if before is None and not retry_bad:
            before = self._held.bad.get(file.path)
        return before is not None and (before.size, before.mtime_ns) == (file.size, file.mtime_ns)

    def encode(
        self, model: ModalityModel, batch_size: int, workers: int, progress: Progress
    ) -> int:
        """Bring the journal up to date; returns how many windows were encoded."""
        finished = self._finished()
        todo = [file for file in self._pending if file not in finished]
        run = Encoding(
            model,
            self._journal,
            self._media,
            lambda digest: digest in self._held.windows,
            window=self._window,
            size=batch_size,
            workers=workers,
        )
        with progress.stage("indexing", len(self._pending), "items") as update:
            skipped = len(self._pending) - len(todo)
            update(skipped)
            run.run(todo, lambda done: update(skipped + done))
        return run.encoded

    def _finished(self) -> set[File]:
        """Files that a killed run had finished."""
        done = {File(b.path, b.size, b.mtime_ns) for b in self._journal.bad()}
        for item in self._journal.items():
            windows = self._journal.windows(item.digest)
            known = item.digest in self._held.windows
            if known or all(self._journal.has((item.digest, start)) for start, _ in windows):
                done.add(File(item.path, item.size, item.mtime_ns))
        return done

    def write(self, adapter: str) -> Changes:
        """The next generation, and the switch to it."""
        bad = self._bad()
        items, sources = self._collected(bad)
        parts = [Part(number, start, end) for number, item in enumerate(items)
                 for _, start, end in sources[item.digest]]  # fmt: skip
        places = [(item.digest, row, start) for item in items
                  for row, start, _ in sources[item.digest]]  # fmt: skip
        old_roots = self._old.record.roots if self._old else []
        content = generation.Content(
            self._target,
            items,
            parts,
            self._codes(places),
            bad=sorted(bad.values(), key=lambda one: one.path),
            roots=list(dict.fromkeys([*old_roots, *self._roots])),
            window=self._window,
            adapter=adapter,
            bias=Bias(name=self._bias.name) if self._bias else None,
            store=self._store,
        )
        changes = self._changes(items, bad)
        if self._old is None or self._pending or changes.deleted or self._moved_rules(content):
            generation.write(self._place, content)
        else:  # a run that was killed right after the switch left the generation before
            generation.sweep(self._place, self._old.record.generation, self._store)
        self._media.keep({item.digest for item in items})
        self._journal.close()
        remove_work(self._place)
        return changes

    def _moved_rules(self, content: generation.Content) -> bool:
        """Whether the record changes although no item does."""
        assert self._old is not None
        record = self._old.record
        return (record.roots, record.adapter) != (content.roots, content.adapter)

    def _bad(self) -> dict[str, Bad]:
        """Of earlier runs where nothing changed, and of this one."""
        there = {file.path: file for file in self._pending}
        kept = {path: one for path, one in self._held.bad.items() if self._stays(path)}
        for one in self._journal.bad():
            if there.get(one.path) == File(one.path, one.size, one.mtime_ns):
                kept[one.path] = one
        return kept

    def _collected(
        self, bad: dict[str, Bad]
    ) -> tuple[list[Item], dict[str, list[tuple[int, float | None, float | None]]]]:
        """Items sorted by path, and by digest (old row or -1, start, end) of each window."""
        chosen = {path: item for path, item in self._held.items.items() if self._stays(path)}
        sources = dict(self._held.windows)
        there = {file.path: file for file in self._pending}
        for item in self._journal.items():
            file = File(item.path, item.size, item.mtime_ns)
            if there.get(item.path) != file or item.path in bad:
                continue
            if item.digest not in sources:
                windows = self._journal.windows(item.digest)
                if not all(self._journal.has((item.digest, start)) for start, _ in windows):
                    bad[item.path] = Bad(item.path, item.size, item.mtime_ns, LOST)
                    continue
                sources[item.digest] = [
                    (-1, None if end is None else start, end) for start, end in windows
                ]
            chosen[item.path] = item
        return [chosen[path] for path in sorted(chosen)], sources

    def _stays(self, path: str) -> bool:
        """Whether the previous generation's entry for this path is still valid."""
        return path in self._unchanged or not scan.below(path, self._roots)

    def _codes(self, places: list[tuple[str, int, float | None]]) -> Iterator[Codes]:
        """fp16 rows: old ones as they are, new ones from the journal, with their bias."""
        for first in range(0, len(places), PIECE):
            part = places[first : first + PIECE]
            columns = self._target.dim + (self._bias is not None)
            piece = np.zeros((len(part), 2 * columns), np.uint8)
            kept = [i for i, (_, row, _) in enumerate(part) if row >= 0]
            if kept and self._old is not None:
                piece[kept] = self._old.codes(np.array([part[i][1] for i in kept], np.int64))
            if fresh := [i for i, (_, row, _) in enumerate(part) if row < 0]:
                rows = [self._journal.vector((part[i][0], part[i][2] or 0.0)) for i in fresh]
                vectors = np.stack([row for row in rows if row is not None])
                piece[fresh] = faiss_files.as_codes(self._with_bias(vectors))
            yield piece

    def _with_bias(self, vectors: Vectors) -> Vectors:
        if self._bias is None:
            return vectors
        scores = np.asarray(self._bias.of(vectors), np.float32)
        if scores.shape != (len(vectors),) or not np.isfinite(scores).all():
            raise UserError(
                f"the bias '{self._bias.name}' gave {list(scores.shape)} scores for "
                f"{len(vectors)} items, or some that are not finite",
                "return one finite number for each row",
            )
        return np.hstack([vectors, scores[:, None]])

    def _changes(self, items: list[Item], bad: dict[str, Bad]) -> Changes:
        """Counts from a comparison with the previous generation."""
        now = {item.path: item for item in items}
        gone = {item.digest for path, item in self._held.items.items() if path not in now}
        counts = Changes(bad=[bad[path] for path in sorted(bad)])
        moved = 0
        for path, item in now.items():
            before = self._held.items.get(path)
            if before is not None:
                if before.digest == item.digest:
                    counts = replace(counts, unchanged=counts.unchanged + 1)
                else:
                    counts = replace(counts, changed=counts.changed + 1)
            elif item.digest in gone:
                moved += 1
            else:
                counts = replace(counts, new=counts.new + 1)
        deleted = sum(path not in now for path in self._held.items) - moved
        return replace(counts, moved=moved, deleted=max(0, deleted))
