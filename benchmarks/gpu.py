"""All that a GPU has to show, in one run of a few minutes: encoding, alignment, refinement.

Needs torch, transformers and sentence-transformers, and no hub: models are built from their configs
with random weights, which decide neither speed nor exactness. Every row is printed as soon as it
is measured and written to ``--out`` at once, so that a run that is cut off keeps what it has.
On a CPU, ``--small`` runs every step in a small size; that is how the script itself is tested.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encode import Floor, build, captions, in_turn, quotient
from measure import Report, arguments, seconds

import m2m_adapters as m2m
from m2m_adapters._internal.files import whole_file
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment import train
from m2m_adapters.alignment.fit import fit
from m2m_adapters.alignment.pairs import Pairs, in_memory
from m2m_adapters.alignment.recipes import recipe
from m2m_adapters.models import choose_device


class TextTarget(m2m.ModalityModel):
    """A text encoder as a target: alignment asks nothing else of one."""

    modality = "image"

    def __init__(self, path: str, device: str, precision: str) -> None:
        self._made = (path, device, precision)

    @cached_property
    def text(self) -> m2m.TextEncoder:
        path, device, precision = self._made
        return m2m.load_source(f"st:{path}", device=device, precision=precision)


class Run:
    """The device, the sizes, and the rows so far."""

    def __init__(self, told: Any, folder: Path) -> None:
        self.small, self.out = told.small, Path(told.out)
        self.device = choose_device(told.device)
        self.folder = folder
        self.report = Report(
            "GPU", "python benchmarks/gpu.py" + (" --small" if told.small else ""),
            ("what", "value", "unit", "note"),
        )  # fmt: skip

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def size(self, large: int, small: int) -> int:
        return small if self.small else large

    def add(self, what: str, value: float, unit: str, note: str = "") -> None:
        self.report.add(what, f"{value:.4g}", unit, note)
        rows = [dict(zip(self.report.header, row, strict=True)) for row in self.report.rows]
        with whole_file(self.out) as temporary:
            temporary.write_text(json.dumps({"device": str(self.device), "rows": rows}, indent=1))

    def memory(self, what: str) -> None:
        """Peak device memory since the last call."""
        if self.on_gpu:
            self.add(f"{what}: peak memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")
            torch.cuda.reset_peak_memory_stats()


def peak(run: Run) -> float:
    """Operations a second of one large matrix product in bf16."""
    n = run.size(8192, 512)
    a, b = (torch.randn(n, n, device=run.device, dtype=torch.bfloat16) for _ in range(2))

    def product() -> None:
        for _ in range(run.size(20, 2)):
            a @ b
        if run.on_gpu:
            torch.cuda.synchronize()

    rate = run.size(20, 2) * 2 * n**3 / min(seconds(product, 3))
    run.add("peak: matrix products in bf16", rate / 1e12, "TFLOP/s", f"{n} x {n}")
    return rate


def encoding(run: Run, best: float) -> None:
    """Against SentenceTransformer.encode as it is by default, and against the peak."""
    from sentence_transformers import SentenceTransformer

    path = str(run.folder / "model")
    texts = captions(run.size(8192, 64))
    library = SentenceTransformer(path, device=str(run.device))
    encoders = {
        name: m2m.load_source(f"st:{path}", device=str(run.device), **options)
        for name, options in {
            "fp32": {"precision": "fp32"},
            "bf16": {"precision": "bf16"},
            "bf16, compiled": {"precision": "bf16", "compile": True},
        }.items()
        if run.on_gpu or "compiled" not in name
    }
    ways: dict[str, Callable[[], object]] = {"library": lambda: library.encode(texts)}
    for name, encoder in encoders.items():
        ways[name] = lambda encoder=encoder: encoder.encode(texts)
    took = in_turn(ways, run.size(3, 1))
    tokens = sum(map(len, encoders["fp32"].tokenize(texts)))
    floor = Floor(tokens, library[0].auto_model.config, run.device)
    run.add("SentenceTransformer.encode", len(texts) / statistics.median(took["library"]),
            "captions/s", "its defaults")  # fmt: skip
    for name in encoders:
        own = statistics.median(took[name])
        run.add(f"ours, {name}", len(texts) / own, "captions/s",
                f"{quotient(took['library'], took[name]):.2f}x the library's default, "
                f"{tokens / own:,.0f} tokens/s")  # fmt: skip
        run.add(f"ours, {name}: share of the peak", floor.operations / own / best, "")
    run.memory("encoding")


def exactness(run: Run) -> None:
    """The same vectors as on the CPU."""
    path = str(run.folder / "model")
    texts = captions(run.size(256, 16))
    exact = m2m.load_source(f"st:{path}", device="cpu").encode(texts)
    for precision in ("fp32", "bf16"):
        there = m2m.load_source(f"st:{path}", device=str(run.device), precision=precision)
        rows = there.encode(texts)
        run.add(f"{precision}: least cosine to fp32 on the CPU", float((rows * exact).sum(1).min()),
                "", f"largest difference {np.abs(rows - exact).max():.1e}")  # fmt: skip


def alignment(run: Run) -> None:
    """From sentences to an adapter; the store is empty."""
    n = run.size(50_000, 300)
    for precision in ("fp32", "bf16"):
        options = {"device": str(run.device), "precision": precision}
        source = m2m.load_source(f"st:{run.folder / 'model'}", **options)
        target = TextTarget(str(run.folder / "model"), str(run.device), precision)
        began = time.perf_counter()
        adapter = m2m.align(
            source, target, captions(n), stopping=m2m.Stopping(use_all=True), progress=False,
            store=m2m.Store(run.folder / f"store-{precision}"), model_options=options,
        )  # fmt: skip
        took = time.perf_counter() - began
        parts = ", ".join(f"{stage} {value:.1f}" for stage, value in adapter.seconds.items())
        run.add(f"align {n:,} sentences in {precision}", took, "s", parts)
    run.memory("aligning")


def refinement(run: Run) -> None:
    """Epochs of the published recipe: as CUDA graphs or not, in fp32 and bf16, and on the CPU."""
    pairs = _pairs(run.size(100_000, 500), run.size(768, 32))
    graphs = train.fastest
    for name, device, precision, plain in (
        ("graphs, fp32", str(run.device), "fp32", False),
        ("graphs, bf16", str(run.device), "bf16", False),
        ("no graphs, fp32", str(run.device), "fp32", True),
        ("CPU, fp32", "cpu", "fp32", False),
    ):
        if not run.on_gpu and "graphs" in name:
            continue
        epochs = 1 if device == "cpu" else 3
        train.fastest = (lambda objective, *_: objective) if plain else graphs
        try:
            chosen = recipe("paper", epochs=epochs, precision=precision)
            began = time.perf_counter()
            fitted = fit(pairs, chosen, True, seed=0, progress=Progress(), device=device)
            took = (time.perf_counter() - began) / epochs
        finally:
            train.fastest = graphs
        run.add(f"refine, {name}", took, "s/epoch", f"held-out loss {fitted.held_out_loss:.5f}")
    run.memory("refining")


def _pairs(n: int, width: int) -> Pairs:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n + 500, width)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = x @ rng.standard_normal((width, width)).astype(np.float32)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    return in_memory(x[:n], y[:n], x[n:], y[n:])


def main() -> None:
    told = arguments(
        __doc__,
        device={"default": "auto"},
        out={"default": "gpu.json", "help": "JSON file of the rows"},
        small={"action": "store_true", "help": "small sizes, for a CPU"},
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Run(told, Path(folder))
        build(Path(folder), **({"width": 64, "layers": 2} if told.small else {}))
        best = peak(run)
        encoding(run, best)
        exactness(run)
        alignment(run)
        refinement(run)
        if torch.cuda.device_count() < 2:
            run.report.notes.append("one device: several (NCCL) are not measured")
    run.report.finish(told)


if __name__ == "__main__":
    main()
