"""The sentence-transformers model behind an adapter's source, ready to be put in a folder."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import TYPE_CHECKING

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import precision_of
from m2m_adapters.registry.names import load_source

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from m2m_adapters.artifact.adapter import Adapter

INSTALL = 'pip install "m2m-adapters[sentence-transformers]"'
REMEDY = "export the projector alone: --to onnx-projector or --to numpy"


def library() -> ModuleType:
    """The package sentence_transformers."""
    try:
        import sentence_transformers
    except ImportError as error:
        raise UserError("this export needs sentence-transformers", INSTALL) from error
    package: ModuleType = sentence_transformers
    return package


def in_fp32(adapter: Adapter) -> Adapter:
    """The adapter with its source in fp32, in which other programs compute, or itself."""
    source = adapter.source
    origin = source.origin
    if precision_of(source.fingerprint) == "fp32" or origin is None:
        return adapter
    exact = copy.copy(adapter)
    exact.source = load_source(origin.name, **{**origin.options, "precision": "fp32"})
    return exact


def source_model(adapter: Adapter) -> SentenceTransformer:
    """The source as a SentenceTransformer on the CPU in float32; the source's own stays as it is.

    A source offers it by a method ``sentence_transformer()``, or holds it as ``model``.
    """
    source = adapter.source
    offered = getattr(source, "sentence_transformer", None)
    model = offered() if callable(offered) else getattr(source, "model", None)
    if not isinstance(model, library().SentenceTransformer):
        raise UserError(
            f"the source is a {type(source).__name__}, not one sentence-transformers model", REMEDY
        )
    import torch

    if any(p.device.type != "cpu" or p.dtype != torch.float32 for p in model.parameters()):
        model = copy.deepcopy(model).to("cpu").float()
    return model.eval()


def source_prompt(adapter: Adapter, model: SentenceTransformer) -> str:
    """What the source puts before every text; empty for nothing."""
    source = adapter.source
    settings = getattr(source, "settings", None)
    prompt = (
        settings.get("prompt") if isinstance(settings, dict) else getattr(source, "prompt", None)
    )
    if prompt is None and model.default_prompt_name:
        prompt = model.prompts[model.default_prompt_name]
    return str(prompt or "")


def source_width(model: SentenceTransformer) -> int | None:
    """Columns kept of a Matryoshka model, None for all."""
    width = getattr(model, "truncate_dim", None)
    return int(width) if width else None


def whole_width(model: SentenceTransformer) -> int:
    """Columns before any are left out."""
    for module in reversed(list(model)):
        for name in ("get_embedding_dimension", "get_sentence_embedding_dimension"):
            if callable(width_of := getattr(module, name, None)) and width_of() is not None:
                return int(width_of())
    raise UserError("the source reports no dimension", REMEDY)


def unit_source(adapter: Adapter) -> bool:
    """Whether vectors have length 1 when they come to the projector."""
    return bool(adapter.record.source.normalize or adapter.source.normalized)
