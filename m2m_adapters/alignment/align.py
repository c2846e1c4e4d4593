"""The engine: corpus -> embeddings -> fit -> Adapter, tied together here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from m2m_adapters._internal.processes import team
from m2m_adapters._internal.progress import Progress, progress_for
from m2m_adapters.alignment.anytime import ALL_USED, Grown, Stopping, grow
from m2m_adapters.alignment.checkpoint import until_saved
from m2m_adapters.alignment.encode import PairEncoder
from m2m_adapters.alignment.fit import fit
from m2m_adapters.alignment.levels import (
    Level,
    check_level,
    choose_level,
    early_recipe,
    prepare,
    suited_recipe,
)
from m2m_adapters.alignment.losses import parse_loss
from m2m_adapters.alignment.pairs import Pairs, held_out_size
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.alignment.recipes import recipe as named_recipe
from m2m_adapters.alignment.results import assemble
from m2m_adapters.alignment.routed import align_route
from m2m_adapters.alignment.tracking import check_tracker, tracking
from m2m_adapters.corpus.sentences import Corpus, TextsLike, read_corpus
from m2m_adapters.corpus.suited import fetched_corpus
from m2m_adapters.embeddings.store import Store
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder
from m2m_adapters.registry.names import check_name, load_source, load_target
from m2m_adapters.registry.route import Route

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.bank import Bank


def align(
    source: str | TextEncoder,
    target: str | ModalityModel,
    texts: TextsLike | Corpus | None = None,
    *,
    recipe: str = "auto",
    level: str = "auto",
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
    texts: sentences, a path, a folder, a glob, a corpus name, or several of these, or a Corpus
    that was read; by default the corpus that suits the target, downloaded if need be.
    recipe: ``auto``, ``refined``, ``closed-form``, ``paper``, ``paper-generation``, or at token
    level ``token`` or ``tokenwise``; further
    keyword arguments change its parameters (``loss``, ``layers``, ``ridge``, ``epochs``, ...).
    level: ``sentence``, ``token`` for targets whose space holds a sequence of tokens, or ``auto``,
    which takes the level that suits the target.
    stopping: when to stop encoding; by default as soon as more text no longer helps.
    store: where vectors are kept for other alignments; False keeps none.
    names: under which the adapter finds its models again, where objects are given.
    model_options: handed to the models' factories (``device``, ``precision``, ...).
    track: ``tensorboard``, ``wandb`` or ``trackio`` shows the loss of every epoch.
    bank: keep an English bank, which corrects the scores of items, where the target has items.
    """
    options = model_options or {}
    device = str(options.get("device") or "auto")
    check_level(level, stopping)
    chosen = early_recipe(recipe, level, changes)
    _check_request(source, target, texts, chosen, track, seed, device)
    bar = progress if isinstance(progress, Progress) else progress_for(progress)
    corpus = _read(texts, target, bar, column=column, max_sentences=max_sentences, seed=seed)
    with bar.stage("load", None):
        encoder, model = _loaded(source, target, options)
    if level == "auto":
        level = choose_level(recipe, changes, encoder, model)
        check_level(level, stopping)
    model = model.at_level(level)
    chosen = named_recipe(suited_recipe(recipe, level, changes, model), level, **changes)
    if names is None:
        names = tuple(
            model_or_name if isinstance(model_or_name, str) else None
            for model_or_name in (source, target)
        )
    if isinstance(encoder, Route):
        whole = {
            "recipe": recipe, "seed": seed, "stopping": stopping, "store": store, "progress": bar,
            "model_options": options, "track": track, "bank": bank,
        }  # fmt: skip
        return align_route(align, encoder, model, corpus, names, level, {**whole, **changes})
    kept = store if isinstance(store, Store) else Store() if store else None
    work = prepare(level, encoder, model, chosen, kept, stopping)
    grown = _grown(work, corpus, chosen, seed, bar)
    with tracking(track, chosen.to_dict()) as tracker, until_saved() as finished:
        fitted = fit(
            grown.pairs,
            chosen,
            work.unit,
            seed=seed,
            progress=bar,
            create=work.create,
            solve=work.solve,
            moments=grown.moments,
            solved=grown.solved,
            device=device,
            resume=_resume(kept, encoder, model, corpus, grown),
            track=tracker,
        )
    adapter = assemble(
        encoder, model, names, corpus, grown, fitted, chosen, work.unit, seed, options
    )
    if bank and work.unit and model.can("encode_items"):
        adapter.bank = _english_bank(adapter, grown.pairs)
    adapter.when_saved = finished
    adapter.seconds = dict(bar.seconds)
    adapter.encoding = {tower.what: tower.speed.to_dict() for tower in (work.source, work.target)}
    return adapter


