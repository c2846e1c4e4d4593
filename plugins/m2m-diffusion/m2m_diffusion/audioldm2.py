"""How AudioLDM 2 reads a prompt: states of its T5, and eight that its language model makes of them.

What it is to keep away from is read to the length of the prompt, as its own call does it: the
language model counts the positions.
"""

from __future__ import annotations

from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import fitted
from m2m_diffusion.folders import Place
from m2m_diffusion.prompts import Parts, Prompts, PromptText

GENERATED = 8


def read(pipe: Any, texts: list[str], tokens: int, against: bool) -> Parts:
    """One at a time: what fills up a batch would move the language model's positions."""
    import torch

    if pipe.text_encoder_2.config.model_type == "vits":
        raise UserError(
            "this AudioLDM 2 is a text-to-speech model: it takes a transcription, not a prompt",
            "give one that makes sounds or music, as cvssp/audioldm2",
        )
    pipe.language_model = generating(pipe.language_model)
    rows = [(_against if against else _prompt)(pipe, text, tokens) for text in texts]
    states, masks, made = zip(*rows, strict=True)
    sequence, mask = (torch.cat([fitted(one, tokens) for one in part]) for part in (states, masks))
    return torch.cat(made).flatten(1), sequence, mask


def _prompt(pipe: Any, text: str, tokens: int) -> Any:
    return pipe.encode_prompt(
        [text], pipe.text_encoder_2.device, 1, False, max_new_tokens=GENERATED
    )


def _against(pipe: Any, text: str, tokens: int) -> Any:
    """Beside a prompt of ``tokens`` tokens, of which nothing but the length matters."""
    import torch

    like = {"device": pipe.text_encoder_2.device, "dtype": pipe.text_encoder_2.dtype}
    wide = pipe.language_model.config.hidden_size
    both = pipe.encode_prompt(
        [""], pipe.text_encoder_2.device, 1, True, negative_prompt=[text],
        prompt_embeds=torch.zeros(1, tokens, pipe.text_encoder_2.config.d_model, **like),
        attention_mask=torch.ones(1, tokens, dtype=torch.long, device=like["device"]),
        generated_prompt_embeds=torch.zeros(1, GENERATED, wide, **like),
        max_new_tokens=GENERATED,
    )  # fmt: skip
    return [part[:1] for part in both]


def generating(model: Any) -> Any:
    """A GPT2Model with what diffusers asks of it, which that of transformers 5 no longer has."""
    if hasattr(model, "_update_model_kwargs_for_generation"):
        return model
    import torch
    from transformers import GPT2LMHeadModel

    with torch.device("meta"):
        whole = GPT2LMHeadModel(model.config)
    whole.transformer, whole.lm_head = model, torch.nn.Identity()
    return whole.eval()


def arguments(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
    return {
        "prompt_embeds": sequence,
        "attention_mask": mask.long(),
        "generated_prompt_embeds": pooled.view(len(pooled), GENERATED, -1),
    }


def _pooled(place: Place) -> int:
    return GENERATED * place.setting("language_model", "n_embd", "hidden_size")


AUDIOLDM2 = Prompts(
    ("text_encoder", "text_encoder_2", "projection_model", "language_model"), "text_encoder_2",
    read, arguments, masked=True, pooled=_pooled, same_length=True,
)  # fmt: skip
