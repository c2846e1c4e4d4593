"""The engine: corpus -> embeddings -> fit -> Adapter; the one place that ties them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from m2m_adapters._internal.processes import team
from m2m_adapters._internal.progress import Progress, progress_for
from m2m_adapters.alignment.anytime import ALL_USED, Grown, Stopping, grow
from m2m_adapters.alignment.checkpoint import until_saved
from m2m_adapters.alignment.encode import PairEncoder
from m2m_adapters.alignment.fit import Fitted, fit
from m2m_adapters.alignment.held_out import top1
from m2m_adapters.alignment.levels import check_level, prepare
from m2m_adapters.alignment.losses import parse_loss
from m2m_adapters.alignment.pairs import Pairs, held_out_size
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.alignment.recipes import recipe as named_recipe
from m2m_adapters.alignment.tracking import check_tracker, tracking
from m2m_adapters.corpus.sentences import Corpus, TextsLike, read_corpus
from m2m_adapters.embeddings.store import Store
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder
from m2m_adapters.projectors.rows import TokenStates
from m2m_adapters.registry.names import check_name, load_source, load_target

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.bank import Bank
    from m2m_adapters.artifact.record import CorpusRecord, HeldOut, PullRecord, RecipeRecord
    from m2m_adapters.projectors.protocol import Projector


def align(
    source: str | TextEncoder,
    target: str | ModalityModel,
    texts: TextsLike,
    *,
    recipe: str = "auto",
    level: str = "sentence",
    seed: int = 0,
    column: str | None = None,
    max_sentences: int | None = None,
    stopping: Stopping | None = None,
    store: Store | bool = True,
    progress: Progress | bool | None = None,
    model_options: dict[str, Any] | None = None,
    names: tuple[str | None, ...] | None = None,
    track: str | None = None,
    bank: bool = True,
    **changes: Any,
) -> Adapter:
    """Learn the projector from ``source`` to ``target`` from English sentences alone.

    source, target: names (see ``m2m list``) or objects of your own.
    texts: sentences, a path, a folder, a glob, a corpus name, or several of these.
    recipe: ``auto``, ``refined``, ``closed-form``, ``paper`` or ``paper-generation``; further
    keyword arguments change its parameters (``loss``, ``layers``, ``ridge``, ``epochs``, ...).
    level: ``sentence``, or ``token`` for targets whose space holds a token sequence.
    stopping: when to stop encoding; by default as soon as more text no longer helps.
    store: where vectors are kept for other alignments; False keeps none.
    names: under which the adapter finds its models again, where objects are given.
    model_options: handed to the models' factories (``device``, ``precision``, ...).
    track: ``tensorboard``, ``wandb`` or ``trackio`` shows the loss of every epoch.
    bank: keep an English bank, which corrects the scores of items, where the target has items.
    """
    options = model_options or {}
    check_level(level, stopping)
    if team(str(options.get("device") or "auto")).size > 1:
        _check_shareable(texts)
    if track is not None:
        check_tracker(track)
    chosen = named_recipe(recipe, level, **changes)
    if chosen.loss is not None:
        parse_loss(chosen.loss)
    for kind, given in (("source", source), ("target", target)):
        if isinstance(given, str):
            check_name(kind, given)
    bar = progress if isinstance(progress, Progress) else progress_for(progress)
    if not 0 <= seed < 1 << 63:
        raise UserError(f"seed {seed} is not a whole number from 0 to 2^63", "e.g. 0")
    with bar.stage("read", None):
        corpus = read_corpus(texts, column=column, max_sentences=max_sentences, seed=seed)
    held_out_size(len(corpus))  # too few sentences: say so before the long work
    with bar.stage("load", None):
        encoder = load_source(source, **options) if isinstance(source, str) else source
        model = load_target(target, **options) if isinstance(target, str) else target
    _check_kinds(encoder, model)
    _check_recordable(encoder, model, options)
    if names is None:
        names = tuple(given if isinstance(given, str) else None for given in (source, target))
    kept = store if isinstance(store, Store) else Store() if store else None
    work = prepare(level, encoder, model, kept, stopping)
    towers = PairEncoder(work.source, work.target, corpus.sentences[: work.room], work.unit, seed)
    grown = grow(towers, chosen, work.stopping, work.unit, bar)
    if len(corpus) > len(towers) and grown.stopped == ALL_USED:
        grown.stopped = f"{len(towers):,} sentences are what token level has room for"
    with tracking(track, chosen.to_dict()) as tracker, until_saved() as finished:
        fitted = fit(
            grown.pairs,
            chosen,
            work.unit,
            seed=seed,
            progress=bar,
            create=work.create,
            moments=grown.moments,
            solved=grown.solved,
            device=str(options.get("device") or "auto"),
            resume=_resume(kept, encoder, model, corpus, grown),
            track=tracker,
        )
    made = _assemble(encoder, model, names, corpus, grown, fitted, chosen, work.unit, seed, options)
    if bank and work.unit and model.can("encode_items"):
        made.bank = _english_bank(made, grown.pairs)
    made.when_saved = finished
    made.seconds = dict(bar.seconds)
    made.encoding = {tower.what: tower.speed.to_dict() for tower in (work.source, work.target)}
    return made


def _resume(
    store: Store | None, encoder: TextEncoder, model: ModalityModel, corpus: Corpus, grown: Grown
) -> Any:
    """Where gradient refinement keeps checkpoints, if anything may be kept."""
    from m2m_adapters.alignment.train import Resume

    if store is None:
        return None
    towers = (encoder.fingerprint, model.text.fingerprint)
    return Resume(store.folder / "training", f"{towers} {corpus.digest} {grown.pairs.n}")


def _check_shareable(texts: TextsLike) -> None:
    """What several processes cannot do together."""
    if texts == "-":
        raise UserError("several processes cannot read one standard input", "give a file")


def _check_recordable(encoder: TextEncoder, model: ModalityModel, options: dict[str, Any]) -> None:
    """A plugin's attribute that the record cannot hold is refused before the long work."""
    from m2m_adapters.artifact.describe import describe_source, describe_target

    describe_source(encoder, None, True, options)
    describe_target(model, None, options)


def _check_kinds(encoder: Any, model: Any) -> None:
    if not isinstance(encoder, TextEncoder):
        raise UserError(
            f"the source is a {type(encoder).__name__}, not a TextEncoder",
            "subclass m2m_adapters.TextEncoder, or give a name",
        )
    if not isinstance(model, ModalityModel):
        raise UserError(
            f"the target is a {type(model).__name__}, not a ModalityModel",
            "subclass m2m_adapters.ModalityModel, or give a name",
        )


def _assemble(
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


def _english_bank(adapter: Adapter, pairs: Pairs) -> Bank:
    """What the corpus's own sentences look like in the target's space."""
    from m2m_adapters.artifact.bank import ROWS, make_bank

    rows, _ = pairs.read(0, min(pairs.n, ROWS))
    return make_bank(adapter.projector.encode(rows))


def corpus_record(corpus: Corpus, used: int, stopped: str) -> CorpusRecord:
    """What the record says of the corpus."""
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
    """JSON has no NaN and no infinity: a loss that is none is recorded as null."""
    return float(value) if math.isfinite(value) else None


def held_out_results(pairs: Pairs, fitted: Fitted) -> HeldOut:
    """Loss and top-1 text-to-text accuracy in the target's space, on pairs never fitted on."""
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
