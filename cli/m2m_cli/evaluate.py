"""``m2m evaluate``: how well each language finds its items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_cli.evaluate_generator import (
    Painting,
    named,
    need_item_encoder,
    paint,
    paintings_table,
)
from m2m_cli.options import DEVICE, JSON, TRUST
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.evaluation import Evaluation, GeneratorEvaluation
    from m2m_adapters.report.trust_tables import Table


def evaluate(
    adapter: str = typer.Argument(..., help="An adapter's folder."),
    benchmark: str | None = typer.Option(
        None, "--benchmark", "-b", help="A name (`m2m list --benchmarks`), or your folder or table."
    ),
    data: str | None = typer.Option(None, "--data", help="Folder of a published benchmark."),
    items: str | None = typer.Option(None, "--items", help="Folder of its pictures or sounds."),
    split: str | None = typer.Option(None, "--split", help="Which part of it."),
    allow_missing: bool = typer.Option(
        False, "--allow-missing", help="Leave out items that are not there."
    ),
    skip_bad: bool = typer.Option(
        False, "--skip-bad", help="Leave out items that cannot be read, and name them."
    ),
    suite: str | None = typer.Option(None, "--suite", help="mteb, instead of a benchmark."),
    tasks: str | None = typer.Option(None, "--tasks", help="Tasks of the suite, with commas."),
    langs: str | None = typer.Option(None, "--langs", help="Languages, e.g. en,de,ja; else all."),
    baselines: bool = typer.Option(
        False, "--baselines", help="Beside it: native, unaligned, procrustes, ridge."
    ),
    baseline: list[str] | None = typer.Option(
        None, "--baseline", help="One of these alone; repeatable."
    ),
    against: list[str] | None = typer.Option(
        None, "--against", help="Beside it: another adapter to the same target; repeatable."
    ),
    correct: list[str] | None = typer.Option(
        None, "--correct", help="Beside it: csls, qb-norm, centred, lir, lsar; repeatable."
    ),
    trust: bool = typer.Option(
        True,
        "--trust/--no-trust",
        help="Also: English before and after, agreement of languages, mixed queries, false "
        "friends. Encodes captions three times instead of once.",
    ),
    false_friends: bool = typer.Option(
        False, "--false-friends", help="Only the probe of false friends; needs no benchmark."
    ),
    protocol: str = typer.Option("all", "--protocol", help="all, xtd or clip-benchmark."),
    texts: list[str] | None = typer.Option(
        None, "--texts", help="English text for fitted baselines; else the adapter's own."
    ),
    report: list[Path] | None = typer.Option(
        None, "--report", help="Also write .html, .json, .md or .tex; repeatable."
    ),
    keep: bool = typer.Option(False, "--keep", help="Write the results into the adapter's card."),
    scorer: str | None = typer.Option(
        None, "--scorer", help="Of what a generator makes: a dual encoder, e.g. clip."
    ),
    reference_items: str | None = typer.Option(
        None, "--reference-items", help="Folder to count FID and KID against."
    ),
    limit: int | None = typer.Option(None, "--limit", help="Only the first prompts."),
    steps: int | None = typer.Option(None, "--steps", help="Of a generator."),
    batch_size: int | None = typer.Option(None, "--batch-size", help="Prompts at once."),
    seed: int = typer.Option(
        0, "--seed", help="Of the bootstrap, and of a generator's noise.", min=0
    ),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Measure R@1/5/10 both ways for every language, with 95% intervals; or what is generated.

    [dim]m2m evaluate mpnet-clip --benchmark tiny-scenes --baselines[/dim]

    [dim]m2m evaluate mpnet-clip --benchmark tiny-scenes --baselines --report out.html[/dim]

    [dim]m2m evaluate mpnet-clip --benchmark xtd10 --data xtd10/ --protocol xtd[/dim]

    [dim]m2m evaluate mpnet-clip --benchmark my-photos/ (with captions.csv)[/dim]

    [dim]m2m evaluate mpnet-flux --benchmark prompts.csv --scorer clip --report out.html[/dim]
    """
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.errors import UserError
    from m2m_adapters.evaluation import BASELINES, Prompts
    from m2m_adapters.evaluation import evaluate as measure
    from m2m_adapters.evaluation.false_friends import check_languages
    from m2m_adapters.evaluation.find import load_benchmark
    from m2m_adapters.evaluation.systems import beside
    from m2m_adapters.report.evaluation_page import check_format

    for path in report or ():
        check_format(path)
    if sum((benchmark is not None, suite is not None, false_friends)) != 1:
        raise UserError(
            "what should be evaluated?", "give one of --benchmark, --suite mteb, --false-friends"
        )
    chosen = _listed(langs)
    if false_friends:
        check_languages(chosen)
    loaded = load_adapter(adapter, device=device, trust_remote_code=trust_remote_code)
    painting = Painting(scorer, reference_items, limit, steps, batch_size)
    for_items = {
        "--data": data, "--items": items, "--split": split, "--allow-missing": allow_missing,
        "--skip-bad": skip_bad,
        "--baselines": baselines, "--baseline": baseline, "--against": against,
        "--correct": correct, "--protocol": protocol != "all", "--texts": texts,
    }  # fmt: skip
    if false_friends:
        painting.refuse("the probe of false friends")
        _false_friends(loaded, chosen, json)
        return
    if benchmark is None:
        painting.refuse("a suite")
        _suite(loaded, suite, _listed(tasks), chosen, json)
        return
    known = named(loaded, benchmark)
    if isinstance(known, Prompts):
        if given := [name for name, value in for_items.items() if value]:
            raise UserError(
                f"'{known.name}' holds prompts, and {', '.join(given)} is about items",
                "leave it out",
            )
        made = paint(loaded, known, painting, langs=chosen, seed=seed, device=device)
        _hand_over(loaded, made, adapter, report or (), keep, json)
        return
    painting.refuse(f"'{benchmark}'")
    asked = known
    if asked is None or data is not None:
        asked = load_benchmark(
            benchmark,
            data=data,
            items=items,
            split=split,
            allow_missing=allow_missing,
            modality=loaded.modality,
        )
    need_item_encoder(loaded, benchmark)
    if asked.missing:
        shown = ", ".join(asked.missing[:5]) + (", ..." if len(asked.missing) > 5 else "")
        typer.echo(f"m2m: left out {len(asked.missing):,} missing items: {shown}", err=True)
    found = measure(
        loaded,
        asked,
        langs=chosen,
        baselines=[*(BASELINES if baselines else ()), *(baseline or ())],
        protocol=protocol,
        others=[
            beside(
                loaded, load_adapter(name, device=device, trust_remote_code=trust_remote_code), name
            )
            for name in against or ()
        ],
        corrections=correct or (),
        texts=texts or None,
        skip_bad=skip_bad,
        trust=trust,
        seed=seed,
        device=device,
        progress=progress_for(),
    )
    for name, reason in found.benchmark.unreadable.items():
        typer.echo(f"m2m: left out {name}: {reason}", err=True)
    _hand_over(loaded, found, adapter, report or (), keep, json)


