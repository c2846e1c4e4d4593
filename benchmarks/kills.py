"""Kill `m2m align`, `embed`, `analyze` and writes to the store at random instants, again and again.

The same command is then given again until it comes to its end. Its files must be those of an
undisturbed run, byte for byte; the store must be whole; and no sentence may be encoded twice but
those of the chunk that was being encoded when the kill came.

Every run is a fork of this process, which has imported everything, read the catalogue and computed
nothing: kills fall into the work and not into the start.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

# Some of these are only here so that forks need not import them.
import numpy as np
import pyarrow.fs
import pyarrow.parquet  # noqa: F401
import scipy.stats  # noqa: F401
import torch
import torch._dynamo
from killing import HEADER, Victim, log_of, survive_all, write_log
from m2m_cli import align, analyze, embed, main  # noqa: F401
from measure import Report, arguments, forked

import m2m_adapters as m2m
from m2m_adapters.alignment import train  # noqa: F401
from m2m_adapters.analysis import analyze as studies  # noqa: F401
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.hookspecs import Register
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.plugins import catalogue

LOG = "M2M_BENCHMARK_LOG"
PAUSE = 0.05
LANGUAGES = ("en", "de", "fr")


class Logged(m2m.TextEncoder):
    """Hashes words; writes down what it is asked for, then takes its time."""

    def __init__(self, name: str, dim: int, pause: float = PAUSE) -> None:
        self.dim, self.fingerprint, self._pause = dim, f"benchmark:{name}", pause
        table = np.random.default_rng(zlib.crc32(name.encode())).standard_normal((512, dim))
        self._table = table.astype(np.float32)

    def encode(self, texts: Any, **options: Any) -> np.ndarray:
        digests = [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in texts]
        write_log(os.environ[LOG], [f"{self.fingerprint} {digest}" for digest in digests])
        time.sleep(self._pause)
        rows = self._sums(texts)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_layers(self, texts: Any, *, pooling: str = "mean", **options: Any) -> list[Any]:
        return [self._sums(texts), np.tanh(self._sums(texts))]

    def _sums(self, texts: Any) -> np.ndarray:
        words = [[zlib.crc32(word.encode()) % 512 for word in text.split()[-4:]] for text in texts]
        return self._table[words].sum(1)


class LoggedTarget(m2m.ModalityModel):
    modality = "words"

    def __init__(self) -> None:
        self._text = Logged("target", 24)

    @property
    def text(self) -> m2m.TextEncoder:
        return self._text


def source(**options: Any) -> Logged:
    return Logged("source", 32)


def target(**options: Any) -> LoggedTarget:
    return LoggedTarget()


def work(kind: str, place: Path, folder: Path) -> None:
    """The command that is killed."""
    corpus, out = str(place / "corpus.txt"), str(folder / "out")
    if kind == "cache":  # nothing but writing: no pause, wide rows
        StoredEncoder(Logged("wide", 768, 0), Store()).embed(sentences(place))
        return
    register = Register("benchmark")
    register.source("logged", "kills:source")
    register.target("logged-words", "kills:target", modality="words")
    catalogue().offers.update({(offer.kind, offer.name): offer for offer in register.offers})
    command = {
        "align": ["align", "-s", "logged", "-t", "logged-words", "--texts", corpus,
                  "--recipe", "refined", "--epochs", "3", "--out", out],
        "embed": ["embed", "logged", corpus, "--out", out],
        "analyze": ["analyze", "logged", "--parallel", str(place / "parallel.tsv"), "--limit",
                    "4000", "--measures", "cka,retrieval", "--halves", "2", "--shuffles", "1",
                    "--report", f"{out}/study.json", "--report", f"{out}/study.html"],
    }  # fmt: skip
    main.run(command[kind])


def sentences(place: Path) -> list[str]:
    return (place / "corpus.txt").read_text().splitlines()


def result(kind: str, place: Path, folder: Path) -> dict[str, bytes]:
    """What a run has left: its files, or the vectors that the store holds."""
    store = Store(folder / "cache")
    if damaged := store.verify():
        raise SystemExit(f"the store is damaged: {damaged[0]}")
    if kind == "cache":
        section = store.section(Logged("wide", 768))
        assert section is not None
        places = section.find(sentences(place))
        if (places < 0).any():
            raise SystemExit("the store lost vectors")
        return {"rows": str(len(section)).encode(), "vectors": section.read(places).tobytes()}
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


def start(kind: str, place: Path, folder: Path, attempt: int) -> int:
    """The process id of a run."""

    def run() -> None:
        os.environ["M2M_CACHE"] = str(folder / "cache")
        os.environ[LOG] = str(log_of(folder, attempt))
        torch.set_num_threads(1)
        work(kind, place, folder)

    return forked(run)


def write_texts(place: Path, count: int) -> None:
    """The corpus, and the same sentences "translated" word by word."""
    rng = random.Random(0)
    words = [f"{kind}{number}" for kind in ("dog", "rain", "train") for number in range(40)]
    lines = sorted({" ".join(rng.choices(words, k=6)) for _ in range(count)})
    (place / "corpus.txt").write_text("\n".join(lines))
    rows = [
        "\t".join(" ".join(f"{code}{word}" for word in line.split()) for code in LANGUAGES)
        for line in lines
    ]
    (place / "parallel.tsv").write_text("\n".join(["\t".join(LANGUAGES), *rows]))


def run() -> None:
    asked = arguments(__doc__, kills={"type": int, "default": 400, "help": "in all"},
                      sentences={"type": int, "default": 20_000})  # fmt: skip
    catalogue(), registry()
    report = Report(
        "Kills", f"python benchmarks/kills.py --kills {asked.kills} --sentences {asked.sentences}",
        HEADER,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_texts(place, asked.sentences)
        victims = {
            kind: Victim(partial(start, kind, place), partial(result, kind, place))
            for kind in ("align", "embed", "analyze", "cache")
        }
        good = survive_all(victims, asked.kills, place, report)
    report.notes = ["the result is every file by its bytes; of the cache, every vector"]
    report.finish(asked)
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    run()
