"""A benchmark by its name."""

from __future__ import annotations

from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.registry import resolve


def load_benchmark(name: str, **options: Any) -> Benchmark:
    """The benchmark called ``name``, from a plugin or the registry."""
    made = resolve("benchmark", name, **options)
    if not isinstance(made, Benchmark):
        raise UserError(
            f"the benchmark '{name}' gave a {type(made).__name__}, not a Benchmark",
            "mend the plugin",
        )
    return made
