"""How each class of pipelines reads prompts token by token, and takes the result."""

from __future__ import annotations

import inspect
from typing import Any

from m2m_adapters.models import fitted
from m2m_diffusion.folders import Place
from m2m_diffusion.neutral import TOKENS_WITHOUT_T5
from m2m_diffusion.prompts import Layout, Parts, Prompts, PromptText, text_length

WAN_TOKENS = 512


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


def read_sana(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    """As the pipeline's call does it: its instruction goes before a prompt, not a negative one."""
    call = inspect.signature(type(pipe).__call__).parameters
    instruction = None if against else call["complex_human_instruction"].default
    states, mask, _, _ = pipe.encode_prompt(
        texts, do_classifier_free_guidance=False, device=_device(pipe),
        max_sequence_length=tokens, complex_human_instruction=instruction,
    )  # fmt: skip
    return None, states, mask


def read_plain(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    """CogVideoX and Wan, whose states of tokens that are not there are zero."""
    states, _ = pipe.encode_prompt(
        texts, do_classifier_free_guidance=False, device=_device(pipe), max_sequence_length=tokens
    )
    return None, states, (states != 0).any(-1)


def read_ltx(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    states, mask, _, _ = pipe.encode_prompt(
        texts, do_classifier_free_guidance=False, device=_device(pipe), max_sequence_length=tokens
    )
    return None, states, mask


def read_qwen(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    states, mask = pipe.encode_prompt(texts, device=_device(pipe), max_sequence_length=tokens)
    return None, states, mask


def read_flux2(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    states, _ = pipe.encode_prompt(texts, device=_device(pipe), max_sequence_length=tokens)
    return None, states, None


def read_kandinsky5(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    """One at a time, as its own call reads one: it hides no token that fills up a batch."""
    import torch

    rows = [
        pipe.encode_prompt([text], device=_device(pipe), max_sequence_length=tokens)
        for text in texts
    ]
    states = torch.cat([fitted(one, tokens) for one, _, _ in rows])
    lengths = torch.stack([ends[1] for _, _, ends in rows])
    there = torch.arange(tokens, device=states.device) < lengths[:, None]
    return torch.cat([pooled for _, pooled, _ in rows]), states, there


def read_stable_audio(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    """The states before the pipeline's projection, which the call applies to what it is given."""
    inputs = pipe.tokenizer(
        texts, padding="max_length", max_length=tokens, truncation=True, return_tensors="pt"
    ).to(pipe.text_encoder.device)
    mask = inputs["attention_mask"]
    return None, pipe.text_encoder(inputs["input_ids"], attention_mask=mask)[0], mask


def give_both(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    return {"prompt_embeds": sequence, "pooled_prompt_embeds": pooled}


def give_sd3(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    """CLIP's states fill a part of the columns; without T5, zeros stand where it would be."""
    import torch

    positions, width = text.lead
    sequence = sequence.clone()
    sequence[:, :positions, width:] = 0
    if sequence.shape[1] == positions:
        full = text.place.setting("transformer", "joint_attention_dim")
        sequence = torch.nn.functional.pad(sequence, (0, full - width, 0, TOKENS_WITHOUT_T5))
    return give_both(text, pooled, sequence, mask)


def give_masked(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    # No prompt, and no negative prompt either: the default of the latter is a text.
    arguments = {"prompt": None, "prompt_embeds": sequence}
    return {**arguments, "prompt_attention_mask": mask.to(sequence.dtype)}


def give_states(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    return {"prompt_embeds": sequence}


def give_wan(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    """Filled up with zeros to the length of the pipeline's own call."""
    return {"prompt_embeds": fitted(sequence, WAN_TOKENS)}


def give_qwen(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    """As long as the longest prompt, and no mask where all are as long: the pipeline's own way."""
    longest = int(mask.sum(1).max())
    whole = bool(mask[:, :longest].all())
    return {
        "prompt_embeds": sequence[:, :longest],
        "prompt_embeds_mask": None if whole else mask[:, :longest].long(),
    }


def give_kandinsky5(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    """As long as the longest prompt, and where each ends."""
    import torch

    lengths = mask.sum(1)
    return {
        "prompt_embeds_qwen": sequence[:, : int(lengths.max())],
        "prompt_embeds_clip": pooled,
        "prompt_cu_seqlens": torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).int(),
    }


def give_stable_audio(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    """As long as the pipeline's tokenizer makes every prompt."""
    length = text_length(text.place, "text_encoder")
    return {
        "prompt_embeds": fitted(sequence, length),
        "attention_mask": fitted(mask.long(), length),
    }


def _layout_flux2(text: PromptText) -> Layout:
    """Three layers of its text model side by side, as wide as the denoiser takes them."""
    width = text.place.setting("transformer", "joint_attention_dim")
    return Layout(("prompt_embeds", text.prompts.tokens, width))


def _pooled_kandinsky5(place: Place) -> int:
    return place.setting("text_encoder_2", "hidden_size")


def _pooled_flux(place: Place) -> int:
    return place.setting("text_encoder", "hidden_size")


def _pooled_sd3(place: Place) -> int:
    return sum(place.setting(part, "projection_dim") for part in ("text_encoder", "text_encoder_2"))


def _lead_sd3(place: Place) -> tuple[int, int]:
    parts = ("text_encoder", "text_encoder_2")
    width = sum(place.setting(part, "hidden_size") for part in parts)
    return text_length(place, "text_encoder"), width


FLUX = Prompts(
    ("text_encoder", "text_encoder_2"), "text_encoder_2", read_flux, give_both, pooled=_pooled_flux
)
SD3 = Prompts(
    ("text_encoder", "text_encoder_2"), "text_encoder_3", read_sd3, give_sd3,
    uses=("text_encoder_3",), pooled=_pooled_sd3, lead=_lead_sd3,
)  # fmt: skip
T5_OR_LLM = (("text_encoder",), "text_encoder")
PIXART = Prompts(*T5_OR_LLM, read_masked, give_masked, masked=True)
SANA = Prompts(*T5_OR_LLM, read_sana, give_masked, masked=True)
LTX = Prompts(*T5_OR_LLM, read_ltx, give_masked, masked=True)
QWEN = Prompts(*T5_OR_LLM, read_qwen, give_qwen, masked=True)
WAN = Prompts(*T5_OR_LLM, read_plain, give_wan, masked=True)
STABLE_AUDIO = Prompts(*T5_OR_LLM, read_stable_audio, give_stable_audio, masked=True, alone=True)
FLUX2 = Prompts(
    *T5_OR_LLM, read_flux2, give_states, probe=_layout_flux2,
    tokens=128,  # its instruction stands before every prompt
)  # fmt: skip
KANDINSKY5 = Prompts(
    ("text_encoder", "text_encoder_2"), "text_encoder", read_kandinsky5, give_kandinsky5,
    masked=True, pooled=_pooled_kandinsky5,
)  # fmt: skip
COGVIDEOX = Prompts(*T5_OR_LLM, read_plain, give_states, tokens=226)  # its positions are fixed
