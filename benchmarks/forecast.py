"""Errors of `m2m forecast` on published figures that it does not see, by all protocols.

In sample: the sizes of the effects are those shipped, estimated from all figures. Nested: they are
estimated again without a sixth of XM3600's languages, and tried on those. Last the routing: R@10
lost when the better of two sources is chosen by left-out forecast.
"""

from __future__ import annotations

from measure import Report, arguments

from m2m_adapters.planning.estimate import DIRECTIONS, estimate, nested_trials
from m2m_adapters.planning.facts import BASE_ONLY, NOT_COVERED, TRAINED
from m2m_adapters.planning.left_out import (
    PROTOCOLS,
    LeftOut,
    Trial,
    leave_out_errors,
    summary,
    trials,
)
from m2m_adapters.planning.model import model, usable

BENCHMARKS = ("xm3600", "multi30k", "audiocaps", "clotho")
COUPLES = (("mpnet", "labse"), ("minilm", "labse"), ("mpnet", "jina-v3"), ("labse", "jina-v3"))
BY_LANGUAGE = PROTOCOLS[:3]
LEVELS = (TRAINED, BASE_ONLY, NOT_COVERED)


def shown(result: LeftOut) -> list[str]:
    """Figures, error, share inside; the last two again for each level of coverage."""
    cells = [str(result.count), f"{result.error:.1f}", f"{result.coverage:.1%}"]
    for level in LEVELS:
        count = result.count_by_level.get(level, 0)
        cells.append(
            f"{result.by_level[level]:.1f} / {result.coverage_by_level[level]:.0%} ({count})"
            if count
            else ""
        )
    return [*cells, f"{max(result.by_source.values()):.1f}"]


def routing(report: Report) -> None:
    """R@10 of the chosen source against the better one, per couple of sources."""
    for direction in DIRECTIONS:
        tried: dict[tuple[str, str], Trial] = {
            (trial.question.source, trial.question.language): trial
            for trial in trials(model(direction), "source and language", "xm3600")
            if trial.question.target == "jina-clip"
        }
        languages = sorted({language for _, language in tried})
        for first, second in COUPLES:
            lost = []
            for language in languages:
                couple = [tried[first, language], tried[second, language]]
                picked = max(couple, key=lambda trial: trial.expected)
                lost.append(max(trial.published for trial in couple) - picked.published)
            report.notes.append(
                f"routing {first} | {second} -> jina-clip, {direction}: "
                f"{sum(lost) / len(lost):.2f} points of R@10 below the better source per language"
            )


def main() -> None:
    asked = arguments(__doc__)
    report = Report(
        "Forecast",
        "python benchmarks/forecast.py",
        ("benchmark", "direction", "left out with each figure", "sizes of effects", "figures",
         "mean abs. error, R@10", "inside 90 %", "trained: error / inside (figures)",
         "base only", "not covered", "worst source's error"),
    )  # fmt: skip
    nested = nested_trials(usable("t2i"), BY_LANGUAGE)
    for benchmark in BENCHMARKS:
        for direction in DIRECTIONS:
            for protocol in PROTOCOLS:
                result = leave_out_errors(protocol, direction, benchmark)
                if result is None:
                    continue
                report.add(benchmark, direction, protocol, "in sample", *shown(result))
                if benchmark == "xm3600" and protocol in BY_LANGUAGE:
                    without = summary(nested[protocol, direction], protocol, direction, benchmark)
                    report.add(benchmark, direction, protocol, "nested", *shown(without))
    routing(report)
    spreads = ", ".join(f"{name} {size:.2f}" for name, size in estimate(usable("t2i")).items())
    report.notes.append(f"sizes of the effects, in logits: {spreads}")
    report.finish(asked)


if __name__ == "__main__":
    main()
