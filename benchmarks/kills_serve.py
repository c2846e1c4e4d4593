"""Kill `m2m serve` at random instants while a client asks it, and start it again.

Each run serves an index with an adapter whose English bank is not yet applied to it (the server
computes that, and keeps it beside the index), answers queries over HTTP, and ends. Whatever kills
came before, the answers must be those of an undisturbed run, and so must every file of the index.

    python benchmarks/kills_serve.py --kills 100
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import faiss  # noqa: F401  # so that forks need not import it
import numpy as np
import starlette.applications  # noqa: F401
import torch
import uvicorn  # noqa: F401
from killing import HEADER, Victim, log_of, survive_all, wait, write_log
from measure import Report, arguments, forked

import m2m_adapters as m2m
from m2m_adapters._internal.files import whole_file
from m2m_adapters.serve import app, run  # noqa: F401


def world(place: Path, rows: int) -> None:
    """An index of vectors that were made elsewhere, and an adapter to its target."""
    texts = m2m.read_corpus("toy-sentences", max_sentences=2000).sentences
    adapter = m2m.align("toy-source", "toy-target", texts, store=False, progress=False)
    assert adapter.bank is not None
    adapter.save(place / "adapter")
    vectors = np.random.default_rng(0).normal(size=(rows, 48)).astype(np.float32)
    np.save(place / "vectors.npy", vectors)
    m2m.import_index("toy-target", place / "vectors.npy", place / "index", compare=0,
                     progress=False)  # fmt: skip


def start(place: Path, queries: int, folder: Path, attempt: int) -> int:
    """The process id of a server that is asked, and then ends."""

    def ask(address: str) -> None:
        answers = []
        for number in range(queries):
            body = json.dumps({"query": f"a small dog number {number}", "k": 10}).encode()
            request = urllib.request.Request(
                f"{address}search", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                answers.append(json.load(answer)["hits"])
            write_log(log_of(folder, attempt), [f"{attempt} {number}"])
        with whole_file(folder / "answers.json") as temporary:
            temporary.write_text(json.dumps(answers))
        os.kill(os.getpid(), signal.SIGTERM)

    def served() -> None:
        torch.set_num_threads(1)
        run.serve(
            [folder / "index"],
            [place / "adapter"],
            port=0,
            device="cpu",
            ready=lambda address, _: threading.Thread(target=ask, args=[address]).start(),
        )

    return forked(served)


def result(folder: Path) -> dict[str, Any]:
    """The answers, and every file of the index by its digest."""
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "index").rglob("*"))
        if path.is_file()
    }
    return {**files, "answers": json.loads((folder / "answers.json").read_text())}


def main() -> None:
    asked = arguments(
        __doc__,
        kills={"type": int, "default": 100},
        rows={"type": int, "default": 50_000},
        queries={"type": int, "default": 100},
    )
    report = Report(
        "Kills of m2m serve", f"python benchmarks/kills_serve.py --kills {asked.kills}", HEADER
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        wait(forked(partial(world, place, asked.rows)))

        def copy_index(folder: Path) -> None:
            shutil.copytree(place / "index", folder / "index")

        victims = {
            "serve": Victim(partial(start, place, asked.queries), result, copy_index),
        }
        good = survive_all(victims, asked.kills, place / "rounds", report)
    report.notes = ["encoded: queries that were answered; none is kept, so each run asks them all"]
    report.finish(asked)
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
