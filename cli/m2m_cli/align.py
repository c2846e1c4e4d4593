"""``m2m align``: learn a projector from English sentences alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from m2m_cli.options import COMPILE, DEVICE, JSON, PRECISION, TRUST
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter


def align(
    source: str = typer.Option(..., "--source", "-s", help="A multilingual text encoder."),
    target: str = typer.Option(..., "--target", "-t", help="The frozen model to open up."),
    texts: list[str] = typer.Option(
        ...,
        "--texts",
        help="English text: file, folder, glob, corpus name or - for stdin; repeatable.",
    ),
    out: Path = typer.Option(..., "--out", "-o", help="Folder to write the adapter to."),
    recipe: str = typer.Option(
        "auto", "--recipe", help="auto, closed-form, paper, paper-generation."
    ),
    level: str = typer.Option(
        "sentence", "--level", help="sentence, or token for targets that take a sequence."
    ),
    loss: str | None = typer.Option(None, "--loss", help="E.g. '48*mse + 1*structure'."),
    layers: int | None = typer.Option(None, "--layers", help="Affine layers in the stack."),
    hidden: int | None = typer.Option(None, "--hidden", help="Width between layers."),
    residual: bool = typer.Option(
        False, "--residual", help="z + Wz + b in layers that keep width."
    ),
    activation: str | None = typer.Option(None, "--activation", help="none, relu, gelu, tanh."),
    head: str | None = typer.Option(None, "--head", help="l2, layernorm, none."),
    ridge: float | None = typer.Option(None, "--ridge", help="Fixed strength; chosen otherwise."),
    procrustes: bool = typer.Option(False, "--procrustes", help="Only a scaled rotation."),
    epochs: int | None = typer.Option(None, "--epochs", help="Refinement epochs at most."),
    lr: float | None = typer.Option(None, "--lr", help="Learning rate of the refinement."),
    batch_size: int | None = typer.Option(None, "--batch-size", help="Pairs in a step."),
    train_precision: str = typer.Option(
        "fp32", "--train-precision", help="fp32, or bf16 for the refinement's arithmetic."
    ),
    column: str | None = typer.Option(None, "--column", help="Column that holds the sentences."),
    max_sentences: int | None = typer.Option(None, "--max-sentences", help="Uniform sample."),
    tolerance: float = typer.Option(
        0.015, "--tolerance", help="Stop when more text lowers the held-out loss by less than this."
    ),
    patience: int = typer.Option(1, "--patience", help="... so many stages in a row."),
    use_all: bool = typer.Option(False, "--all", help="Use every sentence, helpful or not."),
    no_cache: bool = typer.Option(False, "--no-cache", help="Keep no vectors on disk."),
    grid: list[str] | None = typer.Option(
        None, "--grid", help="Compare values, e.g. recipe=auto,paper or ridge=0.01,0.1; repeatable."
    ),
    track: str | None = typer.Option(
        None, "--track", help="Show the losses in tensorboard (runs/), wandb or trackio."
    ),
    seed: int = typer.Option(0, "--seed", help="Of sampling and training.", min=0),
    device: str = DEVICE,
    precision: str = PRECISION,
    compile: bool = COMPILE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Learn the map from a source to a target from English sentences alone.

    [dim]m2m align --source mpnet --target clap --texts captions.txt --out mpnet-clap[/dim]
    """
    import m2m_adapters as m2m
    from m2m_adapters._internal.processes import is_first
    from m2m_adapters.alignment.anytime import Stopping
    from m2m_adapters.artifact.adapter import check_place

    changes: dict[str, Any] = {
        "recipe": recipe,
        "level": level,
        "loss": loss,
        "layers": layers,
        "hidden": hidden,
        "residual": residual or None,
        "activation": activation,
        "head": head,
        "ridge": ridge,
        "procrustes": procrustes or None,
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "precision": None if train_precision == "fp32" else train_precision,
    }
    common: dict[str, Any] = {
        "seed": seed,
        "column": column,
        "max_sentences": max_sentences,
        "stopping": Stopping(tolerance, patience, use_all),
        "store": not no_cache,
        "track": track,
        "model_options": {
            "device": device,
            "precision": precision,
            "compile": compile,
            "trust_remote_code": trust_remote_code,
        },
    }
    check_place(out)  # before the long work
    given = texts[0] if len(texts) == 1 else [Path(t) if Path(t).exists() else t for t in texts]
    if grid:
        from m2m_adapters.alignment.sweep import sweep

        tried = sweep(source, target, given, grid, changes=changes, **common)
        adapter = tried[0].adapter
    else:
        tried = []
        adapter = m2m.align(source, target, given, **changes, **common)
    if not is_first():
        return
    adapter.save(out)
    if json:
        told: dict[str, Any] = {"grid": [one.to_dict() for one in tried]} if tried else {}
        told |= {"seconds": adapter.seconds, "encoding": adapter.encoding}
        print_json({"adapter": str(out), **told, **adapter.record.to_dict()})
        return
    if tried:
        names = list(tried[0].values)
        rows = [
            [number + 1, *one.values.values(), *one.figures.values()]
            for number, one in enumerate(tried)
        ]
        typer.echo(table(rows, ["rank", *names, *tried[0].figures]) + "\n")
    typer.echo(closing_table(adapter, out))


def closing_table(adapter: Adapter, out: Path) -> str:
    """What an alignment came to, in a dozen lines."""
    record = adapter.record
    held, corpus, recipe = record.held_out, record.corpus, record.recipe
    assert held is not None and corpus is not None and recipe is not None

    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f} %"

    deviation = held.orthogonality_deviation
    rows = [
        ("sentences", f"{corpus.used:,} of {corpus.sentences:,} ({corpus.stopped})"),
        ("of them held out", f"{held.sentences:,}"),
        (
            "dropped",
            f"{corpus.empty_dropped:,} empty, {corpus.duplicates_dropped:,} duplicates",
        ),
        ("held-out loss", f"{held.loss:.5f} ({recipe.loss})"),
        ("held-out top-1", f"{share(held.top1)} (before: {share(held.top1_before)})"),
        ("off orthogonal", "-" if deviation is None else f"{deviation:.4f}"),
        ("parameters", f"{held.parameters:,}"),
        *((f"{side} encoded", _speed(told)) for side, told in adapter.encoding.items()),
        *((f"time to {stage}", f"{seconds:.1f} s") for stage, seconds in adapter.seconds.items()),
    ]
    return table(rows, (adapter.name, str(out)))


def _speed(told: dict[str, float]) -> str:
    """What a tower encoded now; the rest was in the store."""
    line = f"{told['sentences']:,} sentences"
    for unit in ("sentences", "tokens"):
        if rate := told.get(f"{unit}_per_second"):
            line += f", {rate:,.0f} {unit}/s"
    return line
