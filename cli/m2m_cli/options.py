"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from typing import Any

import typer

JSON = typer.Option(False, "--json", help="Print the result as one JSON value.")
DEVICE = typer.Option("auto", "--device", help="auto, cpu, cuda, cuda:1 or mps.")
PRECISION = typer.Option(
    "auto",
    "--precision",
    help="Precision of the models: auto (bf16 where it is fast), fp32, bf16 or fp16.",
)
EXACT = typer.Option("fp32", "--precision", help=PRECISION.help)
"""For commands that measure, where rounding would be measured as well."""
BACKEND = typer.Option(
    None,
    "--backend",
    help="Library that computes the source: torch, or onnx-int8 for 8 bits on a CPU.",
)
COMPILE = typer.Option(
    False,
    "--compile",
    help="Compile the text encoders with torch.compile; worth it for a long corpus.",
)
TRUST = typer.Option(
    False, "--trust-remote-code", help="Run Python code from the model's repository. Risky."
)
SKIP_BAD = typer.Option(
    False, "--skip-bad", help="Skip items that cannot be read, instead of stopping."
)
LANG = typer.Option(
    None,
    "--lang",
    help="Language of the texts, or auto to detect it: for adapters of `m2m adapt` and routes.",
)
FETCH = typer.Option(
    False, "--fetch", help="Download the corpora named in --texts that are not on this machine."
)


def model_options(
    device: str, precision: str, backend: str | None, compile: bool, trust: bool
) -> dict[str, Any]:
    """What the factories of models are called with; a backend only where one was chosen."""
    options = {"device": device, "precision": precision, "compile": compile,
               "trust_remote_code": trust}  # fmt: skip
    return {**options, "backend": backend} if backend else options
