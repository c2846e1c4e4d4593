"""Alignment of a route: a map for each of its sources, in one linear projector."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from m2m_adapters.corpus.sentences import Corpus
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel
from m2m_adapters.registry.route import UNIT, Route

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.projectors.protocol import Projector


def align_route(
    align: Callable[..., Adapter],
    encoder: Route,
    model: ModalityModel,
    corpus: Corpus,
    names: tuple[str | None, ...],
    level: str,
    options: dict[str, Any],
) -> Adapter:
    """Each source of a route aligned on its own, joined. options: of ``align``, for each."""
    if level != "sentence" or not model.space.normalized:
        raise UserError(
            "a route works only with targets for retrieval, not with generators",
            "align with one source",
        )
    each = []
    for part in encoder.parts:
        name = part.origin.name if part.origin is not None else None
        each.append(align(part, model, corpus.sentences, names=(name, names[1]), **options))
        options = {**options, "bank": False}  # English is read by the first
    return _joined(encoder, model, corpus, names, each, options["model_options"])


def _joined(
    encoder: Route,
    model: ModalityModel,
    corpus: Corpus,
    names: tuple[str | None, ...],
    each: list[Adapter],
    options: dict[str, Any],
) -> Adapter:
    """One adapter; its record and its English bank are those of the first source."""
    from m2m_adapters.alignment.results import corpus_record
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.describe import describe_source, describe_target
    from m2m_adapters.artifact.weights import describe_projector, describe_weights, weights_bytes

    projector = _projector(encoder, each)
    first = each[0].record
    assert first.corpus is not None
    record = msgspec.structs.replace(
        first,
        source=describe_source(encoder, names[0], True, options),
        target=describe_target(model, names[1], options),
        corpus=corpus_record(corpus, first.corpus.used, first.corpus.stopped),
        projector=describe_projector(projector),
        weights=describe_weights(weights_bytes(projector)),
    )
    adapter = Adapter(projector, record, source=encoder, target=model, bank=each[0].bank)
    adapter.when_saved = [after for one in each for after in one.when_saved]
    adapter.seconds, adapter.encoding = each[-1].seconds, each[0].encoding
    return adapter


def _projector(encoder: Route, each: list[Adapter]) -> Projector:
    """The maps side by side: each reads its own block of columns and leaves out all others."""
    import torch

    from m2m_adapters.projectors.registry import build

    weight = torch.zeros(each[0].dim, encoder.dim)
    for at, one in enumerate(each):
        linear, offset = one.projector.fold()
        block = encoder.block(at)
        weight[:, block.start : block.stop - 1] = linear / UNIT
        weight[:, block.stop - 1] = offset / UNIT
    head = each[0].projector.shape.head
    projector = build("affine-stack", {"d_in": encoder.dim, "d_out": each[0].dim, "head": head})
    projector.load_state_dict(
        {"layers.0.weight": weight, "layers.0.bias": torch.zeros(each[0].dim)}
    )
    return projector
