"""Time and memory of the study `layers` once everything is embedded.

Twelve layers, their embeddings and the output, of 1,000 sentences in 11 languages. The vectors are
random with the spectrum of real ones (a power law): half of each is shared by all languages. They
lie in memory as the store returns them. The study runs in a process of its own, with the measures,
chance levels and intervals that `m2m analyze` takes by default.

    python benchmarks/analysis.py --write
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np
from measure import Report, arguments

LANGUAGES = ("en", "de", "es", "fr", "it", "ja", "ko", "pl", "ru", "tr", "zh")


def vectors(rows: int, width: int, layers: int) -> dict[str, list[np.ndarray]]:
    """Float32 ``[rows, width]`` for the embeddings, each layer and the output, by language."""
    generator = np.random.default_rng(0)
    spectrum = np.arange(1, width + 1) ** -0.5

    def draw() -> np.ndarray:
        turned = generator.standard_normal((width, width)) / np.sqrt(width)
        return (generator.standard_normal((rows, width)) * spectrum @ turned).astype(np.float32)

    shared = [draw() for _ in range(layers + 2)]
    return {code: [common + draw() for common in shared] for code in LANGUAGES}


def child(rows: int, width: int, layers: int) -> None:
    """Run the study once; print seconds, the peak in bytes and the peak before the study."""
    from m2m_adapters.analysis.cross_lingual import layers_study

    held = vectors(rows, width, layers)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began = time.perf_counter()
    study = layers_study(held, model="random", data="random")
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([took, peak, before, len(study.rows)]))


def main() -> None:
    asked = arguments(
        __doc__,
        rows={"type": int, "default": 1_000},
        widths={"default": "384,768"},
        layers={"type": int, "default": 12},
        child={"type": int, "default": 0, "help": "the width; used by the script itself"},
    )
    if asked.child:
        child(asked.rows, asked.child, asked.layers)
        return
    report = Report(
        "Analysis",
        f"python benchmarks/analysis.py --rows {asked.rows} --layers {asked.layers}",
        ("width", "figures", "seconds", "peak memory", "of it vectors and Python"),
    )
    for width in asked.widths.split(","):
        command = [sys.executable, __file__, "--child", width, "--rows", str(asked.rows),
                   "--layers", str(asked.layers)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        took, peak, before, figures = json.loads(done.stdout)
        report.add(width, figures, f"{took:.0f}", f"{peak / 2**20:,.0f} MiB",
                   f"{before / 2**20:,.0f} MiB")  # fmt: skip
    report.notes.append(
        f"{len(LANGUAGES)} languages, measures svcca, cka and retrieval, each with 3 shuffles and "
        "10 halves"
    )
    report.finish(asked)


if __name__ == "__main__":
    main()
