"""ViLT as a target: text and picture meet inside it, so that it scores pairs of them.

Its space is that of the word embeddings of a caption, ``[tokens x width | mask]``. An adapter of
token level writes them from a prompt in any language; they enter by ``inputs_embeds``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors
from m2m_adapters.models import (
    Located,
    at_precision,
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    load_model,
    load_tokenizer,
    locate,
    rgb_image,
)

BATCH = 8
TOKENS = 40
"""What ViLT was trained on; fewer where its configuration says so."""


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    trust_remote_code: bool = False,
) -> ViltPairs:
    """``model``: an id of the hub or a folder, as ``dandelin/vilt-b32-finetuned-coco``."""
    return ViltPairs(locate(model, revision, scheme="vilt"), device, precision)


class ViltPairs(ModalityModel):
    """Scores of (caption's word embeddings, picture)."""

    modality = "image"

    def __init__(self, located: Located, device: str, precision: str) -> None:
        self.located = located
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)

    @cached_property
    def model(self) -> Any:
        from transformers import ViltForImageAndTextRetrieval

        dtype = choose_dtype(self.precision)
        model = load_model(ViltForImageAndTextRetrieval, self.located.folder, dtype)
        return model.to(self.device).eval().requires_grad_(False)

    @cached_property
    def processor(self) -> Any:
        from transformers import AutoImageProcessor

        try:
            return AutoImageProcessor.from_pretrained(self.located.folder, local_files_only=True)
        except Exception as error:
            raise load_error(self.located.folder, error) from error

    @cached_property
    def text(self) -> ViltWords:
        return ViltWords(self)

    def score(
        self, vectors: Vectors, items: Sequence[Any], *, batch_size: int = BATCH, **_: Any
    ) -> Vectors:
        """The logit of its head for each pair of a row and a picture."""
        import torch

        rows = np.asarray(vectors, dtype=np.float32)
        if rows.shape != (len(items), self.text.dim):
            raise UserError(
                f"vectors of shape {list(rows.shape)} are not [{len(items)}, {self.text.dim}]",
                "give one row for each picture, encoded with an adapter to this target",
            )
        scores = np.zeros(len(items), np.float32)
        for start in range(0, len(items), batch_size):
            end = start + batch_size
            pictures = self.processor(
                [rgb_image(item) for item in items[start:end]], return_tensors="pt"
            ).to(self.device)
            states, mask = self.text.split(torch.from_numpy(rows[start:end]).to(self.device))
            with torch.inference_mode():
                logits = self.model(
                    inputs_embeds=states.to(self.model.dtype),
                    attention_mask=mask,
                    pixel_values=pictures["pixel_values"].to(self.model.dtype),
                    pixel_mask=pictures["pixel_mask"],
                ).logits
            scores[start:end] = logits[:, 0].float().cpu().numpy()
        return scores


class ViltWords(TextEncoder):
    """English -> the word embeddings of its tokens, then a mask of them."""

    normalized = False
    masked = True
    pooled_dim = 0

    def __init__(self, target: ViltPairs) -> None:
        self.target = target
        config = target.model.config
        self.max_tokens = min(TOKENS, int(config.max_position_embeddings))
        self.shape = (self.max_tokens, int(config.hidden_size))
        self.dim = self.max_tokens * (int(config.hidden_size) + 1)
        self.tokenizer = load_tokenizer(target.located.folder, int(config.vocab_size))

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        import torch

        texts = list(texts)
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        inputs = self.tokenizer(
            texts, padding="max_length", max_length=self.max_tokens, truncation=True,
            return_tensors="pt",
        ).to(self.target.device)  # fmt: skip
        mask = inputs["attention_mask"]
        words = self.target.model.vilt.embeddings.text_embeddings.word_embeddings
        with torch.inference_mode():
            states = words(inputs["input_ids"]).float() * mask.unsqueeze(-1)
        rows: Vectors = torch.cat([states.flatten(1), mask.float()], 1).cpu().numpy()
        return rows

    def split(self, rows: Any) -> tuple[Any, Any]:
        """Vectors ``[n, dim]`` -> states ``[n, tokens, width]`` and their mask of 0 and 1."""
        import torch

        tokens = self.shape[0]
        lengths = rows[:, -tokens:].clamp(0, 1).sum(1).round().clamp_min(1)
        mask = torch.arange(tokens, device=rows.device) < lengths[:, None]
        states = rows[:, :-tokens].reshape(len(rows), *self.shape)
        return states * mask.unsqueeze(-1), mask.long()

    @cached_property
    def fingerprint(self) -> str:
        about = f"vilt:{self.max_tokens}:{self.target.located.fingerprint}"
        return at_precision(about, self.target.precision)

    @property
    def provenance(self) -> dict[str, Any]:
        return self.target.located.provenance
