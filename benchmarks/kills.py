"""Kill `m2m align`, `m2m embed` and writes to the store at random instants, again and again.

The same command is then given again until it comes to its end. Its files must be those of an
undisturbed run, byte for byte; the store must be whole; and no sentence may be encoded twice but
those of the chunk that was being encoded when the kill came.

Every run is a fork of this process, which has imported everything, read the catalogue and computed
nothing: kills fall into the work and not into the start.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Some of these are only here so that forks need not import them.
import numpy as np
import pyarrow.fs
import pyarrow.parquet  # noqa: F401
import torch
import torch._dynamo
from m2m_cli import align, embed, main  # noqa: F401
from measure import Report, arguments, forked

import m2m_adapters as m2m
from m2m_adapters.alignment import train  # noqa: F401
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.hookspecs import Register
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.plugins import catalogue

KINDS = ("align", "embed", "cache")
LOG = "M2M_BENCHMARK_LOG"
PAUSE = 0.05


class Logged(m2m.TextEncoder):
    """Hashes words; writes down what it is asked for, then takes its time."""

    def __init__(self, name: str, dim: int, pause: float = PAUSE) -> None:
        self.dim, self.fingerprint, self._pause = dim, f"benchmark:{name}", pause
        table = np.random.default_rng(zlib.crc32(name.encode())).standard_normal((512, dim))
        self._table = table.astype(np.float32)

    def encode(self, texts: Any, **options: Any) -> np.ndarray:
        names = [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in texts]
        line = json.dumps([self.fingerprint, *names]) + "\n"
        log = os.open(os.environ[LOG], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(log, line.encode())  # in one piece
        os.close(log)
        time.sleep(self._pause)
        rows = [[zlib.crc32(word.encode()) % 512 for word in text.split()[-4:]] for text in texts]
        found = self._table[rows].sum(1)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


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


def work(kind: str, folder: Path) -> None:
    """The command that is killed."""
    corpus, out = str(folder.parent / "corpus.txt"), str(folder / "out")
    if kind == "cache":  # nothing but writing: no pause, wide rows
        StoredEncoder(Logged("wide", 768, 0), Store()).embed(sentences(corpus))
        return
    register = Register("benchmark")
    register.source("logged", "kills:source")
    register.target("logged-words", "kills:target", modality="words")
    catalogue().offers.update({(offer.kind, offer.name): offer for offer in register.offers})
    command = {
        "align": ["align", "-s", "logged", "-t", "logged-words", "--texts", corpus, "--epochs", "3",
                  "--out", out],
        "embed": ["embed", "logged", corpus, "--out", out],
    }  # fmt: skip
    main.run(command[kind])


def sentences(corpus: str) -> list[str]:
    return Path(corpus).read_text().splitlines()


def result(kind: str, folder: Path) -> dict[str, bytes]:
    """What a run has left: its files, or the vectors that the store holds."""
    store = Store(folder / "cache")
    if damaged := store.verify():
        raise SystemExit(f"the store is damaged: {damaged[0]}")
    if kind == "cache":
        section = store.section(Logged("wide", 768))
        assert section is not None
        places = section.find(sentences(str(folder.parent / "corpus.txt")))
        if (places < 0).any():
            raise SystemExit("the store lost vectors")
        return {"rows": str(len(section)).encode(), "vectors": section.read(places).tobytes()}
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


def start(kind: str, folder: Path, attempt: int) -> int:
    """The process id of a run."""

    def run() -> None:
        os.environ["M2M_CACHE"] = str(folder / "cache")
        os.environ[LOG] = str(log_of(folder, attempt))
        torch.set_num_threads(1)
        work(kind, folder)

    return forked(run)


def log_of(folder: Path, attempt: int) -> Path:
    return folder / f"log-{attempt:04d}.ended"


def check(status: int) -> None:
    if status:
        raise SystemExit("a run that was not killed has failed")


@dataclass
class Outcome:
    """kills, rounds, those with the same result; sentences encoded twice, and without excuse."""

    kills: int = 0
    rounds: int = 0
    same: int = 0
    encoded: int = 0
    again: int = 0
    unexcused: int = 0
    seconds: list[float] = field(default_factory=list)

    def count(self, folder: Path) -> None:
        """What the attempts of one round encoded."""
        seen: Counter[str] = Counter()
        in_flight: set[str] = set()  # of attempts that were killed
        for log in sorted(folder.glob("log-*")):
            calls = [json.loads(line) for line in log.read_text().splitlines()]
            named = [[f"{call[0]} {name}" for name in call[1:]] for call in calls]
            for names in named:
                repeated = [name for name in names if seen[name]]
                self.encoded += len(names)
                self.again += len(repeated)
                self.unexcused += sum(name not in in_flight for name in repeated)
                seen.update(names)
            if log.suffix == ".killed" and named:
                in_flight.update(named[-1])


def survive(kind: str, kills: int, rng: random.Random, place: Path) -> Outcome:
    """Kill runs of one kind until there were as many kills."""
    whole = place / f"{kind}-whole"
    whole.mkdir()
    began = time.perf_counter()
    check(os.waitpid(start(kind, whole, 0), 0)[1])
    took = time.perf_counter() - began
    wanted = result(kind, whole)
    told = Outcome(seconds=[took])
    while told.kills < kills:
        folder = place / f"{kind}-{told.rounds}"
        folder.mkdir()
        attempt = 0
        while told.kills < kills:
            pid = start(kind, folder, attempt)
            time.sleep(rng.uniform(0, took))
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                check(status)
                break
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if (log := log_of(folder, attempt)).exists():
                log.rename(log.with_suffix(".killed"))
            told.kills, attempt = told.kills + 1, attempt + 1
        check(os.waitpid(start(kind, folder, attempt + 1), 0)[1])
        told.rounds += 1
        told.same += result(kind, folder) == wanted
        told.count(folder)
    return told


def run() -> None:
    told = arguments(__doc__, kills={"type": int, "default": 100, "help": "in all"},
                     sentences={"type": int, "default": 20_000})  # fmt: skip
    catalogue(), registry()
    rng = random.Random(0)
    report = Report(
        "Kills", f"python benchmarks/kills.py --kills {told.kills} --sentences {told.sentences}",
        ("killed", "kills", "rounds", "same bytes", "sentences encoded", "of them again",
         "beyond the chunk in flight", "seconds of an undisturbed run"),
    )  # fmt: skip
    failed = False
    with tempfile.TemporaryDirectory() as name:
        words = [f"{kind}{number}" for kind in ("dog", "rain", "train") for number in range(40)]
        lines = {" ".join(rng.choices(words, k=6)) for _ in range(told.sentences)}
        (Path(name) / "corpus.txt").write_text("\n".join(sorted(lines)))
        for number, kind in enumerate(KINDS):
            kills = (told.kills + len(KINDS) - 1 - number) // len(KINDS)
            found = survive(kind, kills, rng, Path(name))
            report.add(kind, found.kills, found.rounds, f"{found.same} of {found.rounds}",
                       f"{found.encoded:,}", f"{found.again:,}", found.unexcused,
                       f"{found.seconds[0]:.1f}")  # fmt: skip
            failed |= found.same < found.rounds or found.unexcused > 0
    report.finish(told)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    run()
