"""``m2m align``: learn a projector from English sentences, or from pairs of vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from m2m_adapters._internal.spelling import counted
from m2m_cli.align_pairs import FILES, PAIRS, SOURCE_NAME, TARGET_NAME, align_pairs, require
from m2m_cli.failures import StoppedEarly
from m2m_cli.options import BACKEND, COMPILE, DEVICE, FETCH, JSON, PRECISION, TRUST, model_options
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.alignment.sweep import Tried
    from m2m_adapters.artifact.adapter import Adapter

SOURCE = typer.Option(None, "--source", "-s", help="A multilingual text encoder.")
TARGET = typer.Option(
    None, "--target", "-t", help="The frozen multimodal model whose text space to map into."
)
TEXTS = typer.Option(
    None,
    "--texts",
    help="English text: a file, folder, glob, corpus name, or - for stdin; repeatable. By default "
    "the corpus that suits the target, downloaded once.",
)
OUT = typer.Option(
    None, "--out", "-o", help="Folder to write the adapter to, by default SOURCE-TARGET."
)
RECIPE = typer.Option(
    "auto",
    "--recipe",
    help="auto, refined, closed-form, paper, paper-generation, token or tokenwise.",
)
LEVEL = typer.Option(
    "auto",
    "--level",
    help="sentence, token (for targets that read a sequence of tokens), or auto: whichever suits "
    "the target.",
)
LOSS = typer.Option(None, "--loss", help="Weighted sum of losses, e.g. '48*mse + 1*structure'.")
LAYERS = typer.Option(None, "--layers", help="Number of affine layers.")
HIDDEN = typer.Option(None, "--hidden", help="Width of the hidden layers.")
RESIDUAL = typer.Option(False, "--residual", help="Add a layer's input to its output.")
ACTIVATION = typer.Option(
    None, "--activation", help="Activation between layers: none, relu, gelu or tanh."
)
HEAD = typer.Option(
    None, "--head", help="Normalization after the last layer: l2, layernorm or none."
)
RIDGE = typer.Option(
    None, "--ridge", help="Ridge strength; by default chosen by the recipe on held-out pairs."
)
PROCRUSTES = typer.Option(False, "--procrustes", help="Fit a scaled rotation only.")
EPOCHS = typer.Option(None, "--epochs", help="Maximum number of epochs of gradient refinement.")
LR = typer.Option(None, "--lr", help="Learning rate of the refinement.")
BATCH_SIZE = typer.Option(None, "--batch-size", help="Sentence pairs per training step.")
TRAIN_PRECISION = typer.Option(
    "fp32", "--train-precision", help="Precision of the refinement: fp32 or bf16."
)
COLUMN = typer.Option(None, "--column", help="Column with the sentences, for a table.")
MAX_SENTENCES = typer.Option(
    None, "--max-sentences", help="Use a uniform random sample of this size."
)
TOLERANCE = typer.Option(
    0.015, "--tolerance", help="Smallest relative drop of the held-out loss that counts."
)
PATIENCE = typer.Option(1, "--patience", help="Stop after this many stages without improvement.")
USE_ALL = typer.Option(False, "--all", help="Encode every sentence; never stop early.")
NO_CACHE = typer.Option(False, "--no-cache", help="Do not keep vectors on disk.")
GRID = typer.Option(
    None,
    "--grid",
    help="Try each value and keep the adapter that is best on held-out English, e.g. "
    "lr=1e-4,1e-3; repeatable.",
)
TRACK = typer.Option(
    None, "--track", help="Log the losses to tensorboard (runs/), wandb or trackio."
)
SEED = typer.Option(0, "--seed", help="Seed of sampling and training.", min=0)


def align(
    files: list[Path] | None = FILES,
    source: str | None = SOURCE,
    target: str | None = TARGET,
    texts: list[str] | None = TEXTS,
    pairs: list[Path] | None = PAIRS,
    source_name: str | None = SOURCE_NAME,
    target_name: str | None = TARGET_NAME,
    out: Path | None = OUT,
    recipe: str = RECIPE,
    level: str = LEVEL,
    loss: str | None = LOSS,
    layers: int | None = LAYERS,
    hidden: int | None = HIDDEN,
    residual: bool = RESIDUAL,
    activation: str | None = ACTIVATION,
    head: str | None = HEAD,
    ridge: float | None = RIDGE,
    procrustes: bool = PROCRUSTES,
    epochs: int | None = EPOCHS,
    lr: float | None = LR,
    batch_size: int | None = BATCH_SIZE,
    train_precision: str = TRAIN_PRECISION,
    column: str | None = COLUMN,
    max_sentences: int | None = MAX_SENTENCES,
    fetch: bool = FETCH,
    tolerance: float = TOLERANCE,
    patience: int = PATIENCE,
    use_all: bool = USE_ALL,
    no_cache: bool = NO_CACHE,
    grid: list[str] | None = GRID,
    track: str | None = TRACK,
    seed: int = SEED,
    device: str = DEVICE,
    precision: str = PRECISION,
    backend: str | None = BACKEND,
    compile: bool = COMPILE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Learn the map from a source to a target from English sentences alone.

    [dim]m2m align --source mpnet --target clap[/dim]

    [dim]m2m align --source mpnet --target clap --texts captions.txt --out mpnet-clap[/dim]

    From vectors alone, row by row: [dim]m2m align --pairs new.npy old.npy --out new-to-old[/dim]
    """
    from m2m_adapters.alignment.anytime import Stopping

    changes = {
        "recipe": recipe, "level": level, "loss": loss, "layers": layers, "hidden": hidden,
        "residual": residual or None, "activation": activation, "head": head, "ridge": ridge,
        "procrustes": procrustes or None, "epochs": epochs, "lr": lr, "batch_size": batch_size,
        "precision": None if train_precision == "fp32" else train_precision,
    }  # fmt: skip
    if any((pairs, files, source_name, target_name)):
        require(out=out)
        assert out is not None
        align_pairs(
            pairs, files, out, (source_name, target_name), seed, changes, json,
            {"--source": source, "--target": target, "--texts": texts, "--grid": grid,
             "--track": track, "--column": column, "--max-sentences": max_sentences,
             "--fetch": fetch, "--all": use_all, "--no-cache": no_cache,
             "--tolerance": tolerance != TOLERANCE.default,
             "--patience": patience != PATIENCE.default, "--device": device != DEVICE.default,
             "--precision": precision != PRECISION.default, "--backend": backend,
             "--compile": compile, "--trust-remote-code": trust_remote_code},
        )  # fmt: skip
        return
    require(source=source, target=target)
    assert source and target
    out, texts = _defaults(source, target, out, texts)
    common = {
        "seed": seed, "column": column, "max_sentences": max_sentences,
        "stopping": Stopping(tolerance, patience, use_all), "store": not no_cache, "track": track,
        "model_options": model_options(device, precision, backend, compile, trust_remote_code),
    }  # fmt: skip
    source = _with_languages(source, target)
    adapter, tried = _aligned(source, target, texts, out, fetch, grid or [], changes, common)
    if adapter is None:
        return
    if json:
        run: dict[str, Any] = {"grid": [one.to_dict() for one in tried]} if tried else {}
        run |= {"seconds": adapter.seconds, "encoding": adapter.encoding}
        print_json({"adapter": str(out), **run, **adapter.record.to_dict()})
    else:
        typer.echo(grid_table(tried) + closing_table(adapter, out))
    corpus = adapter.record.corpus
    if corpus is not None and corpus.stopped == "interrupted by the user":
        raise StoppedEarly(
            f"stopped by Ctrl-C; {out} holds the adapter fitted on the first "
            f"{counted(corpus.used or 0, 'sentence')}"
        )


