"""The conditioner's text towers as one ``TextEncoder``: the space sources are aligned to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.models import (
    TEXT,
    at_precision,
    load_half,
    load_model,
    load_tokenizer,
    max_text_tokens,
)
from m2m_diffusion.folders import Place
from m2m_diffusion.kinds import Kind

if TYPE_CHECKING:
    import torch

BATCH = 64
CLIP = ("CLIPTextModel", "CLIPTextModelWithProjection")
CLAP = ("ClapTextModelWithProjection", "ClapModel")


def tower(
    place: Place, part: str, device: torch.device, dtype: torch.dtype
) -> ClipTower | ClapTower:
    """The text model that a pipeline was saved with, and its tokenizer."""
    name = str(place.index[part][1])
    if name in CLIP:
        return ClipTower(place, part, device, dtype)
    if name in CLAP:
        return ClapTower(place, part, device, dtype)
    raise UserError(
        f"{place.part(part)} is a {name}", f"its text tower must be a {', '.join((*CLIP, *CLAP))}"
    )


class Tower:
    """One text model and its tokenizer; texts are padded to full length, as the pipelines do."""

    tokenizer: Any
    length: int

    def inputs(self, texts: list[str]) -> Any:
        """Token ids and mask, int64 ``[n, length]`` each."""
        return self.tokenizer(
            texts, padding="max_length", max_length=self.length, truncation=True,
            return_tensors="pt",
        )  # fmt: skip


class ClipTower(Tower):
    """One CLIP text model and its tokenizer, as the pipeline uses them."""

    def __init__(self, place: Place, part: str, device: torch.device, dtype: torch.dtype) -> None:
        import transformers

        folder = place.part(part)
        name = str(place.index[part][1])
        self.model = load_model(getattr(transformers, name), folder, dtype)
        self.model = self.model.to(device).eval().requires_grad_(False)
        self.width = int(self.model.config.hidden_size)
        self.projected = name == "CLIPTextModelWithProjection"
        self.pooled_width = int(self.model.config.projection_dim) if self.projected else self.width
        self.tokenizer = load_tokenizer(
            place.part(part.replace("text_encoder", "tokenizer")),
            int(self.model.config.vocab_size),
        )
        self.length = min(
            int(self.tokenizer.model_max_length), int(self.model.config.max_position_embeddings)
        )
        self.device = device

    def read(self, texts: list[str]) -> tuple[torch.Tensor, Any]:
        """(pooled ``[n, pooled_width]``, hidden states and all), padded to full length."""
        inputs = self.inputs(texts)
        mask = None
        if getattr(self.model.config, "use_attention_mask", False):
            mask = inputs["attention_mask"].to(self.device)
        out = self.model(
            inputs["input_ids"].to(self.device), attention_mask=mask, output_hidden_states=True
        )
        return (out.text_embeds if self.projected else out.pooler_output), out


class ClapTower(Tower):
    """CLAP's text model with its projection, of AudioLDM and MusicLDM: vectors of length 1."""

    def __init__(self, place: Place, part: str, device: torch.device, dtype: torch.dtype) -> None:
        import transformers

        folder = place.part(part)
        made_of = getattr(transformers, str(place.index[part][1]))
        if made_of is transformers.ClapModel:  # with a tower for sounds, which nothing here needs
            model = load_half(made_of, folder, TEXT, dtype)
            config = model.config.text_config
        else:
            model = load_model(made_of, folder, dtype)
            config = model.config
        self.model = model.to(device).eval().requires_grad_(False)
        self.width = int(config.hidden_size)
        self.pooled_width = int(model.config.projection_dim)
        self.tokenizer = load_tokenizer(
            place.part(part.replace("text_encoder", "tokenizer")), int(config.vocab_size)
        )
        self.length = max_text_tokens(self.tokenizer, config)
        self.device = device

    def read(self, texts: list[str]) -> tuple[torch.Tensor, Any]:
        """(pooled ``[n, pooled_width]``, None), padded to full length as the pipelines do it."""
        from torch.nn.functional import normalize

        inputs = self.inputs(texts)
        ids, mask = (inputs[name].to(self.device) for name in ("input_ids", "attention_mask"))
        if hasattr(self.model, "get_text_features"):
            features = self.model.get_text_features(ids, attention_mask=mask)
            return getattr(features, "pooler_output", features), None
        return normalize(self.model(ids, attention_mask=mask).text_embeds, dim=-1), None


