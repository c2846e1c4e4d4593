"""MusicGen of transformers as a target: the states of its T5 are the space, music comes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors
from m2m_adapters.models import (
    MaskedText,
    choose_device,
    choose_dtype,
    choose_precision,
    load_model,
    load_tokenizer,
    locate,
)
from m2m_diffusion.prompts import TOKENS

OPTIONS = ("temperature", "top_k", "top_p", "do_sample")
"""What of MusicGen's own ``generate`` may be set besides steps and guidance."""
TWINS = {"max_new_tokens": "steps", "guidance_scale": "guidance"}


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    trust_remote_code: bool = False,
) -> MusicgenTarget:
    """``model``: an id of the hub or a folder, as ``facebook/musicgen-small``."""
    return MusicgenTarget(model, revision, device, precision)


class MusicgenTarget(ModalityModel):
    """Vectors ``[states | mask]`` of a prompt's T5 tokens -> ``(samples, rate)``."""

    modality = "audio"

    def __init__(self, name: str, revision: str | None, device: str, precision: str) -> None:
        self.located = locate(name, revision, scheme="musicgen")
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)

    @cached_property
    def model(self) -> Any:
        from transformers import MusicgenForConditionalGeneration

        model: Any = load_model(
            MusicgenForConditionalGeneration, self.located.folder, choose_dtype(self.precision)
        )
        return model.to(self.device).eval().requires_grad_(False)

    @cached_property
    def text(self) -> MusicgenText:
        return MusicgenText(self)

    def conditioning(self, vectors: Vectors, **_: Any) -> dict[str, Any]:
        """``encoder_hidden_states`` ``[n, tokens, width]`` and ``attention_mask``."""
        import torch

        rows = torch.from_numpy(np.asarray(vectors, dtype=np.float32)).to(self.device)
        if rows.ndim != 2 or rows.shape[1] != self.text.dim:
            raise UserError(
                f"these vectors have shape {list(rows.shape)}; MusicGen takes [n, {self.text.dim}]",
                "encode with an adapter that was aligned to this target",
            )
        states, mask = self.text.split(rows)
        return {"encoder_hidden_states": states.to(self.model.dtype), "attention_mask": mask}

    def generate(
        self,
        vectors: Vectors,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        size: object = None,
        seed: int = 0,
        num_images: int = 1,
        negative: object = None,
        batch_size: int = 1,
        progress: Callable[[int, int], None] | None = None,
        **options: Any,
    ) -> list[Any]:
        """(samples, rate), ``num_images`` for each row in turn; sound k is drawn from seed + k.

        steps: tokens of sound, 50 a second.
        """
        if size is not None or negative is not None:
            raise UserError("MusicGen takes neither a size nor a negative prompt", "leave it out")
        if unknown := sorted(set(options) - set(OPTIONS)):
            ours = TWINS.get(unknown[0])
            raise UserError(
                f"MusicGen has no option '{unknown[0]}'",
                f"use {ours} (--{ours}) instead" if ours else f"it takes {', '.join(OPTIONS)}",
            )
        if steps is not None:
            options["max_new_tokens"] = steps
        if guidance is not None:
            options["guidance_scale"] = float(guidance)
        conditioning = self.conditioning(vectors)
        sounds: list[Any] = []
        for row in range(len(vectors)):
            length = int(conditioning["attention_mask"][row].sum())
            states = conditioning["encoder_hidden_states"][row : row + 1, :length]
            sounds += [self._sound(states, seed + k, options) for k in range(num_images)]
            if progress is not None:
                progress(row + 1, len(vectors))
        return sounds

    def _sound(self, states: Any, seed: int, options: dict[str, Any]) -> tuple[Any, int]:
        import torch

        mask = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        own, self.model.text_encoder = (
            self.model.text_encoder,
            _reader(states, self.model.text_encoder.config),
        )
        try:
            with torch.random.fork_rng(), torch.inference_mode():
                torch.manual_seed(seed)
                sound = self.model.generate(inputs=mask, attention_mask=mask, **options)
        finally:
            self.model.text_encoder = own
        rate = int(self.model.config.audio_encoder.sampling_rate)
        return sound[0].float().cpu().numpy().squeeze(), rate


def _reader(states: Any, config: Any) -> Any:
    """A text encoder that has read one prompt already, whatever tokens it is shown."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    class Reader(torch.nn.Module):
        main_input_name = "input_ids"

        def forward(self, input_ids: Any = None, attention_mask: Any = None, **_: Any) -> Any:
            return BaseModelOutput(last_hidden_state=states)

    reader = Reader()
    reader.config = config
    return reader


class MusicgenText(MaskedText):
    """English -> the states of MusicGen's T5, at most 64 tokens, then a mask of them."""

    bidirectional = True

    def __init__(self, target: MusicgenTarget) -> None:
        config = target.model.config.text_encoder
        super().__init__(
            target.located, kind="musicgen", tokens=TOKENS, width=int(config.hidden_size),
            precision=target.precision,
        )  # fmt: skip
        self.target = target
        self.tokenizer = load_tokenizer(Path(target.located.folder), int(config.vocab_size))

    def read(self, texts: list[str]) -> tuple[Any, Any]:
        inputs = self.tokenizer(
            texts, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt"
        ).to(self.target.device)
        mask = inputs["attention_mask"]
        states = self.target.model.text_encoder(inputs["input_ids"], attention_mask=mask)
        return states.last_hidden_state, mask