def _with_languages(source: str, target: str) -> str:
    """Add the languages that the forecast suggests to a route that names none."""
    from m2m_adapters.registry.route import is_route, route_parts

    if not is_route(source) or all(codes for _, codes in route_parts(source)[1:]):
        return source
    from m2m_adapters.planning.routing import route

    chosen = route(source, target)
    typer.echo(f"m2m: by forecast R@10: {chosen}", err=True)
    return chosen


def _defaults(
    source: str, target: str, out: Path | None, texts: list[str] | None
) -> tuple[Path, list[str]]:
    """Where to write to and what to read, where the user names none."""
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.artifact.place import check_place
    from m2m_adapters.corpus.suited import fetched_corpus
    from m2m_adapters.registry.names import check_name

    out = out or Path(re.sub(r"[^\w.+-]+", "-", f"{source}-{target}"))
    check_place(out)  # before the long work
    if texts:
        return out, texts
    check_name("source", source)  # before a download
    name = fetched_corpus(target, progress_for())
    typer.echo(f"m2m: English text: {name} (--texts uses yours)", err=True)
    return out, [name]


def _aligned(
    source: str,
    target: str,
    texts: Sequence[str],
    out: Path,
    fetch: bool,
    grid: Sequence[str],
    changes: dict[str, Any],
    common: dict[str, Any],
) -> tuple[Adapter | None, list[Tried]]:
    """Align and save; the adapter (None in all processes but the first) and the grid points."""
    import m2m_adapters as m2m
    from m2m_adapters._internal.processes import is_first
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.alignment.sweep import sweep
    from m2m_adapters.corpus.fetch import fetch_corpora
    from m2m_adapters.corpus.sentences import named

    if fetch:
        fetch_corpora(texts, progress=progress_for())
    tried = sweep(source, target, named(texts), grid, changes=changes, **common) if grid else []
    adapter = (
        tried[0].adapter if tried else m2m.align(source, target, named(texts), **changes, **common)
    )
    if not is_first():
        return None, []
    adapter.save(out)
    return adapter, tried


