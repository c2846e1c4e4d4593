"""``m2m analyze``: how languages and modalities meet inside an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_adapters.errors import UserError
from m2m_cli.options import DEVICE, JSON, PRECISION, TRUST
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.analysis.cross_lingual import Precision
    from m2m_adapters.analysis.parallel import Parallel
    from m2m_adapters.analysis.study import Study
    from m2m_adapters.artifact.resolve import NamedEncoder
    from m2m_adapters.evaluation.datasets.assemble import Missing


def analyze(
    model: str = typer.Argument(
        ..., help="A source, a target or an adapter; or FILE.npz or FILE.npz:PART."
    ),
    study: str = typer.Option(
        "layers",
        "--study",
        help="layers, gaps, adaptor, length, families, codeswitch, map, directions, space or bias.",
    ),
    benchmark: str | None = typer.Option(
        None, "--benchmark", "-b", help="Benchmark whose captions are used as translations."
    ),
    data: str | None = typer.Option(None, "--data", help="Folder of the benchmark's files."),
    parallel: str | None = typer.Option(
        None,
        "--parallel",
        help="Instead of a benchmark: a .tsv or .csv with a column per language.",
    ),
    langs: str | None = typer.Option(
        None, "--langs", help="Languages, e.g. de,ja; by default all."
    ),
    labels: Path | None = typer.Option(
        None,
        "--labels",
        help="For bias: a .tsv or .csv of labeled pictures, first column file, for skew at 10.",
    ),
    limit: int = typer.Option(1_000, "--limit", help="Use at most this many items or sentences."),
    measures: str = typer.Option(
        "svcca,cka,retrieval",
        "--measures",
        help="Comma-separated: svcca, pwcca, cka, rbf-cka, rsa, neighbors, procrustes, retrieval.",
    ),
    pooling: str = typer.Option(
        "mean", "--pooling", help="How a layer's tokens become one vector: mean, first or last."
    ),
    shuffles: int = typer.Option(
        3, "--shuffles", help="Number of shuffled copies that measure the chance level."
    ),
    halves: int = typer.Option(
        10, "--halves", help="Number of random halves for the intervals; 0 for no intervals."
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the sample, the shuffles and the halves."),
    report: list[Path] | None = typer.Option(
        None, "--report", help="Write the study as .html, .json or .csv; repeatable."
    ),
    device: str = DEVICE,
    precision: str = typer.Option("fp32", "--precision", help=PRECISION.help),
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Compare an encoder's languages and modalities layer by layer, or look inside an adapter.

    [dim]m2m analyze tiny-text --benchmark tiny-scenes --report layers.html[/dim]

    [dim]m2m analyze clip-b32 --study gaps --benchmark xtd10 --data xtd10/[/dim]

    [dim]m2m analyze mpnet-clip --study map --parallel sentences.tsv[/dim]
    """
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.analysis.analyze import analyze as run
    from m2m_adapters.analysis.analyze import check
    from m2m_adapters.analysis.cross_lingual import Precision
    from m2m_adapters.analysis.stored_vectors import are_vectors
    from m2m_adapters.report.analysis_page import check_format

    for path in report or ():
        check_format(path)
    chosen, languages = listed(measures), listed(langs or "") or None
    samples = Precision(shuffles, halves, seed)
    if are_vectors(model):
        if benchmark or parallel:
            raise UserError("vectors need no texts", "leave out --benchmark and --parallel")
        result = _of_vectors(model, languages, study, chosen, samples)
    else:
        named = encoder_of(model, device, precision, trust_remote_code)
        check(named, study, chosen, pooling)
        texts = None
        if study != "bias":
            items = study in ("gaps", "adaptor")
            texts = parallel_texts_of(benchmark, data, parallel, languages, limit, seed, items)
        result = run(
            named, study, texts, languages=languages, labels=labels, measures=chosen,
            pooling=pooling, precision=samples, progress=progress_for(),
        )  # fmt: skip
    present(result, report or (), json)


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


def _of_vectors(
    path: str,
    languages: list[str] | None,
    study: str,
    measures: list[str],
    precision: Precision,
) -> Study:
    from m2m_adapters.analysis.stored_vectors import analyze_vectors, read_vectors

    return analyze_vectors(
        read_vectors(path, languages=languages), study, name=Path(path).name,
        measures=measures, precision=precision,
    )  # fmt: skip


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
