"""How each class of pipelines reads prompts token by token, and takes the result."""

from __future__ import annotations

from typing import Any

from m2m_diffusion.folders import Place
from m2m_diffusion.neutral import TOKENS_WITHOUT_T5
from m2m_diffusion.prompts import Parts, Prompts, PromptText, setting


def _device(pipe: Any) -> Any:
    return next(
        part.device
        for part in pipe.components.values()
        if hasattr(part, "config") and hasattr(part, "device")
    )


def read_flux(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    states, pooled, _ = pipe.encode_prompt(
        texts, texts, device=_device(pipe), max_sequence_length=tokens
    )
    return pooled, states, None


def read_sd3(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    if pipe.text_encoder_3 is None:  # zeros as wide as the denoiser, which is not loaded here
        width = pipe.text_encoder.config.hidden_size + pipe.text_encoder_2.config.hidden_size
        pipe.transformer = _Stub(joint_attention_dim=width)
    states, _, pooled, _ = pipe.encode_prompt(
        texts, texts, texts, device=_device(pipe), do_classifier_free_guidance=False,
        max_sequence_length=tokens,
    )  # fmt: skip
    return pooled, states, None


class _Stub:
    """A part of which only the configuration is asked."""

    def __init__(self, **config: Any) -> None:
        from types import SimpleNamespace

        self.config = SimpleNamespace(**config)


def read_masked(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    """PixArt; captions are not cleaned, since that needs packages that may not be there."""
    states, mask, _, _ = pipe.encode_prompt(
        texts, do_classifier_free_guidance=False, device=_device(pipe), clean_caption=False,
        max_sequence_length=tokens,
    )  # fmt: skip
    return None, states, mask


def give_both(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    return {"prompt_embeds": sequence, "pooled_prompt_embeds": pooled}


def give_sd3(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    """CLIP's states fill a part of the columns; without T5, zeros stand where it would be."""
    import torch

    positions, width = text.lead
    sequence = sequence.clone()
    sequence[:, :positions, width:] = 0
    if sequence.shape[1] == positions:
        full = setting(text.place, "transformer", "joint_attention_dim")
        sequence = torch.nn.functional.pad(sequence, (0, full - width, 0, TOKENS_WITHOUT_T5))
    return give_both(text, pooled, sequence, mask)


def give_masked(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    # No prompt, and no negative prompt either: the default of the latter is a text.
    given = {"prompt": None, "prompt_embeds": sequence}
    return {**given, "prompt_attention_mask": mask.to(sequence.dtype)}


def _pooled_flux(place: Place) -> int:
    return setting(place, "text_encoder", "hidden_size")


def _pooled_sd3(place: Place) -> int:
    return sum(
        setting(place, part, "projection_dim") for part in ("text_encoder", "text_encoder_2")
    )


def _lead_sd3(place: Place) -> tuple[int, int]:
    parts = ("text_encoder", "text_encoder_2")
    width = sum(setting(place, part, "hidden_size") for part in parts)
    return setting(place, "tokenizer", "model_max_length"), width


FLUX = Prompts(
    ("text_encoder", "text_encoder_2"), "text_encoder_2", read_flux, give_both, pooled=_pooled_flux
)
SD3 = Prompts(
    ("text_encoder", "text_encoder_2"), "text_encoder_3", read_sd3, give_sd3,
    uses=("text_encoder_3",), pooled=_pooled_sd3, lead=_lead_sd3,
)  # fmt: skip
PIXART = Prompts(("text_encoder",), "text_encoder", read_masked, give_masked, masked=True)
