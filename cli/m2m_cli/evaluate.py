"""``m2m evaluate``: how well each language finds its items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from m2m_cli.output import DEVICE, JSON, TRUST, print_json, table

if TYPE_CHECKING:
    from m2m_adapters.evaluation import Evaluation


def evaluate(
    adapter: str = typer.Argument(..., help="An adapter's folder."),
    benchmark: str = typer.Option(..., "--benchmark", "-b", help="See `m2m list --benchmarks`."),
    langs: str | None = typer.Option(None, "--langs", help="Languages, e.g. en,de,ja; else all."),
    baselines: bool = typer.Option(
        False, "--baselines", help="Beside it: native, unaligned, procrustes, ridge."
    ),
    baseline: list[str] | None = typer.Option(
        None, "--baseline", help="One of these alone; repeatable."
    ),
    correct: list[str] | None = typer.Option(
        None, "--correct", help="Beside it: csls, qb-norm, centred, lir, lsar; repeatable."
    ),
    protocol: str = typer.Option("all", "--protocol", help="all, xtd or clip-benchmark."),
    texts: list[str] | None = typer.Option(
        None, "--texts", help="English text for fitted baselines; else the adapter's own."
    ),
    seed: int = typer.Option(0, "--seed", help="Of the bootstrap."),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Measure R@1/5/10 both ways for every language, with 95% intervals.

    [dim]m2m evaluate mpnet-clip --benchmark tiny-scenes --baselines[/dim]
    """
    from m2m_adapters.adapter import load_adapter
    from m2m_adapters.evaluation import BASELINES
    from m2m_adapters.evaluation import evaluate as measure
    from m2m_adapters.evaluation.find import load_benchmark
    from m2m_adapters.progress import progress_for

    found = measure(
        load_adapter(adapter, device=device, trust_remote_code=trust_remote_code),
        load_benchmark(benchmark),
        langs=[code.strip() for code in langs.split(",") if code.strip()] if langs else None,
        baselines=[*(BASELINES if baselines else ()), *(baseline or ())],
        protocol=protocol,
        corrections=correct or (),
        texts=texts or None,
        seed=seed,
        progress=progress_for(),
    )
    if json:
        print_json(found.to_dict())
    else:
        typer.echo(results_table(found))


def results_table(found: Evaluation) -> str:
    """A row for each language: R@k from text to item and back, and the baselines' R@10."""
    told = found.to_dict()["systems"]
    own, others = told["adapter"], {k: v for k, v in told.items() if k != "adapter"}

    def row(label: str, key: str, code: str) -> list[Any]:
        there, back = (own[key][code][d] for d in ("text_to_item", "item_to_text"))
        value, low, high = there["R@10"]
        return [
            label,
            *(f"{there[f'R@{k}'][0]:.1f}" for k in (1, 5)),
            f"{value:.1f} [{low:.1f}, {high:.1f}]",
            *(f"{back[f'R@{k}'][0]:.1f}" for k in (1, 5, 10)),
            *(f"{other[key][code]['text_to_item']['R@10'][0]:.1f}" for other in others.values()),
        ]

    rows = [row(code, "languages", code) for code in own["languages"]]
    rows += [
        row(name, "averages", name)
        for name in ("all languages", "without English")
        if name in own["averages"]
    ]
    header = ["language", "R@1", "R@5", "R@10 [95%]", "item R@1", "R@5", "R@10"]
    header += [f"{name} R@10" for name in others]
    bench = found.benchmark
    return f"{bench.name}: {len(bench.items):,} items, protocol {found.protocol}\n" + table(
        rows, header
    )
