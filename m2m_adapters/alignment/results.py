"""The parts of an adapter's record that describe its alignment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from m2m_adapters.alignment.anytime import Grown
from m2m_adapters.alignment.fit import Fitted
from m2m_adapters.alignment.held_out import top1
from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.corpus.sentences import Corpus
from m2m_adapters.interfaces import ModalityModel, TextEncoder
from m2m_adapters.projectors.rows import TokenStates

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.record import CorpusRecord, HeldOut, PullRecord, RecipeRecord
    from m2m_adapters.projectors.protocol import Projector


def assemble(
    encoder: TextEncoder,
    model: ModalityModel,
    names: tuple[str | None, ...],
    corpus: Corpus,
    grown: Grown,
    fitted: Fitted,
    chosen: Recipe,
    unit: bool,
    seed: int,
    options: dict[str, Any],
) -> Adapter:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.describe import describe_source, describe_target
    from m2m_adapters.artifact.record import CurvePoint, GrowthPoint
    from m2m_adapters.artifact.weights import new_record

    record = new_record(
        fitted.projector,
        source=describe_source(encoder, names[0], unit, options),
        target=describe_target(model, names[1], options),
        recipe=recipe_record(chosen, fitted, unit, seed),
        corpus=corpus_record(corpus, grown.pairs.n + len(grown.pairs.x_held), grown.stopped),
        held_out=held_out_results(grown.pairs, fitted),
        pull=pull_record(fitted),
        curve=[
            CurvePoint(epoch=int(point["epoch"]), held_out_loss=finite(point["held_out_loss"]))
            for point in fitted.curve
        ],
        growth=[
            GrowthPoint(
                sentences=int(point["sentences"]),
                held_out_loss=point["held_out_loss"],
                top1=point["top1"],
            )
            for point in grown.curve
        ],
    )
    return Adapter(fitted.projector, record, source=encoder, target=model)


def recipe_record(chosen: Recipe, fitted: Fitted, normalized: bool, seed: int) -> RecipeRecord:
    """Every parameter of the fit, as it was used."""
    from m2m_adapters.artifact.record import RecipeRecord

    return RecipeRecord(
        **{
            **chosen.to_dict(),
            "loss": chosen.loss_for(normalized),
            "head": chosen.head_for(normalized),
            "ridge": fitted.ridge,
        },
        seed=seed,
    )


def pull_record(fitted: Fitted) -> PullRecord | None:
    """How the strength of the pull towards a rotation was chosen, where there was one."""
    from m2m_adapters.artifact.record import PullRecord

    choice = fitted.choice
    if choice is None:
        return None
    return PullRecord(
        strength=choice.strength, floor=choice.floor, best=choice.best, given_up=choice.given_up
    )


def corpus_record(corpus: Corpus, used: int, stopped: str) -> CorpusRecord:
    """The record of the corpus."""
    from m2m_adapters.artifact.describe import describe_origins
    from m2m_adapters.artifact.record import CorpusRecord

    return CorpusRecord(
        origins=describe_origins(origin.to_dict() for origin in corpus.origins),
        origins_total=len(set(corpus.origins)),
        sentences=len(corpus),
        read=corpus.read,
        empty_dropped=corpus.empty,
        duplicates_dropped=corpus.duplicates,
        sampled_from=corpus.sampled_from,
        digest=corpus.digest,
        used=used,
        stopped=stopped,
    )


def finite(value: float) -> float | None:
    """JSON has no NaN and no infinity: such a loss is recorded as null."""
    return float(value) if math.isfinite(value) else None


def held_out_results(pairs: Pairs, fitted: Fitted) -> HeldOut:
    """Loss and top-1 text-to-text accuracy in the target's space, on held-out pairs."""
    from m2m_adapters.artifact.record import HeldOut

    before = None
    if pairs.d_in == pairs.d_out and not isinstance(pairs.x_held, TokenStates):
        before = top1(pairs.x_held, pairs.y_held)
    return HeldOut(
        sentences=len(pairs.x_held),
        loss=fitted.held_out_loss,
        top1=fitted.top1,
        top1_before=before,
        orthogonality_deviation=_orthogonality(fitted.projector, pairs),
        parameters=fitted.projector.parameter_count,
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        starts=fitted.starts,
    )


def _orthogonality(projector: Projector, pairs: Pairs) -> float | None:
    """How far an affine map is from a rotation; None for other maps."""
    import torch

    from m2m_adapters.projectors.affine import AffineProjector

    if not isinstance(projector, AffineProjector) or isinstance(pairs.x_held, TokenStates):
        return None
    if projector.shape.activation != "none" and projector.shape.layers > 1:
        return None
    return projector.orthogonality_deviation(torch.from_numpy(pairs.x_held))
