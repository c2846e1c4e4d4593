"""How commands speak: tables for people, one JSON value for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

JSON = typer.Option(False, "--json", help="Print one JSON value for machines.")
DEVICE = typer.Option("auto", "--device", help="auto, cpu, cuda, cuda:1, mps.")
PRECISION = typer.Option("fp32", "--precision", help="fp32, bf16 or fp16, for both towers.")
COMPILE = typer.Option(
    False, "--compile", help="torch.compile for the text towers: a late start, for a long corpus."
)
TRUST = typer.Option(
    False, "--trust-remote-code", help="Allow models that bring their own code. Your choice alone."
)


def print_json(value: Any) -> None:
    """One JSON value on stdout, in every script of the world."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> str:
    """Columns aligned by display width; None is a dash, floats are short."""
    from rich.cells import cell_len

    cells = [[_cell(value) for value in row] for row in [list(header), *rows]]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(str(value).split())
