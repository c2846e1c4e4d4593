"""``m2m compare``: two encoders on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_cli.options import DEVICE, EXACT, JSON, TRUST
from m2m_cli.studies import (
    BENCHMARK,
    DATA,
    HALVES,
    LANGS,
    LIMIT,
    PARALLEL,
    SHUFFLES,
    encoder_of,
    listed,
    parallel_texts_of,
    present,
)

if TYPE_CHECKING:
    from m2m_adapters.analysis.compare import Side
    from m2m_adapters.artifact.resolve import NamedEncoder


def compare(
    a: str = typer.Argument(
        ..., help="A source, a target or an adapter; or vectors: FILE.npz or FILE.npz:PART."
    ),
    b: str = typer.Argument(..., help="The encoder to compare with, in one of the same forms."),
    benchmark: str | None = BENCHMARK,
    data: str | None = DATA,
    parallel: str | None = PARALLEL,
    items: bool = typer.Option(
        False, "--items", help="Rank the benchmark's pictures or sounds, not its English captions."
    ),
    langs: str | None = LANGS,
    limit: int = LIMIT,
    measures: str = typer.Option(
        "cka,neighbors",
        "--measures",
        help="Comma-separated: svcca, pwcca, cka, rbf-cka, rsa, neighbors, procrustes.",
    ),
    shuffles: int = SHUFFLES,
    halves: int = HALVES,
    seed: int = typer.Option(0, "--seed", help="Seed of the sample, the shuffles and resamples."),
    out: list[Path] | None = typer.Option(
        None, "--out", help="Write the comparison as .html, .json or .csv; repeatable."
    ),
    device: str = DEVICE,
    precision: str = EXACT,
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
