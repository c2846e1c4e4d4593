"""``m2m evaluate`` where the adapter's target generates: prompts are painted and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from m2m_cli.output import table

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.errors import UserError
    from m2m_adapters.evaluation import (
        Benchmark,
        DenoiserAgreement,
        GeneratorEvaluation,
        Prompts,
    )


@dataclass(frozen=True)
class Painting:
    """The options that only make sense for a generator."""

    scorer: str | None
    reference_items: str | None
    limit: int | None
    steps: int | None
    batch_size: int | None
    judge: str | None = None

    def refuse(self, what: str) -> None:
        """For a benchmark of items."""
        from m2m_adapters.errors import UserError

        used = [f"--{name.replace('_', '-')}" for name, value in vars(self).items() if value]
        if used:
            raise UserError(
                f"{', '.join(used)} is for prompts and generators, and {what} holds items",
                "leave it out, or give a benchmark of prompts",
            )


def named(adapter: Adapter, benchmark: str) -> Prompts | Benchmark | None:
    """A benchmark of prompts, or one of items that a plugin offers; else None."""
    from m2m_adapters.evaluation.datasets.table import has_table
    from m2m_adapters.evaluation.find import load_named, place_of

    if has_table(place_of(benchmark)) and adapter.target.can("encode_items"):
        return None  # a table of items and their captions
    return load_named(benchmark, modality=adapter.modality)


def paint(
    adapter: Adapter,
    prompts: Prompts,
    painting: Painting,
    *,
    langs: Sequence[str] | None,
    seed: int,
    device: str,
) -> GeneratorEvaluation:
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.errors import UserError
    from m2m_adapters.evaluation import evaluate_generator
    from m2m_adapters.evaluation.generator_evaluation import reference_files
    from m2m_adapters.registry.names import load_target

    if painting.reference_items is not None and painting.scorer is None:
        raise UserError(
            "--reference-items needs --scorer: FID and KID are computed in its space",
            "name a dual encoder, such as --scorer clip",
        )
    files = None
    if painting.reference_items is not None:
        files = reference_files(painting.reference_items, adapter.modality)
    options: dict[str, Any] = {
        name: value
        for name, value in (("steps", painting.steps), ("batch_size", painting.batch_size))
        if value is not None
    }
    return evaluate_generator(
        adapter,
        prompts,
        langs=langs,
        limit=painting.limit,
        scorer=load_target(painting.scorer, device=device) if painting.scorer else None,
        scorer_name=painting.scorer or "",
        reference_items=files,
        seed=seed,
        progress=progress_for(),
        **options,
    )


def judged(
    adapter: Adapter,
    prompts: Prompts,
    painting: Painting,
    *,
    seed: int,
    sample: list[str] | None = None,
) -> tuple[DenoiserAgreement, DenoiserAgreement | UserError]:
    """``--judge denoiser``: nothing is painted, and English prompts alone are read.

    Of the prompts, and of vectors as far from them as translations are; or why that is not known.
    sample: ``--texts``, English sentences that show how the source's vectors spread.
    """
    from m2m_adapters.errors import UserError
    from m2m_adapters.evaluation.denoiser import denoiser_agreement, denoiser_agreements
    from m2m_adapters.evaluation.translated import TRANSLATED

    if painting.judge != "denoiser":
        raise UserError(f"unknown judge '{painting.judge}'", "the only one is denoiser")
    if painting.scorer is not None or painting.reference_items is not None:
        raise UserError(
            "--judge denoiser makes no items that --scorer or --reference-items could look at",
            "leave them out, or leave out --judge",
        )
    chosen = {"levels": painting.steps, "limit": painting.limit, "batch_size": painting.batch_size}
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    texts = prompts.captions["en"]
    try:
        english, translated = denoiser_agreements(
            adapter, texts, (0.0, TRANSLATED), seed=seed, sample=sample, **options
        )
    except UserError as too_few:
        return denoiser_agreement(adapter, texts, seed=seed, **options), too_few
    return english, translated


def agreement_lines(result: DenoiserAgreement, translated: DenoiserAgreement | UserError) -> str:
    levels = ", ".join(f"{level:.3f}" for level in result.by_level)
    if isinstance(translated, Exception):
        other = f"for other languages it is not estimated: {translated}"
    else:
        other = (
            f"estimated for other languages: {translated.agreement:.3f} "
            f"[{translated.low:.3f}, {translated.high:.3f}]"
        )
    return (
        f"denoiser agreement {result.agreement:.3f} [{result.low:.3f}, {result.high:.3f}] over "
        f"{result.prompts} English prompts\n"
        f"{other}\n"
        f"from the most noise to the least: {levels}\n"
        "1: it follows the adapter as it follows native English; 0: as if there were no prompt"
    )


def paintings_table(evaluation: GeneratorEvaluation) -> str:
    from m2m_adapters.report.generator_page import caption_of, rows_of

    header, rows = rows_of(evaluation)
    return f"{caption_of(evaluation)}\n" + table(rows, header)
