"""``m2m align``: learn a projector from English sentences alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_cli.output import DEVICE, JSON, PRECISION, TRUST, print_json, table

if TYPE_CHECKING:
    from m2m_adapters.adapter import Adapter


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
    column: str | None = typer.Option(None, "--column", help="Column that holds the sentences."),
    max_sentences: int | None = typer.Option(None, "--max-sentences", help="Uniform sample."),
    seed: int = typer.Option(0, "--seed"),
    device: str = DEVICE,
    precision: str = PRECISION,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Learn the map from a source to a target from English sentences alone.

    [dim]m2m align --source mpnet --target clap --texts captions.txt --out mpnet-clap[/dim]
    """
    import m2m_adapters as m2m

    adapter = m2m.align(
        source,
        target,
        texts[0] if len(texts) == 1 else [Path(t) if Path(t).exists() else t for t in texts],
        recipe=recipe,
        seed=seed,
        column=column,
        max_sentences=max_sentences,
        loss=loss,
        layers=layers,
        hidden=hidden,
        residual=residual or None,
        activation=activation,
        head=head,
        ridge=ridge,
        procrustes=procrustes or None,
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        model_options={
            "device": device,
            "precision": precision,
            "trust_remote_code": trust_remote_code,
        },
    )
    adapter.save(out)
    if json:
        print_json({"adapter": str(out), "seconds": adapter.seconds, **adapter.record})
    else:
        typer.echo(closing_table(adapter, out))


def closing_table(adapter: Adapter, out: Path) -> str:
    """What an alignment came to, in a dozen lines."""
    record = adapter.record
    held, corpus = record["held_out"], record["corpus"]

    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f} %"

    deviation = held["orthogonality_deviation"]
    rows = [
        ("sentences", f"{corpus['sentences']:,} ({held['sentences']:,} of them held out)"),
        (
            "dropped",
            f"{corpus['empty_dropped']:,} empty, {corpus['duplicates_dropped']:,} duplicates",
        ),
        ("held-out loss", f"{held['loss']:.5f} ({record['recipe']['loss']})"),
        ("held-out top-1", f"{share(held['top1'])} (before: {share(held['top1_before'])})"),
        ("off orthogonal", "-" if deviation is None else f"{deviation:.4f}"),
        ("parameters", f"{held['parameters']:,}"),
        *((f"time to {stage}", f"{seconds:.1f} s") for stage, seconds in adapter.seconds.items()),
    ]
    return table(rows, (adapter.name, str(out)))