class ConditionerText(TextEncoder):
    """English (or whatever the towers know) -> ``[pooled | sequence]``, as the pipeline takes it.

    pooled_dim: columns of the pooled part; shape: ``(tokens, width)`` of the sequence part,
    None where the space has none.
    """

    def __init__(
        self, place: Place, kind: Kind, *, device: torch.device, dtype: torch.dtype, precision: str
    ) -> None:
        self.place, self.kind = place, kind
        self.device = device
        self.normalized = kind.normalized
        self.towers = {part: tower(place, part, device, dtype) for part in self._present()}
        self.max_tokens = min(one.length for one in self.towers.values())
        self.pooled_dim = sum(self.towers[p].pooled_width for p in kind.pooled if p in self.towers)
        self.width = sum(one.width for one in self.towers.values())
        self.shape = (self.max_tokens, self.width) if kind.sequence else None
        self.dim = self.pooled_dim + (self.max_tokens * self.width if kind.sequence else 0)
        self._precision = precision

    def _present(self) -> list[str]:
        # SDXL's refiner, for one, was saved without its first tower.
        parts = [part for part in self.kind.towers if self.place.holds(part)]
        if not parts:
            raise UserError(
                f"{self.place.name} was saved without its text encoders",
                "save it with them: they are the space that sources are aligned to",
            )
        return parts

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        import torch

        texts = list(texts)
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        size = int(options.get("batch_size") or BATCH)
        with torch.inference_mode():
            for start in range(0, len(texts), size):
                batch = texts[start : start + size]
                rows = self.states(batch)
                out[start : start + len(batch)] = torch.cat(
                    [part.flatten(1) for part in rows if part is not None], 1
                ).float().cpu().numpy()  # fmt: skip
        return out

    def states(self, texts: list[str], sequence: bool | None = None) -> tuple[Any, Any]:
        """(pooled ``[n, pooled_dim]`` or None, sequence ``[n, tokens, width]`` or None)."""
        import torch

        read = {part: one.read(texts) for part, one in self.towers.items()}
        pooled = [read[part][0] for part in self.kind.pooled if part in read]
        wanted = self.kind.sequence if sequence is None else sequence
        layer = self.kind.layer
        if not wanted:
            return torch.cat(pooled, 1) if pooled else None, None
        states = [
            out.last_hidden_state if layer == 0 else out.hidden_states[layer]
            for _, out in read.values()
        ]
        return torch.cat(pooled, 1) if pooled else None, torch.cat(states, 2)

    def split(self, rows: Any) -> tuple[Any, Any]:
        """Vectors ``[n, dim]`` -> (pooled or None, sequence or None)."""
        width, sequence = self.pooled_dim, None
        if self.shape is not None:
            sequence = rows[:, width:].reshape(len(rows), *self.shape)
        return (rows[:, :width].contiguous() if width else None), sequence

    def negative(self, text: str) -> Vectors:
        """``[1, dim]``: what the pipeline makes of a text it is to keep away from."""
        return self.encode([text])

    def loaded(self) -> dict[str, Any]:
        """The text models and tokenizers by the names the pipeline has for them."""
        parts: dict[str, Any] = {}
        for part, one in self.towers.items():
            parts |= {part: one.model, part.replace("text_encoder", "tokenizer"): one.tokenizer}
        return parts

    @cached_property
    def fingerprint(self) -> str:
        parts = [*self.towers, *(p.replace("text_encoder", "tokenizer") for p in self.towers)]
        model = f"{self.place.pipeline_class}:{self.place.fingerprint(parts)}"
        return at_precision(f"diffusion:{model}", self._precision)

    @property
    def provenance(self) -> dict[str, Any]:
        if self.place.commit is not None:
            return {"model": self.place.name, "revision": self.place.commit}
        return {
            "model": self.place.name,
            "digest": self.fingerprint.split(":")[3].partition("@")[0],
        }
