"""The server under load for a long time: whether its memory stays flat and every query is answered.

Each client asks without pause, every text differs, and at the end of each minute the server's
resident memory is read. The first two minutes warm up; afterwards memory may grow by five percent.

    python benchmarks/soak.py --minutes 15
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from measure import Report, arguments
from serve import Memory, load, running

WARM = 2
GROWTH = 1.05


def main() -> None:
    asked = arguments(
        __doc__,
        minutes={"type": int, "default": 15},
        clients={"type": int, "default": 16, "help": "at once"},
    )
    if asked.minutes <= WARM:
        sys.exit(f"--minutes: more than {WARM}, which warm up")
    from m2m_adapters.report.demo import TINY
    from m2m_adapters.report.demo_index import prepare_demo

    report = Report(
        "Soak", f"python benchmarks/soak.py --minutes {asked.minutes} --clients {asked.clients}",
        ("minute", "answers a second", "429", "anything else", "memory, MB"),
    )  # fmt: skip
    sizes, failures = [], 0
    with tempfile.TemporaryDirectory() as folder:
        (made,) = prepare_demo(Path(folder), TINY[:1], sentences=3000)
        with running(str(made.index), "--adapter", str(made.adapter)) as address:
            for minute in range(1, asked.minutes + 1):
                memory = Memory(address)
                seen = asyncio.run(load(address, asked.clients, 60))
                sizes.append(memory.stop())
                failures += sum(seen.failed.values())
                report.add(minute, f"{seen.rate:.0f}", seen.busy, sum(seen.failed.values()),
                           f"{sizes[-1]:.0f}")  # fmt: skip
    growth = max(sizes[WARM:]) / sizes[WARM - 1]
    report.notes = [f"after {WARM} minutes memory grew to {growth:.3f} of what it was then"]
    report.finish(asked)
    if growth > GROWTH or failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
