"""Benchmarks, metrics, baselines and corrections, with intervals."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Imported on first use: benchmarks of plugins need :class:`Benchmark` alone.
_HOMES = {
    "BASELINES": "systems",
    "Benchmark": "benchmark",
    "DenoiserAgreement": "denoiser",
    "Evaluation": "scoring",
    "GeneratorEvaluation": "generator_evaluation",
    "LazyItems": "benchmark",
    "PROTOCOLS": "benchmark",
    "PerPicture": "judges",
    "PictureJudge": "judges",
    "Prompts": "prompts",
    "System": "systems",
    "denoiser_agreement": "denoiser",
    "evaluate": "scoring",
    "evaluate_generator": "generator_evaluation",
    "item_to_text": "metrics",
    "rank": "ranking",
    "text_to_item": "metrics",
}

if TYPE_CHECKING:
    from m2m_adapters.evaluation.benchmark import PROTOCOLS, Benchmark, LazyItems
    from m2m_adapters.evaluation.denoiser import DenoiserAgreement, denoiser_agreement
    from m2m_adapters.evaluation.generator_evaluation import (
        GeneratorEvaluation,
        evaluate_generator,
    )
    from m2m_adapters.evaluation.judges import PerPicture, PictureJudge
    from m2m_adapters.evaluation.metrics import item_to_text, text_to_item
    from m2m_adapters.evaluation.prompts import Prompts
    from m2m_adapters.evaluation.ranking import rank
    from m2m_adapters.evaluation.scoring import Evaluation, evaluate
    from m2m_adapters.evaluation.systems import BASELINES, System

__all__ = [
    "BASELINES",
    "PROTOCOLS",
    "Benchmark",
    "DenoiserAgreement",
    "Evaluation",
    "GeneratorEvaluation",
    "LazyItems",
    "PerPicture",
    "PictureJudge",
    "Prompts",
    "System",
    "denoiser_agreement",
    "evaluate",
    "evaluate_generator",
    "item_to_text",
    "rank",
    "text_to_item",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}")
