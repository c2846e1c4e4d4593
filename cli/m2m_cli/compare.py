"""``m2m compare``: two encoders on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_cli.analyze import encoder_of, listed, parallel_texts_of, present
from m2m_cli.options import DEVICE, JSON, PRECISION, TRUST

if TYPE_CHECKING:
    from m2m_adapters.analysis.compare import Side
    from m2m_adapters.artifact.resolve import NamedEncoder


def compare(
    a: str = typer.Argument(
        ..., help="A source, a target or an adapter; or vectors: FILE.npz or FILE.npz:PART."
    ),
    b: str = typer.Argument(..., help="The encoder to compare A with, in one of the same forms."),
    benchmark: str | None = typer.Option(
        None, "--benchmark", "-b", help="Benchmark whose captions are used as translations."
    ),
    data: str | None = typer.Option(None, "--data", help="Folder of the benchmark's files."),
    parallel: str | None = typer.Option(
        None,
        "--parallel",
        help="Instead of a benchmark: a .tsv or .csv with a column per language.",
    ),
    items: bool = typer.Option(
        False, "--items", help="Rank the benchmark's pictures or sounds, not its English captions."
    ),
    langs: str | None = typer.Option(
        None, "--langs", help="Languages, e.g. de,ja; by default all."
    ),
    limit: int = typer.Option(1_000, "--limit", help="Use at most this many items or sentences."),
    measures: str = typer.Option(
        "cka,neighbors",
        "--measures",
        help="Comma-separated: svcca, pwcca, cka, rbf-cka, rsa, neighbors, procrustes.",
    ),
    shuffles: int = typer.Option(
        3, "--shuffles", help="Number of shuffled copies that measure the chance level."
    ),
    halves: int = typer.Option(
        10, "--halves", help="Number of random halves for the intervals; 0 for no intervals."
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the sample, the shuffles and resamples."),
    out: list[Path] | None = typer.Option(
        None, "--out", help="Write the comparison as .html, .json or .csv; repeatable."
    ),
    device: str = DEVICE,
    precision: str = typer.Option("fp32", "--precision", help=PRECISION.help),
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Compare two encoders: how similar their spaces are, and which retrieves better.

    [dim]m2m compare mine yours --benchmark xtd10 --data xtd10/[/dim]

    [dim]m2m compare mine clip-b32 --benchmark xtd10 --items --out compared.html[/dim]
    """
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.analysis.compare import compare as run
    from m2m_adapters.analysis.cross_lingual import Precision
    from m2m_adapters.report.analysis_page import check_format

    for path in out or ():
        check_format(path)
    languages = listed(langs or "") or None
    sides = [_side(name, languages, device, precision, trust_remote_code) for name in (a, b)]
    texts = None
    if benchmark or parallel or not (_is_vectors(a) and _is_vectors(b)):
        texts = parallel_texts_of(benchmark, data, parallel, languages, limit, seed, items)
    result = run(
        sides[0], sides[1], texts, items=items, measures=listed(measures),
        precision=Precision(shuffles, halves, seed), progress=progress_for(),
    )  # fmt: skip
    present(result, out or (), json)


def _is_vectors(name: str) -> bool:
    from m2m_adapters.analysis.stored_vectors import are_vectors

    return are_vectors(name)


def _side(
    name: str, languages: list[str] | None, device: str, precision: str, trust: bool
) -> NamedEncoder | Side:
    if _is_vectors(name):
        from m2m_adapters.analysis.compare import Side
        from m2m_adapters.analysis.stored_vectors import read_vectors

        return Side(Path(name).name, read_vectors(name, languages=languages))
    return encoder_of(name, device, precision, trust)
