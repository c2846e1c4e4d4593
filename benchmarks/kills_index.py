"""Kill `m2m index` at random instants, again and again, and give the command again.

Three kinds: an index is built, an index is updated (items are new, changed, moved and deleted),
and vectors are imported. The index must be that of an undisturbed run, every file of it by its
digest, with the same previews; and no item may be encoded twice but those of the batch that was
being encoded when a kill came.

Every run is a fork of this process, which has imported everything and computed nothing.

    python benchmarks/kills_index.py --kills 50
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import faiss  # noqa: F401  # so that forks need not import it
import numpy as np
from killing import HEADER, Victim, log_of, survive_all, wait, write_log
from measure import Report, arguments, forked
from PIL import Image

import m2m_adapters as m2m
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors
from m2m_adapters.search import build, imported  # noqa: F401
from m2m_adapters.search.format import MEDIA, read_record

BATCH, PAUSE, DIM = 8, 0.02, 24


class Texts(TextEncoder):
    dim, fingerprint = DIM, "benchmark:means"

    def encode(self, texts: Any, **options: Any) -> Vectors:
        return np.ones((len(texts), DIM), np.float32)


class Means(ModalityModel):
    """Writes down what it is asked for, then takes its time."""

    modality = "image"

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def text(self) -> TextEncoder:
        return Texts()

    def encode_items(self, items: Any, **options: Any) -> Vectors:
        write_log(self._log, [Path(item).name for item in items])
        time.sleep(PAUSE)
        return np.stack([np.asarray(Image.open(item), np.float32).ravel()[:DIM] for item in items])


def picture(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (12, 12, 3), np.uint8)).save(path)


def world(place: Path, items: int) -> None:
    """Pictures, and the index of an earlier state of half of them."""
    rng = np.random.default_rng(0)
    photos = place / "photos"
    for number in range(items):
        picture(photos / f"{number % 5}" / f"{number:05d}.png", rng)
    before = place / "before"
    shutil.copytree(photos, before)

    def earlier() -> None:
        every = sorted(photos.rglob("*.png"))
        for path in every[::2]:
            path.unlink()
        for path in every[1::6]:
            picture(path, rng)  # becomes another one
        for number in range(items // 10):
            picture(photos / "deleted" / f"{number:05d}.png", rng)
        for path in every[3::20]:
            path.rename(photos / f"moved-{path.name}")
        m2m.build_index(Means(place / "log"), photos, place / "base", progress=False)

    wait(forked(earlier))
    shutil.rmtree(photos)
    shutil.copytree(before, photos)
    np.save(place / "vectors.npy", rng.normal(size=(60 * items, DIM)).astype(np.float32))


def start(kind: str, place: Path, folder: Path, attempt: int) -> int:
    """The process id of a run."""

    def run() -> None:
        from m2m_adapters._internal.progress import Progress

        target, out = Means(log_of(folder, attempt)), folder / "index"
        if kind == "import":
            m2m.import_index(target, place / "vectors.npy", out, compare=0, progress=Progress())
            return
        m2m.build_index(
            target, place / "photos", out, batch_size=BATCH, workers=1, progress=Progress()
        )

    return forked(run)


def result(folder: Path) -> dict[str, Any]:
    """Everything that a run has left, by content."""
    index = folder / "index"
    record = read_record(index)
    held = {"files": record.files, "rows": record.rows, "bad": record.bad}
    inside = {path.name for path in (index / "generations" / record.generation).iterdir()}
    assert inside == set(record.files), inside
    held["generations"] = len(list((index / "generations").iterdir()))
    held["names"] = sorted(path.name for path in index.iterdir())
    with closing(sqlite3.connect(index / MEDIA)) as db:
        held["previews"] = db.execute("SELECT * FROM media ORDER BY digest").fetchall()
    return held


def main() -> None:
    asked = arguments(
        __doc__,
        kills={"type": int, "default": 150, "help": "in all"},
        items={"type": int, "default": 400},
    )
    report = Report(
        "Kills of m2m index",
        f"python benchmarks/kills_index.py --kills {asked.kills} --items {asked.items}", HEADER,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        world(place, asked.items)

        def copy_base(folder: Path) -> None:
            shutil.copytree(place / "base", folder / "index")

        victims = {
            "build": Victim(partial(start, "build", place), result),
            "update": Victim(partial(start, "update", place), result, copy_base),
            "import": Victim(partial(start, "import", place), result),
        }
        good = survive_all(victims, asked.kills, place / "rounds", report)
    report.notes = [
        f"a batch is {BATCH} items; the result is every file of the index by its digest, the "
        "previews, and that nothing else is left in the folder"
    ]
    report.finish(asked)
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
