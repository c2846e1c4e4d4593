"""Kill `m2m index` at random instants, again and again, and give the command again.

Three kinds: an index is built, an index is updated (items are new, changed, moved and deleted),
and vectors are imported. The index must be that of an undisturbed run, every file of it by its
digest, with the same previews; and no item may be encoded twice but those of the batch that was
being encoded when a kill came.

Every run is a fork of this process, which has imported everything and computed nothing.

    python benchmarks/kills_index.py --kills 50
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss  # noqa: F401  # so that forks need not import it
import numpy as np
from measure import Report, arguments, forked
from PIL import Image

import m2m_adapters as m2m
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors
from m2m_adapters.search import build, imported  # noqa: F401
from m2m_adapters.search.format import MEDIA, read_record

KINDS = ("build", "update", "import")
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
        file = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, json.dumps([Path(item).name for item in items]).encode() + b"\n")
        os.close(file)
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


def log_of(folder: Path, attempt: int) -> Path:
    return folder / f"log-{attempt:04d}.ended"


def wait(pid: int) -> None:
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("a run that was not killed has failed")


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


@dataclass
class Outcome:
    """kills, rounds, those with the same result; items encoded twice, and without excuse."""

    kills: int = 0
    rounds: int = 0
    same: int = 0
    encoded: int = 0
    again: int = 0
    unexcused: int = 0
    seconds: float = 0.0

    def count(self, folder: Path) -> None:
        seen: Counter[str] = Counter()
        in_flight: set[str] = set()
        for log in sorted(folder.glob("log-*")):
            calls = [json.loads(line) for line in log.read_text().splitlines()]
            for names in calls:
                repeated = [name for name in names if seen[name]]
                self.encoded += len(names)
                self.again += len(repeated)
                self.unexcused += sum(name not in in_flight for name in repeated)
                seen.update(names)
            if log.suffix == ".killed" and calls:
                in_flight.update(calls[-1])


def survive(kind: str, kills: int, rng: random.Random, place: Path) -> Outcome:
    """Kill runs of one kind until there were as many kills."""

    def fresh(name: str) -> Path:
        folder = place / f"{kind}-{name}"
        folder.mkdir()
        if kind == "update":
            shutil.copytree(place / "base", folder / "index")
        return folder

    whole = fresh("whole")
    began = time.perf_counter()
    wait(start(kind, place, whole, 0))
    found = Outcome(seconds=time.perf_counter() - began)
    wanted = result(whole)
    while found.kills < kills:
        folder, attempt = fresh(str(found.rounds)), 0
        while found.kills < kills:
            pid = start(kind, place, folder, attempt)
            time.sleep(rng.uniform(0, found.seconds))
            if os.waitpid(pid, os.WNOHANG)[0]:
                break
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if (log := log_of(folder, attempt)).exists():
                log.rename(log.with_suffix(".killed"))
            found.kills, attempt = found.kills + 1, attempt + 1
        wait(start(kind, place, folder, attempt + 1))
        found.rounds += 1
        left = result(folder)
        found.same += left == wanted
        if left != wanted:
            print(kind, "differs in", [name for name in wanted if left[name] != wanted[name]])
        found.count(folder)
        shutil.rmtree(folder)
    return found


def main() -> None:
    given = arguments(
        __doc__,
        kills={"type": int, "default": 150, "help": "in all"},
        items={"type": int, "default": 400},
    )
    rng = random.Random(0)
    report = Report(
        "Kills of m2m index",
        f"python benchmarks/kills_index.py --kills {given.kills} --items {given.items}",
        ("killed", "kills", "rounds", "same result", "items encoded", "of them again",
         "beyond the batch in flight", "seconds of an undisturbed run"),
    )  # fmt: skip
    failed = False
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        world(place, given.items)
        for number, kind in enumerate(KINDS):
            kills = (given.kills + len(KINDS) - 1 - number) // len(KINDS)
            found = survive(kind, kills, rng, place)
            report.add(kind, found.kills, found.rounds, f"{found.same} of {found.rounds}",
                       f"{found.encoded:,}", f"{found.again:,}", found.unexcused,
                       f"{found.seconds:.1f}")  # fmt: skip
            failed |= found.same < found.rounds or found.unexcused > 0
    report.notes = [
        f"a batch is {BATCH} items; the result is every file of the index by its digest, the "
        "previews, and that nothing else is left in the folder"
    ]
    report.finish(given)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
