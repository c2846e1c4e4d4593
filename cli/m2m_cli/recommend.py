"""``m2m recommend``: which source and target for some languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.planning.recommend import Recommendation


def recommend(
    langs: str = typer.Option(..., "--langs", help="Languages, e.g. sw,de."),
    modality: str = typer.Option("image", "--modality", help="image or audio."),
    cpu_budget: float | None = typer.Option(
        None,
        "--cpu-budget",
        help="Maximum estimated milliseconds for a short query on one CPU thread.",
        min=0.0,
    ),
    target: list[str] | None = typer.Option(
        None, "--target", "-t", help="Consider only this target; repeatable."
    ),
    benchmark: str | None = typer.Option(
        None,
        "--benchmark",
        "-b",
        help="Benchmark to forecast; by default the largest of the modality.",
    ),
    direction: str = typer.Option("t2i", "--direction", help="t2i (text to item) or i2t."),
    limit: int = typer.Option(10, "--limit", help="Maximum number of rows.", min=1),
    json: bool = JSON,
) -> None:
    """Rank sources and targets by forecast R@10, with size, license, speed. Downloads nothing.

    [dim]m2m recommend --langs sw,de --modality image[/dim]

    [dim]m2m recommend --langs de,fr --cpu-budget 30[/dim]
    """
    from m2m_adapters.planning.recommend import recommend as rank

    answer = rank(
        langs,
        modality=modality,
        cpu_budget_ms=cpu_budget,
        targets=target,
        benchmark=benchmark,
        direction=direction,
        limit=limit,
    )
    if json:
        print_json(answer.to_dict())
        return
    typer.echo(recommendation_table(answer))


def recommendation_table(answer: Recommendation) -> str:
    """A row for each candidate; guesses are marked by a question mark."""
    header = ["source -> target", "R@10", "worst language", "text side", "CPU query (estimate)",
              "licenses"]  # fmt: skip
    rows = []
    for candidate in answer.candidates:
        worst, cost = candidate.worst, candidate.query_ms
        size, code = candidate.parameters_m, worst.question.language
        rows.append(
            [
                f"{candidate.source} -> {candidate.target}",
                f"{candidate.expected:.1f}" + ("?" if candidate.guessed else ""),
                f"{code} {worst.expected:.0f} ({worst.low:.0f}-{worst.high:.0f})",
                None if size is None else f"{size}M",
                None if cost is None else f"~{cost:.0f} ms, {candidate.speed}",
                ", ".join(candidate.licenses),
            ]
        )
    asked = f"R@10 {answer.direction} on {answer.benchmark}, mean of {', '.join(answer.languages)}"
    lines = [asked]
    if rows:
        lines += ["", table(rows, header)]
    lines += ["", answer.advice]
    if any(candidate.guessed for candidate in answer.candidates):
        lines.append("? = partly a guess: see `m2m forecast` for the reasons, per language.")
    if any(candidate.route for candidate in answer.candidates):
        lines.append("route(a|b): each query's language is known or detected, and chooses.")
    return "\n".join(lines)