def grid_table(tried: Sequence[Tried]) -> str:
    """The points of a grid, best first; empty without one."""
    if not tried:
        return ""
    rows = [
        [number, *one.values.values(), *one.figures.values()]
        for number, one in enumerate(tried, start=1)
    ]
    return table(rows, ["rank", *tried[0].values, *tried[0].figures]) + "\n\n"


LEVELS = {
    "sentence": "sentence",
    "token": "token, since the target reads a sequence; --level sentence maps one vector instead",
}


def closing_table(adapter: Adapter, out: Path) -> str:
    """Summary of an alignment, in a dozen lines."""
    record = adapter.record
    held, corpus, recipe = record.held_out, record.corpus, record.recipe
    assert held is not None and corpus is not None and recipe is not None

    def share(value: float) -> str:
        return f"{100 * value:.1f} %"

    before = "" if held.top1_before is None else f" (before: {share(held.top1_before)})"
    deviation = held.orthogonality_deviation
    rows = [
        ("sentences", f"{corpus.used:,} of {corpus.sentences:,} ({corpus.stopped})"),
        ("level", LEVELS[recipe.level]),
        ("of them held out", f"{held.sentences:,}"),
        (
            "dropped",
            f"{corpus.empty_dropped:,} empty, {counted(corpus.duplicates_dropped, 'duplicate')}",
        ),
        ("held-out loss", f"{held.loss:.5f} ({recipe.loss})"),
        ("held-out top-1", share(held.top1) + before),
        ("deviation from orthogonal", "-" if deviation is None else f"{deviation:.4f}"),
        ("parameters", f"{held.parameters:,}"),
        *((f"{side} encoded", _speed(work)) for side, work in adapter.encoding.items()),
        *((f"time to {stage}", f"{seconds:.1f} s") for stage, seconds in adapter.seconds.items()),
    ]
    return table(rows, (adapter.name, str(out)))


def _speed(work: dict[str, float]) -> str:
    """What an encoder encoded in this run; the rest was in the store."""
    line = counted(int(work["sentences"]), "sentence")
    for unit in ("sentences", "tokens"):
        if rate := work.get(f"{unit}_per_second"):
            line += f", {rate:,.0f} {unit}/s"
    return line
