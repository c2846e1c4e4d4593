"""Make any English-only multimodal model speak every language, with English text alone.

>>> import m2m_adapters as m2m
>>> adapter = m2m.align("mpnet", "clap", texts="captions.txt")  # doctest: +SKIP
>>> adapter.encode(["ein Hund bellt"])  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from m2m_adapters._internal.version import __version__ as __version__

# Names are imported on first use, so that `m2m --help` never waits for torch.
_HOMES = {
    "AbilityMissing": "errors",
    "Adaptation": "adaptation.adapt",
    "AdaptedEncoder": "artifact.adapted_encoder",
    "Adapter": "artifact.adapter",
    "BadItem": "models.items",
    "Benchmark": "evaluation.benchmark",
    "Corpus": "corpus.sentences",
    "Evaluation": "evaluation.scoring",
    "GeneratorEvaluation": "evaluation.generator_evaluation",
    "ItemTarget": "models.items",
    "M2MError": "errors",
    "ModalityModel": "interfaces",
    "Parallel": "analysis.parallel",
    "PluginError": "errors",
    "Prompts": "evaluation.prompts",
    "Recipe": "alignment.recipes",
    "Register": "hookspecs",
    "Space": "interfaces",
    "Stopping": "alignment.anytime",
    "Store": "embeddings.store",
    "Study": "analysis.study",
    "TextEncoder": "interfaces",
    "TokenEncoder": "models.text_encoder",
    "UserError": "errors",
    "Vectors": "interfaces",
    "adapt": "adaptation.adapt",
    "align": "alignment.align",
    "align_vectors": "alignment.vectors",
    "analyze": "analysis.analyze",
    "analyze_vectors": "analysis.stored_vectors",
    "build_index": "search.build",
    "compare": "analysis.compare",
    "embed_dataset": "embeddings.bulk",
    "denoiser_agreement": "evaluation.denoiser",
    "evaluate": "evaluation.scoring",
    "evaluate_generator": "evaluation.generator_evaluation",
    "export": "exporters",
    "forecast": "planning.forecast",
    "generate_files": "generation.files",
    "hookimpl": "hookspecs",
    "import_checkpoint": "artifact.import_m2m",
    "import_index": "search.imported",
    "load_adapter": "artifact.load",
    "load_benchmark": "evaluation.find",
    "load_index": "search.index",
    "load_source": "registry.names",
    "load_target": "registry.names",
    "parallel_texts": "analysis.parallel",
    "pull": "artifact.publish",
    "push": "artifact.publish",
    "read_corpus": "corpus.sentences",
    "read_vectors": "analysis.stored_vectors",
    "recommend": "planning.recommend",
    "route": "planning.routing",
    "sweep": "alignment.sweep",
    "write_report": "report.evaluation_page",
    "write_study": "report.analysis_page",
}

if TYPE_CHECKING:
    from m2m_adapters.adaptation.adapt import Adaptation, adapt
    from m2m_adapters.alignment.align import align
    from m2m_adapters.alignment.anytime import Stopping
    from m2m_adapters.alignment.recipes import Recipe
    from m2m_adapters.alignment.sweep import sweep
    from m2m_adapters.alignment.vectors import align_vectors
    from m2m_adapters.analysis.analyze import analyze
    from m2m_adapters.analysis.compare import compare
    from m2m_adapters.analysis.parallel import Parallel, parallel_texts
    from m2m_adapters.analysis.stored_vectors import analyze_vectors, read_vectors
    from m2m_adapters.analysis.study import Study
    from m2m_adapters.artifact.adapted_encoder import AdaptedEncoder
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.import_m2m import import_checkpoint
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.artifact.publish import pull, push
    from m2m_adapters.corpus.sentences import Corpus, read_corpus
    from m2m_adapters.embeddings.bulk import embed_dataset
    from m2m_adapters.embeddings.store import Store
    from m2m_adapters.errors import AbilityMissing, M2MError, PluginError, UserError
    from m2m_adapters.evaluation.benchmark import Benchmark
    from m2m_adapters.evaluation.denoiser import denoiser_agreement
    from m2m_adapters.evaluation.find import load_benchmark
    from m2m_adapters.evaluation.generator_evaluation import (
        GeneratorEvaluation,
        evaluate_generator,
    )
    from m2m_adapters.evaluation.prompts import Prompts
    from m2m_adapters.evaluation.scoring import Evaluation, evaluate
    from m2m_adapters.exporters import export
    from m2m_adapters.generation.files import generate_files
    from m2m_adapters.hookspecs import Register, hookimpl
    from m2m_adapters.interfaces import ModalityModel, Space, TextEncoder, Vectors
    from m2m_adapters.models.items import BadItem, ItemTarget
    from m2m_adapters.models.text_encoder import TokenEncoder
    from m2m_adapters.planning.forecast import forecast
    from m2m_adapters.planning.recommend import recommend
    from m2m_adapters.planning.routing import route
    from m2m_adapters.registry.names import load_source, load_target
    from m2m_adapters.report.analysis_page import write_study
    from m2m_adapters.report.evaluation_page import write_report
    from m2m_adapters.search.build import build_index
    from m2m_adapters.search.imported import import_index
    from m2m_adapters.search.index import load_index

__all__ = [
    "AbilityMissing",
    "Adaptation",
    "AdaptedEncoder",
    "Adapter",
    "BadItem",
    "Benchmark",
    "Corpus",
    "Evaluation",
    "GeneratorEvaluation",
    "ItemTarget",
    "M2MError",
    "ModalityModel",
    "Parallel",
    "PluginError",
    "Prompts",
    "Recipe",
    "Register",
    "Space",
    "Stopping",
    "Store",
    "Study",
    "TextEncoder",
    "TokenEncoder",
    "UserError",
    "Vectors",
    "adapt",
    "align",
    "align_vectors",
    "analyze",
    "analyze_vectors",
    "build_index",
    "compare",
    "denoiser_agreement",
    "embed_dataset",
    "evaluate",
    "evaluate_generator",
    "export",
    "forecast",
    "generate_files",
    "hookimpl",
    "import_checkpoint",
    "import_index",
    "load_adapter",
    "load_benchmark",
    "load_index",
    "load_source",
    "load_target",
    "parallel_texts",
    "pull",
    "push",
    "read_corpus",
    "read_vectors",
    "recommend",
    "route",
    "sweep",
    "write_report",
    "write_study",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"m2m_adapters.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'm2m_adapters' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
