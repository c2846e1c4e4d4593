"""What a pipeline is called with besides its conditioning: steps, guidance, size, noise."""

from __future__ import annotations

import inspect
from typing import Any

from m2m_adapters.errors import UserError
from m2m_diffusion.kinds import Kind

MOST_PIXELS = 16_384  # a side: a mistake would fill all memory before anything complains
SETTINGS = ("steps", "guidance", "size")
SET_BY_US = {
    "generator", "num_images_per_prompt", "num_videos_per_prompt", "num_waveforms_per_prompt",
    "output_type", "return_dict", "prompt", "latents",
}  # fmt: skip


def call_arguments(
    pipeline: Any,
    kind: Kind,
    given: dict[str, Any],
    *,
    defaults: dict[str, Any],
    has_negative: bool,
) -> tuple[dict[str, Any], bool]:
    """(keyword arguments besides conditioning and noise, whether negatives are needed).

    given: ``steps``, ``guidance`` and ``size``; all else is the pipeline's own keywords.
    defaults: the same of the model, for what is not given.
    """
    known = set(inspect.signature(type(pipeline).__call__).parameters) - SET_BY_US - {"self"}
    twins = _twins(pipeline, kind)
    for name in given:
        if name in twins and name in known:  # ours would be written over it, or beside it
            raise UserError(
                f"'{name}' of {type(pipeline).__name__} has a setting of its own here",
                f"use {twins[name]} (--{twins[name]}) instead",
            )
    both = {**defaults, **given}
    settings = {name: value for name, value in both.items() if name in SETTINGS}
    call = {name: value for name, value in both.items() if name not in SETTINGS}
    _check_options(type(pipeline).__name__, known, call, twins)
    if "steps" in settings:
        if int(settings["steps"]) < 1:
            raise UserError(f"steps must be 1 or more, not {settings['steps']}")
        call["num_inference_steps"] = int(settings["steps"])
    if "size" in settings:
        if "width" not in known:
            raise UserError(
                f"{type(pipeline).__name__} generates nothing that has a size",
                "sounds take audio_length_in_s (--option audio_length_in_s=5)",
            )
        call["width"], call["height"] = width_height(settings["size"])
    try:
        return call, kind.guide(pipeline, call, settings.get("guidance"), has_negative)
    except (TypeError, ValueError) as error:
        raise UserError(f"the guidance is no number: {error}", "give a number") from error


def _twins(pipeline: Any, kind: Kind) -> dict[str, str]:
    """Keywords of the pipeline that one of our settings becomes, with the setting's name."""
    guided: dict[str, Any] = {}
    kind.guide(pipeline, guided, 1.0, False)
    return {
        "num_inference_steps": "steps",
        "width": "size",
        "height": "size",
        **dict.fromkeys(guided, "guidance"),
    }


def _check_options(
    name_of_class: str, known: set[str], options: dict[str, Any], twins: dict[str, str]
) -> None:
    for name in options:
        if name not in known or "embeds" in name or "prompt" in name:
            raise UserError(
                f"{name_of_class} has no option '{name}' that can be set here",
                "it takes " + ", ".join(
                    sorted(k for k in known - set(twins) if "embeds" not in k and "prompt" not in k)
                ),
            )  # fmt: skip


def generators(seed: int, num_images: int, prompts: int) -> list[Any]:
    """Noise drawn on the CPU, so that every device starts from the same."""
    import torch

    return [
        torch.Generator("cpu").manual_seed(seed + image)
        for _ in range(prompts)
        for image in range(num_images)
    ]


def width_height(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        size = (size, size)
    try:
        width, height = (int(side) for side in size)
    except (TypeError, ValueError) as error:
        raise UserError(f"'{size}' is not a size", "give pixels, or (width, height)") from error
    if width < 8 or height < 8:
        raise UserError(f"{width} x {height} is too small", "give at least 8 pixels a side")
    if max(width, height) > MOST_PIXELS:
        raise UserError(
            f"{width} x {height} is too large", f"give at most {MOST_PIXELS:,} pixels a side"
        )
    return width, height
