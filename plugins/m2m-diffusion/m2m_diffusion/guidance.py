"""How each pipeline is guided: what its call takes for the scale, and when it reads a negative.

Each function puts the guidance into ``call`` and returns whether negatives are then needed.
"""

from __future__ import annotations

import inspect
from typing import Any


def guide(pipeline: Any, call: dict[str, Any], guidance: Any, has_negative: bool) -> bool:
    """As most pipelines are: by a negative, where the scale is above 1."""
    if guidance is not None:
        call["guidance_scale"] = float(guidance)
    default = inspect.signature(type(pipeline).__call__).parameters["guidance_scale"].default
    return float(call.get("guidance_scale", default)) > 1


def guide_any(pipeline: Any, call: dict[str, Any], guidance: Any, has_negative: bool) -> bool:
    """By a negative, if the call has an argument for one; else the scale is the model's own."""
    known = inspect.signature(type(pipeline).__call__).parameters
    name = "true_cfg_scale" if "true_cfg_scale" in known else "guidance_scale"
    if guidance is not None and name in known:
        call[name] = float(guidance)
    if "negative_prompt_embeds" not in known or name not in known:
        return False
    return float(call.get(name, known[name].default) or 1) > 1


def guide_flux(pipeline: Any, call: dict[str, Any], guidance: Any, has_negative: bool) -> bool:
    """FLUX.1 dev has guidance distilled into it; the others are guided by a negative."""
    if pipeline.transformer.config.guidance_embeds:
        if guidance is not None:
            call["guidance_scale"] = float(guidance)
        if has_negative:
            call.setdefault("true_cfg_scale", 4.0)
    elif guidance is not None:
        # Nothing of this model reads guidance_scale: who sets it means the other one.
        call["guidance_scale"] = call["true_cfg_scale"] = float(guidance)
    return float(call.get("true_cfg_scale", 1.0)) > 1


def always_guided(pipeline: Any, call: dict[str, Any], guidance: Any, has_negative: bool) -> bool:
    """Kandinsky's call has no default for its negative."""
    if guidance is not None:
        call["guidance_scale"] = float(guidance)
    return True


def guide_qwen(pipeline: Any, call: dict[str, Any], guidance: Any, has_negative: bool) -> bool:
    """Qwen-Image is guided by a negative, if there is one or the guidance is set."""
    if guidance is not None:
        call["true_cfg_scale"] = float(guidance)
    elif not has_negative:
        call.setdefault("true_cfg_scale", 1.0)
    return float(call.get("true_cfg_scale", 4.0)) > 1
