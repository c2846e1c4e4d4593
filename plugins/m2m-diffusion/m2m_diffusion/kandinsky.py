"""Kandinsky 2.2: the space is that of the image embeddings which its prior makes of a prompt.

The prior starts from noise. Here it is always the same noise, so that a text has one vector; an
adapter then stands for text encoder and prior together, and neither is loaded to paint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.models import (
    at_precision,
    cache_folder,
    load_error,
    no_progress_bars,
    whole_file,
)
from m2m_diffusion.folders import Place, find

if TYPE_CHECKING:
    from m2m_diffusion.loaded import Loaded

BATCH = 16
SEED = 0
PARTS = ("prior", "scheduler", "text_encoder", "tokenizer")


def prior_of(decoder: Place) -> Place:
    """Where the prior lies: beside the decoder, under the name that has ``prior`` for it."""
    folder, slash, own = decoder.name.rstrip("/").rpartition("/")
    if "decoder" not in own:
        raise UserError(
            f"the prior of {decoder.name} cannot be found by its name",
            "name the folders alike: kandinsky-2-2-decoder and kandinsky-2-2-prior",
        )
    return find(f"{folder}{slash}{own.replace('decoder', 'prior')}")


class PriorText(TextEncoder):
    """English -> the prior's image embedding, from noise of seed 0."""

    normalized = False
    pooled_dim, shape = 0, None

    def __init__(self, target: Loaded) -> None:
        self.target = target
        self.place = prior_of(target.place)
        self.pooled_dim = self.dim = self.place.setting("prior", "embedding_dim")
        self.max_tokens = self.place.setting(
            "tokenizer", "model_max_length", file="tokenizer_config.json"
        )

    @cached_property
    def prior(self) -> Any:
        from diffusers import KandinskyV22PriorPipeline

        folder = self.place.whole(without=set())
        try:
            with no_progress_bars("diffusers"):
                pipe = KandinskyV22PriorPipeline.from_pretrained(
                    folder, dtype=self.target.dtype, local_files_only=True
                )
        except Exception as error:
            raise load_error(folder, error) from error
        pipe.set_progress_bar_config(disable=True)
        return pipe.to(self.target.device)

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        import torch

        texts, size = list(texts), int(options.get("batch_size") or BATCH)
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), size):
            batch = texts[start : start + size]
            noise = [torch.Generator("cpu").manual_seed(SEED) for _ in batch]
            with torch.inference_mode():
                vectors = self.prior(batch, generator=noise).image_embeds
            out[start : start + len(batch)] = vectors.float().cpu().numpy()
        return out

    def negative(self, text: str) -> Vectors:
        """``[1, dim]``; of no text it is the embedding of a black picture, as in the pipeline."""
        return self.encode([text]) if text else self._black

    @cached_property
    def _black(self) -> Vectors:
        from safetensors.numpy import load_file, save_file

        key = f"{self.place.fingerprint(['image_encoder'])}:{self.target.dtype}"
        name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
        filed = cache_folder() / "neutral" / name
        if not filed.is_file():
            import torch

            with torch.inference_mode():
                zero = self.prior.get_zero_embed(1, device=self.target.device)
            with whole_file(filed) as temporary:
                save_file({"image_embeds": zero.float().cpu().numpy()}, temporary)
        kept: Vectors = load_file(filed)["image_embeds"]
        return kept

    def split(self, rows: Any) -> tuple[Any, Any]:
        return rows, None

    def loaded(self) -> dict[str, Any]:
        return {}

    @cached_property
    def fingerprint(self) -> str:
        about = f"{SEED}:{self.place.fingerprint(list(PARTS))}"
        precision = {"torch.bfloat16": "bf16", "torch.float16": "fp16"}.get(str(self.target.dtype))
        return at_precision(f"kandinsky-prior:{about}", precision or "fp32")

    @property
    def provenance(self) -> dict[str, Any]:
        if self.place.commit is not None:
            return {"model": self.place.name, "revision": self.place.commit}
        return {"model": self.place.name, "digest": self.fingerprint.rpartition(":")[2]}
