"""``m2m evaluate``: how well each language finds its items, or what each language generates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_cli import evaluate_options as asks
from m2m_cli.evaluate_generator import (
    Painting,
    agreement_lines,
    judged,
    named,
    paint,
    paintings_table,
)
from m2m_cli.evaluate_items import Retrieval, results_table, retrieve, titled
from m2m_cli.options import DEVICE, JSON, TRUST
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.evaluation import Evaluation, GeneratorEvaluation, Prompts


def evaluate(
    adapter: str = asks.ADAPTER,
    benchmark: str | None = asks.BENCHMARK,
    data: str | None = asks.DATA,
    items: str | None = asks.ITEMS,
    split: str | None = asks.SPLIT,
    allow_missing: bool = asks.ALLOW_MISSING,
    skip_bad: bool = asks.SKIP_BAD,
    suite: str | None = asks.SUITE,
    tasks: str | None = asks.TASKS,
    langs: str | None = asks.LANGS,
    baselines: bool = asks.BASELINES,
    baseline: list[str] | None = asks.BASELINE,
    against: list[str] | None = asks.AGAINST,
    rerank: str | None = asks.RERANK,
    correct: list[str] | None = asks.CORRECT,
    no_bank: bool = asks.NO_BANK,
    trust: bool = asks.TRUST_REPORT,
    false_friends: bool = asks.FALSE_FRIENDS,
    protocol: str = asks.PROTOCOL,
    texts: list[str] | None = asks.TEXTS,
    report: list[Path] | None = asks.REPORT,
    keep: bool = asks.KEEP,
    scorer: str | None = asks.SCORER,
    reference_items: str | None = asks.REFERENCE_ITEMS,
    judge: str | None = asks.JUDGE,
    limit: int | None = asks.LIMIT,
    steps: int | None = asks.STEPS,
    batch_size: int | None = asks.BATCH_SIZE,
    seed: int = asks.SEED,
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Measure retrieval per language (R@1/5/10 both ways, 95% intervals), or score a generator.

    [dim]m2m evaluate mpnet-clip --benchmark tiny-scenes --baselines[/dim]

    [dim]m2m evaluate mpnet-clip --benchmark tiny-scenes --baselines --report out.html[/dim]

    [dim]m2m evaluate mpnet-clip --benchmark xtd10 --data xtd10/ --protocol xtd[/dim]

    [dim]m2m evaluate mpnet-clip --benchmark my-photos/ (with captions.csv)[/dim]

    [dim]m2m evaluate mpnet-flux --benchmark prompts.csv --scorer clip --report out.html[/dim]
    """
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.evaluation import Prompts

    chosen = _listed(langs)
    _check(benchmark, suite, false_friends, chosen)
    _check_outputs(adapter, report or (), keep, benchmark)
    retrieval = Retrieval(
        data, items, split, allow_missing, skip_bad, baselines, baseline, against, correct,
        no_bank, protocol, texts, rerank,
    )  # fmt: skip
    painting = Painting(scorer, reference_items, limit, steps, batch_size, judge)
    loaded = load_adapter(adapter, device=device, trust_remote_code=trust_remote_code)
    if benchmark is None:
        what = "a suite" if suite else "the probe of false friends"
        painting.refuse(what)
        retrieval.refuse(f"this is {what}")
        if suite:
            _suite(loaded, suite, _listed(tasks), chosen, json)
        else:
            _false_friends(loaded, chosen, json)
        return
    known = named(loaded, benchmark)
    result: Evaluation | GeneratorEvaluation
    if isinstance(known, Prompts):
        what = f"'{known.name}' holds prompts"
        if judge is not None:
            replace(retrieval, texts=None).refuse(what)
            _judge(loaded, known, painting, report or (), keep, seed, json, texts)
            return
        retrieval.refuse(what)
        result = paint(loaded, known, painting, langs=chosen, seed=seed, device=device)
    else:
        painting.refuse(f"'{benchmark}'")
        result = retrieve(
            loaded, benchmark, known, retrieval, langs=chosen, trust=trust, seed=seed,
            device=device, trust_remote_code=trust_remote_code,
        )  # fmt: skip
    _hand_over(loaded, result, adapter, report or (), keep, json)


