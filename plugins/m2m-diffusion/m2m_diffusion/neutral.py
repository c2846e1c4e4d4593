"""The sequence a pipeline gets where our vector has none: always the same, without meaning.

FLUX.1: the T5 states of a neutral prompt. T5-XXL is larger than all the rest together, so the
states are computed once, filed in the cache, and T5 is not loaded again. A folder may bring its
own (``neutral.safetensors``, one tensor ``prompt_embeds`` ``[1, tokens, width]``).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import cache_folder, load_model, load_tokenizer, whole_file
from m2m_diffusion.folders import NEUTRAL_FILE, Place

if TYPE_CHECKING:
    import torch

PROMPT = "A photo of: "
"""What the published FLUX adapter gives to T5."""

TOKENS = 512
TOKENS_WITHOUT_T5 = 256


def flux_sequence(
    place: Place, width: int, *, device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """``[1, tokens, width]``: the folder's own, T5's, or zeros when there was never a T5."""
    import torch
    from safetensors.torch import load_file, save_file

    own = place.folder / NEUTRAL_FILE
    if own.is_file():
        states: torch.Tensor | None = load_file(own).get("prompt_embeds")
        if states is None or states.ndim != 3 or states.shape[0] != 1 or states.shape[2] != width:
            content = "nothing" if states is None else list(states.shape)
            raise UserError(
                f"{own} holds {content} where [1, tokens, {width}] is needed",
                f"remove it, or save a tensor prompt_embeds [1, tokens, {width}]",
            )
        return states.to(device, dtype)
    if not place.holds("text_encoder_2"):
        return torch.zeros(1, TOKENS_WITHOUT_T5, width, device=device, dtype=dtype)
    key = f"{place.fingerprint(['text_encoder_2', 'tokenizer_2'])}:{PROMPT}:{TOKENS}:{dtype}"
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    filed = cache_folder() / "neutral" / name
    if not filed.is_file():
        states = _t5_states(place, device, dtype)
        with whole_file(filed) as temporary:
            save_file({"prompt_embeds": states.cpu().contiguous()}, temporary)
    kept: torch.Tensor = load_file(filed)["prompt_embeds"]
    return kept.to(device, dtype)


def _t5_states(place: Place, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """As FluxPipeline computes them; T5 is let go afterwards."""
    import torch
    from transformers import T5EncoderModel

    model = load_model(T5EncoderModel, place.part("text_encoder_2"), dtype)
    tokenizer = load_tokenizer(place.part("tokenizer_2"), int(model.config.vocab_size))
    inputs = tokenizer(
        [PROMPT], padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        states: torch.Tensor = model.to(device).eval()(inputs["input_ids"].to(device))[0]
    return states.to(dtype)


def sd3_sequence(
    text: Any, width: int, *, device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """``[1, tokens + 256, width]``: both towers' states of "", then zeros where T5 would be."""
    import torch

    with torch.inference_mode():
        _, states = text.states([""], sequence=True)
    states = torch.nn.functional.pad(states, (0, width - states.shape[-1]))
    absent = torch.zeros(1, TOKENS_WITHOUT_T5, width, device=states.device, dtype=states.dtype)
    return torch.cat([states, absent], 1).to(device, dtype)
