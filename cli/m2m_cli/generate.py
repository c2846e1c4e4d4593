"""``m2m generate``: prompts of any language in; pictures, sounds or videos out."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from m2m_cli.options import DEVICE, JSON
from m2m_cli.output import print_json

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.generation.files import Made


KEYS = {"image": "pictures", "audio": "sounds", "video": "videos"}


def generate(
    adapter: str = typer.Argument(..., help="An adapter's folder or name, or ORG/NAME on the hub."),
    prompts: list[str] | None = typer.Argument(
        None, help="Prompts; without any, one per line from stdin."
    ),
    file: Path | None = typer.Option(None, "--file", "-f", help="File with one prompt per line."),
    out: Path = typer.Option(Path("generated"), "--out", "-o", help="Folder to write to."),
    steps: int | None = typer.Option(None, "--steps", help="Denoising steps."),
    guidance: float | None = typer.Option(
        None, "--guidance", help="Guidance scale: how closely the prompt is followed."
    ),
    size: str | None = typer.Option(None, "--size", help="Size in pixels: 512 or 640x480."),
    seed: int = typer.Option(0, "--seed", help="Random seed; picture k of a prompt uses seed + k."),
    num_images: int = typer.Option(1, "--num-images", "-n", min=1, help="Pictures per prompt."),
    negative: str | None = typer.Option(
        None, "--negative", help="Negative prompt: what should not appear, in any language."
    ),
    batch_size: int = typer.Option(1, "--batch-size", min=1, help="Prompts per batch."),
    option: list[str] | None = typer.Option(
        None, "--option", help="NAME=VALUE, passed on to the diffusers pipeline; repeatable."
    ),
    grid: Path | None = typer.Option(
        None,
        "--grid",
        help="Write a sheet of all pictures, or of three frames of each video: .html (any script) "
        "or .png.",
    ),
    video: str = typer.Option("mp4", "--video", help="File format of videos: mp4 or webm."),
    offload: str = typer.Option(
        "none", "--offload", help="Offload weights to the CPU: none, model or sequential."
    ),
    quantize: str = typer.Option(
        "none", "--quantize", help="Keep the denoiser's weights in 8 bits: none, fp8 or int8."
    ),
    device: str = DEVICE,
    precision: str | None = typer.Option(
        None, "--precision", help="auto, fp32, bf16 or fp16; by default what the adapter records."
    ),
    verbose: bool = typer.Option(
        False, "--verbose", help="Print the peak memory and what the adapter adds to the pipeline."
    ),
    json: bool = JSON,
) -> None:
    """Generate pictures (.png), sounds (.wav) or videos (.mp4) from prompts in any language.

    A second run generates only what is missing. A .json file beside each file records the
    prompt, seed, options and the adapter's digest; pictures also contain this record.

    [dim]m2m generate mpnet-flux "ein roter Würfel" "赤い立方体" --seed 7 --grid sheet.html[/dim]
    """
    from m2m_adapters._internal.progress import Bars, Progress
    from m2m_adapters.errors import UserError
    from m2m_adapters.generation.files import Wanted, check_prompts, generate_files
    from m2m_adapters.report.contact_sheet import check_sheet, write_sheet

    if grid is not None:
        check_sheet(grid)
    wanted = Wanted(
        steps, guidance, _size(size), seed, num_images, negative, _options(option or [])
    )
    asked = _prompts(prompts, file)
    check_prompts(asked)
    model = _load(adapter, device, precision, offload=offload, quantize=quantize)
    if grid is not None and model.modality not in ("image", "video"):
        raise UserError(
            f"--grid is for pictures and videos; this adapter generates {model.modality}",
            "leave it out",
        )
    suffix = f".{video.removeprefix('.')}" if model.modality == "video" else None
    bar: Progress = Bars() if sys.stderr.isatty() and not json else Progress()
    with bar.stage("generate", len(dict.fromkeys(asked)), "prompts") as progress:
        items = generate_files(
            model, asked, out, wanted, batch_size=batch_size, suffix=suffix, progress=progress
        )
    if grid is not None:
        write_sheet(grid, [(one.prompt, one.path) for one in items])
    for line in _memory(model) if verbose else ():
        typer.echo(line, err=True)
    _report(items, KEYS.get(model.modality, "items"), out, grid, json)


def _report(items: list[Made], what: str, out: Path, grid: Path | None, json: bool) -> None:
    new = len({one.path for one in items if one.new})
    if json:
        rows = [
            {"prompt": one.prompt, "seed": one.seed, "file": str(one.path), "new": one.new}
            for one in items
        ]
        print_json({what: rows, "made": new, "grid": str(grid) if grid else None})
        return
    there = len({one.path for one in items}) - new
    typer.echo(f"{new:,} {what} generated, {there:,} existed already; {out}/", err=True)


def _load(name: str, device: str, precision: str | None, **memory: str) -> Adapter:
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.errors import UserError
    from m2m_adapters.registry.names import load_target

    options: dict[str, Any] = {"device": device}
    if precision is not None:
        options["precision"] = precision
    model = load_adapter(name, **options)
    target = model.record.target
    if not model.target.can("generate"):
        raise UserError(
            f"{target.name} cannot generate anything", "give an adapter to a diffusion pipeline"
        )
    saving = {option: value for option, value in memory.items() if value != "none"}
    if saving:
        recorded = {**target.options.to_dict(), **options}
        lean = load_target(target.title, **saving, **recorded)
        model = load_adapter(name, target=lean, **options)
    return model


def _memory(model: Adapter) -> list[str]:
    """The peak memory, and what the adapter adds to the native pipeline."""
    from m2m_adapters._internal.memory import peak_memory

    peaks = ", ".join(f"{name} {size / 2**20:,.0f} MiB" for name, size in peak_memory().items())
    weights = list(model.projector.parameters())
    count, size = (
        sum(w.numel() for w in weights),
        sum(w.numel() * w.element_size() for w in weights),
    )
    return [
        f"peak memory: {peaks or 'unknown on this system'}",
        f"the adapter's projector has {count / 1e6:,.2f}M parameters ({size / 2**20:,.1f} MiB)",
    ]


def _prompts(arguments: list[str] | None, file: Path | None) -> list[str]:
    from m2m_adapters.errors import UserError

    if arguments and file is not None:
        raise UserError("prompts are given twice, as arguments and with --file", "choose one")
    if arguments:
        return arguments
    if file is None and sys.stdin.isatty():
        raise UserError("there is no prompt", "give prompts, --file, or pipe lines in")
    try:
        text = sys.stdin.read() if file is None else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{file or 'stdin'} cannot be read as text ({error})", "give a UTF-8 text file"
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UserError("there is no prompt", "give one per line")
    return lines


def _size(text: str | None) -> tuple[int, int] | None:
    from m2m_adapters.errors import UserError

    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise UserError(f"'{text}' is not a size", "give pixels (512) or WIDTHxHEIGHT (640x480)")
    return int(sides[0]), int(sides[-1])


def _options(assignments: list[str]) -> dict[str, Any]:
    from m2m_adapters.errors import UserError

    options: dict[str, Any] = {}
    for one in assignments:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            raise UserError(f"'{one}' is not NAME=VALUE", "e.g. --option eta=0.5")
        try:
            options[name] = jsonlib.loads(value)
        except ValueError:
            options[name] = value
    return options