def _judge(
    adapter: Adapter,
    prompts: Prompts,
    painting: Painting,
    reports: Sequence[Path],
    keep: bool,
    seed: int,
    json: bool,
    texts: list[str] | None,
) -> None:
    from m2m_adapters.errors import UserError

    if reports or keep:
        raise UserError(
            "--judge cannot be combined with --report or --keep", "leave them out, or use --json"
        )
    english, translated = judged(adapter, prompts, painting, seed=seed, sample=texts)
    if json:
        known = None if isinstance(translated, Exception) else translated.to_dict()
        print_json({**english.to_dict(), "translated": known})
    else:
        typer.echo(agreement_lines(english, translated))


def _check(
    benchmark: str | None, suite: str | None, false_friends: bool, langs: list[str] | None
) -> None:
    """What is evaluated, before anything is loaded."""
    from m2m_adapters.errors import UserError

    if sum((benchmark is not None, suite is not None, false_friends)) != 1:
        raise UserError(
            "there is nothing to evaluate on",
            "give one of --benchmark, --suite mteb, --false-friends",
        )
    if false_friends:
        from m2m_adapters.evaluation.false_friends import check_languages

        check_languages(langs)


def _check_outputs(
    adapter: str, reports: Sequence[Path], keep: bool, benchmark: str | None
) -> None:
    """Where results go, before the long work."""
    from m2m_adapters.errors import UserError
    from m2m_adapters.report.evaluation_page import check_format

    if benchmark is None and (reports or keep):
        raise UserError("--report and --keep need a benchmark", "give --benchmark, or use --json")
    for path in reports:
        check_format(path)
    if keep and not Path(adapter).is_dir():
        raise UserError(
            f"--keep writes into an adapter's folder, and '{adapter}' is not a folder here",
            f"m2m pull {adapter} --out FOLDER, and evaluate that; or write a --report",
        )


def _hand_over(
    adapter: Adapter,
    result: Evaluation | GeneratorEvaluation,
    folder: str,
    reports: Sequence[Path],
    keep: bool,
    json: bool,
) -> None:
    from m2m_adapters.evaluation import Evaluation
    from m2m_adapters.report.evaluation_page import write_report

    for path in reports:
        write_report(result, path)
    if keep:
        keep_in_card(adapter, result, Path(folder))
    if json:
        print_json(result.to_dict())
        return
    typer.echo(results_table(result) if isinstance(result, Evaluation) else paintings_table(result))
    for path in reports:
        typer.echo(f"{path} written", err=True)


def keep_in_card(adapter: Adapter, result: Evaluation | GeneratorEvaluation, folder: Path) -> None:
    """Put the table into the adapter's record and card, over an older one of that benchmark."""
    from m2m_adapters.artifact.results import keep_results

    adapter.record = keep_results(adapter.record, result.to_dict())
    adapter.save(folder)


def _listed(names: str | None) -> list[str] | None:
    return [part.strip() for part in names.split(",") if part.strip()] if names else None


def _false_friends(adapter: Adapter, langs: list[str] | None, json: bool) -> None:
    from m2m_adapters.evaluation.false_friends import false_friends
    from m2m_adapters.report.trust_tables import false_friends_table

    pairs = false_friends(adapter, langs)
    if json:
        print_json(pairs)
        return
    typer.echo(titled(false_friends_table(pairs)))


def _suite(
    adapter: Adapter,
    suite: str | None,
    tasks: list[str] | None,
    langs: list[str] | None,
    json: bool,
) -> None:
    from m2m_adapters.errors import UserError
    from m2m_adapters.evaluation.mteb_model import run

    if suite != "mteb":
        raise UserError(f"unknown suite '{suite}'", "the only suite is mteb")
    if not tasks:
        raise UserError(
            "no tasks are named", "name them, e.g. --tasks XM3600T2IRetrieval,Multi30kT2IRetrieval"
        )
    rows = run(adapter, tasks, languages=langs)
    if json:
        print_json(rows)
        return
    header = [key for key in rows[0] if key != "languages"]
    typer.echo(table([[row.get(key) for key in header] for row in rows], header))