def _read(
    texts: TextsLike | Corpus | None, target: str | ModalityModel, bar: Progress, **how: Any
) -> Corpus:
    """The sentences; too few are refused, before the long work."""
    if isinstance(texts, Corpus):
        if any(value is not None for key, value in how.items() if key != "seed"):
            raise UserError("a Corpus has been read already", "give its options to read_corpus")
        held_out_size(len(texts))
        return texts
    if texts is None:
        texts = fetched_corpus(target, bar)
    with bar.stage("read", None):
        corpus = read_corpus(texts, **how)
    held_out_size(len(corpus))
    return corpus


def _check_request(
    source: str | TextEncoder,
    target: str | ModalityModel,
    texts: TextsLike | Corpus | None,
    chosen: Recipe,
    track: str | None,
    seed: int,
    device: str,
) -> None:
    """Refuse impossible requests before the corpus is read or a model is loaded."""
    if team(device).size > 1 and texts == "-":
        raise UserError("several processes cannot read one standard input", "give a file")
    if track is not None:
        check_tracker(track)
    if chosen.loss is not None:
        parse_loss(chosen.loss)
    for kind, model_or_name in (("source", source), ("target", target)):
        if isinstance(model_or_name, str):
            check_name(kind, model_or_name)
    if not 0 <= seed < 1 << 63:
        raise UserError(f"seed {seed} is not a whole number from 0 to 2^63", "e.g. 0")


def _loaded(
    source: str | TextEncoder, target: str | ModalityModel, options: dict[str, Any]
) -> tuple[TextEncoder, ModalityModel]:
    """Both models; what the record could not hold is refused before the long work."""
    from m2m_adapters.artifact.describe import describe_source, describe_target

    encoder = load_source(source, **options) if isinstance(source, str) else source
    model = load_target(target, **options) if isinstance(target, str) else target
    _check_kinds(encoder, model)
    describe_source(encoder, None, True, options)
    describe_target(model, None, options)
    return encoder, model


def _grown(work: Level, corpus: Corpus, chosen: Recipe, seed: int, bar: Progress) -> Grown:
    """The pairs of the corpus, as many as help or as there is room for."""
    towers = PairEncoder(work.source, work.target, corpus.sentences[: work.room], work.unit, seed)
    grown = grow(towers, chosen, work.stopping, work.unit, bar)
    if len(corpus) > len(towers) and grown.stopped == ALL_USED:
        grown.stopped = f"{len(towers):,} sentences are what token level has room for"
    return grown


def _resume(
    store: Store | None, encoder: TextEncoder, model: ModalityModel, corpus: Corpus, grown: Grown
) -> Any:
    """Where gradient refinement keeps checkpoints, if anything may be kept."""
    from m2m_adapters.alignment.train import Resume

    if store is None:
        return None
    towers = (encoder.fingerprint, model.text.fingerprint)
    return Resume(store.folder / "training", f"{towers} {corpus.digest} {grown.pairs.n}")


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


def _english_bank(adapter: Adapter, pairs: Pairs) -> Bank:
    """What the corpus's own sentences look like in the target's space."""
    from m2m_adapters.artifact.bank import ROWS, make_bank

    rows, _ = pairs.read(0, min(pairs.n, ROWS))
    return make_bank(adapter.projector.encode(rows))
