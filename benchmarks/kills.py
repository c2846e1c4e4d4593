"""Kill `align` at random instants, again and again, and compare with an undisturbed run.

Every sentence takes a little time, so that the kill falls into encoding, storing and fitting.
The bytes of the adapter must be the same, and no sentence may be encoded twice beyond the
window in flight at each kill.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Report, arguments

CHILD = """
import sys, time
import m2m_adapters as m2m
from m2m_adapters.testing import AffineTarget, ToySource

class Slow(ToySource):
    fingerprint = "benchmark:slow"

    def encode(self, texts, **options):
        with open(sys.argv[3], "a") as log:
            log.write(f"{len(texts)}\\n")
        time.sleep(0.02)
        return super().encode(texts, **options)

adapter = m2m.align(Slow(), AffineTarget(), sys.argv[1], recipe="closed-form", progress=False)
adapter.save(sys.argv[2])
"""


def main() -> None:
    told = arguments(__doc__, kills={"type": int, "default": 100},
                     sentences={"type": int, "default": 40_000})  # fmt: skip
    from m2m_adapters.stored import WINDOW
    from m2m_adapters.testing import toy_sentences

    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpus.txt").write_text("\n".join(toy_sentences(told.sentences)))
        (folder / "child.py").write_text(CHILD)

        def run(which: str, kills: int) -> tuple[bytes, int, int]:
            out, log = folder / f"out-{which}", folder / f"log-{which}"
            log.touch()
            env = {**os.environ, "M2M_CACHE": str(folder / f"cache-{which}")}
            command = [sys.executable, str(folder / "child.py"), str(folder / "corpus.txt"),
                       str(out), str(log)]  # fmt: skip
            done = 0
            while True:
                child = subprocess.Popen(command, env=env)
                if done < kills:
                    # From the middle of the imports to well into the work.
                    time.sleep(rng.uniform(0.5, 3.5))
                    if child.poll() is None:
                        child.send_signal(signal.SIGKILL)
                        child.wait()
                        done += 1
                        continue
                    done = kills  # it has finished: nothing is left to be killed
                if child.wait() != 0:
                    raise SystemExit("the run failed")
                return (
                    (out / "adapter.safetensors").read_bytes(),
                    sum(int(line) for line in log.read_text().split()),
                    done,
                )

        whole, once, _ = run("whole", 0)
        survived, encoded, killed = 0, 0, 0
        extra = 0
        while killed < told.kills:
            part = min(10, told.kills - killed)
            again, encoded, _ = run(f"killed-{killed}", part)
            survived += again == whole
            extra = max(extra, encoded - once)
            killed += part
        rounds = -(-told.kills // 10)
        report = Report("Kills", f"python benchmarks/kills.py --kills {told.kills}",
                        ("kills", "rounds", "same bytes", "most encoded twice in a round",
                         "allowed"))  # fmt: skip
        report.add(killed, rounds, f"{survived} of {rounds}", extra, 10 * WINDOW)
        report.finish(told)
        if survived < rounds or extra > 10 * WINDOW:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
