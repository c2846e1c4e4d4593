"""``m2m evaluate`` where the adapter's target encodes items: retrieval, and the trust report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from m2m_adapters._internal.spelling import counted
from m2m_cli.output import table

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.evaluation import Benchmark, Evaluation
    from m2m_adapters.report.trust_tables import Table

MISSING_SHOWN = 5


@dataclass(frozen=True)
class Retrieval:
    """The options that only make sense for a benchmark of items."""

    data: str | None
    items: str | None
    split: str | None
    allow_missing: bool
    skip_bad: bool
    baselines: bool
    baseline: Sequence[str] | None
    against: Sequence[str] | None
    correct: Sequence[str] | None
    no_bank: bool
    protocol: str
    texts: Sequence[str] | None
    rerank: str | None = None

    def refuse(self, what: str) -> None:
        """For anything but a benchmark of items."""
        from m2m_adapters.errors import UserError

        used = [
            f"--{name.replace('_', '-')}"
            for name, value in vars(self).items()
            if value and (name, value) != ("protocol", "all")
        ]
        if used:
            raise UserError(f"{what}, and {', '.join(used)} is for items", "leave it out")


def retrieve(
    adapter: Adapter,
    benchmark: str,
    known: Benchmark | None,
    options: Retrieval,
    *,
    langs: Sequence[str] | None,
    trust: bool,
    seed: int,
    device: str,
    trust_remote_code: bool,
) -> Evaluation:
    """Evaluate on a benchmark of items. known: the benchmark, where a plugin offers it."""
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.evaluation import BASELINES
    from m2m_adapters.evaluation import evaluate as measure
    from m2m_adapters.evaluation.systems import beside

    asked = known
    if asked is None or options.data is not None:
        asked = _read(adapter, benchmark, options)
    _need_item_encoder(adapter, benchmark)
    if asked.missing:
        shown = ", ".join(asked.missing[:MISSING_SHOWN])
        more = ", ..." if len(asked.missing) > MISSING_SHOWN else ""
        missing = counted(len(asked.missing), "missing item")
        typer.echo(f"m2m: left out {missing}: {shown}{more}", err=True)
    evaluation = measure(
        adapter,
        asked,
        langs=langs,
        baselines=[*(BASELINES if options.baselines else ()), *(options.baseline or ())],
        protocol=options.protocol,
        others=[
            beside(
                adapter,
                load_adapter(name, device=device, trust_remote_code=trust_remote_code),
                name,
                bank=not options.no_bank,
            )
            for name in options.against or ()
        ],
        corrections=options.correct or (),
        texts=options.texts or None,
        skip_bad=options.skip_bad,
        trust=trust,
        bank=not options.no_bank,
        seed=seed,
        device=device,
        progress=progress_for(),
    )
    for name, reason in evaluation.benchmark.unreadable.items():
        typer.echo(f"m2m: left out {name}: {reason}", err=True)
    if options.rerank is not None:
        from m2m_adapters.evaluation.reranked import rerank_evaluation

        with progress_for().stage("re-rank", len(evaluation.benchmark.languages)) as done:
            joint = load_adapter(options.rerank, device=device)
            evaluation.reranked = rerank_evaluation(evaluation, joint, progress=done)
    return evaluation


def _read(adapter: Adapter, benchmark: str, options: Retrieval) -> Benchmark:
    from m2m_adapters.evaluation.find import load_benchmark

    return load_benchmark(
        benchmark,
        data=options.data,
        items=options.items,
        split=options.split,
        allow_missing=options.allow_missing,
        modality=adapter.modality,
    )


def _need_item_encoder(adapter: Adapter, benchmark: str) -> None:
    from m2m_adapters.errors import UserError

    if not adapter.target.can("encode_items"):
        raise UserError(
            f"'{benchmark}' holds items to find, which this adapter's target cannot encode",
            "this target generates, so evaluate it on prompts: tiny-drawables, or a table with a "
            "column for each language",
        )


def results_table(evaluation: Evaluation) -> str:
    """A row for each language: R@k from text to item and back, and the baselines' R@10; then the
    trust report."""
    from m2m_adapters.report.tables import rows_of
    from m2m_adapters.report.trust_tables import trust_tables

    header, rows = rows_of(evaluation, codes=True, back=(1, 5, 10))
    bench = evaluation.benchmark
    head = f"{bench.name}: {counted(len(bench.items), 'item')}, protocol {evaluation.protocol}\n"
    trust = [titled(one) for one in trust_tables(evaluation)] if evaluation.trust else []
    return "\n".join([head + table(rows, header), *_reranked(evaluation), *trust])


def _reranked(evaluation: Evaluation) -> list[str]:
    """Recall before and after a joint model ordered the first items."""
    if not evaluation.reranked:
        return []
    names = list(next(iter(evaluation.reranked.values())))
    header = ["", *(f"{name} {when}" for name in names for when in ("before", "re-ranked"))]
    rows = [
        [code, *(f"{value:.1f}" for name in names for value in row[name])]
        for code, row in evaluation.reranked.items()
    ]
    return ["\nText to item, the first 50 ordered by the joint model\n" + table(rows, header)]


def titled(one: Table) -> str:
    """A table of the report under its title, with its note."""
    drawn = [table(one.rows, one.header)] if one.rows else []
    return "\n".join([f"\n{one.title}", *drawn, one.note])
