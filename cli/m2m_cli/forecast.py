"""``m2m forecast``: expected R@10 per language, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from m2m_cli.options import DEVICE, JSON, TRUST
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.planning.answer import Forecast


def forecast(
    source: str = typer.Option(
        ..., "--source", "-s", help="A source, or a route: route(mpnet|labse)."
    ),
    target: str = typer.Option(..., "--target", "-t", help="A target."),
    langs: str = typer.Option(..., "--langs", help="Languages, e.g. sw,te,de."),
    benchmark: str | None = typer.Option(
        None,
        "--benchmark",
        "-b",
        help="xm3600, xtd10, multi30k, audiocaps or clotho; by default the largest of the "
        "target's modality.",
    ),
    direction: str = typer.Option("t2i", "--direction", help="t2i (text to item) or i2t."),
    parallel: list[str] | None = typer.Option(
        None,
        "--parallel",
        help="FILE or LANG=FILE with at least 100 sentences and their translations, to measure "
        "the source itself: a .tsv with an English sentence and its translation on each line, or "
        "a .csv with a column per language; repeatable.",
    ),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Forecast R@10 per language from published figures. Downloads nothing without --parallel.

    [dim]m2m forecast --source mpnet --target clip-l14 --langs sw,te,de[/dim]

    [dim]m2m forecast --source e5-small --target jina-clip --langs sw --parallel sw=pairs.tsv[/dim]
    """
    from m2m_adapters.planning.forecast import forecast as predict
    from m2m_adapters.planning.names import check_languages
    from m2m_adapters.planning.parallel import assign_files

    answers = predict(
        source,
        target,
        langs,
        benchmark=benchmark,
        direction=direction,
        parallel=assign_files(parallel or [], check_languages(langs)),
        device=device,
        trust_remote_code=trust_remote_code,
    )
    if json:
        print_json([answer.to_dict() for answer in answers])
        return
    typer.echo(forecast_table(answers))


def forecast_table(answers: Sequence[Forecast]) -> str:
    """A row for each language; guesses are marked by a question mark."""
    asked = answers[0].question
    header = ["language", "R@10", "90 % interval", "basis", "left-out error", "why"]
    rows = [
        [
            answer.question.language,
            f"{answer.expected:.1f}" + ("?" if answer.basis == "guess" else ""),
            f"{answer.low:.1f} to {answer.high:.1f}",
            answer.basis,
            _left_out(answer),
            answer.why,
        ]
        for answer in answers
    ]
    lines = [
        f"{asked.source} -> {asked.target}, R@10 {asked.direction} on {asked.benchmark} (percent)",
        "",
        table(rows, header),
    ]
    if any(answer.error is not None for answer in answers):
        lines.append(
            "\nleft-out error: mean over published figures of the same kind that the model did not "
            "see, for languages their source covers as well; inside: share within the interval."
        )
    if any(answer.basis == "guess" for answer in answers):
        lines.append(
            "? = a guess: nothing is published for the source, the target or the language."
        )
    return "\n".join(lines)


def _left_out(answer: Forecast) -> str | None:
    if answer.error is None:
        return None
    return f"{answer.error:.1f} points on {answer.error_on}, {answer.covered:.0%} inside"