def _hand_over(
    adapter: Adapter,
    found: Evaluation | GeneratorEvaluation,
    folder: str,
    reports: Sequence[Path],
    keep: bool,
    json: bool,
) -> None:
    from m2m_adapters.evaluation import Evaluation
    from m2m_adapters.report.evaluation_page import write_report

    for path in reports:
        write_report(found, path)
    if keep:
        keep_in_card(adapter, found, Path(folder))
    if json:
        print_json(found.to_dict())
        return
    typer.echo(results_table(found) if isinstance(found, Evaluation) else paintings_table(found))
    for path in reports:
        typer.echo(f"{path} written", err=True)


def keep_in_card(adapter: Adapter, found: Evaluation | GeneratorEvaluation, folder: Path) -> None:
    """Put the table into the adapter's record and card, over an older one of that benchmark."""
    from m2m_adapters.artifact.results import keep_results

    adapter.record = keep_results(adapter.record, found.to_dict())
    adapter.save(folder)


def _listed(given: str | None) -> list[str] | None:
    return [part.strip() for part in given.split(",") if part.strip()] if given else None


def _false_friends(adapter: Adapter, langs: list[str] | None, json: bool) -> None:
    from m2m_adapters.evaluation.false_friends import false_friends
    from m2m_adapters.report.trust_tables import false_friends_table

    found = false_friends(adapter, langs)
    if json:
        print_json(found)
        return
    typer.echo(titled(false_friends_table(found)))


def titled(one: Table) -> str:
    """A table of the report under its title, with its note."""
    drawn = [table(one.rows, one.header)] if one.rows else []
    return "\n".join([f"\n{one.title}", *drawn, one.note])


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
        raise UserError(f"unknown suite '{suite}'", "the one suite is mteb")
    if not tasks:
        raise UserError(
            "which tasks?", "name them, e.g. --tasks XM3600T2IRetrieval,Multi30kT2IRetrieval"
        )
    rows = run(adapter, tasks, languages=langs)
    if json:
        print_json(rows)
        return
    header = [key for key in rows[0] if key != "languages"]
    typer.echo(table([[row.get(key) for key in header] for row in rows], header))


def results_table(found: Evaluation) -> str:
    """A row for each language: R@k from text to item and back, and the baselines' R@10."""
    from m2m_adapters.report.tables import rows_of
    from m2m_adapters.report.trust_tables import trust_tables

    header, rows = rows_of(found, codes=True, back=(1, 5, 10))
    bench = found.benchmark
    head = f"{bench.name}: {len(bench.items):,} items, protocol {found.protocol}\n"
    trust = [titled(one) for one in trust_tables(found)] if found.trust else []
    return "\n".join([head + table(rows, header), *trust])
