"""What the commands that study encoders share: options, the texts, the result on paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.analysis.parallel import Parallel
    from m2m_adapters.analysis.study import Study
    from m2m_adapters.artifact.resolve import NamedEncoder
    from m2m_adapters.evaluation.datasets.assemble import Missing

BENCHMARK = typer.Option(
    None, "--benchmark", "-b", help="Benchmark whose captions are used as translations."
)
DATA = typer.Option(None, "--data", help="Folder of the benchmark's files.")
PARALLEL = typer.Option(
    None,
    "--parallel",
    help="Instead of a benchmark: a .tsv or .csv with a column per language.",
)
LANGS = typer.Option(None, "--langs", help="Languages, e.g. de,ja; by default all.")
LIMIT = typer.Option(1_000, "--limit", help="Use at most this many items or sentences.")
SHUFFLES = typer.Option(
    3, "--shuffles", help="Number of random shuffles of the pairs, to measure the chance level."
)
HALVES = typer.Option(
    10, "--halves", help="Number of random halves of the data for the intervals; 0: no intervals."
)


def present(study: Study, paths: Sequence[Path], json: bool) -> None:
    """Write the study to the paths, and print it as a table or as JSON."""
    from m2m_adapters.report.analysis_page import write_study

    for path in paths:
        write_study(study, path)
    if json:
        print_json(study.to_dict())
        return
    typer.echo(shown(study))
    for path in paths:
        typer.echo(f"{path} written", err=True)


def encoder_of(name: str, device: str, precision: str, trust: bool) -> NamedEncoder:
    """The model, not loaded yet."""
    from m2m_adapters.artifact.resolve import resolve_encoder

    return resolve_encoder(
        name, device=device, precision=precision, trust_remote_code=trust or None
    )


def parallel_texts_of(
    benchmark: str | None,
    data: str | None,
    parallel: str | None,
    languages: list[str] | None,
    limit: int,
    seed: int,
    items: bool = False,
) -> Parallel:
    """The texts; items: whether the benchmark's items have to be there."""
    from m2m_adapters.analysis.parallel import parallel_data
    from m2m_adapters.evaluation.find import load_benchmark

    missing: Missing = False if items else "by name"
    return parallel_data(
        None if benchmark is None else load_benchmark(benchmark, data=data, allow_missing=missing),
        parallel,
        languages=languages,
        limit=limit,
        seed=seed,
    )


def listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def shown(study: Study) -> str:
    """The study as a table, its findings and its warnings."""
    header = list(study.rows[0])
    lines = [f"{study.model} on {study.data}: {study.question}", ""]
    lines += [table([[row[key] for key in header] for row in study.rows], header), ""]
    lines += [*study.findings, *(f"note: {warning}" for warning in study.warnings)]
    return "\n".join(lines)
