"""Conditioning for a pipeline that the user built: ControlNet, image to image, inpainting, LoRA.

The prompt enters by the pipeline's public arguments, so whatever else is loaded into the pipeline
(LoRA weights, an IP-Adapter, another scheduler) works as it does with its own text encoders.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from m2m_adapters import Adapter


def conditioning(
    pipe: Any,
    adapter: Adapter,
    prompts: str | Sequence[str],
    *,
    negative: str | None = None,
    guided: bool = True,
) -> dict[str, Any]:
    """Keyword arguments of ``pipe`` that stand for prompts in any language.

    pipe: a diffusers pipeline with the denoiser that the adapter was aligned to; it needs no text
    encoders. negative: what to keep out, in any language. guided: False for a call without
    guidance, to which nothing negative is passed.
    """
    return arguments_for(pipe, adapter.conditioning(prompts, negative=negative, guided=guided))


def arguments_for(pipe: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``target.conditioning``'s result, on the device and in the precision of ``pipe``.

    What is negative is left out where the pipeline has no such argument.
    """
    known = inspect.signature(type(pipe).__call__).parameters
    kept = {
        name: value
        for name, value in arguments.items()
        if name in known or not name.startswith("negative_")
    }
    if unknown := sorted(set(kept) - set(known)):
        raise UserError(
            f"{type(pipe).__name__} does not take {', '.join(unknown)}",
            "give a pipeline of the family that the adapter was aligned to",
        )
    _check_width(pipe, kept)
    device, dtype = pipe._execution_device, _backbone(pipe).dtype
    return {
        name: value
        if value is None
        else value.to(device, dtype if value.is_floating_point() else value.dtype)
        for name, value in kept.items()
    }


def _backbone(pipe: Any) -> Any:
    for name in ("transformer", "unet", "prior"):
        if (part := getattr(pipe, name, None)) is not None:
            return part
    raise UserError(
        f"{type(pipe).__name__} has neither a transformer nor a unet", "load the pipeline with it"
    )


def _check_width(pipe: Any, arguments: Mapping[str, Any]) -> None:
    """Compare the token states with what the denoiser's configuration expects."""
    config, states = _backbone(pipe).config, arguments.get("prompt_embeds")
    widths = ("joint_attention_dim", "caption_channels", "text_dim", "cross_attention_dim")
    wanted = next((config[name] for name in widths if config.get(name)), None)
    if states is None or states.ndim != 3 or not isinstance(wanted, int):
        return
    if states.shape[-1] != wanted:
        raise UserError(
            f"{type(pipe).__name__} reads token states of width {wanted}, not {states.shape[-1]}",
            "give a pipeline of the model that the adapter was aligned to",
        )
