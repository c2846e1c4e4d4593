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
    has_negative: bool,
) -> tuple[dict[str, Any], bool]:
    """(keyword arguments besides conditioning and noise, whether negatives are needed).

    given: ``steps``, ``guidance`` and ``size``; all else is the pipeline's own keywords.
    """
    settings = {name: value for name, value in given.items() if name in SETTINGS}
    options = {name: value for name, value in given.items() if name not in SETTINGS}
    known = set(inspect.signature(type(pipeline).__call__).parameters) - SET_BY_US - {"self"}
    _check_options(type(pipeline).__name__, known, options)
    call = dict(options)
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
    guidance = settings.get("guidance")
    return call, kind.guide(pipeline, call, guidance, has_negative)


def _check_options(name_of_class: str, known: set[str], options: dict[str, Any]) -> None:
    for name in options:
        if name not in known or "embeds" in name or "prompt" in name:
            raise UserError(
                f"{name_of_class} has no option '{name}' that can be set here",
                "it takes " + ", ".join(
                    sorted(k for k in known if "embeds" not in k and "prompt" not in k)
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
