"""``m2m analyze``: how languages and modalities meet inside an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_adapters.errors import UserError
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
    from m2m_adapters.analysis.cross_lingual import Precision
    from m2m_adapters.analysis.study import Study


def analyze(
    model: str = typer.Argument(
        ..., help="A source, a target or an adapter; or vectors: FILE.npz or FILE.npz:PART."
    ),
    study: str = typer.Option(
        "layers",
        "--study",
        help="layers, gaps, adaptor, length, families, codeswitch, map, directions, space or bias.",
    ),
    benchmark: str | None = BENCHMARK,
    data: str | None = DATA,
    parallel: str | None = PARALLEL,
    langs: str | None = LANGS,
    labels: Path | None = typer.Option(
        None,
        "--labels",
        help="For bias: a .tsv or .csv with pictures in the first column and then their labels, to "
        "measure the skew of the first 10 results.",
    ),
    limit: int = LIMIT,
    measures: str = typer.Option(
        "svcca,cka,retrieval",
        "--measures",
        help="Comma-separated: svcca, pwcca, cka, rbf-cka, rsa, neighbors, procrustes, retrieval.",
    ),
    pooling: str = typer.Option(
        "mean", "--pooling", help="How a layer's tokens become one vector: mean, first or last."
    ),
    shuffles: int = SHUFFLES,
    halves: int = HALVES,
    seed: int = typer.Option(0, "--seed", help="Seed of the sample, the shuffles and the halves."),
    report: list[Path] | None = typer.Option(
        None, "--report", help="Write the study as .html, .json or .csv; repeatable."
    ),
    device: str = DEVICE,
    precision: str = EXACT,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Compare an encoder's languages and modalities layer by layer, or look inside an adapter.

    Studies of an encoder's layers: layers (translations against English), gaps (modalities
    against languages), adaptor (speech before and after the length adaptor), length (short
    against long sentences), families (language families and scripts), codeswitch (sentences in
    two languages). Studies of a space: map (what an adapter's map stretches or drops), directions
    (which tell languages apart), space (a plot in two dimensions), bias (phrases about people).

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
