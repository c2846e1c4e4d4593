"""``import_index``: make an index of existing vectors."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from m2m_adapters._internal.progress import Progress, Update, progress_for
from m2m_adapters._internal.spelling import refuse_typos
from m2m_adapters.artifact.load import LOAD_OPTIONS
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors, same_model
from m2m_adapters.search import faiss_files, generation, lists
from m2m_adapters.search.compare import Comparison
from m2m_adapters.search.facts import MAX_SECONDS, date_of, facts
from m2m_adapters.search.faiss_files import Codes
from m2m_adapters.search.format import (
    KEYS,
    MEDIA,
    RECORD,
    SPOOL,
    WORK,
    Origin,
    TargetRecord,
    read_record,
)
from m2m_adapters.search.index import Changes, Index, load_index
from m2m_adapters.search.media import Media, Preview
from m2m_adapters.search.metadata import Bad, Item, Part
from m2m_adapters.search.place import remove_first_run, remove_work
from m2m_adapters.search.readers.entries import Entry, Source
from m2m_adapters.search.readers.opening import open_source
from m2m_adapters.search.scan import file_of
from m2m_adapters.search.stores import InPlace, Store, chosen_store
from m2m_adapters.search.towers import item_target, target_record

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

COMPARED = 24
IMPORT_OPTIONS = ("ids", "columns", "collection", "folder", "compare", "previews", "in_place",
                  "lists_from", "engine", "url", "workers", "progress")  # fmt: skip
AHEAD = 64
UNUSABLE = "its vector is not finite, or zero"


def import_index(
    target: ModalityModel | Adapter | str | Path,
    source: str | Path,
    out: str | Path,
    *,
    ids: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    collection: str | None = None,
    folder: str | Path | None = None,
    compare: int = COMPARED,
    previews: bool = True,
    in_place: bool = False,
    lists_from: int = lists.THRESHOLD,
    engine: str | None = None,
    url: str | None = None,
    workers: int = 4,
    progress: Progress | None = None,
    **options: Any,
) -> Index:
    """Make the index ``out`` of vectors that ``target`` made elsewhere; they are copied.

    source: a clip-retrieval folder, a .npy, .safetensors or .parquet file (or a folder of
    parquet), a dataset of ``m2m embed --items``, a faiss index, a Qdrant server (``http://...``)
    or local folder, or a LanceDB table. ids: a file of paths or ids, one for each row, where the
    source has none. columns: ``{"vector": ..., "path": ..., "text": ...}`` where they have
    unusual names. collection: of Qdrant, or table of LanceDB.

    The items may be absent; answers then have a path or id and no preview. folder: where relative
    paths start, by default beside the source. compare: up to so many items whose files can be
    read are encoded again; a mean cosine below 0.99 is refused. previews: read the files that are
    there, for thumbnails, sizes and dates. in_place: leave the vectors in a collection of a Qdrant
    server, which is then asked for every query; import again when it has changed. Vectors that are
    copied are scaled to length 1. engine, url: what keeps the copy, as for ``build_index``.
    """
    refuse_typos(options, (*IMPORT_OPTIONS, *LOAD_OPTIONS), "import_index")
    began = time.perf_counter()
    place = Path(out)
    if compare < 0 or workers < 1:
        raise UserError("compare must be 0 or more, workers 1 or more", "choose another number")
    with generation.locked(place):
        opened = open_source(source, ids=ids, columns=columns, collection=collection)
        model, adapter = item_target(target, options)
        about = target_record(model)
        _check_place(place, about)
        _check_encoder(opened, about)
        if in_place and (engine or url):
            raise UserError("vectors in place are not kept anew", "leave --engine and --url out")
        if in_place and opened.stays is None:
            raise UserError(
                f"{opened.place} cannot be searched in place", "leave --in-place out: it is copied"
            )
        store: Store = chosen_store(place, engine, url, lists_from)
        base = Path(folder).expanduser() if folder is not None else opened.base
        run = _Import(place, opened, about, base, Comparison(model, compare), previews, workers)
        try:
            with (progress or progress_for()).stage("importing", opened.rows, "vectors") as update:
                if in_place and opened.stays is not None:
                    store = InPlace(opened.stays(), run.points())
                generation.write(place, run.content(update, adapter, store))
        finally:
            run.close()
    index = load_index(place, target=model)
    index.keep_bias()
    index.changes = Changes(
        new=index.record.items, bad=run.bad, seconds=time.perf_counter() - began
    )
    return index


def _check_place(place: Path, target: TargetRecord) -> None:
    """Only an imported index of the same target is replaced."""
    if not (place / RECORD).is_file():
        return
    record = read_record(place)
    if record.origin is None or not same_model(record.target.fingerprint, target.fingerprint):
        what = "of files" if record.origin is None else f"of '{record.target.name}'"
        raise UserError(f"{place} is an index {what}", "import into a new folder")


def _check_encoder(source: Source, target: TargetRecord) -> None:
    if source.fingerprint is not None and not same_model(source.fingerprint, target.fingerprint):
        raise UserError(
            f"{source.place} was made by another encoder ({source.fingerprint}, the target's is "
            f"{target.fingerprint})",
            "name the target that made it",
        )


class _Import:
    """One pass over a source: vectors go on as they come, what they are of is kept on disk."""

    def __init__(
        self,
        place: Path,
        source: Source,
        target: TargetRecord,
        base: Path | None,
        comparison: Comparison,
        previews: bool,
        workers: int,
    ) -> None:
        self._source, self._target, self._base = source, target, base
        self._comparison, self._previews, self._workers = comparison, previews, workers
        self._place, self._work = place, place / WORK
        remove_work(place)
        self._work.mkdir(parents=True, exist_ok=True)
        self._media = Media(place / MEDIA, write=True)
        self._rows = 0
        self.bad: list[Bad] = []

    def content(self, update: Update, adapter: str, store: Store) -> generation.Content:
        return generation.Content(
            self._target,
            self._items(),
            self._parts(),
            self._codes(update),
            bad=self.bad,
            adapter=adapter,
            origin=self._origin,
            store=store,
        )

    def close(self) -> None:
        """Leave the index, or nothing where there is none: an import does not go on later."""
        if (self._place / RECORD).is_file():
            remove_work(self._place)
        else:
            remove_first_run(self._place)

    def _origin(self) -> Origin:
        mean = self._comparison.mean
        return Origin(
            place=self._source.place,
            compared=self._comparison.compared,
            cosine=None if mean is None else round(mean, 6),
        )

    def _items(self) -> Iterator[Item]:
        with open(self._work / SPOOL, "rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line, type=Item)

    def points(self) -> Iterator[str]:
        """The key of each row, where the source has any."""
        with open(self._work / KEYS, encoding="utf-8") as lines:
            for line in lines:
                yield line.rstrip("\n")

    def _parts(self) -> Iterator[Part]:
        for row in range(self._rows):
            yield Part(row)

    def _codes(self, update: Update) -> Iterator[Codes]:
        """fp16 rows of length 1; on the side, the comparison and the items."""
        done = 0
        encoder = msgspec.json.Encoder()
        spooled, keyed = self._work / SPOOL, self._work / KEYS
        with open(spooled, "wb") as spool, open(keyed, "w", encoding="utf-8") as keys:
            for entries, rows in self._source.pieces():
                done += len(rows)
                vectors, usable = self._scaled(entries, rows)
                kept = [entries[at] for at in usable]
                paths = [self._file_of(entry.name) for entry in kept]
                there = [at for at, path in enumerate(paths) if path is not None]
                self._comparison.see([str(paths[at]) for at in there], vectors[there])
                for item in self._described(kept, paths):
                    spool.write(encoder.encode(item) + b"\n")
                keys.writelines(f"{entry.key}\n" for entry in kept if entry.key is not None)
                self._rows += len(kept)
                yield faiss_files.as_codes(vectors)
                update(done)

    def _scaled(self, entries: Sequence[Entry], rows: Vectors) -> tuple[Vectors, list[int]]:
        """Vectors of length 1, and which rows they are of; others are counted as bad."""
        if rows.shape[1] != self._target.dim:
            raise UserError(
                f"{self._source.place} holds vectors of dimension {rows.shape[1]}, those of "
                f"'{self._target.name}' have {self._target.dim}",
                "name the target that made them",
            )
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
        good = np.isfinite(lengths) & (lengths > 1e-12)
        self.bad += [Bad(entries[at].name, 0, 0, UNUSABLE) for at in np.flatnonzero(~good).tolist()]
        scaled = (rows[good] / lengths[good, None]).astype(np.float32)
        return scaled, np.flatnonzero(good).tolist()

    def _file_of(self, name: str) -> str | None:
        """The file that a name means, if it is there."""
        try:
            path = os.path.expanduser(name)
            if not os.path.isabs(path):
                if self._base is None:
                    return None
                path = os.path.join(self._base.absolute(), path)
            path = os.path.normpath(path)
            return path if os.path.isfile(path) else None
        except (OSError, ValueError):  # too long, or with zero bytes: no path at all
            return None

    def _described(self, entries: Sequence[Entry], paths: Sequence[str | None]) -> Iterator[Item]:
        """Items in their order; files that are there are read ahead on threads."""
        if not self._previews or not any(paths):
            yield from (self._plain(*pair) for pair in zip(entries, paths))
            return
        previews: list[tuple[str, Preview]] = []
        with ThreadPoolExecutor(self._workers, thread_name_prefix="m2m-import") as pool:
            waiting: deque[Any] = deque()
            for pair in zip(entries, paths):
                waiting.append(pool.submit(self._seen, *pair))
                if len(waiting) == AHEAD:
                    yield self._collected(waiting.popleft().result(), previews)
            while waiting:
                yield self._collected(waiting.popleft().result(), previews)
        self._media.add(previews)

    def _collected(
        self, seen: tuple[Item, Preview | None], previews: list[tuple[str, Preview]]
    ) -> Item:
        item, preview = seen
        if preview is not None:
            previews.append((item.digest, preview))
        if len(previews) >= AHEAD:
            self._media.add(previews)
            previews.clear()
        return item

    def _seen(self, entry: Entry, path: str | None) -> tuple[Item, Preview | None]:
        if path is not None:
            try:
                file = file_of(path, os.stat(path))
                read = facts(file, self._target.modality, window=MAX_SECONDS)
                return msgspec.structs.replace(read.item, text=entry.text), read.preview
            except (UserError, OSError):  # it was used once: its vector is here
                pass
        return self._plain(entry, path), None

    def _plain(self, entry: Entry, path: str | None) -> Item:
        """The item as far as it is known without reading its file."""
        name = path or entry.name
        folder, last = os.path.split(name) if path else ("", entry.name)
        file = None if path is None else file_of(path, os.stat(path))
        return Item(
            path=name,
            folder=folder,
            name=last,
            suffix=os.path.splitext(last)[1].lower(),
            size=file.size if file else 0,
            mtime_ns=file.mtime_ns if file else 0,
            digest="",
            modality=self._target.modality,
            width=entry.width,
            height=entry.height,
            date=date_of(file.mtime_ns) if file else None,
            text=entry.text,
        )
