"""Threads on a machine that others use: how they wait for each other, and whether one is faster.

Processes of their own, in turn, encode the same sentences with the tiny model; beside them run
``--neighbors`` processes that only compute. Shown are the median and the slowest, and whether the
vectors are those of the first row to the bit.

    python benchmarks/threads.py --neighbors 2
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

from measure import Report, arguments

SETTINGS: dict[str, dict[str, str]] = {
    "all threads, waiting busily (torch's default)": {},
    "all threads, asleep while they wait": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
WORK = """
import hashlib, json, sys, time
import m2m_adapters as m2m
encoder = m2m.load_source("tiny-text")
texts = m2m.read_corpus("tiny-scene-captions", max_sentences=int(sys.argv[1])).sentences
encoder.encode(texts[:64])
start = time.perf_counter()
rows = encoder.encode(texts)
print(json.dumps([time.perf_counter() - start, hashlib.sha256(rows.tobytes()).hexdigest()]))
"""


def run() -> None:
    asked = arguments(
        __doc__,
        sentences={"type": int, "default": 1000},
        repeats={"type": int, "default": 3},
        neighbors={"type": int, "default": 0},
    )
    report = Report(
        "Threads beside other programs",
        f"python benchmarks/threads.py --sentences {asked.sentences} --repeats {asked.repeats} "
        f"--neighbors {asked.neighbors}",
        ("threads", "median seconds", "slowest", "same vectors"),
    )
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "MKL_"))}
    neighbors = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(asked.neighbors)
    ]
    taken: dict[str, list[tuple[float, str]]] = {name: [] for name in SETTINGS}
    try:
        for _ in range(asked.repeats):
            for name, setting in SETTINGS.items():
                done = subprocess.run(
                    [sys.executable, "-c", WORK, str(asked.sentences)],
                    env={**plain, **setting}, capture_output=True, text=True, check=True,
                )  # fmt: skip
                seconds, digest = json.loads(done.stdout.splitlines()[-1])
                taken[name].append((seconds, digest))
    finally:
        for neighbor in neighbors:
            neighbor.kill()
    first = next(iter(taken.values()))[0][1]
    for name, runs in taken.items():
        seconds = [one[0] for one in runs]
        same = "yes" if {digest for _, digest in runs} == {first} else "no"
        report.add(name, f"{median(seconds):.1f}", f"{max(seconds):.1f}", same)
    report.notes = [f"{os.cpu_count()} cores; load average before: {os.getloadavg()[2]:.1f}"]
    report.finish(asked)


if __name__ == "__main__":
    run()
