"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

import typer

JSON = typer.Option(False, "--json", help="Print one JSON value for machines.")
DEVICE = typer.Option("auto", "--device", help="auto, cpu, cuda, cuda:1 or mps.")
PRECISION = typer.Option(
    "auto", "--precision", help="Of both models: auto (bf16 where it is fast), fp32, bf16 or fp16."
)
COMPILE = typer.Option(
    False, "--compile", help="Run the text encoders through torch.compile: pays on long corpora."
)
TRUST = typer.Option(
    False, "--trust-remote-code", help="Run code that a model repository brings. Risky."
)
SKIP_BAD = typer.Option(
    False, "--skip-bad", help="Leave out items that cannot be read, instead of stopping."
)
LANG = typer.Option(
    None, "--lang", help="Language of the texts, or auto; for adapters of `m2m adapt`."
)
FETCH = typer.Option(
    False, "--fetch", help="Download corpora named in --texts that are not on this machine."
)
